//! Elevated mode: who may have programs of a sandboxed session run outside its walls. Pure.
//!
//! It takes three: the configuration lets it be, it names whoever writes, and somebody of those asked for it. Only what a
//! person types opens it: no job, hook, node or sub-agent has it, and no words that were forwarded.

use openclaw_ledger::InboxRow;
use openclaw_protocol::AgentId;
use openclaw_protocol::config::Config;
use openclaw_tool::Caller;
use openclaw_tool::Elevated;
use openclaw_tool::Entry;
use serde_json::Value;
use serde_json::json;

use crate::caller;
use crate::entry;

/// What a session's entry keeps of it.
pub(crate) const FIELD: &str = "elevatedLevel";

/// Why whoever a turn acts for has no elevated mode; none if they may.
pub(crate) fn refusal(tree: &Value, agent: &AgentId, caller: &Caller) -> Option<String> {
    let scopes = scopes(tree, agent);
    let off = scopes.iter().find(|(_, set)| !is_on(set));
    if let Some((name, _)) = off {
        return Some(format!("{name}.enabled is false"));
    }
    let (account, sender) = match (caller.entry, &caller.account, &caller.sender) {
        (Entry::Chat, Some(account), Some(sender)) => (account, sender),
        // Whoever may change the configuration could name themselves.
        (Entry::Rpc, None, _) if caller.is_owner => return None,
        (Entry::Rpc, ..) => return Some("this client does not hold operator.admin".to_owned()),
        _ => return Some("nobody typed this message".to_owned()),
    };
    let channel = account.channel.as_ref();
    let names = |set: &Value| {
        let list = set.get("allowFrom").and_then(|lists| lists.get(channel));
        list.is_some_and(|list| caller::names(channel, list, sender))
    };
    let is_named = scopes.iter().enumerate().all(|(place, (_, set))| {
        // The agent's own list narrows; where there is none, the first decides.
        names(set) || (place > 0 && set.get("allowFrom").is_none())
    });
    (!is_named).then(|| format!("tools.elevated.allowFrom.{channel} does not name {sender} by id"))
}

/// The most that whoever wrote a row may have; what was forwarded of others asks for nothing.
pub(crate) fn most(config: &Config, row: &InboxRow) -> Elevated {
    let caller = caller::caller(config, row, None);
    let agent = row.session.agent();
    match refusal(config.tree.value(), &agent, &caller) {
        _ if row.body.outside.is_some() => Elevated::Off,
        Some(_) => Elevated::Off,
        None if caller.is_owner => Elevated::Full,
        None => Elevated::Ask,
    }
}

/// What holds for a turn: what was wished for it, its session or by the configuration, as far as its writer may have it.
pub(crate) fn level(config: &Config, row: &InboxRow, wish: Option<&str>) -> Elevated {
    let usual = || {
        config
            .tree
            .value()
            .pointer("/agents/defaults/elevatedDefault")
    };
    let wish = wish.or_else(|| usual().and_then(Value::as_str));
    // A word that can't be read opens nothing.
    let wish = wish.and_then(Elevated::parse).unwrap_or_default();
    match wish {
        Elevated::Off => Elevated::Off,
        wish => wish.min(most(config, row)),
    }
}

/// What the session's entry says.
pub(crate) fn kept(stored: Option<&entry::Entry>) -> Option<String> {
    stored
        .and_then(|entry| entry::text(entry, FIELD))
        .map(str::to_owned)
}

/// What is set, for people.
pub fn told(tree: &Value, agent: &AgentId) -> Value {
    let scopes = scopes(tree, agent);
    let lists = |place: usize| scopes.get(place).and_then(|(_, set)| set.get("allowFrom"));
    json!({
        "enabled": scopes.iter().all(|(_, set)| is_on(set)),
        "allowFrom": lists(0),
        "agentAllowFrom": lists(1),
        "usual": tree.pointer("/agents/defaults/elevatedDefault").and_then(Value::as_str).unwrap_or("off"),
    })
}

/// Where something is set: for all, then for the agent.
fn scopes<'a>(tree: &'a Value, agent: &AgentId) -> [(String, &'a Value); 2] {
    const NOTHING: &Value = &Value::Null;
    let own = tree.pointer("/agents/list").and_then(Value::as_array);
    let own = own.into_iter().flatten().find(|entry| {
        let id = entry.get("id").and_then(Value::as_str);
        id.and_then(|id| AgentId::parse(id).ok()).as_ref() == Some(agent)
    });
    [
        (
            "tools.elevated".to_owned(),
            tree.pointer("/tools/elevated").unwrap_or(NOTHING),
        ),
        (
            format!("agents.list[{agent}].tools.elevated"),
            own.and_then(|own| own.pointer("/tools/elevated"))
                .unwrap_or(NOTHING),
        ),
    ]
}

/// A switch that can't be read is off.
fn is_on(set: &Value) -> bool {
    match set.get("enabled") {
        None => true,
        Some(enabled) => enabled == &Value::Bool(true),
    }
}

#[cfg(test)]
mod tests {
    use openclaw_ledger::InboxState;
    use openclaw_protocol::Inbound;
    use openclaw_protocol::Scope;
    use openclaw_protocol::Scopes;
    use openclaw_protocol::Sender;
    use openclaw_protocol::SessionKey;

    use super::*;

    fn row(source: &str, sender: Option<&str>, scopes: Scopes) -> InboxRow {
        InboxRow {
            session: SessionKey::parse("agent:main:telegram:group:-1").unwrap(),
            seq: 1,
            state: InboxState::Pending,
            attempts: 0,
            changed_at_ms: 0,
            source: source.to_owned(),
            source_id: "1".to_owned(),
            run_id: "run".into(),
            body: Inbound {
                sender: sender.map(|id| Sender {
                    id: id.to_owned(),
                    username: Some("ann".to_owned()),
                    ..Sender::default()
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

    fn of(elevated: Value, agent: Value, row: &InboxRow) -> Elevated {
        let tree = json!({
            "tools": { "elevated": elevated },
            "agents": { "list": [{ "id": "main", "tools": { "elevated": agent } }] },
            "channels": { "telegram": { "allowFrom": [42] } },
        });
        level(&Config::from_value(tree).config, row, Some("full"))
    }

    #[test]
    fn only_who_is_named_by_id_leaves_the_walls_and_only_an_owner_unasked() {
        let chat = |sender| row("telegram/home", Some(sender), Scopes::all());
        let from = |list: Value| json!({ "allowFrom": { "telegram": list } });
        let nothing = || json!({});
        for (elevated, agent, sender, is) in [
            (json!({}), nothing(), "42", Elevated::Off),
            (from(json!([42])), nothing(), "42", Elevated::Full),
            (from(json!(["tg:7"])), nothing(), "7", Elevated::Ask),
            (from(json!(["*"])), nothing(), "42", Elevated::Off),
            (from(json!(["@ann"])), nothing(), "42", Elevated::Off),
            (from(json!([42])), nothing(), "7", Elevated::Off),
            (from(json!([42])), from(json!([42])), "42", Elevated::Full),
            (from(json!([42])), from(json!([7])), "42", Elevated::Off),
            (from(json!([7])), from(json!([42])), "42", Elevated::Off),
            (
                from(json!([42])),
                json!({ "enabled": false }),
                "42",
                Elevated::Off,
            ),
            (
                json!({ "enabled": "no", "allowFrom": { "telegram": [42] } }),
                nothing(),
                "42",
                Elevated::Off,
            ),
            (
                json!({ "allowFrom": { "discord": [42] } }),
                nothing(),
                "42",
                Elevated::Off,
            ),
        ] {
            let told = format!("{elevated} {agent} {sender}");
            assert_eq!(of(elevated, agent, &chat(sender)), is, "{told}");
        }
    }

    #[test]
    fn what_nobody_typed_is_never_elevated() {
        let set = || json!({ "allowFrom": { "telegram": [42] } });
        let own = row("telegram/home", Some("42"), Scopes::NONE);
        let mut forwarded = own.clone();
        forwarded.body.outside = Some("a forward".to_owned());
        assert_eq!(of(set(), json!({}), &own), Elevated::Full);
        assert_eq!(of(set(), json!({}), &forwarded), Elevated::Off);
        for source in ["cron", "hook", "node", "subagent", "system"] {
            let row = row(source, Some("42"), Scopes::all());
            assert_eq!(of(set(), json!({}), &row), Elevated::Off, "{source}");
        }
        let write: Scopes = [Scope::Write].into_iter().collect();
        for (scopes, is) in [(Scopes::all(), Elevated::Full), (write, Elevated::Off)] {
            assert_eq!(of(json!({}), json!({}), &row("ws", None, scopes)), is);
        }
    }
}
