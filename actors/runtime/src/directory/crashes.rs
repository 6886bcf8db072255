//! The latest crash records of a tree.

use std::sync::Arc;

use crate::crash;
use crate::crash::CrashId;
use crate::crash::CrashRecord;
use crate::directory::Directory;
use crate::directory::lock;

impl Directory {
    pub fn crashes(&self) -> Vec<CrashRecord> {
        lock(&self.inner.crashes).iter().cloned().collect()
    }

    pub fn crash(&self, id: &CrashId) -> Option<CrashRecord> {
        let crashes = lock(&self.inner.crashes);
        // Whoever asks mostly asks for one of the last.
        crashes
            .iter()
            .rev()
            .find(|record| record.id == *id)
            .cloned()
    }

    /// Hands every further crash record to a sink. It runs where the panic was caught and must not block.
    pub fn on_crash(&self, sink: Arc<dyn Fn(CrashRecord) + Send + Sync>) {
        self.inner
            .crash_sinks
            .add(Arc::new(move |record: &CrashRecord| sink(record.clone())));
    }

    pub(crate) fn record_crash(&self, record: CrashRecord) {
        tracing::error!(
            crash = %record.id,
            path = %record.path,
            mail = record.mail,
            in_a_row = record.in_a_row,
            location = %record.location,
            message = %record.message,
            "panicked"
        );
        let mut crashes = lock(&self.inner.crashes);
        if crashes.len() >= crash::KEPT {
            crashes.pop_front();
        }
        crashes.push_back(record.clone());
        drop(crashes);
        self.inner.crash_sinks.tell(&record);
    }
}
