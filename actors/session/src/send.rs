//! Whether a session's answers may go out: `/send`, else the rules of `session.sendPolicy`.
//!
//! Pure. A rule that denies and fits wins over any that allows; where none fits, the policy's default holds.

use openclaw_protocol::ChatKind;
use openclaw_protocol::SessionKey;
use openclaw_protocol::config::Config;
use serde_json::Value;

use crate::entry;
use crate::entry::Entry;

/// What a rule is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) key: &'a SessionKey,
    pub(crate) channel: Option<&'a str>,
    pub(crate) kind: ChatKind,
}

/// Whether words of a session may go to a chat of a channel.
pub fn may_send(
    config: &Config,
    stored: Option<&Entry>,
    key: &SessionKey,
    channel: &str,
    kind: ChatKind,
) -> bool {
    let session = config.session.or_default();
    let place = Place {
        key,
        channel: Some(channel),
        kind,
    };
    may(session.send_policy.as_ref(), stored, &place)
}

/// Whether answers may go out.
pub(crate) fn may(policy: Option<&Value>, stored: Option<&Entry>, place: &Place<'_>) -> bool {
    match stored.and_then(|entry| entry::text(entry, "sendPolicy")) {
        Some("deny") => return false,
        Some("allow") => return true,
        _ => {}
    }
    let Some(policy) = policy else {
        return true;
    };
    let denies = |value: Option<&Value>| value.and_then(Value::as_str) == Some("deny");
    let rules = policy.get("rules").and_then(Value::as_array);
    let mut fits = rules
        .into_iter()
        .flatten()
        .filter(|rule| rule.get("match").is_none_or(|wanted| fits(wanted, place)))
        .peekable();
    match fits.peek() {
        Some(_) => !fits.any(|rule| denies(rule.get("action"))),
        None => !denies(policy.get("default")),
    }
}

fn fits(wanted: &Value, place: &Place<'_>) -> bool {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let kind = match place.kind {
        ChatKind::Direct => "direct",
        ChatKind::Group => "group",
        ChatKind::Channel => "channel",
    };
    let is_kind = |name: &str| name == kind || (name == "dm" && kind == "direct");
    let starts = |prefix: &str| {
        place.key.as_str().starts_with(prefix) || place.key.rest().starts_with(prefix)
    };
    text("channel").is_none_or(|channel| {
        place
            .channel
            .is_some_and(|have| have.eq_ignore_ascii_case(channel))
    }) && text("chatType").is_none_or(is_kind)
        && text("keyPrefix").is_none_or(starts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_that_denies_wins_and_the_session_s_own_word_counts_most() {
        let key = SessionKey::parse("agent:main:telegram:group:-1").unwrap();
        let place = Place {
            key: &key,
            channel: Some("telegram"),
            kind: ChatKind::Group,
        };
        let rule = |action: &str, wanted: Value| json!({"action": action, "match": wanted});
        for (policy, is) in [
            (json!({}), true),
            (json!({"default": "deny"}), false),
            (
                json!({"default": "deny", "rules": [rule("allow", json!({"channel": "Telegram"}))]}),
                true,
            ),
            (
                json!({"rules": [rule("allow", json!({})), rule("deny", json!({"chatType": "group"}))]}),
                false,
            ),
            (
                json!({"rules": [rule("deny", json!({"chatType": "dm"}))]}),
                true,
            ),
            (
                json!({"rules": [rule("deny", json!({"keyPrefix": "telegram:group:"}))]}),
                false,
            ),
            (
                json!({"rules": [rule("deny", json!({"keyPrefix": "agent:main:cron"}))]}),
                true,
            ),
            (json!({"rules": [{"action": "deny"}]}), false),
        ] {
            assert_eq!(may(Some(&policy), None, &place), is, "{policy}");
            for (own, is) in [("allow", true), ("deny", false)] {
                let entry = json!({"sendPolicy": own});
                assert_eq!(may(Some(&policy), entry.as_object(), &place), is);
            }
        }
        assert!(may(None, None, &place));
    }
}
