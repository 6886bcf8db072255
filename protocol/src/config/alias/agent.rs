//! `agents.<id>` and `agents.entries.<id>` → entries of `agents.list`.

use serde_json::Value;
use serde_json::json;

use super::Rewriter;
use super::at;
use crate::AgentId;
use crate::config::path::Path;

/// What may stand under `agents` besides agents.
const SECTIONS: [&str; 4] = ["defaults", "list", "entries", "routing"];

impl Rewriter<'_> {
    pub(super) fn agents(&mut self) {
        let agents = at("agents");
        for id in self.keys(&agents.key("entries")) {
            self.agent(&agents.key("entries").key(id.as_str()), &id);
        }
        self.tidy(&agents.key("entries"));
        for id in self.keys(&agents) {
            if !SECTIONS.contains(&id.as_str()) && !is_slip(&id) {
                self.agent(&agents.key(id.as_str()), &id);
            }
        }
    }

    /// Moves one agent's settings into its entry of the list.
    fn agent(&mut self, from: &Path, id: &str) {
        let is_agent = self.get(from).is_some_and(Value::is_object) && AgentId::parse(id).is_ok();
        if !is_agent {
            return;
        }
        let Some(entry) = self.entry(id) else {
            return;
        };
        self.done.moves.push((from.clone(), entry.clone()));
        self.shift(&from.key("defaults").key("model"), &entry.key("model"));
        self.tidy(&from.key("defaults"));
        self.failover(&from.key("models").key("failover"), &entry.key("model"));
        self.tidy(&from.key("models"));
        self.filesystem(&from.key("sandbox"), &entry.key("sandbox"));
        for key in self.keys(from) {
            self.shift(&from.key(key.as_str()), &entry.key(key.as_str()));
        }
        self.tidy(from);
    }

    /// The place of the agent in the list; made when it isn't there.
    fn entry(&mut self, id: &str) -> Option<Path> {
        let list = at("agents.list");
        let (len, found) = match self.get(&list) {
            None => (0, None),
            Some(Value::Array(entries)) => {
                let same = |entry: &Value| {
                    entry
                        .get("id")
                        .and_then(Value::as_str)
                        .is_some_and(|other| other.eq_ignore_ascii_case(id))
                };
                (entries.len(), entries.iter().position(same))
            }
            Some(_) => return None,
        };
        let entry = list.index(found.unwrap_or(len));
        if found.is_none() {
            entry.key("id").set(self.tree, Value::from(id)).ok()?;
        }
        Some(entry)
    }

    /// A list of folders → a sandbox that sees these.
    fn filesystem(&mut self, from: &Path, to: &Path) {
        let Some(Value::Array(folders)) = self.get(&from.key("filesystem")).cloned() else {
            return;
        };
        drop(from.key("filesystem").unset(self.tree));
        let binds: Vec<Value> = folders
            .iter()
            .filter_map(Value::as_str)
            .map(|folder| Value::from(format!("{folder}:{folder}")))
            .collect();
        let sandbox = json!({
            "mode": "all",
            "workspaceAccess": "rw",
            "docker": { "binds": binds },
        });
        self.place(&from.key("filesystem"), to, sandbox);
    }
}

/// A slip of the pen for a section is not an agent's name.
fn is_slip(id: &str) -> bool {
    SECTIONS
        .iter()
        .any(|name| strsim::damerau_levenshtein(name, id) <= 2)
}
