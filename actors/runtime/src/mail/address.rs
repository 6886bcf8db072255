//! Where mail goes: a place in the tree, not an incarnation.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::actor::Mail;
use crate::incarnation::Current;
use crate::incarnation::now_ns;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::Parcel;
use crate::mail::gate::Seat;
use crate::mail::inlet::Begun;
use crate::mail::inlet::Inlet;
use crate::mail::inlet::Slot;
use crate::mail::reply::AskError;
use crate::mail::reply::Reply;
use crate::path::ActorPath;
use crate::trace::TraceContext;
use crate::vitals::State;
use crate::vitals::Vitals;

/// The address of a path. It outlives restarts.
pub struct Address<M> {
    slot: Arc<Slot<M>>,
}

/// Mail that was not delivered; the mail comes back.
#[derive(thiserror::Error)]
pub enum SendError<M> {
    #[error("the mailbox is full")]
    Full(M),
    #[error("the actor is down")]
    Down(M),
}

// === impl Address ===

impl<M: Mail> Address<M> {
    pub(crate) fn new(slot: Arc<Slot<M>>) -> Self {
        Self { slot }
    }

    /// Waits for room, and for a start or restart that is under way, then queues the mail. A parked or stopped actor is down at once.
    pub async fn send(&self, mail: M, within: Duration) -> Result<(), SendError<M>> {
        self.send_until(mail, Instant::now() + within)
            .await
            .map(drop)
    }

    async fn send_until(&self, mut mail: M, until: Instant) -> Result<Arc<Inlet<M>>, SendError<M>> {
        let mut changes = self.slot.changes();
        loop {
            changes.mark_unchanged();
            let mut full = false;
            if let Some(inlet) = self.slot.inlet() {
                let permit = timeout_at(until, inlet.leash.gate.permit()).await;
                full = permit.is_err();
                if let Ok(Ok(())) = permit {
                    match self.deliver(&inlet, mail, true, None) {
                        Ok(()) => return Ok(inlet),
                        Err(back) => mail = back,
                    }
                }
            }
            if full {
                self.slot.refuse();
                return Err(SendError::Full(mail));
            }
            if matches!(self.slot.vitals.state(), State::Parked | State::Stopped)
                || Current::is_fenced()
                || timeout_at(until, changes.changed()).await.is_err()
            {
                return Err(SendError::Down(mail));
            }
        }
    }

    /// Queues the mail if there is room now.
    pub fn try_send(&self, mail: M) -> Result<(), SendError<M>> {
        let Some(inlet) = self.slot.inlet() else {
            return Err(SendError::Down(mail));
        };
        match inlet.leash.gate.try_permit() {
            Ok(()) => {}
            Err(tokio::sync::TryAcquireError::NoPermits) => {
                self.slot.refuse();
                return Err(SendError::Full(mail));
            }
            Err(tokio::sync::TryAcquireError::Closed) => return Err(SendError::Down(mail)),
        }
        self.deliver(&inlet, mail, true, None)
            .map_err(SendError::Down)
    }

    /// Says that there is work. At most one nudge of a kind and key is queued; it needs no room. False = nobody is there to hear it, and
    /// whoever starts there next must find its work by itself. To wake an actor that may have ended: nudge first, then
    /// [`ensure`](crate::SupervisorHandle::ensure); in this order no wake-up is lost.
    pub fn nudge(&self, mail: M) -> bool {
        let Some(inlet) = self.slot.inlet() else {
            self.slot.miss();
            return false;
        };
        let nudge = (mail.kind(), mail.nudge_key());
        if inlet.leash.gate.is_closed() {
            self.slot.miss();
            return false;
        }
        match inlet.begin_nudge(nudge) {
            Begun::Queued => {}
            Begun::Merged => return true,
            Begun::TooMany => {
                self.slot.refuse();
                self.slot.miss();
                inlet.give_up();
                return false;
            }
        }
        let delivered = self.deliver(&inlet, mail, false, Some(nudge)).is_ok();
        if !delivered {
            inlet.end_nudge(nudge);
            self.slot.miss();
        }
        delivered
    }

    /// Sends a question and waits for its answer.
    pub async fn ask<R: Send + 'static>(
        &self,
        within: Duration,
        question: impl FnOnce(Reply<R>) -> M,
    ) -> Result<R, AskError> {
        let until = Instant::now() + within;
        let (reply, mut answer) = Reply::new(until);
        let inlet = self
            .send_until(question(reply), until)
            .await
            .map_err(|error| match error {
                SendError::Full(_) => AskError::Full,
                SendError::Down(_) => AskError::Down,
            })?;
        let mut abandoned = inlet.leash.gate.on_abandon();
        let given_up = async move {
            if abandoned.wait_for(|abandoned| *abandoned).await.is_err() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            answer = &mut answer => answer.map_err(|_| AskError::Dropped),
            () = given_up => Err(AskError::Dropped),
            () = tokio::time::sleep_until(until) => Err(AskError::Timeout),
        }
    }

    pub fn path(&self) -> &ActorPath {
        &self.slot.path
    }

    /// Whether an incarnation has started and takes mail.
    pub fn is_up(&self) -> bool {
        self.slot.vitals.state() == State::Running
            && self
                .slot
                .inlet()
                .is_some_and(|inlet| !inlet.leash.gate.is_closed())
    }

    pub fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.slot.vitals)
    }

    /// Queues mail whose permit, if it needs one, was taken.
    fn deliver(
        &self,
        inlet: &Arc<Inlet<M>>,
        mail: M,
        permit: bool,
        nudge: Option<(&'static str, u64)>,
    ) -> Result<(), M> {
        let seat: Option<Seat> = inlet.leash.gate.enter(permit);
        let Some(seat) = seat.filter(|_| !Current::is_fenced()) else {
            return Err(mail);
        };
        let envelope = Envelope {
            mail,
            seat,
            trace: TraceContext::current(),
            sent_ns: now_ns(),
            nudge,
        };
        match inlet.post(Parcel::Mail(envelope)) {
            Ok(()) => Ok(()),
            Err(Some(Parcel::Mail(envelope))) => Err(envelope.mail),
            Err(_) => {
                // The mailbox closed between the check and the queue and kept the mail: as if it had died with it.
                self.slot.miss();
                Ok(())
            }
        }
    }
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.slot.path).finish()
    }
}

// === impl SendError ===

impl<M> SendError<M> {
    /// The mail.
    pub fn into_mail(self) -> M {
        match self {
            SendError::Full(mail) | SendError::Down(mail) => mail,
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full(_) => "Full",
            SendError::Down(_) => "Down",
        })
    }
}
