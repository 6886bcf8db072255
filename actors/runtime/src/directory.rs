//! Who is where: one per gateway, no process-wide names.

mod crashes;
mod event;
mod life;
mod registry;
mod sinks;
mod slots;
mod stalls;
mod storm;
mod totals;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::watch;

use crate::actor::Mail;
use crate::crash;
use crate::crash::CrashRecord;
use crate::directory::registry::Registry;
use crate::directory::sinks::Sinks;
use crate::directory::slots::Slots;
use crate::directory::stalls::Stalls;
use crate::exit::KillReason;
use crate::incarnation::ChildNote;
use crate::incarnation::Leash;
use crate::mail::Address;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::SupervisorHandle;
use crate::tree::TreeNode;
use crate::vitals::State;
use crate::vitals::Vitals;
use crate::watchdog::Alert;

pub use event::{Change, Parking, SupervisionEvent};
pub(crate) use life::until;
pub(crate) use storm::Storm;
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
    /// The few of them that are about parking.
    parking_events: broadcast::Sender<SupervisionEvent>,
    parkings: Sinks<Parking>,
    version: watch::Sender<u64>,
    crashes: Mutex<VecDeque<CrashRecord>>,
    crash_sinks: Sinks<CrashRecord>,
    stalls: Stalls,
    storm: Storm,
    overdue: Mutex<Vec<ActorPath>>,
    totals: Arc<Totals>,
    alert: Alert,
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
                parking_events: broadcast::Sender::new(EVENTS_KEPT),
                parkings: Sinks::default(),
                version: watch::Sender::new(0),
                crashes: Mutex::new(VecDeque::new()),
                crash_sinks: Sinks::default(),
                stalls: Stalls::default(),
                storm: Storm::default(),
                overdue: Mutex::new(Vec::new()),
                totals: Arc::default(),
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

    /// Every node in a state, by path and without its children; costs next to nothing when there is none.
    pub fn in_state(&self, state: State) -> Vec<TreeNode> {
        let registry = self.read();
        let paths = registry.in_state(state);
        paths
            .iter()
            .filter_map(|path| registry.tree(path, 0))
            .collect()
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

    pub fn counters(&self) -> Counters {
        self.inner.totals.read()
    }

    /// The incarnations that were given up but still run: each holds a thread.
    pub fn abandoned(&self) -> Vec<ActorPath> {
        let live = lock(&self.inner.live);
        let fenced = live.values().filter(|leash| leash.fenced.load(Relaxed));
        fenced.map(|leash| leash.path.clone()).collect()
    }

    /// How many threads are lost to runs that were given up and go on all the same.
    pub fn lost_threads(&self) -> usize {
        let live = lock(&self.inner.live);
        let lost =
            |leash: &&Arc<Leash>| leash.fenced.load(Relaxed) && leash.pulse.since().is_some();
        live.values().filter(lost).count()
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

    pub(crate) fn storm(&self) -> &Storm {
        &self.inner.storm
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

    /// Tells waiters to look again.
    pub(crate) fn changed(&self) {
        self.inner.version.send_modify(|version| *version += 1);
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("actors", &self.read().len())
            .finish()
    }
}
