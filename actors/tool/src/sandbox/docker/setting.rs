//! `sandbox.docker` and `sandbox.prune`, as they are set for an agent. Pure.

use std::time::Duration;

use openclaw_protocol::AgentId;
use serde_json::Value;
use serde_json::json;

use crate::sandbox::agent_entry;

/// What is set about containers.
#[derive(Debug, Clone, PartialEq)]
pub struct DockerSetting {
    /// What they are made from.
    pub image: String,
    pub(super) prefix: String,
    pub(super) workdir: String,
    pub(super) read_only: bool,
    pub(super) tmpfs: Vec<String>,
    pub(super) network: String,
    pub(super) user: Option<String>,
    pub(super) cap_drop: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) setup: Option<String>,
    pub(super) pids: u64,
    pub(super) memory: Option<String>,
    pub(super) memory_swap: Option<String>,
    pub(super) cpus: Option<String>,
    pub(super) ulimits: Vec<(String, String)>,
    pub(super) seccomp: Option<String>,
    pub(super) apparmor: Option<String>,
    pub(super) dns: Vec<String>,
    pub(super) hosts: Vec<String>,
    pub(super) binds: Vec<String>,
    idle: Duration,
    age: Duration,
}

/// Folders that no container gets: whoever writes there has the machine.
const CLOSED: &[&str] = &[
    "/",
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/root",
    "/run",
    "/var/run",
    "/var/lib/docker",
];

impl DockerSetting {
    /// What the configuration says for an agent: its own words, else those for all.
    pub fn of(tree: &Value, agent: &AgentId) -> Self {
        let own = agent_entry(tree, agent).and_then(|entry| entry.get("sandbox"));
        let all = tree.pointer("/agents/defaults/sandbox");
        let word = |part: &str, name: &str| {
            let said = |scope: Option<&'_ Value>| scope?.get(part)?.get(name).cloned();
            said(own).or_else(|| said(all))
        };
        let text = |name: &str| word("docker", name).as_ref().and_then(scalar);
        let list = |name: &str| {
            let list = word("docker", name)?;
            Some(
                list.as_array()?
                    .iter()
                    .filter_map(scalar)
                    .collect::<Vec<String>>(),
            )
        };
        let pairs = |name: &str, value: &dyn Fn(&Value) -> Option<String>| {
            let found = word("docker", name).unwrap_or_default();
            let fields = found.as_object().into_iter().flatten();
            fields
                .filter_map(|(name, field)| Some((name.clone(), value(field)?)))
                .collect::<Vec<_>>()
        };
        let limit = |value: &Value| match (value.get("soft"), value.get("hard")) {
            (None, None) => scalar(value),
            (soft, hard) => {
                let soft = soft.or(hard).and_then(scalar)?;
                Some(match hard.and_then(scalar) {
                    Some(hard) => format!("{soft}:{hard}"),
                    None => soft,
                })
            }
        };
        let or = |given: Option<Vec<String>>, usual: &[&str]| {
            given.unwrap_or_else(|| usual.iter().map(|&word| word.to_owned()).collect())
        };
        let number = |part: &str, name: &str| word(part, name).as_ref().and_then(Value::as_u64);
        let hours = number("prune", "idleHours").unwrap_or(24);
        let days = number("prune", "maxAgeDays").unwrap_or(7);
        Self {
            image: text("image").unwrap_or_else(|| "openclaw-sandbox:bookworm-slim".to_owned()),
            prefix: text("containerPrefix").unwrap_or_else(|| "openclaw-sbx-".to_owned()),
            workdir: text("workdir").unwrap_or_else(|| "/workspace".to_owned()),
            // What can't be read is the strictest.
            read_only: word("docker", "readOnlyRoot") != Some(Value::Bool(false)),
            tmpfs: or(list("tmpfs"), &["/tmp", "/var/tmp", "/run"]),
            network: text("network").unwrap_or_else(|| "none".to_owned()),
            user: text("user"),
            cap_drop: or(list("capDrop"), &["ALL"]),
            env: pairs("env", &scalar),
            setup: text("setupCommand").filter(|command| !command.trim().is_empty()),
            pids: number("docker", "pidsLimit").unwrap_or(256),
            memory: text("memory").or_else(|| Some("1g".to_owned())),
            memory_swap: text("memorySwap"),
            cpus: text("cpus"),
            ulimits: pairs("ulimits", &limit),
            seccomp: text("seccompProfile"),
            apparmor: text("apparmorProfile"),
            dns: list("dns").unwrap_or_default(),
            hosts: list("extraHosts").unwrap_or_default(),
            binds: list("binds").unwrap_or_default(),
            idle: Duration::from_secs(hours.saturating_mul(3600)),
            age: Duration::from_secs(days.saturating_mul(24 * 3600)),
        }
    }

    /// What is set, for people.
    pub fn told(&self) -> Value {
        json!({
            "image": self.image,
            "network": self.network,
            "workdir": self.workdir,
            "readOnlyRoot": self.read_only,
            "binds": self.binds,
            "refused": self.check().err(),
        })
    }

    /// Why no container is made of this: what would take the walls down again.
    pub(super) fn check(&self) -> Result<(), String> {
        let refuse = |key: &str, why: &str| Err(format!("sandbox.docker.{key}: {why}"));
        let is_option =
            |word: &str| word.is_empty() || word.starts_with('-') || word.contains('\0');
        if is_option(&self.image) || is_option(&self.workdir) || !self.workdir.starts_with('/') {
            return refuse(
                "image",
                "the image and an absolute workdir have to be named",
            );
        }
        let shared = ["host", "container:"];
        if shared.iter().any(|word| self.network.starts_with(word)) {
            return refuse(
                "network",
                "it would be the machine's own, or another container's",
            );
        }
        for (key, profile) in [
            ("seccompProfile", &self.seccomp),
            ("apparmorProfile", &self.apparmor),
        ] {
            if profile.as_deref().map(str::trim) == Some("unconfined") {
                return refuse(key, "without a profile there is no wall");
            }
        }
        for bind in &self.binds {
            let Some(from) = bind.split(':').next().filter(|from| from.starts_with('/')) else {
                return refuse(
                    "binds",
                    &format!("\"{bind}\" doesn't begin with an absolute path"),
                );
            };
            // A link leads where it leads; a folder above a closed one holds it.
            let real = std::path::Path::new(from).components().as_path().to_owned();
            let is_dotted = from.split('/').any(|part| part == "..");
            let is_closed = |closed: &&str| match *closed {
                "/" => real == std::path::Path::new("/"),
                closed => {
                    real.starts_with(closed) || std::path::Path::new(closed).starts_with(&real)
                }
            };
            if is_dotted || CLOSED.iter().any(is_closed) {
                return refuse("binds", &format!("\"{from}\" belongs to the machine"));
            }
        }
        Ok(())
    }

    /// Whether a container is removed that was not used for so long and is so old; 0 never removes.
    pub(super) fn is_over(&self, idle: Duration, age: Duration) -> bool {
        let over = |is: Duration, most: Duration| !most.is_zero() && is >= most;
        over(idle, self.idle) || over(age, self.age)
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
