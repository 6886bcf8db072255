//! Who a turn acts for: from the row, what was granted to its sender, and the configuration as it is now. Pure.

use openclaw_channel::access::AllowList;
use openclaw_channel::access::Grants;
use openclaw_ledger::InboxRow;
use openclaw_protocol::AccountKey;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::config::Config;
use openclaw_tool::Caller;
use openclaw_tool::Elevated;
use openclaw_tool::Entry;
use openclaw_tool::SessionKind;
use serde_json::Value;

/// Who the turn of a row acts for.
///
/// An owner is a client that holds every right, a job that such a client made, and on a channel whoever is listed by
/// id: in `commands.ownerAllowFrom`, or where nothing stands there, in the account's own `allowFrom`. `*` names nobody,
/// and being paired makes nobody an owner.
pub(crate) fn caller(config: &Config, row: &InboxRow, model: Option<&ModelRef>) -> Caller {
    let entry = Entry::of_source(&row.source);
    let account = match entry {
        Entry::Chat => row.source.parse::<AccountKey>().ok(),
        _ => None,
    };
    let sender = row.body.sender.as_ref().map(|sender| sender.id.clone());
    let chat = account.is_some().then(|| row.body.chat.clone());
    // A sub-agent acts for whoever its parent acted for, and is held to the rules of that chat.
    let (account, sender, chat) = match &row.body.spawn {
        Some(spawn) if entry == Entry::SubAgent => (
            spawn.account.as_ref().and_then(|name| name.parse().ok()),
            spawn.sender.clone(),
            spawn.chat.clone(),
        ),
        _ => (account, sender, chat),
    };
    let granted = |scope| row.body.scopes.allows(scope);
    let is_owner = match (&account, &sender) {
        (Some(account), Some(sender)) => is_owner(config.tree.value(), account, sender),
        (Some(_), None) => false,
        (None, _) => granted(Scope::Admin),
    };
    let scopes = match &account {
        _ if is_owner => Scopes::all(),
        Some(_) => Scopes::NONE,
        None => row.body.scopes,
    };
    Caller {
        scopes,
        chat,
        may_approve: is_owner || granted(Scope::Approvals),
        model: model.cloned(),
        session: SessionKind::of(&row.session),
        reply: row.reply.clone(),
        entry,
        account,
        sender,
        is_owner,
        // What was asked for is known to the turn alone.
        elevated: Elevated::Off,
    }
}

/// Whether whoever wrote a row on a channel is an owner; none where the configuration names no owner there.
pub(crate) fn owns(config: &Config, row: &InboxRow) -> Option<bool> {
    let account: AccountKey = row.source.parse().ok()?;
    let owners = owners(config.tree.value(), &account)?;
    let sender = row.body.sender.as_ref();
    Some(sender.is_some_and(|sender| owners.admits(&sender.id, &Grants::default())))
}

/// Whether a person on a channel is an owner.
fn is_owner(tree: &Value, account: &AccountKey, sender: &str) -> bool {
    // Without grants only ids count: a name is not proof of anybody.
    owners(tree, account).is_some_and(|owners| owners.admits(sender, &Grants::default()))
}

/// Who is named as owner on an account's channel.
fn owners(tree: &Value, account: &AccountKey) -> Option<AllowList> {
    let channel = account.channel.as_ref();
    let lists = |list: Option<&Value>| list.and_then(|list| people(channel, list));
    let owners = lists(tree.pointer("/commands/ownerAllowFrom"));
    owners.or_else(|| {
        let channel = tree.get("channels")?.get(channel)?;
        let own = channel
            .get("accounts")
            .and_then(|accounts| accounts.get(account.account.as_ref()))
            .and_then(|account| account.get("allowFrom"));
        lists(own.or_else(|| channel.get("allowFrom")))
    })
}

/// Whether a list names somebody by id.
pub(crate) fn names(channel: &str, list: &Value, sender: &str) -> bool {
    people(channel, list).is_some_and(|people| people.admits(sender, &Grants::default()))
}

/// The people that a list names; none where it names nobody in particular.
fn people(channel: &str, list: &Value) -> Option<AllowList> {
    let words = list.as_array().into_iter().flatten().filter_map(word);
    // Everybody is nobody in particular.
    let words: Vec<String> = words.filter(|word| word.trim() != "*").collect();
    (!words.is_empty()).then(|| AllowList::parse(channel, words))
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::Inbound;
    use openclaw_protocol::Sender;
    use openclaw_protocol::SessionKey;
    use serde_json::json;

    use super::*;

    fn row(source: &str, sender: Option<&str>, scopes: Scopes) -> InboxRow {
        InboxRow {
            session: SessionKey::parse("agent:main:main").unwrap(),
            seq: 1,
            state: openclaw_ledger::InboxState::Pending,
            attempts: 1,
            changed_at_ms: 0,
            source: source.to_owned(),
            source_id: "1".to_owned(),
            run_id: "run".into(),
            body: Inbound {
                sender: sender.map(|id| Sender {
                    id: id.to_owned(),
                    name: Some("7".to_owned()),
                    username: Some("ann".to_owned()),
                }),
                scopes,
                ..Inbound::default()
            },
            reply: None,
            received_at_ms: 0,
            traceparent: None,
            reason: None,
            crash: None,
        }
    }

    fn owns(tree: Value, source: &str, sender: Option<&str>, scopes: Scopes) -> bool {
        let config = Config::from_value(tree).config;
        caller(&config, &row(source, sender, scopes), None).is_owner
    }

    #[test]
    fn only_a_listed_id_makes_a_person_on_a_channel_an_owner() {
        let tree = |list: Value| json!({ "channels": { "telegram": { "allowFrom": list } } });
        let all = Scopes::all();
        for (list, is) in [
            (json!([42]), true),
            (json!(["telegram:42"]), true),
            (json!(["tg:42"]), true),
            (json!(["*"]), false),
            (json!(["@ann"]), false),
            (json!([7]), false),
            (json!([]), false),
        ] {
            // What a client may do says nothing of a person, whatever stands in the row.
            assert_eq!(
                owns(tree(list.clone()), "telegram/home", Some("42"), all),
                is,
                "{list}"
            );
            assert!(!owns(tree(list), "telegram/home", None, all));
        }
        let mut named = tree(json!([42]));
        named["commands"] = json!({ "ownerAllowFrom": ["telegram:7"] });
        assert!(!owns(named.clone(), "telegram/home", Some("42"), all));
        assert!(owns(named, "telegram/home", Some("7"), Scopes::NONE));
    }

    #[test]
    fn a_client_owns_what_it_was_granted() {
        let some: Scopes = [Scope::Write, Scope::Approvals].into_iter().collect();
        for (source, scopes, is) in [
            ("ws", Scopes::all(), true),
            ("ws", some, false),
            ("ws", Scopes::NONE, false),
            ("system", Scopes::NONE, false),
        ] {
            assert_eq!(owns(json!({}), source, None, scopes), is, "{source}");
        }
        let approver = caller(&Config::default(), &row("ws", None, some), None);
        assert!(approver.may_approve && !approver.is_owner);
    }
}
