//! Hides secrets in a tree that is shown, and puts them back in one that is written.

use serde_json::Value;

use super::path::Path;
use super::path::Segment;

#[cfg(test)]
mod tests;

/// What stands in place of a secret; existing clients know it.
pub const SENTINEL: &str = "__OPENCLAW_REDACTED__";

/// Objects whose values are secrets whatever their names.
const SECRET_MAPS: [&str; 3] = ["env", "vars", "headers"];

/// Parts of names that mean a secret. `tokens` is an amount.
const SECRET_WORDS: [&str; 7] = [
    "token",
    "password",
    "passphrase",
    "secret",
    "apikey",
    "privatekey",
    "credential",
];

/// Endings of names that hold where a secret is, not the secret.
const PLACES: [&str; 6] = ["file", "path", "dir", "url", "field", "mode"];

/// Tells whether the value at a path is a secret.
pub fn is_sensitive(path: &Path, value: &Value) -> bool {
    let mut keys = path.segments().iter().rev().filter_map(|step| match step {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    let Some(last) = keys.next() else {
        return false;
    };
    if let Value::String(text) = value
        && has_password(text)
    {
        return true;
    }
    if keys
        .next()
        .is_some_and(|above| SECRET_MAPS.contains(&above))
    {
        return !value.is_object() && !value.is_boolean();
    }
    let name = last.to_lowercase().replace(['_', '-'], "");
    if name.contains("tokens") || PLACES.iter().any(|place| name.ends_with(place)) {
        return false;
    }
    SECRET_WORDS.iter().any(|word| name.contains(word))
        && !matches!(value, Value::Bool(_) | Value::Object(_))
}

/// An address with a name and a password in it.
fn has_password(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    })
}

/// A text that only names a variable, such as `${API_KEY}`.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| !name.is_empty() && !name.contains(['{', '}', '$']))
}

/// Replaces every secret by the sentinel.
#[must_use]
pub fn redact(tree: &Value) -> Value {
    let mut copy = tree.clone();
    visit(&mut copy, &Path::root(), &mut |_, slot| {
        *slot = Value::String(SENTINEL.to_owned());
    });
    copy
}

/// The secrets of a tree.
pub fn secrets(tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut copy = tree.clone();
    visit(&mut copy, &Path::root(), &mut |_, slot| {
        if let Value::String(text) = slot {
            found.push(text.clone());
        }
    });
    found
}

fn visit(value: &mut Value, path: &Path, hide: &mut impl FnMut(&Path, &mut Value)) {
    let is_shown = match value {
        Value::String(text) => text.is_empty() || is_reference(text),
        Value::Null => true,
        _ => false,
    };
    match value {
        _ if is_shown => {}
        Value::Object(map) => {
            for (key, value) in map {
                visit(value, &path.key(key.as_str()), hide);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                visit(value, &path.index(index), hide);
            }
        }
        _ if is_sensitive(path, value) => hide(path, value),
        _ => {}
    }
}

/// Puts the stored value where the sentinel stands. Answers with the places that have none.
pub fn restore(tree: &mut Value, stored: &Value) -> Vec<Path> {
    let mut missing = Vec::new();
    put_back(tree, stored, &Path::root(), &mut missing);
    missing
}

fn put_back(value: &mut Value, stored: &Value, path: &Path, missing: &mut Vec<Path>) {
    match value {
        Value::String(text) if text == SENTINEL => match path.get(stored) {
            Some(before) if !before.is_null() => *value = before.clone(),
            _ => missing.push(path.clone()),
        },
        Value::Object(map) => {
            for (key, value) in map {
                put_back(value, stored, &path.key(key.as_str()), missing);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                put_back(value, stored, &path.index(index), missing);
            }
        }
        _ => {}
    }
}

/// Hides the secrets of `tree` in the text it was read from; comments and order stay. None when a
/// secret is written in a way that can't be found again (escapes).
pub fn redact_text(text: &str, tree: &Value) -> Option<String> {
    let mut hidden = secrets(tree);
    hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    hidden.dedup();
    let mut shown = text.to_owned();
    for secret in &hidden {
        for quote in ['"', '\''] {
            let written = format!("{quote}{secret}{quote}");
            shown = shown.replace(&written, &format!("{quote}{SENTINEL}{quote}"));
        }
    }
    let again: Value = json5::from_str(&shown).ok()?;
    let leaks = secrets(&again).iter().any(|left| left != SENTINEL)
        || hidden
            .iter()
            .any(|secret| secret.len() >= 8 && shown.contains(secret.as_str()));
    (!leaks).then_some(shown)
}
