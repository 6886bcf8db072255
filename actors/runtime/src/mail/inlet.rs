//! Where an address leads: a slot for the path, and in it the inlet of the incarnation of the moment.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;

use arc_swap::ArcSwapOption;
use ractor::ActorRef;
use ractor::MessagingErr;
use tokio::sync::watch;

use crate::actor::Mail;
use crate::directory::Totals;
use crate::exit::KillReason;
use crate::incarnation::ChildNote;
use crate::incarnation::Handle;
use crate::incarnation::Leash;
use crate::incarnation::Parent;
use crate::mail::envelope::Letter;
use crate::mail::envelope::Parcel;
use crate::mail::sync::AtomicBool;
use crate::mail::sync::Mutex;
use crate::mail::sync::Turn;
use crate::path::ActorPath;
use crate::vitals::Vitals;

/// How many different nudges may wait. They need no room in the mailbox; this is where a flood of subjects ends.
pub(crate) const NUDGES: usize = 16_384;

/// What became of a nudge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Queued,
    /// One like it waits.
    Merged,
    TooMany,
}

/// One per path and mail type. Lives as long as an address or an incarnation does.
pub(crate) struct Slot<M> {
    pub(crate) path: ActorPath,
    pub(crate) vitals: Arc<Vitals>,
    totals: Arc<Totals>,
    inlet: ArcSwapOption<Inlet<M>>,
    turn: Turn,
    /// A nudge found nobody: an actor that just ended on its own must look at its work again.
    missed: AtomicBool,
    changed: watch::Sender<()>,
}

/// The way into one incarnation.
pub(crate) struct Inlet<M> {
    pub(crate) leash: Arc<Leash>,
    to: OnceLock<ActorRef<Letter>>,
    mail: PhantomData<fn(M)>,
    nudges: Mutex<HashSet<(&'static str, u64)>>,
    /// Stands in for ractor's mailbox.
    #[cfg(openclaw_loom)]
    pub(crate) mailbox: Mutex<std::collections::VecDeque<Parcel<M>>>,
}

// === impl Slot ===

impl<M: Mail> Slot<M> {
    pub(crate) fn new(path: ActorPath, vitals: Arc<Vitals>, totals: Arc<Totals>) -> Self {
        Self {
            path,
            vitals,
            totals,
            inlet: ArcSwapOption::empty(),
            turn: Turn::default(),
            missed: AtomicBool::new(false),
            changed: watch::Sender::new(()),
        }
    }

    /// Leads to a new incarnation. From here its mailbox takes mail, and only after this does it read its work.
    pub(crate) fn publish(&self, inlet: Arc<Inlet<M>>) {
        self.missed.store(false, SeqCst);
        self.turn.take();
        self.inlet.store(Some(inlet));
        self.changed.send_replace(());
    }

    /// The way into the incarnation of the moment.
    pub(crate) fn inlet(&self) -> Option<Arc<Inlet<M>>> {
        self.turn.take();
        self.inlet.load_full()
    }

    /// The incarnation takes no more mail. Mail that was in it is gone, which its successor must know.
    pub(crate) fn retire(&self, inlet: &Arc<Inlet<M>>) {
        if inlet.leash.gate.close() > 0 {
            self.missed.store(true, SeqCst);
        }
        self.turn.take();
        let current = self.inlet.load();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, inlet))
        {
            self.inlet.compare_and_swap(&*current, None);
        }
        self.changed.send_replace(());
    }

    pub(crate) fn miss(&self) {
        self.missed.store(true, SeqCst);
    }

    /// Mail found no room and went back to its sender.
    #[cold]
    pub(crate) fn refuse(&self) {
        self.vitals.refused_one();
        self.totals.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// A slot whose mail type does not matter.
pub(crate) trait AnySlot: Send + Sync {
    /// Wakes senders that wait for a change.
    fn stir(&self);
    fn missed(&self) -> bool;
}

impl<M: Mail> AnySlot for Slot<M> {
    fn stir(&self) {
        self.changed.send_replace(());
    }

    fn missed(&self) -> bool {
        self.missed.load(SeqCst)
    }
}

// === impl Inlet ===

impl<M: Mail> Inlet<M> {
    pub(crate) fn new(leash: Arc<Leash>) -> Self {
        Self {
            leash,
            to: OnceLock::new(),
            mail: PhantomData,
            nudges: Mutex::new(HashSet::new()),
            #[cfg(openclaw_loom)]
            mailbox: Mutex::new(std::collections::VecDeque::new()),
        }
    }

    pub(crate) fn attach(&self, to: ActorRef<Letter>) {
        if let Err(extra) = self.to.set(to) {
            drop(extra);
        }
    }

    /// Queues a parcel. It comes back when the incarnation is over.
    pub(crate) fn post(&self, parcel: Parcel<M>) -> Result<(), Option<Parcel<M>>> {
        #[cfg(openclaw_loom)]
        if self.to.get().is_none() {
            self.mailbox
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(parcel);
            return Ok(());
        }
        let Some(to) = self.to.get() else {
            return Err(Some(parcel));
        };
        self.leash.pulse.pending.fetch_add(1, Relaxed);
        to.send_message(Letter::new(parcel)).map_err(|error| {
            self.leash.pulse.pending.fetch_sub(1, Relaxed);
            match error {
                MessagingErr::SendErr(letter) => letter.open(),
                MessagingErr::ChannelClosed | MessagingErr::InvalidActorType => None,
            }
        })
    }

    /// Queues a parcel nobody misses when the incarnation is over.
    pub(crate) fn post_or_drop(&self, parcel: Parcel<M>) -> bool {
        self.post(parcel).is_ok()
    }

    /// Marks a nudge as queued.
    pub(crate) fn begin_nudge(&self, nudge: (&'static str, u64)) -> Begun {
        let mut nudges = self.nudges.lock().unwrap_or_else(PoisonError::into_inner);
        if nudges.contains(&nudge) {
            Begun::Merged
        } else if nudges.len() >= NUDGES {
            Begun::TooMany
        } else {
            nudges.insert(nudge);
            Begun::Queued
        }
    }

    /// So many subjects wait that it can't be working: its successor reads all there is to do anyway.
    #[cold]
    pub(crate) fn give_up(&self) {
        if let Some(parent) = &self.leash.parent {
            parent.tell(ChildNote::Kill {
                generation: self.leash.generation,
                why: KillReason::Hung,
            });
        }
    }

    /// The nudge left the queue: the next of its kind queues again.
    pub(crate) fn end_nudge(&self, nudge: (&'static str, u64)) {
        self.nudges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&nudge);
    }
}

impl<M: Mail> Parent for Inlet<M> {
    fn tell(&self, note: ChildNote) {
        self.post_or_drop(Parcel::Child(note));
    }
}

/// The control side of an inlet.
pub(crate) struct Reins<M> {
    to: ActorRef<Letter>,
    mail: PhantomData<fn(M)>,
}

impl<M> Reins<M> {
    pub(crate) fn new(to: ActorRef<Letter>) -> Self {
        let mail = PhantomData;
        Self { to, mail }
    }
}

impl<M: Mail> Handle for Reins<M> {
    fn kill(&self) {
        self.to.kill();
    }

    fn stop(&self) -> bool {
        let stop = Letter::new(Parcel::<M>::Stop);
        self.to.send_message(stop).is_ok()
    }
}
