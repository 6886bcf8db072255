//! What is set about programs: the stricter of the configuration and the approvals file.

use std::path::Path;

use openclaw_protocol::AgentId;
use serde_json::Value;

use super::program::usually_safe;
use crate::sandbox::agent_entry;

/// What may be started at all; the first is the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// Nothing.
    Deny,
    /// What stands on the list, and what a person allows.
    Allowlist,
    /// Everything.
    Full,
}

/// When a person is asked; the last is the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// Never: what isn't allowed is refused.
    Off,
    /// About what isn't on the list.
    OnMiss,
    /// About everything.
    Always,
}

/// The rules that hold for one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What may be started at all.
    pub security: Security,
    /// When a person is asked.
    pub ask: Ask,
    /// What holds when nobody answers. It never allows what the list doesn't.
    pub fallback: Security,
    /// Patterns of resolved paths.
    pub allowlist: Vec<Listed>,
    /// Programs that skills declare run as if they were listed.
    pub allows_skills: bool,
    /// Those programs, by name.
    pub skill_programs: Vec<String>,
    /// Programs that only read their input, by name.
    pub safe: Vec<String>,
}

/// A pattern of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As it stands in the file.
    pub written: String,
    /// With the home folder put in.
    pattern: String,
}

impl Rules {
    /// The rules for an agent by the configuration and the approvals file.
    ///
    /// Where neither says anything, programs of the list run and a person is asked about others. A word that can't be
    /// read is the strictest.
    pub fn of(config: &Value, file: Option<&Value>, agent: &AgentId, home: Option<&Path>) -> Self {
        let own = agent_entry(config, agent).and_then(|entry| entry.pointer("/tools/exec"));
        let all = config.pointer("/tools/exec");
        let set = |name: &str| {
            own.and_then(|own| own.get(name))
                .or_else(|| all.and_then(|all| all.get(name)))
        };
        let entries = entries(file, agent);
        let defaults = file.and_then(|file| file.get("defaults"));
        let filed = |name: &str| {
            let mut scopes = entries.iter().copied().chain(defaults);
            scopes.find_map(|scope| scope.get(name))
        };
        let security = set("security").map_or(Security::Allowlist, security);
        let ask = set("ask").map_or(Ask::OnMiss, self::ask);
        let listed = entries
            .iter()
            .filter_map(|entry| entry.get("allowlist")?.as_array());
        let patterns = listed.flatten().filter_map(|entry| {
            let written = entry.get("pattern").or(Some(entry))?.as_str()?;
            Some(Listed {
                written: written.to_owned(),
                pattern: expanded(written, home)?,
            })
        });
        let safe = set("safeBins").and_then(Value::as_array);
        Self {
            security: filed("security").map_or(security, |word| security.min(self::security(word))),
            ask: filed("ask").map_or(ask, |word| ask.max(self::ask(word))),
            fallback: filed("askFallback").map_or(Security::Deny, self::security),
            allowlist: patterns.collect(),
            allows_skills: filed("autoAllowSkills").and_then(Value::as_bool) == Some(true),
            skill_programs: Vec::new(),
            safe: match safe {
                Some(names) => names
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                None => usually_safe().map(str::to_owned).collect(),
            },
        }
    }

    /// The entry of the list that a resolved path is on.
    pub(super) fn lists(&self, path: &Path) -> Option<&Listed> {
        let path = path.to_str().unwrap_or_default();
        let mut list = self.allowlist.iter();
        list.find(|listed| fits(&listed.pattern, path))
    }
}

/// The agent's entry of the file, and that for all agents.
fn entries<'a>(file: Option<&'a Value>, agent: &AgentId) -> Vec<&'a Value> {
    let agents = file.and_then(|file| file.get("agents"));
    let entry = |name: &str| agents.and_then(|agents| agents.get(name));
    // Older files call the main agent "default".
    let own = entry(agent.as_str())
        .or_else(|| entry("default").filter(|_| agent.as_str() == AgentId::MAIN));
    own.into_iter().chain(entry("*")).collect()
}

fn security(word: &Value) -> Security {
    match word.as_str() {
        Some("full") => Security::Full,
        Some("allowlist") => Security::Allowlist,
        _ => Security::Deny,
    }
}

fn ask(word: &Value) -> Ask {
    match word.as_str() {
        Some("off") => Ask::Off,
        Some("on-miss") => Ask::OnMiss,
        _ => Ask::Always,
    }
}

/// A pattern with the home folder put in; none for one that names no path: a name alone may be any program.
fn expanded(pattern: &str, home: Option<&Path>) -> Option<String> {
    let pattern = pattern.trim();
    if let Some(rest) = pattern.strip_prefix("~/") {
        return Some(format!("{}/{rest}", home?.to_str()?.trim_end_matches('/')));
    }
    pattern.starts_with('/').then(|| pattern.to_owned())
}

/// Whether a path fits a pattern: `?` is one letter and `*` any number within a folder's name, `**` any number of
/// folders.
fn fits(pattern: &str, path: &str) -> bool {
    if path.split('/').any(|part| part == "..") {
        return false;
    }
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    folders_fit(&pattern, &path)
}

fn folders_fit(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skipped| {
            path.get(skipped..)
                .is_some_and(|path| folders_fit(rest, path))
        }),
        (Some((first, rest)), Some((name, path))) => {
            let (first, name): (Vec<char>, Vec<char>) =
                (first.chars().collect(), name.chars().collect());
            name_fits(&first, &name) && folders_fit(rest, path)
        }
        _ => false,
    }
}

fn name_fits(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|skipped| {
            name.get(skipped..)
                .is_some_and(|name| name_fits(rest, name))
        }),
        (Some(('?', rest)), Some((_, name))) => name_fits(rest, name),
        (Some((letter, rest)), Some((other, name))) => letter == other && name_fits(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stricter_of_both_holds() {
        let rules = |config: Value, file: Value| {
            Rules::of(
                &config,
                Some(&file),
                &AgentId::main(),
                Some(Path::new("/home/a")),
            )
        };
        let usual = Rules::of(&json!({}), None, &AgentId::main(), None);
        assert_eq!(
            (usual.security, usual.ask, usual.fallback),
            (Security::Allowlist, Ask::OnMiss, Security::Deny)
        );
        let exec = |security: &str, ask: &str| json!({ "tools": { "exec": { "security": security, "ask": ask } } });
        for (config, file, security, ask) in [
            (exec("full", "off"), json!({}), Security::Full, Ask::Off),
            (
                exec("full", "off"),
                json!({ "defaults": { "security": "allowlist" } }),
                Security::Allowlist,
                Ask::Off,
            ),
            (
                exec("deny", "off"),
                json!({ "defaults": { "security": "full" } }),
                Security::Deny,
                Ask::Off,
            ),
            (
                exec("full", "on-miss"),
                json!({ "defaults": { "ask": "always" } }),
                Security::Full,
                Ask::Always,
            ),
            (
                exec("full", "always"),
                json!({ "defaults": { "ask": "off" } }),
                Security::Full,
                Ask::Always,
            ),
            (exec("ful", "of"), json!({}), Security::Deny, Ask::Always),
            (
                exec("full", "off"),
                json!({ "defaults": { "security": 1 } }),
                Security::Deny,
                Ask::Off,
            ),
            (
                exec("full", "off"),
                json!({ "defaults": { "security": "full" }, "agents": { "main": { "security": "deny" } } }),
                Security::Deny,
                Ask::Off,
            ),
        ] {
            let of = rules(config.clone(), file.clone());
            assert_eq!((of.security, of.ask), (security, ask), "{config} {file}");
        }
    }

    #[test]
    fn a_list_holds_patterns_of_whole_paths() {
        let file = json!({ "agents": {
            "main": { "allowlist": [{ "pattern": "~/bin/*" }, { "pattern": "rg" }, "/opt/**/tool" ] },
            "*": { "allowlist": [{ "pattern": "/usr/bin/l?" }] },
            "other": { "allowlist": [{ "pattern": "/**" }] },
        } });
        let rules = Rules::of(
            &json!({}),
            Some(&file),
            &AgentId::main(),
            Some(Path::new("/home/a/")),
        );
        for (path, is) in [
            ("/home/a/bin/rg", true),
            ("/home/a/bin/deep/rg", false),
            ("/home/b/bin/rg", false),
            ("/usr/bin/rg", false),
            ("/usr/bin/ls", true),
            ("/usr/bin/lsx", false),
            ("/opt/tool", true),
            ("/opt/a/b/tool", true),
            ("/opt/a/../../etc/tool", false),
            ("", false),
        ] {
            assert_eq!(rules.lists(Path::new(path)).is_some(), is, "{path}");
        }
    }
}
