//! `messages`: how messages are taken in and answered.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How messages are taken in and answered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Messages {
    /// Set before each message for the model.
    pub message_prefix: Option<String>,
    /// Set before each answer.
    pub response_prefix: Option<String>,
    /// Behaviour in groups.
    pub group_chat: GroupChat,
    /// What happens to messages that come while the agent answers.
    pub queue: Queue,
    /// How quick messages of one person are put together.
    pub inbound: InboundRules,
    /// The reaction that says "seen".
    pub ack_reaction: Option<String>,
    /// Where it is given: `group-mentions`, `group-all`, `direct`, `all`.
    pub ack_reaction_scope: Option<String>,
    /// Whether it goes away with the answer.
    pub remove_ack_after_reply: bool,
}

/// Behaviour in groups.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupChat {
    /// Regular expressions that address the agent.
    pub mention_patterns: Vec<String>,
    /// How many unanswered messages of the group the model gets to see.
    pub history_limit: Option<usize>,
}

/// What happens to messages that come while the agent answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Queue {
    /// By which rule; where none is chosen each message is a turn, and none is left out.
    pub mode: Option<QueueMode>,
    /// The rule by channel.
    pub by_channel: BTreeMap<String, QueueMode>,
    /// How long quiet must be before they are taken up.
    pub debounce_ms: u64,
    /// The same by channel.
    pub debounce_ms_by_channel: BTreeMap<String, u64>,
    /// How many are kept; it counts where a rule is chosen.
    pub cap: usize,
    /// Which go when there are more: `old`, `new`; with `summarize`, the usual, the oldest are shown as a line each.
    pub drop: Option<String>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            mode: None,
            by_channel: BTreeMap::new(),
            debounce_ms: 1_000,
            debounce_ms_by_channel: BTreeMap::new(),
            cap: 20,
            drop: None,
        }
    }
}

/// The rule of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueMode {
    /// All waiting messages become one turn.
    Collect,
    /// Each waiting message becomes a turn.
    Followup,
    /// The running turn is ended, and what waits becomes the next.
    Interrupt,
    /// The same as `steer`.
    Queue,
    /// The running turn gets to see it at its next tool's end, else it becomes a turn.
    Steer,
    /// The running turn gets to see it, and it becomes a turn.
    #[serde(alias = "steer+backlog")]
    SteerBacklog,
}

/// How quick messages of one person are put together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InboundRules {
    /// How long to wait for the next; not at all where nothing is set.
    pub debounce_ms: Option<u64>,
    /// The same by channel.
    pub by_channel: BTreeMap<String, u64>,
}

impl InboundRules {
    /// How long is waited for the next message of a person on a channel, in milliseconds.
    pub fn wait_ms(&self, channel: &str) -> u64 {
        let own = self.by_channel.get(channel).copied();
        own.or(self.debounce_ms).unwrap_or(0)
    }
}
