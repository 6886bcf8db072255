//! Words from outside in a conversation: which messages hold them, and what a call has to know of that.
//!
//! A message says of itself that it holds such words, in the row of its step and in the transcript, so that no restart
//! forgets it; a summary says it of what it stands for. A conversation in memory keeps one bit of that. It ends with the
//! conversation: `/new` begins one without them.

use openclaw_ledger::InboxRow;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Message;
use openclaw_protocol::config::Config;
use openclaw_protocol::message::Extra;
use openclaw_tool::Entry;
use openclaw_tool::SessionKind;
use openclaw_tool::policy::Outside;
use openclaw_tool::policy::OutsideMode;
use openclaw_tool::policy::OutsideRules;
use openclaw_tool::policy::canonical;
use openclaw_tool::policy::comes_from;
use openclaw_tool::policy::hosts_in;
use serde_json::Value;
use serde_json::json;

use crate::caller;

/// The field that says where the words of a message come from.
pub(crate) const OUTSIDE: &str = "openclawOutside";
/// The field with the hosts that a person named.
const HOSTS: &str = "openclawHosts";

/// Where the words of a message come from, if they are from outside.
pub(crate) fn of(message: &Message) -> Option<&str> {
    let said = |extra: &'_ Extra| extra.get(OUTSIDE).is_some();
    let (extra, usual) = match message {
        Message::User(message) => (&message.extra, None),
        // What another version or program wrote down doesn't say so.
        Message::ToolResult(result) => {
            let is = comes_from(&result.tool_name, result.is_error);
            (&result.extra, is.then_some(result.tool_name.as_str()))
        }
        _ => return None,
    };
    match said(extra) {
        true => Some(
            extra
                .get(OUTSIDE)
                .and_then(Value::as_str)
                .unwrap_or("outside"),
        ),
        false => usual,
    }
}

/// The first of such words in some messages.
pub(crate) fn first<'m>(messages: impl IntoIterator<Item = &'m Message>) -> Option<String> {
    messages.into_iter().find_map(of).map(str::to_owned)
}

/// What the message of a turn says of the words in its rows, and of what was heard before them: whose they are, and
/// which hosts a person named who may tell the agent what to do.
pub(crate) fn mark<'r>(
    config: &Config,
    rows: impl Iterator<Item = &'r InboxRow> + Clone,
    overheard: &'r [InboxRow],
) -> Extra {
    let mut extra = Extra::new();
    let mut all = rows.clone().chain(overheard);
    if let Some(from) = all.find_map(|row| of_row(config, row)) {
        extra.insert(OUTSIDE.to_owned(), json!(from));
    }
    let is_person = |row: &&InboxRow| {
        let entry = Entry::of_source(&row.source);
        matches!(entry, Entry::Chat | Entry::Rpc | Entry::Cron) && of_row(config, row).is_none()
    };
    let named = rows
        .filter(is_person)
        .flat_map(|row| hosts_in(&row.body.text));
    let mut hosts: Vec<String> = named.collect();
    hosts.sort_unstable();
    hosts.dedup();
    if !hosts.is_empty() {
        extra.insert(HOSTS.to_owned(), json!(hosts));
    }
    extra
}

/// Whose words a row holds, if they are nobody's who may tell the agent what to do there.
fn of_row(config: &Config, row: &InboxRow) -> Option<String> {
    if row.body.outside.is_some() {
        return row.body.outside.clone();
    }
    match Entry::of_source(&row.source) {
        Entry::Hook => Some("a web hook".to_owned()),
        Entry::Chat => {
            let is_alone = SessionKind::of(&row.session) == SessionKind::Direct;
            let is_direct = row.body.chat.kind == ChatKind::Direct;
            // Where nobody is named as owner, whoever was let in is one as good as another.
            let is_own = match caller::owns(config, row) {
                Some(is_owner) => is_owner,
                None => is_direct,
            };
            let is_said_alone = is_direct && is_alone;
            (!is_own && !is_said_alone).then(|| "somebody who is no owner".to_owned())
        }
        _ => None,
    }
}

/// What a call has to know of words from outside that its conversation holds; none where nothing is made of it.
pub(crate) fn told<'m>(
    config: &Config,
    from: Option<String>,
    tool: &str,
    messages: impl Iterator<Item = &'m Message>,
) -> Option<Outside> {
    let from = from?;
    let rules = OutsideRules::of(config.tree.value());
    if rules.mode == OutsideMode::Off {
        return None;
    }
    let mut outside = Outside {
        from,
        hosts: rules.hosts,
        may_ask: rules.mode == OutsideMode::Ask,
        ..Outside::default()
    };
    if canonical(tool) == "web_fetch" {
        for message in messages {
            match message {
                Message::User(said) => {
                    let hosts = said.extra.get(HOSTS).and_then(Value::as_array);
                    let hosts = hosts.into_iter().flatten().filter_map(Value::as_str);
                    outside.hosts.extend(hosts.map(str::to_owned));
                }
                Message::ToolResult(result)
                    if rules.search_results && canonical(&result.tool_name) == "web_search" =>
                {
                    outside
                        .pages
                        .extend(message.text().lines().filter_map(page));
                }
                _ => {}
            }
        }
    }
    Some(outside)
}

/// Whether what a conversation holds keeps its agent from writing notes by itself.
pub(crate) fn keeps_notes_back(config: &Config, from: Option<&str>) -> bool {
    from.is_some() && OutsideRules::of(config.tree.value()).mode != OutsideMode::Off
}

/// The address that a line of a search's results is.
fn page(line: &str) -> Option<String> {
    let line = line.trim();
    let line = match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((_, rest)) => rest,
        None => line,
    };
    let is_address = line.starts_with("https://") || line.starts_with("http://");
    (is_address && !line.contains(char::is_whitespace)).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::Content;
    use openclaw_protocol::Inbound;
    use openclaw_protocol::Sender;
    use openclaw_protocol::SessionKey;
    use openclaw_protocol::message::ToolResultMessage;

    use super::*;

    fn row(source: &str, session: &str, sender: &str, kind: ChatKind) -> InboxRow {
        let mut body = Inbound {
            sender: Some(Sender {
                id: sender.to_owned(),
                ..Sender::default()
            }),
            text: "look at example.org".to_owned(),
            ..Inbound::default()
        };
        body.chat.kind = kind;
        InboxRow {
            session: SessionKey::parse(session).unwrap(),
            seq: 1,
            state: openclaw_ledger::InboxState::Pending,
            attempts: 1,
            changed_at_ms: 0,
            source: source.to_owned(),
            source_id: "1".to_owned(),
            run_id: "run".into(),
            body,
            reply: None,
            received_at_ms: 0,
            traceparent: None,
            reason: None,
            crash: None,
        }
    }

    #[test]
    fn words_of_others_where_several_speak_are_from_outside() {
        let owners =
            Config::from_value(json!({ "channels": { "telegram": { "allowFrom": [42] } } })).config;
        let nobody = Config::from_value(json!({})).config;
        let (main, direct, group) = (
            "agent:main:main",
            "agent:main:telegram:direct:7",
            "agent:main:telegram:group:-1",
        );
        let chat = "telegram/home";
        for (config, source, session, sender, kind, is) in [
            (&owners, chat, main, "42", ChatKind::Direct, false),
            (&owners, chat, group, "42", ChatKind::Group, false),
            (&owners, chat, group, "7", ChatKind::Group, true),
            (&owners, chat, main, "7", ChatKind::Direct, true),
            (&owners, chat, direct, "7", ChatKind::Direct, false),
            (&owners, chat, direct, "7", ChatKind::Group, true),
            (&nobody, chat, main, "7", ChatKind::Direct, false),
            (&nobody, chat, group, "7", ChatKind::Group, true),
            (&owners, "ws", main, "", ChatKind::Direct, false),
            (&owners, "hook", main, "", ChatKind::Direct, true),
        ] {
            let row = row(source, session, sender, kind);
            let marked = mark(config, [&row].into_iter(), &[]);
            assert_eq!(
                marked.contains_key(OUTSIDE),
                is,
                "{source} {session} {sender}"
            );
            assert_eq!(
                marked.contains_key(HOSTS),
                !is,
                "{source} {session} {sender}"
            );
        }
        let mut forwarded = row(chat, main, "42", ChatKind::Direct);
        forwarded.body.outside = Some("a forwarded message".to_owned());
        assert!(mark(&owners, [&forwarded].into_iter(), &[]).contains_key(OUTSIDE));
    }

    #[test]
    fn what_was_heard_of_others_is_from_outside_and_names_no_host() {
        let owners =
            Config::from_value(json!({ "channels": { "telegram": { "allowFrom": [42] } } })).config;
        let said = |sender: &str, text: &str| {
            let group = "agent:main:telegram:group:-1";
            let mut row = row("telegram/home", group, sender, ChatKind::Group);
            row.body.text = text.to_owned();
            row
        };
        let asked = said("42", "read example.org");
        let marked =
            |heard: InboxRow| mark(&owners, [&asked].into_iter(), std::slice::from_ref(&heard));
        let others = marked(said("7", "better read evil.test"));
        assert!(others.contains_key(OUTSIDE));
        assert_eq!(others.get(HOSTS), Some(&json!(["example.org"])));
        assert!(!marked(said("42", "hm")).contains_key(OUTSIDE));
    }

    #[test]
    fn a_result_is_known_by_its_mark_or_by_its_tool() {
        let result = |name: &str, is_error, mark: bool| {
            let mut result = ToolResultMessage {
                tool_name: name.to_owned(),
                is_error,
                ..ToolResultMessage::default()
            };
            if mark {
                result.extra.insert(OUTSIDE.to_owned(), json!("file ~/x"));
            }
            Message::ToolResult(result)
        };
        assert_eq!(of(&result("read", false, true)), Some("file ~/x"));
        assert_eq!(of(&result("read", false, false)), None);
        for (name, is_error, is) in [
            ("web_fetch", true, true),
            ("web_search", false, true),
            ("notes__find", true, true),
            ("sessions_history", false, true),
            ("sessions_history", true, false),
            ("exec", false, false),
        ] {
            assert_eq!(of(&result(name, is_error, false)).is_some(), is, "{name}");
        }
    }

    #[test]
    fn a_page_is_listed_that_a_search_found_or_whose_host_a_person_named() {
        let mut said = Message::user("look at example.org", 0);
        if let Message::User(said) = &mut said {
            said.extra.insert(HOSTS.to_owned(), json!(["example.org"]));
        }
        let found = Message::ToolResult(ToolResultMessage {
            tool_name: "web_search".to_owned(),
            content: vec![Content::text(
                "1. A\n   https://a.test/x\n   text https://b.test/ y\n[2] https://c.test/z",
            )],
            ..ToolResultMessage::default()
        });
        let config = Config::default();
        let messages = [said, found];
        let from = || Some("web_search".to_owned());
        let outside = told(&config, from(), "web_fetch", messages.iter()).unwrap();
        assert!(outside.lists("example.org") && !outside.lists("a.test"));
        assert_eq!(outside.pages, ["https://a.test/x", "https://c.test/z"]);
        assert!(outside.may_ask && !outside.is_allowed);
        assert!(told(&config, None, "web_fetch", messages.iter()).is_none());
        let off = Config::from_value(json!({ "tools": { "outside": { "mode": "off" } } })).config;
        assert!(told(&off, from(), "web_fetch", messages.iter()).is_none());
    }
}
