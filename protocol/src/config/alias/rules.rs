//! The rules outside `agents`.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Rewriter;
use super::at;
use super::minutes;
use crate::config::path::Path;

/// Channels that once stood at the top of the file.
const TOP_LEVEL_CHANNELS: [&str; 7] = [
    "telegram", "whatsapp", "discord", "slack", "signal", "imessage", "msteams",
];

impl Rewriter<'_> {
    /// Sections that moved as a whole.
    pub(super) fn sections(&mut self) {
        for channel in TOP_LEVEL_CHANNELS {
            let from = at(channel);
            if self.get(&from).is_some_and(Value::is_object) {
                self.shift(&from, &at("channels").key(channel));
            }
        }
        if self.get(&at("agent")).is_some_and(Value::is_object) {
            self.shift(&at("agent"), &at("agents.defaults"));
        }
        self.shift(&at("memorySearch"), &at("agents.defaults.memorySearch"));
        self.shift(&at("automation.webhooks"), &at("hooks"));
        self.tidy(&at("automation"));
        if self.get(&at("agents.routing")).is_some_and(Value::is_array) {
            self.shift(&at("agents.routing"), &at("bindings"));
        }
    }

    pub(super) fn models(&mut self) {
        self.shift(&at("models.defaults.model"), &at("agents.defaults.model"));
        self.tidy(&at("models.defaults"));
        self.failover(&at("models.failover"), &at("agents.defaults.model"));
        self.aliases();
        for provider in self.keys(&at("models.providers")) {
            let from = at("models.providers").key(provider.as_str()).key("profile");
            if let Some(profile) = self.get(&from).and_then(Value::as_str).map(str::to_owned) {
                drop(from.unset(self.tree));
                let to = at("auth.order").key(provider.as_str());
                let first = Value::from(profile);
                let mut order = vec![first.clone()];
                if let Some(Value::Array(more)) = to.unset(self.tree) {
                    order.extend(more.into_iter().filter(|id| *id != first));
                }
                self.place(&from, &to, Value::Array(order));
            }
        }
    }

    /// `{enabled, models}` → the fallbacks of a model choice.
    pub(super) fn failover(&mut self, from: &Path, model: &Path) {
        let Some(Value::Object(failover)) = self.get(from).cloned() else {
            return;
        };
        let is_off = failover.get("enabled") == Some(&Value::Bool(false));
        let list = match failover.get("models") {
            _ if is_off => Value::Array(Vec::new()),
            Some(list) => list.clone(),
            None => return,
        };
        drop(from.unset(self.tree));
        if let Some(Value::String(primary)) = model.get(self.tree).cloned() {
            // Can't fail: the value is there.
            drop(model.set(self.tree, json!({ "primary": primary })));
        }
        self.place(from, &model.key("fallbacks"), list);
    }

    /// `models.aliases.<alias>: ref` → `agents.defaults.models.<ref>.alias`.
    fn aliases(&mut self) {
        let aliases = at("models.aliases");
        for alias in self.keys(&aliases) {
            let from = aliases.key(alias.as_str());
            let reference = match self.get(&from) {
                Some(Value::String(reference)) => reference.clone(),
                _ => continue,
            };
            drop(from.unset(self.tree));
            let to = at("agents.defaults.models").key(reference).key("alias");
            self.place(&from, &to, Value::from(alias));
        }
        self.tidy(&aliases);
    }

    pub(super) fn session(&mut self) {
        for name in ["ttl", "idleMinutes"] {
            let from = at("session").key(name);
            if let Some(idle) = self.get(&from).and_then(minutes) {
                drop(from.unset(self.tree));
                let reset = json!({ "mode": "idle", "idleMinutes": idle });
                self.place(&from, &at("session.reset"), reset);
            }
        }
        let from = at("session.pruning");
        let age = match self.get(&from) {
            Some(Value::Object(pruning)) => ["pruneAfter", "maxAge", "age"]
                .into_iter()
                .find_map(|key| pruning.get(key))
                .cloned(),
            Some(age @ (Value::String(_) | Value::Number(_))) => Some(age.clone()),
            _ => None,
        };
        if let Some(age) = age {
            drop(from.unset(self.tree));
            self.place(&from, &at("session.maintenance.pruneAfter"), age);
        }
    }

    pub(super) fn rest(&mut self) {
        self.remote();
        for from in [at("requireApproval"), at("tools.requireApproval")] {
            if self.get(&from) == Some(&Value::Bool(true)) {
                drop(from.unset(self.tree));
                self.place(&from, &at("tools.exec.ask"), Value::from("always"));
            }
        }
        for channel in self.keys(&at("channels")) {
            let from = at("channels").key(channel.as_str()).key("allowChannels");
            if let Some(Value::Array(ids)) = self.get(&from).cloned() {
                drop(from.unset(self.tree));
                let name = match channel.as_str() {
                    "discord" => "guilds",
                    "slack" => "channels",
                    _ => "groups",
                };
                let admitted: Map<String, Value> = ids
                    .iter()
                    .filter_map(|id| match id {
                        Value::String(id) => Some(id.clone()),
                        Value::Number(id) => Some(id.to_string()),
                        _ => None,
                    })
                    .map(|id| (id, json!({})))
                    .collect();
                let to = at("channels").key(channel.as_str()).key(name);
                self.place(&from, &to, Value::Object(admitted));
            }
        }
        let count = match self.get(&at("bindings")) {
            Some(Value::Array(bindings)) => bindings.len(),
            _ => 0,
        };
        for index in 0..count {
            let matched = at("bindings").index(index).key("match");
            self.shift(&matched.key("accountID"), &matched.key("accountId"));
        }
    }

    /// `gateway.remote.{enabled,host,port}` → `gateway.mode` and `gateway.remote.url`.
    fn remote(&mut self) {
        let remote = at("gateway.remote");
        if let Some(enabled) = self.get(&remote.key("enabled")).and_then(Value::as_bool) {
            drop(remote.key("enabled").unset(self.tree));
            if enabled {
                let mode = Value::from("remote");
                self.place(&remote.key("enabled"), &at("gateway.mode"), mode);
            }
        }
        let host = self.get(&remote.key("host")).and_then(Value::as_str);
        if let Some(host) = host.map(str::to_owned) {
            let port = self.get(&remote.key("port")).and_then(Value::as_u64);
            let port = port.unwrap_or(u64::from(crate::config::gateway::DEFAULT_PORT));
            drop(remote.key("host").unset(self.tree));
            drop(remote.key("port").unset(self.tree));
            let url = Value::from(format!("ws://{host}:{port}"));
            self.place(&remote.key("host"), &remote.key("url"), url);
        }
    }
}
