//! The answer to `/elevated`, and what it changes of the session. Pure.

use openclaw_ledger::InboxRow;
use openclaw_protocol::AgentId;
use openclaw_protocol::config::Config;
use openclaw_tool::Elevated;
use openclaw_tool::sandbox::Setting;
use serde_json::Value;
use serde_json::json;

use crate::caller;
use crate::elevated;
use crate::entry::Entry;

/// The mode of a session: said, or chosen.
pub(crate) fn answer(
    config: &Config,
    row: &InboxRow,
    stored: Option<&Entry>,
    wish: &str,
) -> (String, Entry) {
    let agent: AgentId = row.session.agent();
    let tree = config.tree.value();
    let most = elevated::most(config, row);
    let set = |value: Value| Entry::from_iter([(elevated::FIELD.to_owned(), value)]);
    let walls = match Setting::of(tree, &agent).covers(&row.session) {
        true => "",
        false => " This session is not sandboxed, so it changes nothing here.",
    };
    let told = |level: Elevated| match level {
        Elevated::Off => format!("Programs stay within the sandbox.{walls}"),
        Elevated::Ask => format!(
            "Programs run on the gateway's machine, outside the sandbox, by its rules: you are asked as they say.{walls}"
        ),
        Elevated::Full => format!(
            "Programs run on the gateway's machine, outside the sandbox, and nobody is asked, unless this conversation \
             holds words from outside.{walls}"
        ),
    };
    match (wish, Elevated::parse(wish)) {
        ("", _) => {
            let now = elevated::level(config, row, elevated::kept(stored).as_deref());
            let choose = "Choose: on, ask, full, off, default";
            (format!("{} {choose}", told(now)), Entry::new())
        }
        ("default", _) => ("As configured from now on.".to_owned(), set(Value::Null)),
        (_, None) => (
            format!("I don't know \"{wish}\". Choose: on, ask, full, off, default"),
            Entry::new(),
        ),
        (_, Some(Elevated::Off)) => (told(Elevated::Off), set(json!("off"))),
        (_, Some(_)) if most == Elevated::Off => {
            let caller = caller::caller(config, row, None);
            let why = elevated::refusal(tree, &agent, &caller);
            let why = why.unwrap_or_else(|| "these are words of somebody else".to_owned());
            let text = format!("Not here: {why}. See: openclaw sandbox explain");
            (text, Entry::new())
        }
        (_, Some(Elevated::Full)) if most < Elevated::Full => (
            "Only an owner can have programs run unasked; /elevated on asks.".to_owned(),
            Entry::new(),
        ),
        (_, Some(level)) => (told(level), set(json!(wish))),
    }
}
