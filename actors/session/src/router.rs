//! Finds or wakes the session of a row.
//!
//! Owns: nothing but the plan of its next look.
//! Started by: the root; everything after it was told where it is.
//! Crashes: never by itself.
//! Survives: nothing needs to; at its start it looks for sessions with open rows.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::SessionKey;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::OrderError;
use openclaw_runtime::Restart;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Strategy;
use openclaw_runtime::SupervisorHandle;

use crate::deps::Deps;
use crate::files;
use crate::session::Session;
use crate::session::SessionArgs;
use crate::session::SessionMail;
use crate::upkeep;

/// How many supervisors the sessions are spread over: one that is busy with restarts must not hold
/// up the others.
const PARTITIONS: u8 = 8;
/// The first looks after a start come quickly, as the partitions start after the router; then one
/// every half minute finds whatever a lost nudge left behind.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(30),
];
/// Mail of the router.
#[derive(Debug)]
pub(crate) enum RouterMail {
    /// A session has a new row.
    Inbound(SessionKey),
    /// Look for sessions with open rows.
    Rescan,
    /// Look again, and plan the next look.
    Look(usize),
}

impl Mail for RouterMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Inbound(_) => "inbound",
            Self::Rescan => "rescan",
            Self::Look(_) => "look",
        }
    }

    fn nudge_key(&self) -> u64 {
        match self {
            Self::Inbound(key) => {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                hasher.finish()
            }
            _ => 0,
        }
    }
}

/// Finds or wakes sessions.
pub(crate) struct Router {
    deps: Arc<Deps>,
}

impl Router {
    /// Makes sure that a session looks at its rows.
    fn wake(&self, key: &SessionKey, ctx: &Context<Self>) {
        let session = address(ctx.directory(), key);
        if !session.nudge(SessionMail::Work) {
            // Nobody heard it. A session that starts reads its rows by itself; one that is just
            // leaving is started again by its supervisor because of the nudge.
            start(&self.deps, key);
        }
    }

    fn rescan(&self, ctx: &Context<Self>) {
        for key in self.deps.ledger.open_sessions() {
            if !address(ctx.directory(), &key).is_up() {
                start(&self.deps, &key);
            }
        }
    }
}

impl Actor for Router {
    const KIND: &'static str = "router";
    type Mail = RouterMail;
    type Args = Arc<Deps>;

    fn init(deps: Arc<Deps>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self { deps })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.after(Duration::ZERO, RouterMail::Look(0));
        Ok(())
    }

    fn handle(&mut self, mail: RouterMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            RouterMail::Inbound(key) => self.wake(&key, ctx),
            RouterMail::Rescan => self.rescan(ctx),
            RouterMail::Look(n) => {
                self.rescan(ctx);
                let last = LOOKS.len() - 1;
                if let Some(pause) = LOOKS.get(n.min(last)) {
                    ctx.after(*pause, RouterMail::Look(n + 1));
                }
            }
        }
        Ok(())
    }
}

/// The router's path.
pub fn router_path() -> ActorPath {
    ActorPath::new("router")
}

/// The router's place in the tree.
pub fn router_spec(deps: Arc<Deps>) -> ChildSpec {
    ChildSpec::actor::<Router>("router", deps)
        .capacity(1024)
        .shutdown(Shutdown::Within(Duration::from_secs(2)))
        .max_handle(Duration::from_secs(2))
}

/// The sessions' place in the tree: the owners of the files, and the partitions.
pub fn sessions_spec(deps: Arc<Deps>) -> ChildSpec {
    let config = (deps.config)();
    let mut children = vec![
        files::supervisor_spec(&deps, &config),
        upkeep::spec(deps.clone()),
    ];
    children.extend((0..PARTITIONS).map(|n| {
        ChildSpec::supervisor(n.to_string(), Strategy::OneForOne, Vec::new())
            .intensity(50, Duration::from_secs(60))
            .shutdown(Shutdown::Within(Duration::from_secs(25)))
    }));
    ChildSpec::supervisor("sessions", Strategy::OneForOne, children)
        .shutdown(Shutdown::Within(Duration::from_secs(25)))
}

/// Where a session stands in the tree.
pub(crate) fn path(key: &SessionKey) -> ActorPath {
    partition(key).join(&child_id(key))
}

/// The address of a session, whether it is up or not.
pub(crate) fn address(directory: &Directory, key: &SessionKey) -> Address<SessionMail> {
    directory.address(&path(key))
}

/// Starts a session unless it is there.
pub(crate) fn start(deps: &Arc<Deps>, key: &SessionKey) {
    supervisor(deps, key).ensure(spec(deps, key));
}

/// Starts a session unless it is there, and waits until it takes mail.
pub(crate) async fn started(deps: &Arc<Deps>, key: &SessionKey) -> Result<(), OrderError> {
    let started = supervisor(deps, key).start(spec(deps, key)).await;
    started.map(drop)
}

fn supervisor(deps: &Deps, key: &SessionKey) -> SupervisorHandle {
    deps.directory.supervisor(&partition(key))
}

fn spec(deps: &Arc<Deps>, key: &SessionKey) -> ChildSpec {
    let args = SessionArgs {
        deps: deps.clone(),
        key: key.clone(),
    };
    ChildSpec::actor::<Session>(child_id(key), args)
        .restart(Restart::Transient)
        .intensity(5, Duration::from_secs(300))
        .backoff(
            Duration::ZERO,
            Duration::from_secs(30),
            Duration::from_secs(300),
        )
        .park(Duration::from_secs(60))
        .shutdown(Shutdown::Within(Duration::from_secs(5)))
        .max_handle(Duration::from_secs(1))
}

fn partition(key: &SessionKey) -> ActorPath {
    ActorPath::new(format!("sessions/{}", key.shard() % PARTITIONS))
}

/// `<agent>/<rest>`; a slash in the rest would look like one more level.
fn child_id(key: &SessionKey) -> ChildId {
    ChildId::new(format!(
        "{}/{}",
        key.agent_str(),
        key.rest().replace('/', "%2f")
    ))
}
