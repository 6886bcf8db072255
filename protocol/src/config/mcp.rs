//! `mcp`: programs and services that bring tools along.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Section;
use crate::Secret;

/// The MCP servers by name; one that can't be used is off alone.
pub type McpServers = BTreeMap<String, Section<McpServer>>;

/// How an MCP server is reached: a program that is started, or an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpServer {
    /// `false` keeps the entry and starts nothing.
    pub enabled: Option<bool>,
    /// The program.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables for it, besides those of the gateway.
    pub env: BTreeMap<String, Secret>,
    /// The folder it runs in.
    #[serde(alias = "workingDirectory")]
    pub cwd: Option<String>,
    /// The address, instead of a program.
    pub url: Option<String>,
    /// `streamable-http`, which is the only one there is.
    pub transport: Option<String>,
    /// Headers of each request.
    pub headers: BTreeMap<String, Secret>,
    /// How long a call may take.
    pub request_timeout_ms: Option<u64>,
    /// How long it may take to say what it can do.
    pub connection_timeout_ms: Option<u64>,
    /// Which of its tools are taken.
    pub tool_filter: McpToolFilter,
}

/// Which tools of a server are taken; `*` stands for any letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct McpToolFilter {
    /// Only these, if there are any.
    pub include: Vec<String>,
    /// None of these.
    pub exclude: Vec<String>,
}

impl McpServer {
    /// Whether it is to be started.
    pub fn is_on(&self) -> bool {
        self.enabled != Some(false)
    }
}

impl McpToolFilter {
    /// Whether a tool is taken.
    pub fn takes(&self, name: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|pattern| fits(pattern, name));
        (self.include.is_empty() || is_in(&self.include)) && !is_in(&self.exclude)
    }
}

/// Whether a name fits a pattern with `*` in it.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(head) else {
        return false;
    };
    let starts = name.char_indices().map(|(at, _)| at);
    starts
        .chain([name.len()])
        .any(|at| name.get(at..).is_some_and(|left| fits(rest, left)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_server_that_is_wrong_is_off_alone() {
        let tree = json!({ "mcp": { "servers": {
            "docs": { "command": "uvx", "args": ["mcp-server-fetch"], "env": { "KEY": "k" },
                "workingDirectory": "/srv", "toolFilter": { "include": ["read_*"] } },
            "odd": { "command": ["no", "text"] },
        } } });
        let servers = Config::from_value(tree).config.mcp;
        let docs = servers["docs"].get().unwrap();
        assert!(docs.is_on() && docs.cwd.as_deref() == Some("/srv"));
        assert!(docs.tool_filter.takes("read_page") && !docs.tool_filter.takes("write"));
        assert!(!servers["odd"].is_valid());
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, is) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*_b*", "a_bc", true),
            ("a*c", "abcd", false),
            ("*ü", "aü", true),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
        let filter = McpToolFilter {
            exclude: vec!["rm*".to_owned()],
            ..McpToolFilter::default()
        };
        assert!(filter.takes("ls") && !filter.takes("rmdir"));
    }
}
