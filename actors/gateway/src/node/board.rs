//! Which nodes are connected: read without mail, written by their connections.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::Protocol;
use openclaw_protocol::connect::ClientInfo;
use openclaw_runtime::ActorPath;
use serde_json::Value;

use super::NODES;
use super::policy::Platform;
use crate::ingress::socket::Shared;

/// Sessions whose commands a node ran lately; what it says of others is not believed.
const SESSIONS: usize = 64;

/// What a node offers, by its own word.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// The sorts of abilities.
    pub caps: Vec<String>,
    /// The commands.
    pub commands: Vec<String>,
    /// What its system lets it do.
    pub permissions: Option<BTreeMap<String, bool>>,
    /// Where it looks for programs.
    pub path_env: Option<String>,
}

impl Offer {
    /// What a `connect` says.
    pub fn of(params: &ConnectParams) -> Self {
        Self {
            caps: params.caps.clone(),
            commands: params.commands.clone(),
            permissions: params.permissions.clone(),
            path_env: params.path_env.clone(),
        }
    }
}

/// One connection of a node.
#[derive(Debug)]
pub struct Link {
    /// The node: its device, or its product where it has none.
    pub node_id: Arc<str>,
    /// The connection's number.
    pub connection: u64,
    /// Where its frames go.
    pub shared: Arc<Shared>,
    /// What it speaks.
    pub version: Protocol,
    /// Which program it is.
    pub client: Arc<ClientInfo>,
    /// Whether its device is paired.
    pub is_paired: bool,
    /// What it offers.
    pub offer: Offer,
    /// Where it connects from, if not from this machine.
    pub remote_ip: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// What it did and said lately.
    pub lately: Lately,
}

/// What a node did and said lately.
#[derive(Debug, Default)]
pub struct Lately {
    stats: Mutex<Option<Value>>,
    sessions: Mutex<VecDeque<String>>,
}

impl Link {
    /// Where its actor stands in the tree.
    pub fn path(&self) -> ActorPath {
        ActorPath::new(format!("{NODES}/{}", self.child_id()))
    }

    /// Its actor's name below `nodes`: two connections of one node may overlap.
    pub fn child_id(&self) -> String {
        format!("{}/{}", self.node_id, self.connection)
    }

    /// What the rules go by.
    pub fn platform(&self) -> Platform<'_> {
        Platform {
            name: &self.client.platform,
            family: self.client.device_family.as_deref(),
            version: self.version,
        }
    }

    /// Notes what the node says of its machine.
    pub fn note_stats(&self, stats: Value) {
        *lock(&self.lately.stats) = Some(stats);
    }

    /// What the node last said of its machine.
    pub fn stats(&self) -> Option<Value> {
        lock(&self.lately.stats).clone()
    }

    /// Notes that a session had it run something.
    pub fn note_session(&self, key: &str) {
        let mut sessions = lock(&self.lately.sessions);
        sessions.retain(|known| known != key);
        sessions.push_back(key.to_owned());
        if sessions.len() > SESSIONS {
            sessions.pop_front();
        }
    }

    /// Tells whether a session had it run something lately.
    pub fn ran_for(&self, key: &str) -> bool {
        lock(&self.lately.sessions).iter().any(|known| known == key)
    }
}

/// The connected nodes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct NodeBoard {
    links: Arc<Mutex<BTreeMap<Arc<str>, Arc<Link>>>>,
}

impl NodeBoard {
    /// Puts a connection up; the one it takes the place of comes back.
    pub fn arrive(&self, link: &Arc<Link>) -> Option<Arc<Link>> {
        lock(&self.links).insert(Arc::clone(&link.node_id), Arc::clone(link))
    }

    /// Takes a connection down, unless a newer one has its place.
    pub fn leave(&self, node_id: &str, connection: u64) {
        let mut links = lock(&self.links);
        if links
            .get(node_id)
            .is_some_and(|link| link.connection == connection)
        {
            links.remove(node_id);
        }
    }

    /// The connection of a node.
    pub fn get(&self, node_id: &str) -> Option<Arc<Link>> {
        lock(&self.links).get(node_id).cloned()
    }

    /// Tells whether a connection is the one of its node.
    pub fn is_current(&self, link: &Link) -> bool {
        self.get(&link.node_id)
            .is_some_and(|current| current.connection == link.connection)
    }

    /// All of them, by node.
    pub fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.links).values().cloned().collect()
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
