//! Nodes that were let in by name: `nodes/paired.json` and `nodes/pending.json`.
//!
//! A node asks under an id of its own, an operator approves, and the node gets a token. Decisions are
//! plain functions over the two files' content; the desk reads and writes them.

use std::io;
use std::path::Path;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::state_file::StateFile;

/// How long a request waits for an operator.
const REQUEST_MS: i64 = 5 * 60 * 1000;

/// What a request may say of its node.
const FACTS: [&str; 11] = [
    "displayName",
    "platform",
    "version",
    "coreVersion",
    "uiVersion",
    "deviceFamily",
    "modelIdentifier",
    "caps",
    "commands",
    "permissions",
    "remoteIp",
];

/// The pairing of nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeDesk {
    paired: StateFile,
    pending: StateFile,
}

/// The content of both files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairings {
    /// Approved nodes by node id.
    pub paired: Map<String, Value>,
    /// Open requests by request id.
    pub pending: Map<String, Value>,
}

/// What became of a request for pairing.
#[derive(Debug, Clone, PartialEq)]
pub struct Requested {
    /// The request.
    pub request: Value,
    /// Whether it is new; a repeat finds the first one.
    pub is_new: bool,
}

impl Pairings {
    /// Takes a node's request; one that waits already is found again.
    pub fn request(&mut self, said: &Value, request_id: &str, now_ms: i64) -> Requested {
        self.forget_old(now_ms);
        let node = said.get("nodeId").cloned().unwrap_or_default();
        let known = self
            .pending
            .values()
            .find(|request| request.get("nodeId") == Some(&node));
        if let Some(request) = known.cloned() {
            let is_new = false;
            return Requested { request, is_new };
        }
        let is_repair = node
            .as_str()
            .is_some_and(|node| self.paired.contains_key(node));
        let mut request = json!({ "requestId": request_id, "nodeId": node });
        if let Value::Object(request) = &mut request {
            copy(said, request);
            request.insert(
                "silent".to_owned(),
                said.get("silent").cloned().unwrap_or(json!(false)),
            );
            request.insert("isRepair".to_owned(), json!(is_repair));
            request.insert("ts".to_owned(), json!(now_ms));
        }
        self.pending.insert(request_id.to_owned(), request.clone());
        let is_new = true;
        Requested { request, is_new }
    }

    /// Approves a request: its node is paired under a new token.
    pub fn approve(&mut self, request_id: &str, token: &str, now_ms: i64) -> Option<Value> {
        self.forget_old(now_ms);
        let request = self.pending.shift_remove(request_id)?;
        let id = request.get("nodeId").and_then(Value::as_str)?.to_owned();
        let created = self
            .paired
            .get(&id)
            .and_then(|node| node.get("createdAtMs").cloned());
        let mut node = Map::new();
        node.insert("nodeId".to_owned(), json!(id));
        node.insert("token".to_owned(), json!(token));
        copy(&request, &mut node);
        node.insert("createdAtMs".to_owned(), created.unwrap_or(json!(now_ms)));
        node.insert("approvedAtMs".to_owned(), json!(now_ms));
        self.paired.insert(id, Value::Object(node.clone()));
        Some(Value::Object(node))
    }

    /// Refuses a request; answers with the node's id.
    pub fn reject(&mut self, request_id: &str, now_ms: i64) -> Option<Value> {
        self.forget_old(now_ms);
        let request = self.pending.shift_remove(request_id)?;
        request.get("nodeId").cloned()
    }

    /// The requests that wait, the newest first.
    pub fn open(&self, now_ms: i64) -> Vec<Value> {
        let open = self
            .pending
            .values()
            .filter(|request| !is_old(request, now_ms));
        let mut open: Vec<Value> = open.cloned().collect();
        open.sort_by_key(|request| std::cmp::Reverse(number(request, "ts")));
        open
    }

    /// The approved nodes, the last approved first; without their tokens.
    pub fn nodes(&self) -> Vec<Value> {
        let mut nodes: Vec<Value> = self.paired.values().map(without_token).collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(number(node, "approvedAtMs")));
        nodes
    }

    fn forget_old(&mut self, now_ms: i64) {
        self.pending.retain(|_, request| !is_old(request, now_ms));
    }
}

fn is_old(request: &Value, now_ms: i64) -> bool {
    now_ms - number(request, "ts") >= REQUEST_MS
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or(0)
}

fn copy(from: &Value, to: &mut Map<String, Value>) {
    for name in FACTS {
        if let Some(fact) = from.get(name) {
            to.insert(name.to_owned(), fact.clone());
        }
    }
}

/// A node as it may be shown.
pub fn without_token(node: &Value) -> Value {
    let mut node = node.clone();
    if let Value::Object(node) = &mut node {
        node.shift_remove("token");
    }
    node
}

impl NodeDesk {
    /// The desk over the files of a state folder.
    pub fn new(state_dir: &Path) -> Self {
        let folder = state_dir.join("nodes");
        Self {
            paired: StateFile::new(folder.join("paired.json")),
            pending: StateFile::new(folder.join("pending.json")),
        }
    }

    /// Both files as they are.
    pub async fn read(&self) -> io::Result<Pairings> {
        let (paired, pending) = (self.paired.text().await?, self.pending.text().await?);
        Ok(Pairings {
            paired: object(paired)?,
            pending: object(pending)?,
        })
    }

    /// Changes them; what did not change is not written.
    pub async fn change<T>(&self, change: impl FnOnce(&mut Pairings) -> T) -> io::Result<T> {
        let _turn = self.paired.turn().await;
        let before = self.read().await?;
        let mut after = before.clone();
        let answer = change(&mut after);
        // The token first: a request that is gone without one would have to be made again.
        if after.paired != before.paired {
            self.paired.replace(&Value::Object(after.paired)).await?;
        }
        if after.pending != before.pending {
            self.pending.replace(&Value::Object(after.pending)).await?;
        }
        Ok(answer)
    }
}

fn object(text: Option<String>) -> io::Result<Map<String, Value>> {
    match text {
        Some(text) if !text.trim().is_empty() => Ok(serde_json::from_str(&text)?),
        _ => Ok(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_approved_once_and_lapses_when_nobody_does() {
        let dir = tempfile::tempdir().unwrap();
        let desk = NodeDesk::new(dir.path());
        let said = json!({ "nodeId": "n1", "displayName": "Pad", "caps": ["camera"] });
        let ask = |id: &'static str, at| {
            let said = said.clone();
            move |pairings: &mut Pairings| pairings.request(&said, id, at)
        };
        assert!(desk.change(ask("r1", 1)).await.unwrap().is_new);
        let again = desk.change(ask("r2", 2)).await.unwrap();
        assert_eq!(
            (again.is_new, &again.request["requestId"]),
            (false, &json!("r1"))
        );
        let node = desk.change(|p| p.approve("r1", "secret", 3)).await.unwrap();
        assert_eq!(node.unwrap()["token"], "secret");
        assert!(
            desk.change(|p| p.approve("r1", "x", 4))
                .await
                .unwrap()
                .is_none()
        );
        let read = desk.read().await.unwrap();
        assert_eq!(read.nodes()[0]["displayName"], "Pad");
        assert!(!json!(read.nodes()).to_string().contains("secret"));
        desk.change(ask("r3", 10)).await.unwrap();
        let late = 10 + REQUEST_MS;
        assert!(desk.read().await.unwrap().open(late).is_empty());
        assert!(
            desk.change(|p| p.reject("r3", late))
                .await
                .unwrap()
                .is_none()
        );
    }
}
