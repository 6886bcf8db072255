//! Who may give which command. What somebody may not say is ordinary text, for the model.
//!
//! Pure. In a direct chat, and to a client, everybody whom the gate lets in may steer their own conversation. A group's
//! conversation belongs to more than one: there only people who are listed by id change it.

use openclaw_ledger::InboxRow;
use openclaw_protocol::ChatKind;
use openclaw_protocol::config::Config;
use openclaw_tool::Caller;
use serde_json::Value;

use super::Command;
use crate::caller;

/// The command of a row; none when it is for the model.
pub(crate) fn of(config: &Config, row: &InboxRow) -> Option<Command> {
    let triggers = config.session.or_default().reset_triggers;
    let command = super::read(&row.body.text, &triggers)?;
    may(&command, config, row).then_some(command)
}

/// Whether directives in a row's words are heeded.
pub(crate) fn may_direct(config: &Config, row: &InboxRow) -> bool {
    has(Need::Listed, config, row)
}

fn may(command: &Command, config: &Config, row: &InboxRow) -> bool {
    has(need(command), config, row)
}

fn has(need: Need, config: &Config, row: &InboxRow) -> bool {
    if need == Need::Nothing {
        return true;
    }
    let caller = caller::caller(config, row, None);
    if caller.is_owner {
        return true;
    }
    let is_shared = caller
        .chat
        .as_ref()
        .is_some_and(|chat| chat.kind != ChatKind::Direct);
    match need {
        Need::Nothing => true,
        Need::Listed => !is_shared || is_listed(config.tree.value(), &caller),
        Need::Owner => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Harmless, or wanted from everybody: a stop.
    Nothing,
    /// It changes a conversation, or tells of it.
    Listed,
    /// It changes what others get to see.
    Owner,
}

fn need(command: &Command) -> Need {
    match command {
        Command::Stop | Command::Help | Command::WhoAmI => Need::Nothing,
        Command::Send { .. } => Need::Owner,
        _ => Need::Listed,
    }
}

/// Whether a list for the caller's group names them by id.
fn is_listed(tree: &Value, caller: &Caller) -> bool {
    let (Some(account), Some(sender), Some(chat)) = (&caller.account, &caller.sender, &caller.chat)
    else {
        return false;
    };
    let Some(channel) = tree
        .get("channels")
        .and_then(|channels| channels.get(account.channel.as_ref()))
    else {
        return false;
    };
    let own = channel
        .get("accounts")
        .and_then(|accounts| accounts.get(account.account.as_ref()));
    let places = [own, Some(channel)];
    places.into_iter().flatten().any(|place| {
        let group = place.get("groups").and_then(|groups| groups.get(&chat.id));
        let lists = [
            place.get("groupAllowFrom"),
            group.and_then(|group| group.get("allowFrom")),
        ];
        lists
            .into_iter()
            .flatten()
            .any(|list| caller::names(account.channel.as_ref(), list, sender))
    })
}

#[cfg(test)]
mod tests {
    use openclaw_ledger::InboxState;
    use openclaw_protocol::Chat;
    use openclaw_protocol::Inbound;
    use openclaw_protocol::Sender;
    use openclaw_protocol::SessionKey;
    use serde_json::json;

    use super::*;

    fn row(text: &str, kind: ChatKind) -> InboxRow {
        InboxRow {
            session: SessionKey::parse("agent:main:telegram:group:-1").unwrap(),
            seq: 1,
            state: InboxState::Pending,
            attempts: 0,
            changed_at_ms: 0,
            source: "telegram/home".to_owned(),
            source_id: "1".to_owned(),
            run_id: "run".into(),
            body: Inbound {
                text: text.to_owned(),
                sender: Some(Sender {
                    id: "42".to_owned(),
                    ..Sender::default()
                }),
                chat: Chat {
                    kind,
                    id: "-1".to_owned(),
                    ..Chat::default()
                },
                ..Inbound::default()
            },
            reply: None,
            received_at_ms: 0,
            traceparent: None,
            reason: None,
            crash: None,
        }
    }

    fn may(telegram: Value, text: &str, kind: ChatKind) -> bool {
        let tree = json!({ "channels": { "telegram": telegram } });
        of(&Config::from_value(tree).config, &row(text, kind)).is_some()
    }

    #[test]
    fn a_group_s_conversation_is_changed_by_listed_people_only() {
        let changing = [
            "/new",
            "/model a/b",
            "/compact",
            "/queue collect",
            "/status",
            "/think high",
        ];
        for text in changing {
            assert!(may(json!({}), text, ChatKind::Direct), "{text}");
            for (lists, is) in [
                (json!({}), false),
                (json!({ "allowFrom": ["*"] }), false),
                (json!({ "groupAllowFrom": ["*"] }), false),
                (json!({ "groupAllowFrom": [7] }), false),
                (json!({ "allowFrom": [42] }), true),
                (json!({ "groupAllowFrom": ["tg:42"] }), true),
                (json!({ "groups": { "-1": { "allowFrom": [42] } } }), true),
                (json!({ "groups": { "-2": { "allowFrom": [42] } } }), false),
                (
                    json!({ "accounts": { "home": { "groupAllowFrom": [42] } } }),
                    true,
                ),
                (
                    json!({ "accounts": { "work": { "groupAllowFrom": [42] } } }),
                    false,
                ),
            ] {
                assert_eq!(
                    may(lists.clone(), text, ChatKind::Group),
                    is,
                    "{text} {lists}"
                );
            }
        }
        for text in ["/stop", "stop", "/help", "/whoami"] {
            assert!(may(json!({}), text, ChatKind::Group), "{text}");
        }
    }

    #[test]
    fn who_answers_whom_is_the_owner_s() {
        for kind in [ChatKind::Direct, ChatKind::Group] {
            assert!(!may(json!({ "groupAllowFrom": [42] }), "/send off", kind));
            assert!(may(json!({ "allowFrom": [42] }), "/send off", kind));
        }
    }
}
