//! Who a turn acts for.
//!
//! Nothing here is what a client says of itself: the gateway fills it in from what it granted when it took the
//! message in, and from the configuration as it is when the turn runs.

use openclaw_protocol::AccountKey;
use openclaw_protocol::Chat;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Route;
use openclaw_protocol::Scopes;
use openclaw_protocol::SessionKey;

/// Who a turn acts for. The default is nobody: it owns nothing and may approve nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caller {
    /// By which way the message came in.
    pub entry: Entry,
    /// The channel and account it came by.
    pub account: Option<AccountKey>,
    /// The platform's id of whoever wrote it; none for the operator's own clients.
    pub sender: Option<String>,
    /// The chat it was written in; none where there is none.
    pub chat: Option<Chat>,
    /// Whether it acts for an owner of this gateway.
    pub is_owner: bool,
    /// What it was granted of the gateway's methods: everything to an owner, to a person on a channel nothing.
    pub scopes: Scopes,
    /// Whether it may answer questions about commands.
    pub may_approve: bool,
    /// The model that answers.
    pub model: Option<ModelRef>,
    /// What kind of session it is.
    pub session: SessionKind,
    /// Where the answer goes.
    pub reply: Option<Route>,
    /// Whether programs of a sandboxed session may run outside its walls.
    pub elevated: Elevated,
}

/// The way out of a sandbox, for programs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Elevated {
    /// There is none.
    #[default]
    Off,
    /// Programs run on this machine by its rules, and a person is asked as they say.
    Ask,
    /// The same, but nobody is asked about what the rules don't forbid.
    Full,
}

/// By which way a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Entry {
    /// A person on a channel.
    Chat,
    /// A client of the gateway.
    Rpc,
    /// A job of the calendar.
    Cron,
    /// A web hook.
    Hook,
    /// A node.
    Node,
    /// Another agent's turn.
    SubAgent,
    /// The gateway itself: an event, a heartbeat.
    #[default]
    System,
}

/// What kind of session a turn belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SessionKind {
    /// The agent's main session.
    Main,
    /// With one person.
    Direct,
    /// A group chat.
    Group,
    /// A broadcast channel.
    Channel,
    /// Of a job of the calendar.
    Cron,
    /// Of a web hook.
    Hook,
    /// Of a node.
    Node,
    /// Of a turn that another turn began.
    SubAgent,
    /// One that a client named.
    #[default]
    Other,
}

impl Entry {
    /// The way that the source of a row stands for; what is unknown is the gateway's own word.
    pub fn of_source(source: &str) -> Self {
        match source {
            // Accounts are written with a slash, so none of them can be named like a way in.
            account if account.contains('/') => Self::Chat,
            "ws" => Self::Rpc,
            "cron" => Self::Cron,
            "hook" => Self::Hook,
            "node" => Self::Node,
            "subagent" => Self::SubAgent,
            _ => Self::System,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Rpc => "rpc",
            Self::Cron => "cron",
            Self::Hook => "hook",
            Self::Node => "node",
            Self::SubAgent => "subagent",
            Self::System => "system",
        }
    }
}

impl Elevated {
    /// What a word stands for; `on` asks, as the rules say. None for no such word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "on" | "ask" => Some(Self::Ask),
            "full" => Some(Self::Full),
            _ => None,
        }
    }
}

impl SessionKind {
    /// The kind that a key says.
    pub fn of(key: &SessionKey) -> Self {
        let rest = key.rest();
        let holds = |part: &str| rest.split(':').any(|word| word == part);
        match rest.split(':').next().unwrap_or_default() {
            _ if *key == SessionKey::main(&key.agent()) => Self::Main,
            "subagent" => Self::SubAgent,
            "cron" => Self::Cron,
            "hook" => Self::Hook,
            "node" => Self::Node,
            _ if holds("group") => Self::Group,
            _ if holds("channel") => Self::Channel,
            _ if holds("direct") => Self::Direct,
            _ => Self::Other,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Channel => "channel",
            Self::Cron => "cron",
            Self::Hook => "hook",
            Self::Node => "node",
            Self::SubAgent => "subagent",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_its_kind() {
        let kinds = [
            ("main", SessionKind::Main),
            ("telegram:direct:42", SessionKind::Direct),
            ("direct:42", SessionKind::Direct),
            ("telegram:group:-100:topic:7", SessionKind::Group),
            ("discord:channel:9", SessionKind::Channel),
            ("cron:daily:run:5", SessionKind::Cron),
            ("hook:mail", SessionKind::Hook),
            ("node:phone", SessionKind::Node),
            ("subagent:1f", SessionKind::SubAgent),
            ("notes", SessionKind::Other),
        ];
        for (rest, kind) in kinds {
            let key = SessionKey::parse(&format!("agent:home:{rest}")).unwrap();
            assert_eq!(SessionKind::of(&key), kind, "{rest}");
        }
    }

    #[test]
    fn no_account_passes_for_another_way_in() {
        assert_eq!(Entry::of_source("telegram/cron"), Entry::Chat);
        assert_eq!(Entry::of_source("ws"), Entry::Rpc);
        assert_eq!(Entry::of_source("cron"), Entry::Cron);
        assert_eq!(Entry::of_source("something new"), Entry::System);
    }
}
