//! The top of the tree, as the process sees it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout;

use crate::directory::Directory;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::incarnation::ChildNote;
use crate::incarnation::LaunchPad;
use crate::incarnation::Leash;
use crate::incarnation::Parent;
use crate::incarnation::launch;
use crate::path::ActorPath;
use crate::supervision::handle::SupervisorHandle;
use crate::supervision::spec::ChildSpec;
use crate::supervision::spec::Strategy;
use crate::supervision::supervisor::SUPERVISOR;
use crate::supervision::supervisor::Supervisor;
use crate::supervision::supervisor::SupervisorArgs;
use crate::tree::TreeNode;
use crate::vitals::State;
use crate::watchdog::Watchdog;

/// EX_SOFTWARE: something inside failed that no restart could mend.
const EXIT_ESCALATED: i32 = 70;

/// A running tree: rest-for-one, restarts nothing above itself. Dropping it kills the tree.
#[derive(Debug)]
pub struct Root {
    directory: Directory,
    leash: Arc<Leash>,
    ended: watch::Receiver<bool>,
    /// Ends with the root.
    _watchdog: crate::watchdog::Guard,
}

/// Why the tree ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootExit {
    /// The process exit code: 0 after a shutdown, 70 after an escalation, or what a fatal error asked for.
    pub code: i32,
    pub reason: String,
}

/// How a shutdown went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownReport {
    pub took: Duration,
    /// Whom only a kill could stop.
    pub killed: Vec<ActorPath>,
}

/// The root's parent: the process.
struct Above {
    ended: watch::Sender<bool>,
}

impl Parent for Above {
    fn tell(&self, note: ChildNote) {
        if let ChildNote::Ended(_) = note {
            self.ended.send_replace(true);
        }
    }
}

impl Root {
    /// Starts a tree and its watchdog; returns when each child had its first start, or the tree ended trying.
    pub async fn start(directory: Directory, name: &str, children: Vec<ChildSpec>) -> Root {
        Self::start_with(directory, name, children, Watchdog::default()).await
    }

    pub async fn start_with(
        directory: Directory,
        name: &str,
        children: Vec<ChildSpec>,
        watchdog: Watchdog,
    ) -> Root {
        let (sender, mut ended) = watch::channel(false);
        let guard = watchdog.start(directory.clone());
        let pad = LaunchPad {
            directory: directory.clone(),
            parent: Some(Arc::new(Above { ended: sender })),
            owner: 0,
            above: None,
            path: ActorPath::root(),
            name: name.into(),
            kind: SUPERVISOR,
            max_handle: Duration::from_secs(5),
            capacity: 1024,
        };
        let args = SupervisorArgs {
            strategy: Strategy::RestForOne,
            children: children.into(),
        };
        let leash = launch::<Supervisor>(pad, Arc::new(args));
        let started = directory.wait_for_tree(|root| {
            root.state == State::Running && root.children.iter().all(has_started)
        });
        tokio::select! {
            () = started => {}
            _ended = ended.wait_for(|ended| *ended) => {}
        }
        Root {
            directory,
            leash,
            ended,
            _watchdog: guard,
        }
    }

    /// The root as a supervisor.
    pub fn handle(&self) -> SupervisorHandle {
        self.directory.supervisor(&ActorPath::root())
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Waits for the tree to end, by shutdown or by escalation.
    pub async fn ended(&self) -> RootExit {
        let mut ended = self.ended.clone();
        // A dropped sender means the runtime took the root down, which is an end as well.
        drop(ended.wait_for(|ended| *ended).await);
        match self.leash.exit() {
            Exit::Normal | Exit::Ordered => RootExit {
                code: 0,
                reason: "shut down".to_owned(),
            },
            Exit::Killed(KillReason::Shutdown) => RootExit {
                code: 0,
                reason: "shut down, the rest was killed".to_owned(),
            },
            Exit::Failed(error) => RootExit {
                code: error.code().unwrap_or(EXIT_ESCALATED),
                reason: error.reason().to_owned(),
            },
            exit => RootExit {
                code: EXIT_ESCALATED,
                reason: exit.to_string(),
            },
        }
    }

    /// Stops the tree in reverse order; what is left after the budget is killed.
    pub async fn shutdown(&self, budget: Duration) -> ShutdownReport {
        let began = Instant::now();
        // What was overdue before is not this shutdown's.
        drop(self.directory.take_overdue());
        self.leash.order_stop();
        let mut killed = Vec::new();
        if timeout(budget, self.ended()).await.is_err() {
            if let Some(tree) = self.directory.tree(None, None) {
                collect_running(&tree, &mut killed);
            }
            self.leash.kill(KillReason::Shutdown);
            self.leash.brood.end(KillReason::Shutdown);
            // The kill acts at the next await of each; what blocks its thread cannot be waited for.
            if timeout(Duration::from_secs(1), self.ended()).await.is_err() {
                tracing::error!("the root did not end after being killed");
            }
        }
        killed.extend(self.directory.take_overdue());
        killed.sort();
        killed.dedup();
        ShutdownReport {
            took: began.elapsed(),
            killed,
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.leash.kill(KillReason::Shutdown);
    }
}

/// A child that waits for its turn, or for its first `init`, has not.
fn has_started(child: &TreeNode) -> bool {
    !matches!(child.state, State::Absent | State::Starting)
}

fn collect_running(node: &TreeNode, into: &mut Vec<ActorPath>) {
    let running = matches!(
        node.state,
        State::Starting | State::Running | State::Stopping
    );
    if running && !node.is_task && node.kind != SUPERVISOR {
        into.push(node.path.clone());
    }
    for child in &node.children {
        collect_running(child, into);
    }
}
