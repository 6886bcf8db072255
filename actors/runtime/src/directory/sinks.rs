//! Whom to hand news that must reach them: no queue that could be missed.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

type Sink<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// The receivers of one sort of news. They run where it happened and must not block.
pub(crate) struct Sinks<T>(Mutex<Vec<Sink<T>>>);

impl<T> Sinks<T> {
    pub(crate) fn add(&self, sink: Sink<T>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sink);
    }

    pub(crate) fn tell(&self, news: &T) {
        // Not under the lock: a sink may do what adds another.
        let sinks = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for sink in sinks {
            sink(news);
        }
    }
}

impl<T> Default for Sinks<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> fmt::Debug for Sinks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sinks")
    }
}
