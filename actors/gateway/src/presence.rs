//! Who is here: the gateway itself, and the pages, apps and nodes that are connected.
//!
//! An entry lives as long as its connection, and five minutes beyond, so that a list read shortly
//! after a disconnect still explains it.

use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_protocol::connect::ClientInfo;
use serde_json::Value;
use serde_json::json;

#[cfg(test)]
mod tests;

/// How long an entry outlives its connection.
const KEPT_MS: i64 = 5 * 60 * 1000;

/// Entries at most.
const ENTRIES: usize = 200;

/// The table of those present.
#[derive(Debug)]
pub struct Presence {
    gateway: Value,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: String,
    /// Connections under this key; an install may have several.
    connections: u32,
    changed_at_ms: i64,
    value: Value,
}

/// What a connection says about itself.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The program.
    pub client: &'a ClientInfo,
    /// What it acts as.
    pub role: &'a str,
    /// What it may do.
    pub scopes: &'a [&'static str],
    /// Tells connections of programs without an instance id apart.
    pub connection: &'a str,
    /// The device it proved to be.
    pub device: Option<&'a str>,
}

impl Presence {
    /// The gateway alone.
    pub fn new(host: &str, version: &str, instance: &str, now_ms: i64) -> Self {
        let platform = std::env::consts::OS;
        let text = format!("Gateway: {host} · app {version} · mode gateway · reason self");
        let gateway = json!({
            "host": host,
            "version": version,
            "platform": platform,
            "deviceFamily": family(platform),
            "modelIdentifier": std::env::consts::ARCH,
            "mode": "gateway",
            "reason": "self",
            "instanceId": instance,
            "text": text,
            "ts": now_ms,
        });
        let entries = Mutex::default();
        Self { gateway, entries }
    }

    /// Programs that come and go for one question are not listed.
    pub fn lists(client: &ClientInfo) -> bool {
        !matches!(client.mode.as_str(), "cli" | "backend" | "probe" | "test")
    }

    /// Notes an arrival; false when such programs are not listed.
    pub fn arrive(&self, arrival: &Arrival<'_>, now_ms: i64) -> bool {
        let client = arrival.client;
        if !Self::lists(client) {
            return false;
        }
        let key = key(arrival);
        let name = client.display_name.as_deref().unwrap_or(&client.id);
        let value = json!({
            "host": name,
            "clientId": client.id,
            "version": client.version,
            "platform": client.platform,
            "deviceFamily": client.device_family,
            "modelIdentifier": client.model_identifier,
            "mode": client.mode,
            "reason": "connect",
            "roles": [arrival.role],
            "scopes": arrival.scopes,
            "deviceId": arrival.device,
            "instanceId": client.instance_id,
            "text": format!("{name} · app {} · mode {} · reason connect", client.version, client.mode),
            "ts": now_ms,
        });
        let mut entries = self.lock();
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => {
                entry.connections += 1;
                entry.changed_at_ms = now_ms;
                entry.value = value;
            }
            None => {
                if entries.len() >= ENTRIES {
                    entries.remove(0);
                }
                entries.push(Entry {
                    key,
                    connections: 1,
                    changed_at_ms: now_ms,
                    value,
                });
            }
        }
        true
    }

    /// Notes a departure; false when nothing changed.
    pub fn leave(&self, arrival: &Arrival<'_>, now_ms: i64) -> bool {
        let key = key(arrival);
        let mut entries = self.lock();
        let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) else {
            return false;
        };
        entry.connections = entry.connections.saturating_sub(1);
        if entry.connections > 0 {
            return false;
        }
        entry.changed_at_ms = now_ms;
        if let Value::Object(value) = &mut entry.value {
            value.insert("reason".to_owned(), json!("disconnect"));
            value.insert("ts".to_owned(), json!(now_ms));
        }
        true
    }

    /// Takes what a program says of itself without a connection of its own.
    pub fn note(&self, said: &Value, now_ms: i64) {
        let text = |name: &str| {
            said.get(name)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        let named = ["deviceId", "instanceId", "host", "ip"];
        let Some(key) = named
            .iter()
            .find_map(|name| text(name))
            .or_else(|| text("text"))
        else {
            return;
        };
        let mut value = said.clone();
        if let Value::Object(value) = &mut value {
            value.insert("ts".to_owned(), json!(now_ms));
        }
        let mut entries = self.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
            entry.changed_at_ms = now_ms;
            if let (Value::Object(known), Value::Object(new)) = (&mut entry.value, value) {
                known.extend(new);
            }
            return;
        }
        if entries.len() >= ENTRIES {
            entries.remove(0);
        }
        entries.push(Entry {
            key: key.to_owned(),
            connections: 0,
            changed_at_ms: now_ms,
            value,
        });
    }

    /// Everyone present, the gateway first.
    pub fn list(&self, now_ms: i64) -> Value {
        let mut entries = self.lock();
        entries.retain(|entry| entry.connections > 0 || now_ms - entry.changed_at_ms < KEPT_MS);
        let mut gateway = self.gateway.clone();
        if let Value::Object(gateway) = &mut gateway {
            gateway.insert("ts".to_owned(), json!(now_ms));
        }
        let others = entries.iter().map(|entry| without_nulls(&entry.value));
        Value::Array(std::iter::once(gateway).chain(others).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(arrival: &Arrival<'_>) -> String {
    let client = arrival.client;
    client
        .instance_id
        .clone()
        .unwrap_or_else(|| arrival.connection.to_owned())
}

fn family(platform: &str) -> &'static str {
    match platform {
        "macos" => "Mac",
        "windows" => "Windows",
        _ => "Linux",
    }
}

/// Optional fields are left out, not null.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        other => other.clone(),
    }
}
