//! Who hears what: sessions, presence and health on one side, connections on the other.
//!
//! Publishing is a plain call that never waits. Each connection has its own bounded queue; a slow
//! one loses deltas or is closed, and no other connection notices.

mod fan;
mod render;
mod run;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use openclaw_protocol::Protocol;
use openclaw_protocol::RunId;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::SessionKey;
use openclaw_protocol::Usage;
use openclaw_session::Events;
use openclaw_session::SessionEvent;
use openclaw_session::What;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::watch;

pub use self::run::RunEnd;
pub use self::run::RunView;

use self::fan::Fan;
use self::run::Runs;
use crate::ingress::outbound::Event;
use crate::ingress::outbound::Goodbye;
use crate::ingress::outbound::Loss;
use crate::ingress::outbound::Numbering;
use crate::ingress::socket::Shared;
use crate::ingress::websocket::close;
use crate::services::now_ms;

#[cfg(test)]
mod tests;

/// Three pings without an answer: the peer is gone, whatever the network says.
const SILENCE_MS: i64 = 100_000;

/// Who may hear an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every connection.
    Everyone,
    /// Operators that may read.
    Readers,
    /// Those that asked to watch the supervision tree.
    Watchers,
    /// Those that asked to hear of changes of sessions.
    Listeners,
    /// Operators with a right of their own: approvals, pairing.
    Holders(Scope),
    /// The same, of protocol 4 only.
    LateHolders(Scope),
}

impl Audience {
    /// Whether its events count in protocol 3's common numbering: what only those get who asked for it, or
    /// later clients, would be a gap to all others.
    fn is_common(self) -> bool {
        matches!(self, Self::Everyone | Self::Readers | Self::Holders(_))
    }
}

/// One connection, as the hub knows it.
#[derive(Debug)]
pub struct Subscriber {
    /// Where its frames go.
    pub shared: Arc<Shared>,
    /// What it speaks.
    pub version: Protocol,
    /// What it may hear; empty for nodes.
    pub scopes: Scopes,
    /// Whether it is a node: it hears of the sessions it asked for, and of no other.
    pub is_node: bool,
    /// Whether it takes tool events of its own runs.
    pub takes_tools: bool,
    /// Whether it watches the supervision tree.
    pub watches_tree: bool,
    /// Whether it hears of changes of sessions.
    pub hears_sessions: bool,
    /// The sessions whose messages it hears.
    pub hears_messages: BTreeSet<SessionKey>,
    /// The device it proved to be, and the role it acts in.
    pub device: Option<DeviceSeat>,
}

/// Which device a connection belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSeat {
    /// The device.
    pub id: Arc<str>,
    /// The role.
    pub role: &'static str,
}

/// An event for many.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// The event's name.
    pub name: &'static str,
    /// The payload.
    pub payload: Value,
    /// For whom.
    pub audience: Audience,
    /// Whether a slow connection may miss it.
    pub is_stale_soon: bool,
    /// Whether the counters of presence and health stand beside it.
    pub has_state_version: bool,
}

impl Broadcast {
    /// An event without a payload yet; a slow connection that must not miss it is closed.
    pub fn to(audience: Audience, name: &'static str) -> Self {
        Self {
            name,
            payload: Value::Null,
            audience,
            is_stale_soon: false,
            has_state_version: false,
        }
    }
}

/// The hub; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    state: Arc<Mutex<State>>,
    /// Something waits at leisure.
    at_leisure: Arc<Notify>,
    /// Since when, in milliseconds since 1970, somebody watches the supervision tree; none while nobody does.
    watched_since: Arc<watch::Sender<Option<i64>>>,
}

#[derive(Debug, Default)]
struct State {
    subscribers: BTreeMap<u64, Subscriber>,
    runs: Runs,
    /// The one counter of protocol 3.
    seq: u64,
    presence_version: u64,
    health_version: u64,
    totals: Totals,
}

/// What became of runs since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Runs that were answered.
    pub answered: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that somebody ended.
    pub aborted: u64,
    /// Their tokens.
    pub usage: Usage,
}

impl Totals {
    fn count(&mut self, what: &What) {
        match what {
            What::Final { usage, .. } => {
                self.answered += 1;
                if let Some(usage) = usage {
                    self.usage.add(usage);
                }
            }
            What::Failed { .. } => self.failed += 1,
            What::Aborted { .. } => self.aborted += 1,
            _ => {}
        }
    }
}

impl Hub {
    /// A hub that nobody listens to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a connection hear events from now on.
    pub fn subscribe(&self, connection: u64, subscriber: Subscriber) {
        let watches = subscriber.watches_tree;
        let mut state = self.lock();
        state.subscribers.insert(connection, subscriber);
        if watches {
            self.note_watchers(&state, now_ms());
        }
    }

    /// Ends that.
    pub fn unsubscribe(&self, connection: u64) {
        let mut state = self.lock();
        let gone = state.subscribers.remove(&connection);
        if gone.is_some_and(|gone| gone.watches_tree) {
            self.note_watchers(&state, now_ms());
        }
    }

    /// Connections that hear events.
    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Lets a connection watch the supervision tree, or not.
    pub fn watch_tree(&self, connection: u64, enabled: bool) {
        let mut state = self.lock();
        if let Some(subscriber) = state.subscribers.get_mut(&connection) {
            subscriber.watches_tree = enabled;
            self.note_watchers(&state, now_ms());
        }
    }

    fn note_watchers(&self, state: &State, now_ms: i64) {
        let is_watched = state.subscribers.values().any(|s| s.watches_tree);
        self.watched_since.send_if_modified(|since| {
            let was_watched = since.is_some();
            *since = is_watched.then_some(since.unwrap_or(now_ms));
            was_watched != is_watched
        });
    }

    /// Since when, in milliseconds since 1970, somebody watches the supervision tree; none while nobody does.
    pub fn watched_since(&self) -> watch::Receiver<Option<i64>> {
        self.watched_since.subscribe()
    }

    /// Lets a connection hear of changes of sessions, or not.
    pub fn hear_sessions(&self, connection: u64, enabled: bool) {
        if let Some(subscriber) = self.lock().subscribers.get_mut(&connection) {
            subscriber.hears_sessions = enabled;
        }
    }

    /// Lets a connection hear the messages of a session, or not.
    pub fn hear_messages(&self, connection: u64, session: &SessionKey, enabled: bool) {
        if let Some(subscriber) = self.lock().subscribers.get_mut(&connection) {
            if enabled {
                subscriber.hears_messages.insert(session.clone());
            } else {
                subscriber.hears_messages.remove(session);
            }
        }
    }

    /// Says that a session changed, to those who asked to hear it.
    pub fn session_changed(&self, session: &SessionKey, reason: &str, now_ms: i64) {
        self.broadcast(&Broadcast {
            payload: json!({
                "sessionKey": session, "agentId": session.agent(), "reason": reason, "ts": now_ms,
            }),
            ..Broadcast::to(Audience::Listeners, "sessions.changed")
        });
    }

    /// Sends an event to all whom it concerns.
    pub fn broadcast(&self, broadcast: &Broadcast) {
        let mut state = self.lock();
        let versions = (state.presence_version, state.health_version);
        let event = Arc::new(Event {
            state_version: broadcast.has_state_version.then_some(versions),
            loss: if broadcast.is_stale_soon {
                Loss::Stale
            } else {
                Loss::Never
            },
            ..Event::new(broadcast.name, broadcast.payload.to_string())
        });
        let early = if broadcast.audience.is_common() {
            state.seq += 1;
            Numbering::Global(state.seq)
        } else {
            Numbering::Unnumbered
        };
        for subscriber in state.subscribers.values() {
            if subscriber.hears(broadcast.audience) {
                subscriber
                    .shared
                    .queue
                    .event(&event, subscriber.numbering(early));
            }
        }
    }

    /// Says that presence changed; the payload names everyone present.
    pub fn presence_changed(&self, presence: &Value) {
        self.lock().presence_version += 1;
        self.broadcast(&Broadcast {
            name: "presence",
            payload: json!({ "presence": presence }),
            audience: Audience::Readers,
            is_stale_soon: true,
            has_state_version: true,
        });
    }

    /// Says how the gateway is.
    pub fn health_changed(&self, health: Value) {
        self.lock().health_version += 1;
        self.broadcast(&Broadcast {
            name: "health",
            payload: health,
            audience: Audience::Everyone,
            is_stale_soon: true,
            has_state_version: true,
        });
    }

    /// The counters of presence and health.
    pub fn state_version(&self) -> (u64, u64) {
        let state = self.lock();
        (state.presence_version, state.health_version)
    }

    /// Waits until something is queued at leisure.
    pub async fn at_leisure(&self) {
        self.at_leisure.notified().await;
    }

    /// Lets what is queued at leisure be written.
    pub fn flush(&self) {
        for subscriber in self.lock().subscribers.values() {
            subscriber.shared.queue.flush();
        }
    }

    /// Pings connections of protocol 4, whose clients answer, and closes those that fell silent.
    pub fn ping(&self, now_ms: i64) {
        for subscriber in self.lock().subscribers.values() {
            if subscriber.version == Protocol::V3 {
                continue;
            }
            let heard_at_ms = subscriber.shared.heard_at_ms.load(Ordering::Relaxed);
            if now_ms - heard_at_ms > SILENCE_MS {
                subscriber
                    .shared
                    .queue
                    .close(Goodbye::new(close::POLICY, "no answer to pings"));
            } else {
                subscriber.shared.queue.ping();
            }
        }
    }

    /// Closes every connection.
    pub fn close_all(&self, goodbye: &Goodbye) {
        for subscriber in self.lock().subscribers.values() {
            subscriber.shared.queue.close(goodbye.clone());
        }
    }

    /// Closes the connections of a device in a role, or in all; but not `spare`. Answers how many.
    pub fn close_device(
        &self,
        device_id: &str,
        role: Option<&str>,
        spare: Option<u64>,
        goodbye: &Goodbye,
    ) -> usize {
        let mut closed = 0;
        for (connection, subscriber) in &self.lock().subscribers {
            let is_meant = subscriber.device.as_ref().is_some_and(|seat| {
                &*seat.id == device_id && role.is_none_or(|role| role == seat.role)
            });
            if is_meant && spare != Some(*connection) {
                subscriber.shared.queue.close(goodbye.clone());
                closed += 1;
            }
        }
        closed
    }

    /// Closes one connection.
    pub fn close_connection(&self, connection: u64, goodbye: &Goodbye) {
        if let Some(subscriber) = self.lock().subscribers.get(&connection) {
            subscriber.shared.queue.close(goodbye.clone());
        }
    }

    /// Tells whether a device is connected in any role.
    pub fn has_device(&self, device_id: &str) -> bool {
        let state = self.lock();
        let mut seats = state
            .subscribers
            .values()
            .filter_map(|subscriber| subscriber.device.as_ref());
        seats.any(|seat| &*seat.id == device_id)
    }

    // === runs ===

    /// Announces a run: its session, and the connection that started it.
    pub fn expect_run(&self, run_id: &RunId, session: &SessionKey, connection: u64, now_ms: i64) {
        let mut state = self.lock();
        state.runs.expect(run_id, session, connection, now_ms);
        let takes_tools = state
            .subscribers
            .get(&connection)
            .is_some_and(|s| s.takes_tools);
        if !takes_tools {
            return;
        }
        // Whoever starts a run also hears the tools of the session's other runs.
        for active in state.runs.active(session) {
            let run = state.runs.entry(&active, now_ms);
            if !run.tool_listeners.contains(&connection) {
                run.tool_listeners.push(connection);
            }
        }
    }

    /// Takes an announcement back: the run does not come, or came long ago.
    pub fn forget_run(&self, run_id: &RunId) {
        self.lock().runs.forget(run_id);
    }

    /// What is known of a run; `None` for one that is unknown here.
    pub fn run(&self, run_id: &RunId) -> Option<RunView> {
        self.lock().runs.get(run_id)
    }

    /// Follows a run to its end, also one that is still to begin.
    pub fn watch_run(&self, run_id: &RunId, now_ms: i64) -> watch::Receiver<RunView> {
        self.lock().runs.watch(run_id, now_ms)
    }

    /// What a run has said so far, as it grows; the text of the whole run, cumulative.
    pub fn follow_text(&self, run_id: &RunId, now_ms: i64) -> watch::Receiver<Arc<str>> {
        self.lock().runs.entry(run_id, now_ms).follow()
    }

    /// Runs of a session that have not ended.
    pub fn active_runs(&self, session: &SessionKey) -> Vec<RunId> {
        self.lock().runs.active(session)
    }

    /// What became of runs since the start.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Forgets runs that ended long ago.
    pub fn prune_runs(&self, now_ms: i64) {
        self.lock().runs.prune(now_ms);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    fn hears(&self, audience: Audience) -> bool {
        match audience {
            Audience::Everyone => true,
            Audience::Readers => self.scopes.allows(Scope::Read),
            Audience::Watchers => self.watches_tree && self.scopes.allows(Scope::Read),
            Audience::Listeners => self.hears_sessions && self.scopes.allows(Scope::Read),
            Audience::Holders(scope) => self.scopes.allows(scope),
            Audience::LateHolders(scope) => {
                self.version == Protocol::V4 && self.scopes.allows(scope)
            }
        }
    }

    fn numbering(&self, early: Numbering) -> Numbering {
        match self.version {
            Protocol::V3 => early,
            Protocol::V4 => Numbering::Own,
        }
    }
}

impl Events for Hub {
    fn publish(&self, event: SessionEvent) {
        let mut state = self.lock();
        state.totals.count(&event.what);
        let State {
            subscribers,
            runs,
            seq,
            ..
        } = &mut *state;
        let run = runs.entry(&event.run_id, event.at_ms);
        let mut fan = Fan::new(subscribers, seq, &event, run.asker);
        if !matches!(event.what, What::Assistant { .. }) && run.early_is_behind {
            run.early_is_behind = false;
            fan.early_delta(run);
        }
        if let Some(agent) = render::agent_event(&event.what, event.at_ms) {
            run.agent_seq = event.seq;
            fan.agent(&agent, &run.tool_listeners);
        }
        match &event.what {
            What::Assistant { text, delta } => {
                run.agent_seq = event.seq;
                fan.grown("assistant", text, delta);
                fan.grow(run, text);
            }
            What::Thinking { text, delta } => {
                run.agent_seq = event.seq;
                fan.grown("thinking", text, delta);
            }
            what if what.is_terminal() => fan.terminal(run.agent_seq.max(1)),
            _ => {}
        }
        fan.session(run);
        if fan.left_some_at_leisure {
            self.at_leisure.notify_one();
        }
        runs.observe(&event);
    }
}
