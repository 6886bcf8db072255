//! The way back of a question.

use std::fmt;
use std::marker::PhantomData;

/// Where an answer goes. Dropping it tells the asker that there will be none.
pub struct Reply<R> {
    _answer: PhantomData<fn(R)>,
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
    pub fn send(self, answer: R) {
        let _ = answer;
        todo!()
    }

    /// Whether nobody waits for the answer any more.
    pub fn expired(&self) -> bool {
        todo!()
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
