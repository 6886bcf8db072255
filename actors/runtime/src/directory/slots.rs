//! The slots by path. A slot lives as long as an address or incarnation holds it; what nobody holds is swept when the map has doubled.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Weak;

use crate::actor::Mail;
use crate::directory::Directory;
use crate::directory::lock;
use crate::mail::AnySlot;
use crate::mail::Slot;
use crate::path::ActorPath;
use crate::vitals::Vitals;

#[derive(Default)]
pub(super) struct Slots {
    by_path: HashMap<ActorPath, AnyWeak>,
    sweep_at: usize,
}

struct AnyWeak {
    typed: Weak<dyn Any + Send + Sync>,
    any: Weak<dyn AnySlot>,
}

impl Directory {
    /// The slot of a path. A path that is already known for other mail yields a slot that leads nowhere.
    pub(crate) fn slot<M: Mail>(&self, path: &ActorPath) -> Arc<Slot<M>> {
        let mut slots = lock(&self.inner.slots);
        if let Some(known) = slots
            .by_path
            .get(path)
            .and_then(|weak| weak.typed.upgrade())
        {
            return known.downcast::<Slot<M>>().unwrap_or_else(|_other_mail| {
                tracing::error!(%path, "address asked for mail the actor does not take");
                self.new_slot(path)
            });
        }
        if slots.by_path.len() >= slots.sweep_at {
            slots
                .by_path
                .retain(|_, weak| weak.typed.strong_count() > 0);
            slots.sweep_at = (slots.by_path.len() * 2).max(64);
        }
        let slot = self.new_slot::<M>(path);
        let typed: Weak<dyn Any + Send + Sync> =
            Arc::downgrade(&(Arc::clone(&slot) as Arc<dyn Any + Send + Sync>));
        let any: Weak<dyn AnySlot> = Arc::downgrade(&(Arc::clone(&slot) as Arc<dyn AnySlot>));
        slots.by_path.insert(path.clone(), AnyWeak { typed, any });
        slot
    }

    fn new_slot<M: Mail>(&self, path: &ActorPath) -> Arc<Slot<M>> {
        let (vitals, totals) = (Arc::new(Vitals::new()), Arc::clone(&self.inner.totals));
        Arc::new(Slot::new(path.clone(), vitals, totals))
    }

    pub(super) fn any_slot(&self, path: &ActorPath) -> Option<Arc<dyn AnySlot>> {
        lock(&self.inner.slots)
            .by_path
            .get(path)
            .and_then(|weak| weak.any.upgrade())
    }

    /// Wakes those who wait to send to a path.
    pub(super) fn stir(&self, path: &ActorPath) {
        if let Some(slot) = self.any_slot(path) {
            slot.stir();
        }
    }

    /// Whether a nudge to this path found nobody since its last incarnation began, or died with it.
    pub(crate) fn missed(&self, path: &ActorPath) -> bool {
        self.any_slot(path).is_some_and(|slot| slot.missed())
    }
}
