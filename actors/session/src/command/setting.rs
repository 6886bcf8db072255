//! The answers to commands that only switch something of the session, and what they change.

use serde_json::Value;
use serde_json::json;

use super::Command;
use super::directive::Directives;
use crate::elevated;
use crate::entry;
use crate::entry::Entry;

/// The answer, and what it changes; none for commands of another kind. `may_send` is what holds now.
pub(crate) fn answer(
    command: &Command,
    stored: Option<&Entry>,
    may_send: bool,
) -> Option<(String, Entry)> {
    Some(match command {
        Command::Verbose { wish } => switch(
            wish,
            stored,
            "verboseLevel",
            "I name the tools I used with each answer.",
            "I don't name the tools I use.",
        ),
        Command::Reasoning { wish } => switch(
            wish,
            stored,
            "reasoningLevel",
            "I show the reasoning with each answer, where the model gives one.",
            "I don't show the reasoning.",
        ),
        Command::Send { wish } => send(wish, may_send),
        Command::Activation => (
            "What I hear in a group is decided before a session is: \
             openclaw config set channels.telegram.groups.ID.requireMention false (or true)."
                .to_owned(),
            Entry::new(),
        ),
        _ => return None,
    })
}

/// What directives that stand alone change of the session, but for the model.
pub(crate) fn keep(directives: &Directives) -> Entry {
    let level = |on: bool| json!(if on { "on" } else { "off" });
    let fields = [
        (
            "thinkingLevel",
            directives.think.as_ref().map(|level| json!(level)),
        ),
        ("verboseLevel", directives.verbose.map(level)),
        ("reasoningLevel", directives.reasoning.map(level)),
        (
            elevated::FIELD,
            directives.elevated.as_ref().map(|level| json!(level)),
        ),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// Whether a switch of the session is on; `usual` holds where nobody chose.
pub(crate) fn is_on(stored: Option<&Entry>, field: &str, usual: Option<&str>) -> bool {
    let chosen = stored.and_then(|entry| entry::text(entry, field));
    matches!(chosen.or(usual), Some("on" | "full" | "stream"))
}

fn switch(wish: &str, stored: Option<&Entry>, field: &str, on: &str, off: &str) -> (String, Entry) {
    let set = |value: Value| Entry::from_iter([(field.to_owned(), value)]);
    match wish {
        "" => {
            let now = if is_on(stored, field, None) { on } else { off };
            (format!("{now} Choose: on, off"), Entry::new())
        }
        "on" | "full" | "stream" => (on.to_owned(), set(json!("on"))),
        "off" => (off.to_owned(), set(json!("off"))),
        "default" => ("As configured from now on.".to_owned(), set(Value::Null)),
        other => (
            format!("I don't know \"{other}\". Choose: on, off, default"),
            Entry::new(),
        ),
    }
}

fn send(wish: &str, may_send: bool) -> (String, Entry) {
    let set = |value: Value| Entry::from_iter([("sendPolicy".to_owned(), value)]);
    match wish {
        "on" | "allow" => ("My answers go out here.".to_owned(), set(json!("allow"))),
        "off" | "deny" => (
            "My answers stay in the session; back: /send on".to_owned(),
            set(json!("deny")),
        ),
        "inherit" | "default" => (
            "Whether my answers go out here is as configured.".to_owned(),
            set(Value::Null),
        ),
        _ => {
            let now = if may_send {
                "go out here"
            } else {
                "stay in the session"
            };
            (
                format!("My answers {now}. Choose: on, off, inherit"),
                Entry::new(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_kept_in_its_field_and_a_slip_changes_nothing() {
        let verbose = |wish: &str| {
            let wish = wish.to_owned();
            answer(&Command::Verbose { wish }, None, true).unwrap()
        };
        assert_eq!(verbose("on").1["verboseLevel"], "on");
        assert_eq!(verbose("off").1["verboseLevel"], "off");
        assert!(verbose("default").1["verboseLevel"].is_null());
        assert!(verbose("").1.is_empty());
        let (text, patch) = verbose("loud");
        assert!(patch.is_empty() && text.contains("loud"));
        let send = |wish: &str| {
            let wish = wish.to_owned();
            answer(&Command::Send { wish }, None, false).unwrap()
        };
        assert_eq!(send("off").1["sendPolicy"], "deny");
        assert!(send("inherit").1["sendPolicy"].is_null());
        assert!(send("").0.contains("stay in the session"));
        assert_eq!(answer(&Command::Status, None, true), None);
    }

    #[test]
    fn what_nobody_chose_is_as_configured() {
        let on = json!({"verboseLevel": "full"});
        let off = json!({"verboseLevel": "off"});
        for (stored, usual, is) in [
            (None, None, false),
            (None, Some("on"), true),
            (Some(&on), None, true),
            (Some(&off), Some("on"), false),
        ] {
            let stored = stored.and_then(Value::as_object);
            assert_eq!(is_on(stored, "verboseLevel", usual), is);
        }
    }
}
