//! Incarnations come and go: what the directory notes of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::directory::Change;
use crate::directory::Directory;
use crate::directory::lock;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::incarnation::LaunchPad;
use crate::incarnation::Leash;
use crate::incarnation::now_ms;
use crate::mail::AnySlot;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::vitals::State;
use crate::vitals::Vitals;

impl Directory {
    pub(crate) fn next_generation(&self) -> u64 {
        self.inner.generations.fetch_add(1, Relaxed)
    }

    /// Every incarnation that has not ended, also those that were given up.
    pub(crate) fn live(&self) -> Vec<Arc<Leash>> {
        lock(&self.inner.live).values().cloned().collect()
    }

    /// An incarnation takes its place. `slot` is kept with it, so that the counters outlive it even when nobody holds an address.
    pub(crate) fn began(
        &self,
        leash: &Arc<Leash>,
        vitals: &Arc<Vitals>,
        slot: Option<Arc<dyn AnySlot>>,
        pad: &LaunchPad,
    ) {
        vitals.begin(leash, now_ms());
        self.write().add(leash, vitals, slot, pad);
        lock(&self.inner.live).insert(leash.generation, Arc::clone(leash));
        self.inner.totals.started.fetch_add(1, Relaxed);
        self.changed();
    }

    pub(crate) fn started(&self, leash: &Leash, vitals: &Vitals) {
        if vitals.generation() == leash.generation && vitals.state() == State::Starting {
            vitals.set_state(State::Running, None);
            self.publish(&leash.path, leash.generation, Change::Started);
        }
    }

    /// An incarnation is over. One that was given up was reported then.
    pub(crate) fn ended(&self, leash: &Leash, vitals: &Vitals) {
        lock(&self.inner.live).remove(&leash.generation);
        vitals.end(leash.generation);
        if leash.fenced.load(Relaxed) {
            tracing::warn!(path = %leash.path, generation = leash.generation, "abandoned actor ended");
            return;
        }
        self.report_exit(leash, vitals, leash.exit());
        self.write().remove_owned(leash.generation);
    }

    /// A task is over. Only a bad end is news: tasks come and go by the thousand.
    pub(crate) fn task_ended(&self, leash: &Leash, vitals: &Vitals) {
        lock(&self.inner.live).remove(&leash.generation);
        vitals.end(leash.generation);
        let exit = leash.exit();
        if !leash.fenced.load(Relaxed) && !exit.is_clean() {
            self.report_exit(leash, vitals, exit);
        }
    }

    fn report_exit(&self, leash: &Leash, vitals: &Vitals, exit: Exit) {
        self.inner.totals.count(&exit);
        match &exit {
            Exit::Normal | Exit::Ordered => {
                tracing::debug!(path = %leash.path, generation = leash.generation, %exit, "actor ended");
            }
            Exit::Killed(KillReason::Abort | KillReason::Shutdown | KillReason::Deadline) => {
                tracing::debug!(path = %leash.path, generation = leash.generation, %exit, "actor killed");
            }
            Exit::Killed(_) | Exit::Failed(_) | Exit::Panicked(_) => {
                tracing::warn!(path = %leash.path, generation = leash.generation, %exit, "actor ended badly");
            }
        }
        if vitals.generation() == leash.generation {
            vitals.set_last_exit(&exit);
        }
        self.publish(&leash.path, leash.generation, Change::Exited(exit));
    }

    /// Gives an incarnation up and frees its place in the tree.
    pub(crate) fn abandon(&self, leash: &Leash) {
        let why = leash.kill_reason();
        tracing::error!(
            path = %leash.path,
            generation = leash.generation,
            mail = leash.pulse.current(),
            why = why.map(KillReason::as_str),
            "blocks its thread and cannot be killed: abandoned"
        );
        leash.abandon();
        self.inner.totals.abandoned.fetch_add(1, Relaxed);
        if let Some(vitals) = self.vitals(&leash.path) {
            vitals.end(leash.generation);
            self.report_exit(
                leash,
                &vitals,
                Exit::Killed(why.unwrap_or(KillReason::Hung)),
            );
        }
        self.stir(&leash.path);
        self.write().remove_owned(leash.generation);
    }

    /// Takes a child out of the tree, unless another incarnation has its place.
    pub(crate) fn forget(&self, path: &ActorPath, generation: u64) {
        if let Some(vitals) = self.write().remove(path, Some(generation)) {
            vitals.renew();
        }
        self.changed();
    }

    /// Puts a child that is not running in the tree: waiting, pausing, parked or stopped.
    pub(crate) fn place(
        &self,
        path: &ActorPath,
        owner: (&ActorPath, u64),
        name: &ChildId,
        kind: &'static str,
    ) {
        // A slot of its own would need the mail type: the counters are found by path when it starts.
        self.write().place(path, owner, name, kind);
    }

    pub(crate) fn remove(&self, path: &ActorPath) {
        if let Some(vitals) = self.write().remove(path, None) {
            vitals.renew();
        }
        self.stir(path);
        self.changed();
    }

    /// Shows a state that only the supervisor knows.
    pub(crate) fn show(&self, path: &ActorPath, state: State, pause: Option<Duration>) {
        let until_ms = pause.map(until);
        if let Some(vitals) = self.vitals(path) {
            vitals.set_state(state, until_ms);
        }
        self.stir(path);
        self.changed();
    }

    /// Forgets which mail crashed the actor at a path.
    pub(crate) fn pardon(&self, path: &ActorPath) {
        if let Some(vitals) = self.vitals(path) {
            vitals.suspects.pardon();
        }
    }

    pub(crate) fn overdue(&self, path: ActorPath) {
        lock(&self.inner.overdue).push(path);
    }

    pub(crate) fn take_overdue(&self) -> Vec<ActorPath> {
        std::mem::take(&mut *lock(&self.inner.overdue))
    }
}

/// When a pause that begins now is over.
pub(crate) fn until(pause: Duration) -> i64 {
    now_ms().saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}
