//! Which agent and which session a message belongs to.
//!
//! Pure: a function of the configuration and the message. The most precise binding wins (one chat,
//! then a server, a team, an account, the whole channel); what no binding takes goes to the
//! default agent.

use openclaw_channel::InboundEnvelope;
use openclaw_channel::RouteInbound;
use openclaw_protocol::AgentId;
use openclaw_protocol::Chat;
use openclaw_protocol::ChatKind;
use openclaw_protocol::SessionKey;
use openclaw_protocol::config::Binding;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::PeerKind;
use openclaw_protocol::config::Section;
use openclaw_protocol::config::SessionScope;

use crate::deps::ConfigNow;

/// Routes by the configuration of the moment.
#[derive(Clone)]
pub struct Routes {
    pub config: ConfigNow,
}

impl RouteInbound for Routes {
    fn session_for(&self, event: &InboundEnvelope<'_>) -> SessionKey {
        session_for(
            &(self.config)(),
            &Arrival {
                channel: &event.account.channel,
                account: &event.account.account,
                chat: event.chat,
                sender: event.sender.map(|sender| sender.id.as_str()),
                is_topic: &*event.account.channel == "telegram",
            },
        )
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

/// What is known of a message before it has a session.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub channel: &'a str,
    pub account: &'a str,
    pub chat: &'a Chat,
    /// The sender's id; in direct chats the peer.
    pub sender: Option<&'a str>,
    /// Whether the chat's thread is a topic of a group, as on Telegram.
    pub is_topic: bool,
}

/// The session of a message.
pub fn session_for(config: &Config, arrival: &Arrival<'_>) -> SessionKey {
    let agent = agent_for(config, arrival);
    let session = config.session.or_default();
    if session.scope == SessionScope::Global {
        return SessionKey::main(&agent);
    }
    let thread = arrival.chat.thread.as_deref();
    match arrival.chat.kind {
        ChatKind::Direct => {
            let peer = arrival.sender.unwrap_or(&arrival.chat.id);
            let linked = link(&session.identity_links, arrival.channel, peer);
            SessionKey::direct(
                &agent,
                session.dm_scope,
                arrival.channel,
                arrival.account,
                linked.unwrap_or(peer),
            )
        }
        ChatKind::Group => {
            let topic = thread.filter(|_| arrival.is_topic);
            SessionKey::group(&agent, arrival.channel, &arrival.chat.id, topic)
        }
        ChatKind::Channel => SessionKey::channel(&agent, arrival.channel, &arrival.chat.id, thread),
    }
}

/// The agent of a message.
pub fn agent_for(config: &Config, arrival: &Arrival<'_>) -> AgentId {
    let known = config.agents.ids();
    config
        .bindings
        .iter()
        .filter_map(Section::get)
        .filter(|binding| known.contains(&binding.agent_id))
        .filter_map(|binding| Some((rank(binding, arrival)?, binding)))
        // The first of equals wins, as in the order of the file.
        .min_by_key(|(rank, _)| *rank)
        .map_or_else(|| config.agents.default_id(), |(_, b)| b.agent_id.clone())
}

/// How precisely a binding names the message's chat; 0 is the most precise.
fn rank(binding: &Binding, arrival: &Arrival<'_>) -> Option<u8> {
    let rule = &binding.r#match;
    if !rule.channel.eq_ignore_ascii_case(arrival.channel) {
        return None;
    }
    let account = rule.account_id.as_deref();
    let by_account = match account {
        Some("*") => 1,
        Some(name) if name.eq_ignore_ascii_case(arrival.account) => 0,
        None if arrival.account.eq_ignore_ascii_case("default") => 0,
        _ => return None,
    };
    if rule.guild_id.is_some() || rule.team_id.is_some() {
        return None; // no channel of this version has servers or teams
    }
    let Some(peer) = &rule.peer else {
        return Some(3 + by_account);
    };
    let same_kind = matches!(
        (peer.kind, arrival.chat.kind),
        (PeerKind::Direct, ChatKind::Direct)
            | (PeerKind::Group, ChatKind::Group)
            | (PeerKind::Channel, ChatKind::Channel)
    );
    let id = match arrival.chat.kind {
        ChatKind::Direct => arrival.sender.unwrap_or(&arrival.chat.id),
        _ => &arrival.chat.id,
    };
    (same_kind && (peer.id.eq_ignore_ascii_case(id) || peer.id == arrival.chat.id))
        .then_some(by_account)
}

/// The name under which a person's ids are put together.
fn link<'a>(
    links: &'a std::collections::BTreeMap<String, Vec<String>>,
    channel: &str,
    peer: &str,
) -> Option<&'a str> {
    let with_channel = format!("{channel}:{peer}");
    links
        .iter()
        .find(|(_, ids)| {
            ids.iter()
                .any(|id| id.eq_ignore_ascii_case(&with_channel) || id.eq_ignore_ascii_case(peer))
        })
        .map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding(agent: &str, rule: serde_json::Value) -> Section<Binding> {
        Section::Valid(serde_json::from_value(json!({"agentId": agent, "match": rule})).unwrap())
    }

    fn config(bindings: Vec<Section<Binding>>) -> Config {
        let entry = |id: &str| Section::Valid(serde_json::from_value(json!({"id": id})).unwrap());
        let mut config = Config {
            bindings,
            ..Config::default()
        };
        config.agents.list = vec![entry("main"), entry("work"), entry("kids")];
        config
    }

    fn chat(kind: ChatKind, id: &str) -> Chat {
        Chat {
            kind,
            id: id.to_owned(),
            ..Chat::default()
        }
    }

    fn arrival<'a>(account: &'a str, chat: &'a Chat, sender: &'a str) -> Arrival<'a> {
        Arrival {
            channel: "telegram",
            account,
            chat,
            sender: Some(sender),
            is_topic: true,
        }
    }

    #[test]
    fn the_most_precise_binding_wins() {
        let config = config(vec![
            binding("work", json!({"channel": "telegram", "accountId": "*"})),
            binding(
                "kids",
                json!({"channel": "telegram", "accountId": "*",
                "peer": {"kind": "direct", "id": "42"}}),
            ),
            binding("nobody", json!({"channel": "telegram"})),
        ]);
        let direct = chat(ChatKind::Direct, "42");
        let agent = |sender| agent_for(&config, &arrival("home", &direct, sender));
        assert_eq!(agent("42").as_str(), "kids");
        assert_eq!(agent("43").as_str(), "kids"); // by the chat's id
        let other = chat(ChatKind::Direct, "43");
        let agent = agent_for(&config, &arrival("home", &other, "43"));
        assert_eq!(agent.as_str(), "work");
    }

    #[test]
    fn without_a_binding_the_default_agent_answers() {
        let config = config(vec![binding("work", json!({"channel": "telegram"}))]);
        let direct = chat(ChatKind::Direct, "1");
        // No account in the rule means the account "default", not all of them.
        let agent = agent_for(&config, &arrival("home", &direct, "1"));
        assert_eq!(agent.as_str(), "main");
        let agent = agent_for(&config, &arrival("default", &direct, "1"));
        assert_eq!(agent.as_str(), "work");
    }

    #[test]
    fn with_one_scope_for_all_an_agent_has_one_conversation() {
        let work = binding(
            "work",
            json!({"channel": "telegram", "accountId": "office"}),
        );
        let mut config = config(vec![work]);
        config.session =
            Section::Valid(serde_json::from_value(json!({"scope": "global"})).unwrap());
        let mut topic = chat(ChatKind::Group, "-100");
        topic.thread = Some("7".to_owned());
        for chat in [chat(ChatKind::Direct, "42"), topic] {
            let key = |account| session_for(&config, &arrival(account, &chat, "42"));
            assert_eq!(key("home").as_str(), "agent:main:main");
            assert_eq!(key("office").as_str(), "agent:work:main");
        }
    }

    #[test]
    fn keys_follow_the_kind_of_chat() {
        let mut config = config(Vec::new());
        let direct = chat(ChatKind::Direct, "42");
        let key = session_for(&config, &arrival("home", &direct, "42"));
        assert_eq!(key.as_str(), "agent:main:telegram:direct:42");
        let mut group = chat(ChatKind::Group, "-100");
        group.thread = Some("7".to_owned());
        let key = session_for(&config, &arrival("home", &group, "42"));
        assert_eq!(key.as_str(), "agent:main:telegram:group:-100:topic:7");
        if let Section::Valid(session) = &mut config.session {
            session
                .identity_links
                .insert("ann".to_owned(), vec!["telegram:42".to_owned()]);
        }
        let key = session_for(&config, &arrival("home", &direct, "42"));
        assert_eq!(key.as_str(), "agent:main:telegram:direct:ann");
    }
}
