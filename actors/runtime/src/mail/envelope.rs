//! What lies in a mailbox.

use std::any::Any;

use crate::actor::Mail;
use crate::incarnation::ChildNote;
use crate::mail::gate::Seat;
use crate::trace::TraceContext;

/// Mail on its way.
pub(crate) struct Envelope<M> {
    pub(crate) mail: M,
    pub(crate) seat: Seat,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) sent_ns: u64,
    /// The nudge it is, so that the next of its kind may queue again.
    pub(crate) nudge: Option<(&'static str, u64)>,
}

/// Everything an actor's loop can receive. Only `Mail` comes from others and takes a place; the rest is bounded by what the actor
/// itself started.
pub(crate) enum Parcel<M> {
    /// Make the state now.
    Begin,
    Mail(Envelope<M>),
    TaskDone {
        generation: u64,
        mail: M,
        trace: Option<TraceContext>,
    },
    Timer {
        timer: u64,
        mail: M,
    },
    Child(ChildNote),
    /// A child's time is over, in the sense it was armed for.
    Clock {
        generation: u64,
        alarm: Alarm,
    },
    /// Ordered to stop.
    Stop,
    /// What [`crate::Actor::stopping`] returned is finished.
    StopDone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    Deadline,
    StopTime,
    /// A killed child that still is not gone is given up.
    Grace,
}

/// A parcel as ractor carries it: closed. Only an actor's own inlet writes to it, so that it knows what is inside.
pub(crate) struct Letter(Box<dyn Any + Send>);

impl Letter {
    pub(crate) fn new<M: Mail>(parcel: Parcel<M>) -> Self {
        Self(Box::new(parcel))
    }

    /// The parcel; none if it is for another kind of mail.
    pub(crate) fn open<M: Mail>(self) -> Option<Parcel<M>> {
        self.0.downcast().ok().map(|parcel| *parcel)
    }
}
