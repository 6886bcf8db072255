//! Every order in which the threads around a mailbox can go on, up to a number of preemptions that tests/run sets.

use std::sync::Arc;
use std::time::Duration;

use loom::future::block_on;
use loom::sync::Mutex;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::AcqRel;
use loom::sync::atomic::Ordering::Acquire;
use loom::sync::atomic::Ordering::Release;
use loom::thread;

use crate::actor::Mail;
use crate::incarnation::Leash;
use crate::mail::Address;
use crate::mail::AnySlot;
use crate::mail::Gate;
use crate::mail::Inlet;
use crate::mail::Parcel;
use crate::mail::Slot;
use crate::path::ActorPath;
use crate::vitals::Vitals;

struct Nudge;

impl Mail for Nudge {
    fn kind(&self) -> &'static str {
        "nudge"
    }
}

/// An address and the inlet it leads to, with nobody behind it but the test.
fn place() -> (Address<Nudge>, Arc<Slot<Nudge>>, Arc<Inlet<Nudge>>) {
    let path = ActorPath::from("a");
    let slot = Arc::new(Slot::new(
        path.clone(),
        Arc::new(Vitals::new()),
        Arc::default(),
    ));
    let gate = Arc::new(Gate::new(1));
    let leash = Leash::new(path, "test", 1, Duration::from_secs(1), gate, None);
    let inlet = Arc::new(Inlet::new(Arc::new(leash)));
    slot.publish(Arc::clone(&inlet));
    (Address::new(Arc::clone(&slot)), slot, inlet)
}

/// Takes one parcel as an actor does: the next nudge of its kind may queue before this one is handled.
fn take(inlet: &Inlet<Nudge>) -> bool {
    let parcel = inlet.mailbox.lock().unwrap().pop_front();
    let Some(Parcel::Mail(envelope)) = parcel else {
        return false;
    };
    if let Some(nudge) = envelope.nudge {
        inlet.end_nudge(nudge);
    }
    drop(envelope.seat);
    true
}

#[test]
fn loom_permits_bound_what_is_inside_and_none_leaks() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        let inside = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                thread::spawn(move || {
                    if gate.try_permit().is_err() {
                        return;
                    }
                    let seat = gate.enter(true).expect("nobody closes it");
                    assert_eq!(inside.fetch_add(1, AcqRel), 0, "two in a place for one");
                    inside.fetch_sub(1, AcqRel);
                    drop(seat);
                })
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(gate.queued(), 0);
        gate.try_permit().expect("the place is free again");
        assert!(gate.try_permit().is_err(), "and it is one place");
    });
}

#[test]
fn loom_a_sender_that_waits_for_room_is_woken_by_room_or_by_the_end() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        gate.try_permit().unwrap();
        let seat = gate.enter(true).unwrap();
        let waits = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                // Loom fails the model if this waits for ever.
                let permit = block_on(gate.permit());
                if permit.is_ok() {
                    drop(gate.enter(true));
                }
            })
        };
        let ends = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.close())
        };
        drop(seat);
        waits.join().unwrap();
        ends.join().unwrap();
        assert_eq!(gate.queued(), 0);
    });
}

#[test]
fn loom_an_actor_that_ends_knows_of_all_mail_that_got_in() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(2));
        let kept = Arc::new(Mutex::new(Vec::new()));
        let sender = {
            let (gate, kept) = (Arc::clone(&gate), Arc::clone(&kept));
            thread::spawn(move || {
                let seat = gate.enter(false);
                let got_in = seat.is_some();
                kept.lock().unwrap().extend(seat);
                got_in
            })
        };
        let found = gate.close();
        let got_in = sender.join().unwrap();
        assert_eq!(found > 0, got_in, "found {found}");
        assert!(gate.enter(false).is_none(), "closed is closed");
        kept.lock().unwrap().clear();
    });
}

#[test]
fn loom_a_nudge_is_handled_or_known_to_be_missed() {
    loom::model(|| {
        let (address, slot, inlet) = place();
        let nudges = thread::spawn(move || address.nudge(Nudge));
        // The actor looks once and ends.
        let handled = take(&inlet);
        slot.retire(&inlet);
        let told = nudges.join().unwrap();
        assert!(handled || slot.missed(), "told: {told}");
    });
}

#[test]
fn loom_a_nudge_that_merges_is_not_older_than_its_work() {
    loom::model(|| {
        let (address, _slot, inlet) = place();
        let work = Arc::new(AtomicBool::new(false));
        // One is on its way already; the second may merge into it.
        address.nudge(Nudge);
        let second = {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                work.store(true, Release);
                address.nudge(Nudge);
            })
        };
        let mut seen = false;
        if take(&inlet) {
            seen = work.load(Acquire);
        }
        second.join().unwrap();
        // Whatever still waits is handled in its turn.
        while take(&inlet) {
            seen = work.load(Acquire);
        }
        assert!(seen, "the work lies there and nobody comes for it");
    });
}
