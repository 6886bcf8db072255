//! Which sessions a turn may see. Pure.
//!
//! A conversation sees itself and what it began. Beyond that rights decide, with two bounds: what is private is not
//! brought into a group, and other agents are seen only where `tools.agentToAgent` lets both through.

use openclaw_protocol::SessionKey;
use openclaw_tool::SessionKind;
use serde_json::Value;

use super::principal::About;

/// Whether a session may be seen from another, and with which rights.
pub(super) fn visible(
    from: &SessionKey,
    to: &SessionKey,
    spawned_by: Option<&str>,
    config: &Value,
) -> Result<About, String> {
    if from == to || spawned_by == Some(from.as_str()) {
        return Ok(About::OwnConversation);
    }
    if matches!(
        SessionKind::of(from),
        SessionKind::Group | SessionKind::Channel
    ) {
        return Err(format!(
            "{to} is not shown in a group: only what the group itself began is"
        ));
    }
    if from.agent() != to.agent() && !agents_may(from, to, config) {
        return Err(format!(
            "{to} belongs to another agent: the owner can allow both in tools.agentToAgent (enabled, allow)"
        ));
    }
    Ok(About::House)
}

fn agents_may(from: &SessionKey, to: &SessionKey, config: &Value) -> bool {
    let rule = |name: &str| config.pointer(&format!("/tools/agentToAgent/{name}"));
    let is_on = rule("enabled").and_then(Value::as_bool) == Some(true);
    let allowed = rule("allow").and_then(Value::as_array);
    let lets = |agent: &str| match allowed {
        None => true,
        Some(list) => list.iter().filter_map(Value::as_str).any(|entry| {
            let entry = entry.trim();
            entry == "*" || entry.eq_ignore_ascii_case(agent)
        }),
    };
    is_on && lets(from.agent_str()) && lets(to.agent_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conversation_sees_itself_and_what_it_began_and_no_group_sees_more() {
        let off = json!({});
        let both =
            json!({ "tools": { "agentToAgent": { "enabled": true, "allow": ["main", "work"] } } });
        let one = json!({ "tools": { "agentToAgent": { "enabled": true, "allow": ["work"] } } });
        let all = json!({ "tools": { "agentToAgent": { "enabled": true } } });
        let unset = json!({ "tools": { "agentToAgent": { "allow": ["*"] } } });
        let (main, dm) = ("agent:main:main", "agent:main:telegram:direct:42");
        let (group, work) = ("agent:main:telegram:group:-100", "agent:work:main");
        let sub = "agent:main:subagent:1";
        for (from, to, spawned_by, config, expected) in [
            (dm, dm, None, &off, Some(About::OwnConversation)),
            (group, group, None, &off, Some(About::OwnConversation)),
            (group, sub, Some(group), &off, Some(About::OwnConversation)),
            (group, sub, Some(main), &off, None),
            (group, main, None, &off, None),
            (group, work, None, &all, None),
            (main, dm, None, &off, Some(About::House)),
            (dm, main, None, &off, Some(About::House)),
            (main, work, None, &off, None),
            (main, work, None, &unset, None),
            (main, work, None, &one, None),
            (main, work, None, &both, Some(About::House)),
            (work, main, None, &all, Some(About::House)),
        ] {
            let key = |key: &str| SessionKey::parse(key).unwrap();
            let seen = visible(&key(from), &key(to), spawned_by, config).ok();
            assert_eq!(seen, expected, "{from} -> {to}");
        }
    }
}
