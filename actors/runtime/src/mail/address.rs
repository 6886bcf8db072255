//! Where mail goes: a place in the tree, not an incarnation.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Mail;
use crate::mail::reply::AskError;
use crate::mail::reply::Reply;
use crate::path::ActorPath;
use crate::vitals::Vitals;

/// The address of a path. It outlives restarts.
pub struct Address<M> {
    _mail: PhantomData<fn(M)>,
}

/// Mail that was not delivered; the mail comes back.
#[derive(thiserror::Error)]
pub enum SendError<M> {
    #[error("the mailbox is full")]
    Full(M),
    #[error("the actor is down")]
    Down(M),
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full(_) => "Full",
            SendError::Down(_) => "Down",
        })
    }
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        todo!()
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
}

impl<M: Mail> Address<M> {
    /// Waits for room, and for a restart that is under way, then queues the mail.
    pub async fn send(&self, mail: M, within: Duration) -> Result<(), SendError<M>> {
        let _ = (mail, within);
        todo!()
    }

    /// Queues the mail if there is room now.
    pub fn try_send(&self, mail: M) -> Result<(), SendError<M>> {
        let _ = mail;
        todo!()
    }

    /// Says that there is work. At most one nudge of a kind and key is queued; it needs no room. False = nobody is there to hear it:
    /// an actor that starts later must find its work by itself.
    pub fn nudge(&self, mail: M) -> bool {
        let _ = mail;
        todo!()
    }

    /// Sends a question and waits for its answer.
    pub async fn ask<R: Send + 'static>(
        &self,
        within: Duration,
        question: impl FnOnce(Reply<R>) -> M,
    ) -> Result<R, AskError> {
        let _ = (within, question);
        todo!()
    }

    pub fn path(&self) -> &ActorPath {
        todo!()
    }

    pub fn is_up(&self) -> bool {
        todo!()
    }

    pub fn vitals(&self) -> Arc<Vitals> {
        todo!()
    }
}
