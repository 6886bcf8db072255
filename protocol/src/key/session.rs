//! The session key's grammar.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use super::AgentId;
use super::KeyError;

/// How many shards the ledger's rows and the session supervisors are spread over.
const SHARDS: u64 = 64;
/// Longest key: existing stores have none above 200; the rest is head room.
const MAX_LEN: usize = 512;

/// How far direct messages share one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DmScope {
    /// Everybody's direct messages go to the agent's main session.
    Main,
    /// One session a person, over all channels.
    PerPeer,
    /// One session a person and channel: nobody sees another's conversation.
    #[default]
    PerChannelPeer,
    /// One session a person, channel and account.
    PerAccountChannelPeer,
}

/// The address of a conversation: `agent:<agent>:<rest>`, lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(Arc<str>);

impl SessionKey {
    /// Reads a whole key; upper case is lowered, `dm` of older stores becomes `direct`.
    pub fn parse(value: &str) -> Result<Self, KeyError> {
        let value = value.trim();
        if value.is_empty() {
            return Err(KeyError::Empty("session key"));
        }
        let invalid = |rule| KeyError::Invalid {
            what: "session key",
            value: value.to_owned(),
            rule,
        };
        let lower = value.to_lowercase();
        if lower.len() > MAX_LEN {
            return Err(invalid("at most 512 bytes"));
        }
        if lower.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(invalid("no spaces or control characters"));
        }
        let Some((agent, rest)) = lower
            .strip_prefix("agent:")
            .and_then(|tail| tail.split_once(':'))
        else {
            return Err(invalid(
                "write agent:<agent>:<name>, for instance agent:main:main",
            ));
        };
        let agent = AgentId::parse(agent)?;
        if rest.is_empty() {
            return Err(invalid("the part after the agent is empty"));
        }
        Ok(Self::build(&agent, &direct_for_dm(rest)))
    }

    /// Reads a key as clients send it: `main`, `hook:x` and `cron:x` belong to the default agent.
    pub fn expand(short: &str, default_agent: &AgentId) -> Result<Self, KeyError> {
        let short = short.trim();
        let lower = short.to_lowercase();
        match lower.as_str() {
            "" => Err(KeyError::Empty("session key")),
            "global" | "unknown" => Err(KeyError::Reserved(lower)),
            _ if lower.starts_with("agent:") => Self::parse(short),
            _ => Self::parse(&format!("agent:{default_agent}:{short}")),
        }
    }

    /// The agent's main session.
    pub fn main(agent: &AgentId) -> Self {
        Self::build(agent, "main")
    }

    /// The session of direct messages with one person.
    pub fn direct(
        agent: &AgentId,
        scope: DmScope,
        channel: &str,
        account: &str,
        peer: &str,
    ) -> Self {
        let (channel, account, peer) = (segment(channel), segment(account), tail(peer));
        match scope {
            DmScope::Main => Self::main(agent),
            DmScope::PerPeer => Self::build(agent, &format!("direct:{peer}")),
            DmScope::PerChannelPeer => Self::build(agent, &format!("{channel}:direct:{peer}")),
            DmScope::PerAccountChannelPeer => {
                Self::build(agent, &format!("{channel}:{account}:direct:{peer}"))
            }
        }
    }

    /// The session of a group chat, or of one topic in it.
    pub fn group(agent: &AgentId, channel: &str, id: &str, topic: Option<&str>) -> Self {
        let base = format!("{}:group:{}", segment(channel), tail(id));
        match topic {
            Some(topic) => Self::build(agent, &format!("{base}:topic:{}", segment(topic))),
            None => Self::build(agent, &base),
        }
    }

    /// The session of a broadcast channel, or of one thread in it.
    pub fn channel(agent: &AgentId, channel: &str, id: &str, thread: Option<&str>) -> Self {
        let base = format!("{}:channel:{}", segment(channel), tail(id));
        match thread {
            Some(thread) => Self::build(agent, &format!("{base}:thread:{}", segment(thread))),
            None => Self::build(agent, &base),
        }
    }

    /// The agent the session belongs to.
    pub fn agent(&self) -> AgentId {
        AgentId(self.agent_str().into())
    }

    /// The agent's id as text.
    pub fn agent_str(&self) -> &str {
        self.split().0
    }

    /// What follows the agent, such as `main` or `telegram:direct:42`.
    pub fn rest(&self) -> &str {
        self.split().1
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the 64 shards holds the session's rows; stable for ever, as rows are stored by it.
    pub fn shard(&self) -> u8 {
        // FNV-1a, then a final mix so that keys which differ in their last digit spread too.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.0.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        u8::try_from(hash % SHARDS).unwrap_or(0)
    }

    fn build(agent: &AgentId, rest: &str) -> Self {
        Self(format!("agent:{agent}:{rest}").into())
    }

    fn split(&self) -> (&str, &str) {
        self.0
            .strip_prefix("agent:")
            .and_then(|tail| tail.split_once(':'))
            .unwrap_or((AgentId::MAIN, &self.0))
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionKey {
    type Err = KeyError;

    fn from_str(value: &str) -> Result<Self, KeyError> {
        Self::parse(value)
    }
}

/// Older stores and the documentation say `dm` where the code writes `direct`.
fn direct_for_dm(rest: &str) -> String {
    let mut parts: Vec<&str> = rest.split(':').collect();
    let last = parts.len().saturating_sub(1);
    for part in parts.iter_mut().take(last.min(3)) {
        if *part == "dm" {
            *part = "direct";
            break;
        }
    }
    parts.join(":")
}

/// A platform's id as one segment: lower case, no separators, no spaces.
fn segment(value: &str) -> String {
    tail(value).replace(':', "_")
}

/// A platform's id as the tail of a key, where colons may stand.
fn tail(value: &str) -> String {
    let cleaned: String = value
        .trim()
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                '_'
            } else {
                c
            }
        })
        .take(200)
        .collect();
    if cleaned.is_empty() {
        "unknown".to_owned()
    } else {
        cleaned
    }
}
