//! What a turn may not do by itself once its conversation holds words from outside. Pure.
//!
//! Whoever wrote those words may have written them for the agent, and the model is taken to obey them. So what reaches
//! further than the conversation and the workspace needs a person's yes from then on, whatever else is allowed.

use serde::Serialize;
use serde_json::Value;

use super::canonical;
use crate::mcp;

/// The rule that the configuration may name, in `tools.outside`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideRules {
    /// What comes of what the rule holds back.
    pub mode: Mode,
    /// Hosts that pages may be read from all the same; `*.example.org` is every host below.
    pub hosts: Vec<String>,
    /// Folders outside the workspace whose files are the owner's own words.
    pub folders: Vec<String>,
    /// Whether a page may be read that a search has found.
    pub search_results: bool,
}

/// What comes of what the rule holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A person is asked.
    #[default]
    Ask,
    /// It is refused.
    Refuse,
    /// There is no such rule.
    Off,
}

/// Words from outside that a conversation holds, as a call has to know of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// Where the first of them come from.
    pub from: String,
    /// Hosts that the owner listed, or named in this conversation.
    pub hosts: Vec<String>,
    /// Pages that a search of this conversation has found.
    pub pages: Vec<String>,
    /// Whether a person is asked; else what is held back is refused.
    pub may_ask: bool,
    /// A person said yes to this very call.
    pub is_allowed: bool,
}

/// What the rule says of a call by its name and arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It does nothing that reaches further.
    Free,
    /// The tool itself knows what the call would do, and says so before it does it.
    Own,
    /// It is held back.
    Held(&'static str),
}

/// What is told of the rule, and of which tools.
pub const TOLD: &[(&str, &str)] = &[
    (
        "exec, process",
        "programs on this machine, and what they are fed; within a sandbox that can't write to the workspace they run",
    ),
    (
        "message, sessions_send, sessions_spawn",
        "words to anybody but this conversation, and tasks for other agents",
    ),
    (
        "web_fetch",
        "hosts that are neither in tools.outside.hosts nor named by the owner in this conversation, and no result of a search",
    ),
    (
        "write, edit, apply_patch",
        "notes (MEMORY.md, memory/), the agent's own files (AGENTS.md, SOUL.md, USER.md ...), skills, hidden files, and everything outside the workspace and tools.outside.folders",
    ),
    ("memory_note", "all of it"),
    (
        "read, grep, find, ls",
        "what looks like a secret: .env, keys, credentials, hidden folders outside the workspace",
    ),
    ("cron, gateway, nodes, session_status", "every change"),
    (
        "tools of MCP servers",
        "those that don't say that they only read, and every address in what they are given",
    ),
];

impl OutsideRules {
    /// The rule as it is set. A word that can't be read is the usual: a mistake must not take it away.
    pub fn of(tree: &Value) -> Self {
        let set = tree.pointer("/tools/outside");
        let word = |name: &str| set.and_then(|set| set.get(name));
        let list = |name: &str| {
            let list = word(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
                .collect()
        };
        Self {
            mode: match word("mode").and_then(Value::as_str) {
                Some("off") => Mode::Off,
                Some("refuse") => Mode::Refuse,
                _ => Mode::Ask,
            },
            hosts: list("hosts"),
            folders: list("folders"),
            search_results: word("searchResults")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        }
    }
}

impl Outside {
    /// Whether a page of this host may be read.
    pub fn lists(&self, host: &str) -> bool {
        let host = plain_host(host);
        self.hosts.iter().any(|listed| {
            let listed = plain_host(listed);
            match listed.strip_prefix("*.") {
                Some(above) => host
                    .strip_suffix(above)
                    .is_some_and(|rest| rest.ends_with('.')),
                None => listed == "*" || listed == host,
            }
        })
    }

    /// Whether this very page was found by a search: its address holds nothing that the model could have put there.
    pub fn found(&self, page: &str) -> bool {
        self.pages.iter().any(|found| found == page)
    }
}

/// A host as hosts are compared.
fn plain_host(host: &str) -> String {
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    host.strip_prefix("www.")
        .map_or(host.clone(), str::to_owned)
}

/// What the rule says of a call; `reads_only` is what the tool says of itself. What nobody knows is held back.
pub fn word(tool: &str, arguments: &Value, reads_only: bool) -> Word {
    let said = |name: &str| {
        let text = arguments.get(name).and_then(Value::as_str);
        text.map(str::trim).filter(|text| !text.is_empty())
    };
    let action = || said("action").unwrap_or_default();
    let unless = |harmless: &[&str], why| match harmless.contains(&action()) {
        true => Word::Free,
        false => Word::Held(why),
    };
    match canonical(tool).as_str() {
        "read" | "grep" | "find" | "ls" | "write" | "edit" | "apply_patch" | "exec"
        | "web_fetch" | "message" => Word::Own,
        "current_time" | "gateway_status" | "agents_list" | "sessions_list"
        | "sessions_history" | "memory_search" | "memory_get" | "web_search" => Word::Free,
        "session_status" if said("model").is_none() => Word::Free,
        "session_status" => Word::Held("it changes which model answers"),
        "process" => unless(
            &["list", "poll", "log", "kill", "clear", "remove"],
            "it writes to a program",
        ),
        "memory_note" => Word::Held("it is remembered in later conversations"),
        "sessions_send" => Word::Held("it goes to another conversation"),
        "sessions_spawn" if said("agentId").is_none() && said("model").is_none() => Word::Free,
        "sessions_spawn" => Word::Held("it is a task for another agent or model"),
        "cron" => unless(
            &["status", "list", "runs"],
            "it changes what runs by the clock",
        ),
        "gateway" => unless(&["config.get"], "it changes the gateway"),
        "nodes" => unless(&["status", "list", "describe"], "it acts on another device"),
        name if name.contains(mcp::BETWEEN) && reads_only && !names_an_address(arguments) => {
            Word::Free
        }
        name if name.contains(mcp::BETWEEN) => {
            Word::Held("it is a tool of an MCP server that may change or send something")
        }
        _ => Word::Held("nobody knows how far it reaches"),
    }
}

/// Whether any text in the arguments is an address of the web.
fn names_an_address(arguments: &Value) -> bool {
    match arguments {
        Value::String(text) => text.contains("://") || text.trim_start().starts_with("//"),
        Value::Array(items) => items.iter().any(names_an_address),
        Value::Object(fields) => fields.values().any(names_an_address),
        _ => false,
    }
}

/// Whether what a tool gave back is from outside whatever it did: for results that don't say so themselves.
pub fn comes_from(tool: &str, is_error: bool) -> bool {
    match canonical(tool).as_str() {
        "web_fetch" | "web_search" | "browser" => true,
        "sessions_list" | "sessions_history" | "sessions_send" | "nodes" | "image" => !is_error,
        name => name.contains(mcp::BETWEEN),
    }
}

/// The hosts that a person's words name, as addresses or as they stand.
pub fn hosts_in(text: &str) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let ends = |c: char| c.is_whitespace() || "<>()[]{}\"'`,;|".contains(c);
    for word in text.split(ends).filter(|word| word.contains('.')) {
        // In front of a name, what stands before `@` is a person's or a trap.
        let word = word.split_once("://").map_or(word, |(_, rest)| rest);
        let word = word.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if word.contains('@') {
            continue;
        }
        let host = word.split(':').next().unwrap_or_default();
        let host = plain_host(host.trim_end_matches(['.', '!', '?', '*', '_']));
        let is_label = |label: &str| {
            let plain = |c: char| c.is_alphanumeric() || c == '-';
            !label.is_empty() && label.len() < 64 && label.chars().all(plain)
        };
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_host =
            host.contains('.') && host.split('.').all(is_label) && last.chars().count() > 1;
        if is_host && !hosts.contains(&host) && hosts.len() < MOST_HOSTS {
            hosts.push(host);
        }
    }
    hosts
}

/// Nobody names more in one message and means each of them.
const MOST_HOSTS: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_reaches_further_is_held_and_what_nobody_knows_too() {
        let free = |tool, arguments| word(tool, &arguments, false) == Word::Free;
        let held = |tool, arguments| matches!(word(tool, &arguments, false), Word::Held(_));
        assert!(
            free("cron", json!({ "action": "list" })) && held("cron", json!({ "action": "add" }))
        );
        assert!(held("cron", json!({})) && held("Cron", json!({ "action": ["list"] })));
        assert!(free("gateway", json!({ "action": "config.get" })));
        assert!(held("gateway", json!({ "action": "config.patch" })));
        assert!(free("process", json!({ "action": "poll" })));
        assert!(held("process", json!({ "action": "submit" })));
        assert!(held("nodes", json!({ "action": "invoke" })));
        assert!(
            free("session_status", json!({})) && held("session_status", json!({ "model": "x/y" }))
        );
        assert!(free("sessions_spawn", json!({ "task": "t" })));
        assert!(
            held("sessions_spawn", json!({ "agentId": "other" }))
                && held("task", json!({ "agentId": "x" }))
        );
        assert!(held("memory_note", json!({})) && held("sessions_send", json!({})));
        assert!(held("something_new", json!({})) && free("web_search", json!({ "query": "q" })));
        for own in ["bash", "file.write", "web_fetch", "message", "Apply-Patch"] {
            assert_eq!(word(own, &json!({}), false), Word::Own, "{own}");
        }
    }

    #[test]
    fn a_tool_of_a_server_is_free_if_it_only_reads_and_is_given_no_address() {
        let args = json!({ "q": "tide tables", "n": [1, { "a": "b" }] });
        assert_eq!(word("notes__find", &args, true), Word::Free);
        assert!(matches!(word("notes__find", &args, false), Word::Held(_)));
        for address in [
            json!({ "url": "https://x.test" }),
            json!({ "a": [{ "b": " //x.test/?q" }] }),
        ] {
            assert!(
                matches!(word("web__get", &address, true), Word::Held(_)),
                "{address}"
            );
        }
    }

    #[test]
    fn a_host_is_listed_by_its_name_and_not_by_a_part_of_it() {
        let outside = Outside {
            hosts: vec!["example.org".to_owned(), "*.Wiki.test".to_owned()],
            ..Outside::default()
        };
        for (host, is) in [
            ("example.org", true),
            ("www.example.org", true),
            ("EXAMPLE.org.", true),
            ("a.example.org", false),
            ("badexample.org", false),
            ("example.org.evil.test", false),
            ("de.wiki.test", true),
            ("wiki.test", false),
            ("evilwiki.test", false),
        ] {
            assert_eq!(outside.lists(host), is, "{host}");
        }
    }

    #[test]
    fn hosts_are_read_out_of_a_person_s_words() {
        let text = "Look at https://Example.org/a?b=c and docs.rs, then mail ann@corp.test or \
                    http://good.test@evil.test/ (not 1.5 or e.g. this) «news.test:8080/x».";
        assert_eq!(hosts_in(text), ["example.org", "docs.rs"]);
        assert_eq!(hosts_in("see news.test:8080/x!"), ["news.test"]);
        assert!(hosts_in("v1.2 is out... really").is_empty());
    }

    #[test]
    fn a_word_that_can_t_be_read_does_not_take_the_rule_away() {
        let mode = |tree: Value| OutsideRules::of(&tree).mode;
        assert_eq!(mode(json!({})), Mode::Ask);
        for (said, mode_is) in [
            (json!("off"), Mode::Off),
            (json!("refuse"), Mode::Refuse),
            (json!("of"), Mode::Ask),
            (json!(false), Mode::Ask),
        ] {
            assert_eq!(
                mode(json!({ "tools": { "outside": { "mode": said } } })),
                mode_is
            );
        }
    }
}
