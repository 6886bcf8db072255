//! What changed between two trees, and what a change needs.

use serde_json::Value;

use super::path::Path;

/// The paths whose values differ, as deep as the shapes agree.
pub fn changed_paths(old: &Value, new: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    compare(old, new, &Path::root(), &mut paths);
    paths
}

fn compare(old: &Value, new: &Value, path: &Path, paths: &mut Vec<Path>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let path = path.key(key.as_str());
                match after.get(key) {
                    Some(now) => compare(value, now, &path, paths),
                    None => paths.push(path),
                }
            }
            let added = after.keys().filter(|key| !before.contains_key(*key));
            paths.extend(added.map(|key| path.key(key.as_str())));
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (value, now)) in before.iter().zip(after).enumerate() {
                compare(value, now, &path.index(index), paths);
            }
        }
        _ if old == new => {}
        _ => paths.push(path.clone()),
    }
}

/// What a change needs to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Takeup {
    /// Nothing: nobody acts on it.
    None,
    /// The parts that own it are reconciled.
    Hot,
    /// The process must be started again.
    Restart,
}

/// The longest matching prefix decides.
const RULES: [(&str, Takeup); 14] = [
    ("meta", Takeup::None),
    ("wizard", Takeup::None),
    ("gateway", Takeup::Restart),
    ("gateway.port", Takeup::Hot),
    ("gateway.bind", Takeup::Hot),
    ("gateway.customBindHost", Takeup::Hot),
    ("gateway.reload", Takeup::Hot),
    ("gateway.remote", Takeup::None),
    ("gateway.auth", Takeup::Hot),
    ("gateway.controlUi.allowedOrigins", Takeup::Hot),
    ("gateway.trustedProxies", Takeup::Hot),
    ("discovery", Takeup::Restart),
    ("canvasHost", Takeup::Restart),
    ("plugins", Takeup::Restart),
];

/// What a change at this path needs.
pub fn takeup(path: &Path) -> Takeup {
    let text = path.to_string();
    RULES
        .iter()
        .filter(|(prefix, _)| {
            text.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or(Takeup::Hot, |(_, takeup)| *takeup)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(old: Value, new: Value) -> Vec<String> {
        let paths = changed_paths(&old, &new);
        paths.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_differs_is_named() {
        let old = json!({"a": {"b": 1, "c": [1, 2]}, "gone": 1, "same": [1]});
        let new = json!({"a": {"b": 2, "c": [1, 3]}, "new": {}, "same": [1]});
        assert_eq!(changes(old, new), ["a.b", "a.c[1]", "gone", "new"]);
        assert_eq!(changes(json!({"l": [1]}), json!({"l": [1, 2]})), ["l"]);
        assert_eq!(changes(json!({}), json!({})), Vec::<String>::new());
    }

    #[test]
    fn the_longest_rule_decides() {
        let takeup = |path: &str| takeup(&path.parse().unwrap());
        assert_eq!(takeup("gateway.port"), Takeup::Hot);
        assert_eq!(takeup("gateway.tls.enabled"), Takeup::Restart);
        assert_eq!(takeup("gateway.auth.token"), Takeup::Hot);
        assert_eq!(takeup("gatewayX"), Takeup::Hot);
        assert_eq!(takeup("channels.telegram.botToken"), Takeup::Hot);
        assert_eq!(takeup("meta.lastTouchedAt"), Takeup::None);
    }
}
