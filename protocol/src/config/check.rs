//! Compares a tree with the table of known keys. Pure; finds everything, stops at nothing.

use serde_json::Value;

use super::Issue;
use super::Severity;
use super::known::Kind;
use super::known::Known;
use super::known::Rule;
use super::known::known;
use super::path::Path;
use super::redact::is_sensitive;

#[cfg(test)]
mod tests;

/// An issue and the place it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) at: Path,
    /// What to remove to be rid of it.
    pub(super) mend: Path,
    pub(super) issue: Issue,
}

impl Finding {
    pub(super) fn error(at: &Path, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, at, message)
    }

    pub(super) fn new(severity: Severity, at: &Path, message: impl Into<String>) -> Self {
        let path = at.to_string();
        let issue = Issue::new(severity, path.clone(), message).fix_unset(&path);
        Self {
            at: at.clone(),
            mend: at.clone(),
            issue,
        }
    }

    fn mended_at(mut self, mend: &Path) -> Self {
        self.issue = self.issue.fix_unset(&mend.to_string());
        self.mend = mend.clone();
        self
    }

    pub(super) fn is_error(&self) -> bool {
        self.issue.severity == Severity::Error
    }
}

/// Finds what the table doesn't allow.
pub(super) fn check(tree: &Value) -> Vec<Finding> {
    let mut walk = Walk {
        known: known(),
        findings: Vec::new(),
    };
    let root = Path::root();
    let place = Place {
        path: &root,
        mend: &root,
        is_locked: false,
    };
    walk.value(tree, &walk.known.root, place);
    walk.findings
}

struct Walk {
    known: &'static Known,
    findings: Vec<Finding>,
}

/// Where the walk is.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    mend: &'a Path,
    /// Inside an entry that is removed as a whole.
    is_locked: bool,
}

impl Walk {
    fn value(&mut self, value: &Value, rule: &Rule, place: Place<'_>) {
        match value {
            Value::Array(list) if rule.kinds.contains(&Kind::Entries) => {
                self.entries(list, rule, place);
            }
            _ if !rule.accepts(value) => self.findings.push(wrong(value, rule, place)),
            Value::Object(map) if !rule.is_open() => self.object(map, rule, place),
            _ => {}
        }
    }

    fn entries(&mut self, list: &[Value], rule: &Rule, place: Place<'_>) {
        for (index, value) in list.iter().enumerate() {
            let path = place.path.index(index);
            match value {
                Value::Object(map) => {
                    let inside = Place {
                        path: &path,
                        mend: &path,
                        is_locked: rule.whole,
                    };
                    self.object(map, rule, inside);
                }
                _ => self.findings.push(
                    Finding::error(&path, "not an object")
                        .mended_at(&path)
                        .found(value, &path),
                ),
            }
        }
    }

    fn object(&mut self, map: &serde_json::Map<String, Value>, rule: &Rule, place: Place<'_>) {
        for name in self.known.required(rule) {
            if !map.contains_key(name) {
                let message = format!("\"{name}\" is missing");
                self.findings
                    .push(Finding::error(place.path, message).mended_at(place.mend));
            }
        }
        for (key, value) in map {
            let path = place.path.key(key.as_str());
            let Some(below) = self.known.below(rule, key) else {
                self.unknown(key, rule, &path);
                continue;
            };
            let is_entry = below.whole && !below.kinds.contains(&Kind::Entries);
            let stays = (place.is_locked || below.required) && !is_entry;
            let inside = Place {
                path: &path,
                mend: if stays { place.mend } else { &path },
                is_locked: place.is_locked || is_entry,
            };
            self.value(value, below, inside);
        }
    }

    fn unknown(&mut self, key: &str, rule: &Rule, path: &Path) {
        let above = path.parent().unwrap_or_default();
        let message = match nearest(key, self.known.names(rule)) {
            Some(name) => format!(
                "unknown key, without effect; did you mean {}?",
                above.key(name)
            ),
            None => match elsewhere(self.known, key) {
                Some(place) => format!("unknown key, without effect; it belongs at {place}"),
                None => "unknown key, without effect".to_owned(),
            },
        };
        self.findings
            .push(Finding::new(Severity::Warning, path, message));
    }
}

impl Finding {
    /// Adds the value found, unless it is a secret.
    fn found(mut self, value: &Value, path: &Path) -> Self {
        if !is_sensitive(path, value) && !value.is_object() && !value.is_array() {
            self.issue = self.issue.value(value);
        }
        self
    }
}

fn wrong(value: &Value, rule: &Rule, place: Place<'_>) -> Finding {
    let message = match value {
        Value::Number(_) if has_number(rule) => "out of range".to_owned(),
        Value::String(_) if rule.words().next().is_some() => "not one of the allowed words".into(),
        _ => format!("{} can't stand here", shape(value)),
    };
    let finding = Finding::error(place.path, message)
        .mended_at(place.mend)
        .found(value, place.path);
    let mut issue = finding.issue.allowed(rule.allowed());
    if !is_sensitive(place.path, value)
        && let Some(better) = suggest(value, rule)
    {
        let better = match &better {
            Value::String(text) if reads_back(text) => text.clone(),
            other => other.to_string(),
        };
        issue = issue.fix_set(&place.path.to_string(), &better);
    }
    Finding { issue, ..finding }
}

fn has_number(rule: &Rule) -> bool {
    let is_number = |kind: &Kind| matches!(kind, Kind::Number { .. });
    rule.kinds.iter().any(is_number)
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list with these entries",
        Value::Object(_) => "an object",
    }
}

/// Tells whether `config set` reads the word back as a text and not as a number or the like.
fn reads_back(text: &str) -> bool {
    json5::from_str::<Value>(text).is_err()
}

/// What was most likely meant.
fn suggest(value: &Value, rule: &Rule) -> Option<Value> {
    let fits = |value: &Value| rule.accepts(value);
    let candidate = match value {
        Value::String(text) => {
            let text = text.trim();
            let word = nearest(text, rule.words()).map(Value::from);
            let number = json5::from_str::<Value>(text).ok().filter(Value::is_number);
            let switch = match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
                "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
                _ => None,
            };
            let listed = Some(Value::Array(vec![value.clone()]));
            [word, number, switch, listed]
                .into_iter()
                .flatten()
                .find(fits)
        }
        Value::Number(_) | Value::Bool(_) => {
            let text = Some(Value::String(value.to_string()));
            let listed = Some(Value::Array(vec![value.clone()]));
            [text, listed].into_iter().flatten().find(fits)
        }
        Value::Array(list) => {
            let single = |entry: &&Value| fits(&Value::Array(vec![(*entry).clone()]));
            let good: Vec<Value> = list.iter().filter(single).cloned().collect();
            (!good.is_empty()).then_some(Value::Array(good))
        }
        _ => None,
    };
    candidate.filter(fits)
}

/// The name that is most like `word`, if one is near enough to be a slip of the pen.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let score = |name: &str| {
        let name = name.to_lowercase();
        if name == lower {
            return 1.0;
        }
        let distance = strsim::damerau_levenshtein(&name, &lower);
        let longest = name.chars().count().max(lower.chars().count());
        let near = distance <= 1 + longest / 5;
        if near || strsim::jaro_winkler(&name, &lower) > 0.9 {
            strsim::normalized_damerau_levenshtein(&name, &lower)
        } else {
            0.0
        }
    };
    names
        .map(|name| (score(name), name))
        .filter(|(score, _)| *score > 0.0)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// Where a key of this name belongs, when it was put in the wrong place; the shallowest wins.
fn elsewhere(known: &Known, key: &str) -> Option<Path> {
    let mut level = vec![(Path::root(), &known.root)];
    for _ in 0..3 {
        let mut below = Vec::new();
        for (path, rule) in level {
            for name in known.names(rule) {
                let Some(child) = known.below(rule, name) else {
                    continue;
                };
                if name == key && !path.is_root() {
                    return Some(path.key(name));
                }
                if child.kinds.contains(&Kind::Object) {
                    below.push((path.key(name), child));
                }
            }
        }
        level = below;
    }
    None
}
