//! The children of an actor: started, stopped, killed, given up, and their ends reported exactly once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::actor::Actor;
use crate::actor::BoxFuture;
use crate::context::Context;
use crate::context::Task;
use crate::exit::ChildExit;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::exit::StartError;
use crate::incarnation::Deliver;
use crate::incarnation::LaunchPad;
use crate::incarnation::Leash;
use crate::incarnation::TaskLaunch;
use crate::incarnation::launch_task;
use crate::incarnation::spawn_timer;
use crate::incarnation::work;
use crate::mail::Alarm;
use crate::mail::Gate;
use crate::mail::Parcel;
use crate::path::ChildId;
use crate::supervision::ChildSpec;
use crate::supervision::Shutdown;
use crate::vitals::State;
use crate::vitals::Vitals;

/// How long a killed child may take to be gone before it is given up. A kill acts at the child's next await, microseconds away unless the
/// child blocks its thread.
const KILL_GRACE: Duration = Duration::from_millis(250);

/// The same for a child that was found blocking its thread: waiting longer would change nothing.
const HUNG_GRACE: Duration = Duration::from_millis(20);

/// How long one poll of a task may block its thread.
const MAX_POLL: Duration = Duration::from_secs(5);

/// The children, by generation and by id. An id is taken until its child's end was reported.
#[derive(Default)]
pub(crate) struct Kids {
    by_generation: HashMap<u64, Kid>,
    by_id: HashMap<ChildId, u64>,
}

struct Kid {
    id: ChildId,
    leash: Arc<Leash>,
    shutdown: Shutdown,
    killed: Option<KillReason>,
    ordered: bool,
    alarms: Vec<AbortHandle>,
}

impl Kid {
    fn disarm(&self) {
        for alarm in &self.alarms {
            alarm.abort();
        }
    }
}

impl Kids {
    pub(crate) fn generation(&self, id: &ChildId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn ids(&self) -> Vec<ChildId> {
        let mut kids: Vec<_> = self.by_generation.iter().collect();
        kids.sort_by_key(|(generation, _)| **generation);
        kids.into_iter().map(|(_, kid)| kid.id.clone()).collect()
    }

    pub(crate) fn disarm(&self) {
        for kid in self.by_generation.values() {
            kid.disarm();
        }
    }

    fn free_id(&self, wanted: ChildId) -> ChildId {
        if !self.by_id.contains_key(&wanted) {
            return wanted;
        }
        (2u64..)
            .map(|n| ChildId::new(format!("{wanted}#{n}")))
            .find(|id| !self.by_id.contains_key(id))
            .unwrap_or(wanted)
    }

    fn add(&mut self, id: ChildId, leash: Arc<Leash>, shutdown: Shutdown) {
        let generation = leash.generation;
        self.by_id.insert(id.clone(), generation);
        let kid = Kid {
            id,
            leash,
            shutdown,
            killed: None,
            ordered: false,
            alarms: Vec::new(),
        };
        self.by_generation.insert(generation, kid);
    }

    fn remove(&mut self, generation: u64) -> Option<Kid> {
        let kid = self.by_generation.remove(&generation)?;
        self.by_id.remove(&kid.id);
        kid.disarm();
        Some(kid)
    }
}

impl<A: Actor> Context<A> {
    pub(super) fn start_task<T: Send + 'static>(
        &mut self,
        task: Task,
        future: impl Future<Output = T> + Send + 'static,
        done: impl FnOnce(T) -> A::Mail + Send + 'static,
    ) -> ChildId {
        let (trace, generation) = (self.trace, self.directory.next_generation());
        let done = move |output| Parcel::TaskDone {
            generation,
            mail: done(output),
            trace,
        };
        let work = work(future, Arc::clone(&self.inlet), done);
        self.run_child(task, generation, work)
    }

    fn run_child(
        &mut self,
        task: Task,
        generation: u64,
        work: BoxFuture<'static, Deliver>,
    ) -> ChildId {
        let id = self.kids.free_id(task.id);
        if self.is_fenced() {
            return id;
        }
        let leash = Arc::new(Leash::new(
            self.path().join(&id),
            task.kind,
            generation,
            MAX_POLL,
            Arc::new(Gate::new(1)),
            Some(self.parent_side()),
        ));
        let vitals = Arc::new(Vitals::new());
        let pad = self.pad(&id, task.kind, MAX_POLL, 1);
        self.directory.began(&leash, &vitals, None, &pad);
        vitals.set_state(State::Running, None);
        self.directory.changed();
        self.kids
            .add(id.clone(), Arc::clone(&leash), Shutdown::Kill);
        let launch = TaskLaunch {
            leash: Arc::clone(&leash),
            vitals,
            directory: self.directory.clone(),
            parent: self.parent_side(),
            trace: self.trace,
        };
        launch_task(launch, work);
        if let Some(deadline) = task.deadline {
            self.arm(generation, Alarm::Deadline, deadline);
        }
        if !self.inlet.leash.brood.add(Arc::clone(&leash)) {
            leash.kill(KillReason::Shutdown);
        }
        id
    }

    /// Starts a child actor of a spec.
    pub(crate) fn start_child(&mut self, spec: &ChildSpec) -> Result<u64, StartError> {
        let path = self.path().join(&spec.id);
        if self.kids.generation(&spec.id).is_some() {
            return Err(StartError::Duplicate { path });
        }
        if self.is_fenced() {
            return Err(StartError::Ending {
                parent: self.path().clone(),
            });
        }
        let pad = self.pad(&spec.id, spec.kind, spec.max_handle, spec.capacity);
        let leash = spec.start.launch(pad);
        let generation = leash.generation;
        self.kids
            .add(spec.id.clone(), Arc::clone(&leash), spec.shutdown);
        if !self.inlet.leash.brood.add(Arc::clone(&leash)) {
            leash.kill(KillReason::Shutdown);
        }
        Ok(generation)
    }

    fn pad(
        &self,
        id: &ChildId,
        kind: &'static str,
        max_handle: Duration,
        capacity: usize,
    ) -> LaunchPad {
        LaunchPad {
            directory: self.directory.clone(),
            parent: Some(self.parent_side()),
            owner: self.generation(),
            above: Some(self.path().clone()),
            path: self.path().join(id),
            name: id.as_str().into(),
            kind,
            max_handle,
            capacity,
        }
    }

    pub(super) fn order_child_stop(&mut self, id: &ChildId) {
        let Some(generation) = self.kids.generation(id) else {
            return;
        };
        let Some(kid) = self.kids.by_generation.get_mut(&generation) else {
            return;
        };
        if std::mem::replace(&mut kid.ordered, true) {
            return;
        }
        let shutdown = kid.shutdown;
        if shutdown == Shutdown::Kill || !kid.leash.order_stop() {
            self.kill_generation(generation, KillReason::Shutdown);
        } else if let Shutdown::Within(time) = shutdown {
            self.arm(generation, Alarm::StopTime, time);
        }
    }

    pub(crate) fn kill_generation(&mut self, generation: u64, why: KillReason) {
        let Some(kid) = self.kids.by_generation.get_mut(&generation) else {
            return;
        };
        if kid.killed.is_some() {
            return;
        }
        kid.killed = Some(why);
        kid.leash.kill(why);
        let grace = if why == KillReason::Hung {
            HUNG_GRACE
        } else {
            KILL_GRACE
        };
        self.arm(generation, Alarm::Grace, grace);
    }

    /// The watchdog found one run of a child over its limit, or its mail stuck.
    pub(crate) fn child_hung(&mut self, generation: u64, since: u64) {
        let Some(kid) = self.kids.by_generation.get(&generation) else {
            return;
        };
        // It may have come back in the meantime: then it was slow, not hung.
        if kid.leash.pulse.since().unwrap_or(0) == since {
            self.kill_generation(generation, KillReason::Hung);
        }
    }

    /// A child's time is over. True = its end is to be reported now.
    pub(crate) fn alarm(&mut self, generation: u64, alarm: Alarm) -> bool {
        let Some(kid) = self.kids.by_generation.get(&generation) else {
            return false;
        };
        match alarm {
            Alarm::Deadline => self.kill_generation(generation, KillReason::Deadline),
            Alarm::StopTime => {
                self.directory.overdue(kid.leash.path.clone());
                self.kill_generation(generation, KillReason::Shutdown);
            }
            Alarm::Grace => {
                self.directory.abandon(&kid.leash);
                return true;
            }
        }
        false
    }

    /// A task handed in its output. False = it was killed before, or is long gone: the output is not wanted.
    pub(crate) fn task_done(&mut self, generation: u64) -> bool {
        match self.kids.by_generation.get(&generation) {
            Some(kid) if kid.killed.is_none() => {}
            _ => return false,
        }
        self.bury(generation);
        true
    }

    /// A child is over. `None` = that was reported before.
    pub(crate) fn child_ended(&mut self, generation: u64) -> Option<ChildExit> {
        let kid = self.bury(generation)?;
        if self.finishing == Some(generation) {
            self.end(Exit::Ordered);
            return None;
        }
        let exit = match (kid.killed, kid.leash.exit()) {
            // It finished in the moment it was killed; whoever killed it counts on that.
            (Some(why), Exit::Normal) => Exit::Killed(why),
            (None, Exit::Normal) if kid.ordered => Exit::Ordered,
            (_, exit) => exit,
        };
        Some(ChildExit { id: kid.id, exit })
    }

    fn bury(&mut self, generation: u64) -> Option<Kid> {
        let kid = self.kids.remove(generation)?;
        self.inlet.leash.brood.remove(generation);
        if !A::KEEPS_CHILDREN {
            self.directory.forget(&kid.leash.path, generation);
        }
        Some(kid)
    }

    pub(crate) fn child_id(&self, generation: u64) -> Option<ChildId> {
        self.kids
            .by_generation
            .get(&generation)
            .map(|kid| kid.id.clone())
    }

    /// Whether a child takes no more mail: it is on its way out.
    pub(crate) fn is_leaving(&self, id: &ChildId) -> bool {
        let kid = self
            .kids
            .generation(id)
            .and_then(|at| self.kids.by_generation.get(&at));
        kid.is_some_and(|kid| kid.leash.gate.is_closed())
    }

    /// Runs what [`Actor::stopping`] returned; the stop is done when it ends, in whatever way.
    pub(super) fn run_finish(&mut self, finish: BoxFuture<'static, ()>) {
        let task = Task::new("stopping").kind("stopping");
        let generation = self.directory.next_generation();
        let work = work(finish, Arc::clone(&self.inlet), |()| Parcel::StopDone);
        self.run_child(task, generation, work);
        self.finishing = Some(generation);
    }

    fn arm(&mut self, generation: u64, alarm: Alarm, delay: Duration) {
        let inlet = Arc::clone(&self.inlet);
        let handle = spawn_timer(delay, move || {
            inlet.post_or_drop(Parcel::Clock { generation, alarm });
        });
        if let Some(kid) = self.kids.by_generation.get_mut(&generation) {
            kid.alarms.push(handle);
        }
    }
}
