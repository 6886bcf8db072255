//! The way back of a question.

use std::fmt;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where an answer goes. Dropping it tells the asker that there will be none.
pub struct Reply<R> {
    to: oneshot::Sender<R>,
    until: Instant,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the mailbox is full")]
    Full,
    #[error("the actor is down")]
    Down,
    #[error("no answer in time")]
    Timeout,
    #[error("the actor ended or let the question go unanswered")]
    Dropped,
}

impl<R> Reply<R> {
    pub(crate) fn new(until: Instant) -> (Self, oneshot::Receiver<R>) {
        let (to, from) = oneshot::channel();
        (Self { to, until }, from)
    }

    pub fn send(self, answer: R) {
        // An asker that left does not miss it.
        drop(self.to.send(answer));
    }

    /// Whether nobody waits for the answer any more.
    pub fn expired(&self) -> bool {
        self.to.is_closed() || Instant::now() >= self.until
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("expired", &self.to.is_closed())
            .finish()
    }
}
