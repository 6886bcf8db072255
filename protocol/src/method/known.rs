//! Rights of all methods that existing gateways have, read from `known.txt`.
//!
//! A caller without the right is told so before it is told that a method is missing, as existing
//! gateways do. What is listed nowhere needs every right.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::Scope;
use crate::frame::Protocol;

const TABLE: &str = include_str!("known.txt");

/// What a call of a method needs in existing gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A right of an operator.
    Scope(Scope),
    /// The role of a node.
    Node,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    early: Option<Need>,
    late: Option<Need>,
}

/// What a call needs in gateways that speak a version; `None` when they don't have the method.
pub fn need(name: &str, version: Protocol) -> Option<Need> {
    let known = known().get(name)?;
    match version {
        Protocol::V3 => known.early,
        Protocol::V4 => known.late,
    }
}

/// The scope a call of a method that is not in our own table needs.
pub fn scope_of_missing(name: &str, version: Protocol) -> Scope {
    match need(name, version) {
        Some(Need::Scope(scope)) => scope,
        _ => Scope::Admin,
    }
}

/// Tells whether a method is for nodes, in gateways of either version.
pub fn is_for_nodes(name: &str) -> bool {
    known()
        .get(name)
        .is_some_and(|known| [known.early, known.late].contains(&Some(Need::Node)))
}

/// The names of all methods that existing gateways have.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    lines().map(|(name, _)| name)
}

fn known() -> &'static HashMap<&'static str, Known> {
    static KNOWN: OnceLock<HashMap<&'static str, Known>> = OnceLock::new();
    KNOWN.get_or_init(|| lines().collect())
}

fn lines() -> impl Iterator<Item = (&'static str, Known)> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let (early, late) = (words.next()?, words.next()?);
            Some((
                name,
                Known {
                    early: parse(early),
                    late: parse(late),
                },
            ))
        })
}

fn parse(word: &str) -> Option<Need> {
    match word.trim_end_matches('*') {
        "-" => None,
        "node" => Some(Need::Node),
        scope => Scope::ALL
            .into_iter()
            .find(|known| known.as_str().strip_prefix("operator.") == Some(scope))
            .map(Need::Scope),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Method;
    use crate::method::Access;
    use crate::method::METHODS;

    #[test]
    fn every_line_is_understood() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words.len(), 3, "{line}");
            for word in &words[1..] {
                assert!(*word == "-" || parse(word).is_some(), "{line}");
            }
        }
        assert!(known_names().count() > 480);
        assert_eq!(scope_of_missing("usage.cost", Protocol::V3), Scope::Read);
        assert_eq!(scope_of_missing("tools.catalog", Protocol::V4), Scope::Read);
        assert_eq!(
            scope_of_missing("tools.catalog", Protocol::V3),
            Scope::Admin
        );
        assert_eq!(scope_of_missing("no.such", Protocol::V4), Scope::Admin);
        assert!(is_for_nodes("node.invoke.result") && !is_for_nodes("node.invoke"));
    }

    /// Two tables, one answer: what we ask for is what existing gateways ask for.
    #[test]
    fn our_table_asks_for_what_existing_gateways_ask_for() {
        for method in METHODS {
            for version in [Protocol::V3, Protocol::V4] {
                let Some(need) = need(method.name, version) else {
                    continue;
                };
                let ours = match method.access {
                    Access::Node => {
                        assert_eq!(need, Need::Node, "{} in {version:?}", method.name);
                        continue;
                    }
                    Access::Dynamic(scope) => {
                        let ordinary = scope(&ordinary(method), version);
                        // The list has the least that any parameters need.
                        assert!(
                            version == Protocol::V3 || need == Need::Scope(ordinary),
                            "{}",
                            method.name
                        );
                        continue;
                    }
                    _ => method.scope(&json!({}), version),
                };
                assert_eq!(need, Need::Scope(ours), "{} in {version:?}", method.name);
            }
        }
    }

    fn ordinary(method: &Method) -> serde_json::Value {
        match method.name {
            "sessions.patch" => json!({ "key": "main", "label": "x" }),
            _ => json!({ "message": "hello" }),
        }
    }
}
