//! Who is where: one per gateway, no process-wide names.

mod registry;
mod totals;

use std::any::Any;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::Weak;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::watch;

use crate::actor::Mail;
use crate::crash;
use crate::crash::CrashId;
use crate::crash::CrashRecord;
use crate::directory::registry::Registry;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::incarnation::ChildNote;
use crate::incarnation::LaunchPad;
use crate::incarnation::Leash;
use crate::incarnation::now_ms;
use crate::mail::Address;
use crate::mail::AnySlot;
use crate::mail::Slot;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::SupervisorHandle;
use crate::tree::TreeNode;
use crate::vitals::State;
use crate::vitals::Vitals;
use crate::watchdog::Alert;

pub use totals::Counters;
pub(crate) use totals::Totals;

/// The events a slow watcher may lag behind before it misses some.
const EVENTS_KEPT: usize = 1024;

/// The addresses and counters of one tree.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    generations: AtomicU64,
    registry: RwLock<Registry>,
    slots: Mutex<Slots>,
    live: Mutex<HashMap<u64, Arc<Leash>>>,
    events: broadcast::Sender<SupervisionEvent>,
    version: watch::Sender<u64>,
    crashes: Mutex<VecDeque<CrashRecord>>,
    sinks: Mutex<Vec<CrashSink>>,
    overdue: Mutex<Vec<ActorPath>>,
    totals: Totals,
    alert: Alert,
}

type CrashSink = Arc<dyn Fn(CrashRecord) + Send + Sync>;

/// Slots live as long as an address or incarnation holds them; what nobody holds is swept when the map has doubled.
#[derive(Default)]
struct Slots {
    by_path: HashMap<ActorPath, AnyWeak>,
    sweep_at: usize,
}

struct AnyWeak {
    typed: Weak<dyn Any + Send + Sync>,
    any: Weak<dyn AnySlot>,
}

/// Something happened in the tree.
#[derive(Clone, Debug)]
pub struct SupervisionEvent {
    pub path: ActorPath,
    pub what: Change,
    pub at_ms: i64,
    pub generation: u64,
    pub crash: Option<CrashId>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Change {
    Started,
    Exited(Exit),
    Restarting {
        after: Duration,
    },
    Parked {
        until_ms: Option<i64>,
    },
    Unparked,
    /// Stopped on purpose.
    Stopped,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        crash::install_hook();
        Self {
            inner: Arc::new(Inner {
                generations: AtomicU64::new(1),
                registry: RwLock::new(Registry::default()),
                slots: Mutex::new(Slots::default()),
                live: Mutex::new(HashMap::new()),
                events: broadcast::Sender::new(EVENTS_KEPT),
                version: watch::Sender::new(0),
                crashes: Mutex::new(VecDeque::new()),
                sinks: Mutex::new(Vec::new()),
                overdue: Mutex::new(Vec::new()),
                totals: Totals::default(),
                alert: Alert::default(),
            }),
        }
    }

    /// The address of a path, before or after the actor exists.
    pub fn address<M: Mail>(&self, path: &ActorPath) -> Address<M> {
        Address::new(self.slot(path))
    }

    /// The supervisor at a path.
    pub fn supervisor(&self, path: &ActorPath) -> SupervisorHandle {
        SupervisorHandle::new(self.address(path))
    }

    /// Who supervises the actor at a path, and under which id.
    pub fn supervisor_of(&self, path: &ActorPath) -> Option<(SupervisorHandle, ChildId)> {
        let (above, id) = self.read().above(path)?;
        let is_supervisor = self.read().kind(&above)? == crate::supervision::SUPERVISOR;
        is_supervisor.then(|| (self.supervisor(&above), id))
    }

    /// Kills what is at a path; its parent decides what follows. False = nothing is there, or it is the root, which ends by
    /// [`Root::shutdown`](crate::Root::shutdown) only.
    pub fn kill(&self, path: &ActorPath, why: KillReason) -> bool {
        let Some(vitals) = self.vitals(path) else {
            return false;
        };
        let generation = vitals.generation();
        let leash = lock(&self.inner.live).get(&generation).cloned();
        let Some(leash) = leash.filter(|leash| leash.path == *path) else {
            return false;
        };
        match &leash.parent {
            Some(parent) => parent.tell(ChildNote::Kill { generation, why }),
            None => leash.kill(why),
        }
        true
    }

    /// The counters of a path in the tree.
    pub fn vitals(&self, path: &ActorPath) -> Option<Arc<Vitals>> {
        self.read().vitals(path)
    }

    /// The tree as of now, from counters only: it answers even when every actor hangs.
    pub fn tree(&self, root: Option<&ActorPath>, depth: Option<usize>) -> Option<TreeNode> {
        let root = root.cloned().unwrap_or_else(ActorPath::root);
        self.read().tree(&root, depth.unwrap_or(usize::MAX))
    }

    /// What happens from now on. A slow reader misses events and is told how many.
    pub fn watch(&self) -> broadcast::Receiver<SupervisionEvent> {
        self.inner.events.subscribe()
    }

    /// Waits until the node at a path satisfies the predicate (`None` = nobody there). False = not within the deadline. It looks again at
    /// every change of state, note or health, and counts no mail.
    pub async fn wait_for(
        &self,
        path: &ActorPath,
        predicate: impl Fn(Option<&TreeNode>) -> bool,
        deadline: Duration,
    ) -> bool {
        let mut version = self.inner.version.subscribe();
        let met = async {
            while !predicate(self.tree(Some(path), Some(0)).as_ref()) {
                if version.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(deadline, met).await.is_ok()
    }

    /// Waits until the actor at a path is in a state.
    pub async fn wait_for_state(&self, path: &ActorPath, state: State, deadline: Duration) -> bool {
        let is_there = |node: Option<&TreeNode>| {
            node.map_or(state == State::Absent, |node| node.state == state)
        };
        self.wait_for(path, is_there, deadline).await
    }

    /// Waits until the whole tree satisfies the predicate.
    pub(crate) async fn wait_for_tree(&self, predicate: impl Fn(&TreeNode) -> bool) {
        let mut version = self.inner.version.subscribe();
        while !self
            .tree(None, Some(1))
            .is_some_and(|tree| predicate(&tree))
        {
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    pub fn crashes(&self) -> Vec<CrashRecord> {
        lock(&self.inner.crashes).iter().cloned().collect()
    }

    pub fn crash(&self, id: &CrashId) -> Option<CrashRecord> {
        lock(&self.inner.crashes)
            .iter()
            .find(|record| record.id == *id)
            .cloned()
    }

    /// Hands every further crash record to a sink. It runs where the panic was caught and must not block.
    pub fn on_crash(&self, sink: Arc<dyn Fn(CrashRecord) + Send + Sync>) {
        lock(&self.inner.sinks).push(sink);
    }

    pub fn counters(&self) -> Counters {
        self.inner.totals.read()
    }

    /// The incarnations that were given up but still run: each holds a thread.
    pub fn abandoned(&self) -> Vec<ActorPath> {
        let live = lock(&self.inner.live);
        let fenced = live.values().filter(|leash| leash.fenced.load(Relaxed));
        fenced.map(|leash| leash.path.clone()).collect()
    }
}

// === for the runtime ===

impl Directory {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Registry> {
        self.inner
            .registry
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Registry> {
        self.inner
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_generation(&self) -> u64 {
        self.inner.generations.fetch_add(1, Relaxed)
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.inner.totals
    }

    /// Tells the watchdog that something runs.
    pub(crate) fn alert(&self) {
        self.inner.alert.raise();
    }

    pub(crate) fn watchdog_alert(&self) -> &Alert {
        &self.inner.alert
    }

    pub(crate) fn live(&self) -> Vec<Arc<Leash>> {
        lock(&self.inner.live).values().cloned().collect()
    }

    /// Tells waiters to look again.
    pub(crate) fn changed(&self) {
        self.inner.version.send_modify(|version| *version += 1);
    }

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
                Arc::new(Slot::new(path.clone(), Arc::new(Vitals::new())))
            });
        }
        if slots.by_path.len() >= slots.sweep_at {
            slots
                .by_path
                .retain(|_, weak| weak.typed.strong_count() > 0);
            slots.sweep_at = (slots.by_path.len() * 2).max(64);
        }
        let slot = Arc::new(Slot::<M>::new(path.clone(), Arc::new(Vitals::new())));
        let typed: Weak<dyn Any + Send + Sync> =
            Arc::downgrade(&(Arc::clone(&slot) as Arc<dyn Any + Send + Sync>));
        let any: Weak<dyn AnySlot> = Arc::downgrade(&(Arc::clone(&slot) as Arc<dyn AnySlot>));
        slots.by_path.insert(path.clone(), AnyWeak { typed, any });
        slot
    }

    fn any_slot(&self, path: &ActorPath) -> Option<Arc<dyn AnySlot>> {
        lock(&self.inner.slots)
            .by_path
            .get(path)
            .and_then(|weak| weak.any.upgrade())
    }

    /// Whether a nudge to this path found nobody since its last incarnation began, or died with it.
    pub(crate) fn missed(&self, path: &ActorPath) -> bool {
        self.any_slot(path).is_some_and(|slot| slot.missed())
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
        if let Some(slot) = self.any_slot(&leash.path) {
            slot.stir();
        }
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
        if let Some(slot) = self.any_slot(path) {
            slot.stir();
        }
        self.changed();
    }

    /// Shows a state that only the supervisor knows.
    pub(crate) fn show(&self, path: &ActorPath, state: State, pause: Option<Duration>) {
        let until_ms = pause.map(until);
        if let Some(vitals) = self.vitals(path) {
            vitals.set_state(state, until_ms);
        }
        if let Some(slot) = self.any_slot(path) {
            slot.stir();
        }
        self.changed();
    }

    pub(crate) fn publish(&self, path: &ActorPath, generation: u64, what: Change) {
        let crash = match &what {
            Change::Exited(exit) => exit.crash().cloned(),
            Change::Restarting { .. } => {
                self.inner.totals.restarts.fetch_add(1, Relaxed);
                None
            }
            Change::Parked { .. } => {
                self.inner.totals.parked.fetch_add(1, Relaxed);
                None
            }
            _ => None,
        };
        let event = SupervisionEvent {
            path: path.clone(),
            what,
            at_ms: now_ms(),
            generation,
            crash,
        };
        // Nobody watching is fine.
        drop(self.inner.events.send(event));
        self.changed();
    }

    pub(crate) fn record_crash(&self, record: CrashRecord) {
        tracing::error!(
            crash = %record.id,
            path = %record.path,
            mail = record.mail,
            location = %record.location,
            message = %record.message,
            "panicked"
        );
        let sinks = lock(&self.inner.sinks).clone();
        let mut crashes = lock(&self.inner.crashes);
        if crashes.len() >= crash::KEPT {
            crashes.pop_front();
        }
        crashes.push_back(record.clone());
        drop(crashes);
        for sink in sinks {
            sink(record.clone());
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

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("actors", &self.read().len())
            .finish()
    }
}
