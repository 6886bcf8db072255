//! Changes the configuration: by path, by patch, or as a whole.
//!
//! Each change reads the file under a lock, changes its own tree (not what includes and variables
//! made of it), checks the outcome, and writes. A change that would break something is refused and
//! nothing is written.

use std::io;
use std::path::PathBuf;

use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::diff::changed_paths;
use openclaw_protocol::config::issue::shell_word;
use openclaw_protocol::config::known;
use openclaw_protocol::config::path::PathError;
use openclaw_protocol::config::path::Segment;
use openclaw_protocol::config::redact;
use serde_json::Value;

use super::Environment;
use super::LoadedConfig;
use super::include;
use super::load::load;
use super::source;
use super::splice;
use super::store;
use super::store::Before;
use crate::paths::Paths;

#[cfg(test)]
mod tests;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The path can't be followed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// There is nothing at the path.
    #[error("{0} is not set in {file}", file = .1.display())]
    NotSet(Path, PathBuf),
    /// The text is not a configuration.
    #[error("not JSON5: {0}")]
    Text(String),
    /// The text holds something else than one object.
    #[error("the configuration must be one object: {{ … }}")]
    NotAnObject,
    /// The caller didn't say which content it saw.
    #[error("config base hash required; re-run config.get and retry")]
    HashRequired,
    /// The file was changed by somebody else.
    #[error("config changed since last load; re-run config.get and retry")]
    HashMismatch,
    /// A hidden secret was sent back for a place that has none.
    #[error("{0} was sent back hidden, but has no stored value: send the value itself")]
    HiddenWithoutValue(Path),
    /// The outcome would be broken.
    #[error("invalid config: {}", list(.0))]
    Invalid(Vec<Issue>),
    /// The file can't be changed by path as it can't be read.
    #[error("{}", .0)]
    Unreadable(Box<Issue>),
    /// The disk refused.
    #[error("can't write {file}: {source}", file = .file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn list(issues: &[Issue]) -> String {
    let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// A change that was made.
#[derive(Debug, Clone)]
pub struct Change {
    /// The configuration now.
    pub after: LoadedConfig,
    /// What differs from before.
    pub changed: Vec<Path>,
    /// Whether the file was written; not when it held just that.
    pub is_written: bool,
}

/// The value in force at a path; `config get` prints it.
pub fn get<'a>(loaded: &'a LoadedConfig, path: &Path) -> Option<&'a Value> {
    path.get(loaded.config.tree.value())
}

/// Sets a value, making what is missing above it.
pub fn set(
    paths: &Paths,
    env: &Environment,
    path: &Path,
    value: Value,
) -> Result<Change, EditError> {
    change(paths, env, Ask::Set(path), |tree| {
        make_room(tree, path);
        Ok(path.set(tree, value)?)
    })
}

/// The value that a word on the command line stands for at this path: JSON5 where it can be read
/// so, else the text. Digits stay a text where only a text may stand, as tokens and ids do.
pub fn value_for(path: &Path, word: &str) -> Value {
    let value = source::parse_value(word);
    let text = Value::from(word);
    if !known::fits(path, &value) && known::fits(path, &text) {
        text
    } else {
        value
    }
}

/// `model: "a/b"` is short for `model: { primary: "a/b" }`, which has room for fallbacks.
fn make_room(tree: &mut Value, path: &Path) {
    let Some(above) = path.parent() else {
        return;
    };
    let is_model = matches!(above.last(), Some(Segment::Key(key)) if key.ends_with("odel"));
    if let Some(Value::String(primary)) = above.get(tree).filter(|_| is_model).cloned() {
        // Can't fail: the value is there.
        drop(above.set(tree, serde_json::json!({ "primary": primary })));
    }
}

/// Takes a value out of the file, and out of the included files that set it.
pub fn unset(paths: &Paths, env: &Environment, path: &Path) -> Result<Change, EditError> {
    let file = paths.config_path.clone();
    let is_included = unset_included(paths, path)?;
    change(paths, env, Ask::Unset(path), |tree| {
        match path.unset(tree) {
            Some(_) => Ok(()),
            None if is_included => Ok(()),
            None => Err(EditError::NotSet(path.clone(), file)),
        }
    })
}

/// Applies a merge patch (RFC 7396): `null` removes, lists replace.
pub fn patch(
    paths: &Paths,
    env: &Environment,
    raw: &str,
    base: Option<&str>,
) -> Result<Change, EditError> {
    let patch = object(raw)?;
    change(paths, env, Ask::Text(base), |tree| {
        merge_patch(tree, patch);
        Ok(())
    })
}

/// Replaces the whole file.
pub fn replace(
    paths: &Paths,
    env: &Environment,
    raw: &str,
    base: Option<&str>,
) -> Result<Change, EditError> {
    let new = object(raw)?;
    change(paths, env, Ask::Text(base), |tree| {
        *tree = new;
        Ok(())
    })
}

fn object(raw: &str) -> Result<Value, EditError> {
    match source::parse(raw) {
        Ok(tree @ Value::Object(_)) => Ok(tree),
        Ok(_) => Err(EditError::NotAnObject),
        Err(error) => Err(EditError::Text(error)),
    }
}

/// What a change is asked for with.
#[derive(Clone, Copy)]
enum Ask<'a> {
    /// A value at one path.
    Set(&'a Path),
    /// Nothing at one path.
    Unset(&'a Path),
    /// A text, with the hash of the content that the caller saw.
    Text(Option<&'a str>),
}

/// Reads, changes, checks and writes.
fn change(
    paths: &Paths,
    env: &Environment,
    ask: Ask<'_>,
    edit: impl FnOnce(&mut Value) -> Result<(), EditError>,
) -> Result<Change, EditError> {
    let file = &paths.config_path;
    let io = |source| EditError::Io {
        file: file.clone(),
        source,
    };
    let lock = store::lock(file).map_err(io)?;
    let before = load(paths, env);
    match ask {
        Ask::Text(None) if before.exists => return Err(EditError::HashRequired),
        Ask::Text(Some(hash)) if before.exists && hash != before.hash => {
            return Err(EditError::HashMismatch);
        }
        _ => {}
    }
    // What can't be read can be replaced, but not changed in part.
    if before.is_fatal && matches!(ask, Ask::Set(_) | Ask::Unset(_)) {
        let unread = || Issue::new(Severity::Error, "", "the file can't be read");
        let issue = before.issues.first().cloned().unwrap_or_else(unread);
        return Err(EditError::Unreadable(Box::new(issue)));
    }
    let stored = before.parsed.value();
    let mut tree = stored.clone();
    edit(&mut tree)?;
    if let Some(path) = redact::restore(&mut tree, stored).into_iter().next() {
        return Err(EditError::HiddenWithoutValue(path));
    }
    let is_same = tree == *stored && before.exists;
    let mut is_written = false;
    if !is_same {
        let checked = checked(paths, &tree, &before, ask);
        if !checked.is_empty() {
            return Err(EditError::Invalid(checked));
        }
        stamp(&mut tree);
        let worth = if before.valid() {
            Before::Good
        } else {
            Before::Broken
        };
        let text = before
            .text()
            .and_then(|text| splice::splice(text, stored, &tree));
        let text = text.unwrap_or_else(|| store::render(&tree));
        is_written = store::write(file, &text, worth).map_err(io)?;
    }
    let after = load(paths, env);
    drop(lock);
    Ok(Change {
        changed: changed_paths(before.config.tree.value(), after.config.tree.value()),
        after,
        is_written,
    })
}

/// The errors that the new tree would bring; those that are there already don't count.
///
/// A change that is the printed remedy of an error and clears it may bring to light what that error hid, each with a
/// remedy of its own: refusing it would leave no way out.
fn checked(paths: &Paths, tree: &Value, before: &LoadedConfig, ask: Ask<'_>) -> Vec<Issue> {
    let errors = super::load::check(paths, &before.environment, tree);
    let same = |a: &Issue, b: &Issue| a.path == b.path && a.message == b.message;
    let is_old = |issue: &Issue| before.issues.iter().any(|old| same(old, issue));
    if let Ask::Set(path) | Ask::Unset(path) = ask {
        let word = shell_word(&path.to_string());
        let is_for = |fix: &str| {
            let words = fix.split_once(" config ").map(|(_, command)| command);
            words.is_some_and(|command| {
                command == format!("unset {word}") || command.starts_with(&format!("set {word} "))
            })
        };
        let mut known = before.issues.iter();
        let is_remedy = known.any(|old| {
            old.fix.as_deref().is_some_and(is_for) && !errors.iter().any(|new| same(old, new))
        });
        if is_remedy && matches!(ask, Ask::Unset(_)) {
            // What is wrong here now was there before: in a list, the next entry moves up.
            return Vec::new();
        }
        if is_remedy {
            // A wrong value in the place of another one is no remedy.
            let at = |issue: &Issue| issue.path.parse::<Path>().ok();
            let is_here = |issue: &Issue| at(issue).is_some_and(|at| at.is_under(path));
            let wrong = errors.into_iter().filter(is_here);
            return wrong.filter(|issue| !is_old(issue)).collect();
        }
    }
    errors.into_iter().filter(|issue| !is_old(issue)).collect()
}

/// Takes a value out of the included files that set it.
fn unset_included(paths: &Paths, path: &Path) -> Result<bool, EditError> {
    let Ok(Some(text)) = source::read_text(&paths.config_path) else {
        return Ok(false);
    };
    let Ok(tree) = source::parse(&text) else {
        return Ok(false);
    };
    let (_, includes) = include::resolve(tree, &paths.config_path);
    let mut is_found = false;
    for included in includes.files {
        let Some(inside) = path
            .rebase(&included.at, &Path::root())
            .filter(|path| !path.is_root())
        else {
            continue;
        };
        let text = source::read_text(&included.file)
            .ok()
            .flatten()
            .unwrap_or_default();
        let Ok(mut tree) = source::parse(&text) else {
            continue;
        };
        let before = tree.clone();
        if inside.unset(&mut tree).is_some() {
            is_found = true;
            let rendered = splice::splice(&text, &before, &tree);
            let rendered = rendered.unwrap_or_else(|| store::render(&tree));
            let written = store::write(&included.file, &rendered, Before::Good);
            written.map_err(|source| EditError::Io {
                file: included.file.clone(),
                source,
            })?;
        }
    }
    Ok(is_found)
}

/// Says who wrote the file last, and when.
fn stamp(tree: &mut Value) {
    let at = |name: &str| Path::root().key("meta").key(name);
    let now = jiff::Timestamp::now();
    let now = now.round(jiff::Unit::Millisecond).unwrap_or(now);
    let stamps = [
        ("lastTouchedVersion", env!("CARGO_PKG_VERSION").to_owned()),
        ("lastTouchedAt", now.to_string()),
    ];
    for (name, value) in stamps {
        // A `meta` that is no object is left alone: the stamp isn't worth a failure.
        drop(at(name).set(tree, Value::from(value)));
    }
}

fn merge_patch(target: &mut Value, patch: Value) {
    match patch {
        Value::Object(patch) => {
            if !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            let Value::Object(map) = target else {
                return;
            };
            for (key, value) in patch {
                if value.is_null() {
                    drop(map.shift_remove(&key));
                } else {
                    merge_patch(map.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        value => *target = value,
    }
}
