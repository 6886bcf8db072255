//! One rule: what it lets through, and what it refuses.

use serde_json::Value;

use super::group::canonical;
use super::group::members;
use crate::mcp;

/// A list of names, groups and patterns with `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<Name>);

/// As it is written, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    written: String,
    stands_for: Vec<String>,
}

/// What is let through (none: everything), and what is refused whatever else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: Option<Names>,
    pub(super) deny: Names,
}

impl Names {
    pub(super) fn new<S: AsRef<str>>(written: impl IntoIterator<Item = S>) -> Self {
        let names = written.into_iter().filter_map(|written| {
            let name = canonical(written.as_ref());
            let stands_for = match members(&name) {
                Some(members) => members.into_iter().map(str::to_owned).collect(),
                None => vec![name],
            };
            let written = written.as_ref().trim().to_owned();
            (!written.is_empty()).then_some(Name {
                written,
                stands_for,
            })
        });
        Self(names.collect())
    }

    /// The entry that names a tool, as it is written.
    pub(super) fn naming(&self, tool: &str) -> Option<&str> {
        let names = |name: &&Name| name.stands_for.iter().any(|pattern| matches(pattern, tool));
        self.0.iter().find(names).map(|name| name.written.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Whether any entry could name a tool that is known. A pattern could name one that comes later, and a tool of an MCP
    /// server is known only while somebody brings it.
    pub(super) fn has_known(&self, is_known: &dyn Fn(&str) -> bool) -> bool {
        let mut stood_for = self.0.iter().flat_map(|name| &name.stands_for);
        stood_for.any(|name| name.contains('*') || name.contains(mcp::BETWEEN) || is_known(name))
    }
}

impl Rule {
    /// The rule that stands in an object: `allow`, `alsoAllow`, `deny`.
    pub(super) fn read(object: &Value) -> Self {
        let allow = names(object, "allow").filter(|names| !names.is_empty());
        let more = names(object, "alsoAllow").unwrap_or_default();
        Self {
            allow: allow.map(|allow| allow.and(more)),
            deny: names(object, "deny").unwrap_or_default(),
        }
    }
}

/// A list of names in an object; none if there is no such list.
pub(super) fn names(object: &Value, field: &str) -> Option<Names> {
    let list = object.get(field)?.as_array()?;
    Some(Names::new(list.iter().filter_map(Value::as_str)))
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, is) in [
            ("exec", "exec", true),
            ("exec", "execute", false),
            ("*", "", true),
            ("mem*", "memory_get", true),
            ("*_get", "memory_get", true),
            ("m*_*t", "memory_get", true),
            ("m*y_g*t", "memory_get", true),
            ("a*a", "a", false),
            ("", "exec", false),
            ("*x*", "exec", true),
            ("*y*", "exec", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }
}
