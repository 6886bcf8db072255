//! `$include`: parts of the configuration in files of their own.
//!
//! A string stands for one file, a list for several, merged in order; keys beside `$include` come
//! last. Objects are merged, lists are joined, anything else is replaced. Paths are relative to the
//! file they stand in.

use std::path::Path as FilePath;
use std::path::PathBuf;

use openclaw_protocol::config::Broken;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::Severity;
use serde_json::Map;
use serde_json::Value;

use super::source;

#[cfg(test)]
mod tests;

/// The key.
pub(super) const KEY: &str = "$include";

/// How deep files may include files: deeper is a mistake, not a wish.
const MAX_DEPTH: usize = 10;

/// A file that was included, and where.
#[derive(Debug, Clone)]
pub(super) struct Included {
    pub(super) at: Path,
    pub(super) file: PathBuf,
}

/// What the includes gave.
#[derive(Debug, Default)]
pub(super) struct Includes {
    pub(super) files: Vec<Included>,
    pub(super) broken: Vec<Broken>,
}

/// Replaces every `$include` in a tree that was read from `file`.
pub(super) fn resolve(tree: Value, file: &FilePath) -> (Value, Includes) {
    let mut found = Includes::default();
    let mut chain = vec![canonical(file)];
    let tree = walk(tree, file, &Path::root(), &mut chain, &mut found);
    (tree, found)
}

fn walk(
    value: Value,
    file: &FilePath,
    at: &Path,
    chain: &mut Vec<PathBuf>,
    found: &mut Includes,
) -> Value {
    match value {
        Value::Object(mut map) => {
            let wanted = map.shift_remove(KEY);
            let own: Map<String, Value> = map
                .into_iter()
                .map(|(key, value)| {
                    let below = at.key(key.as_str());
                    (key, walk(value, file, &below, chain, found))
                })
                .collect();
            match wanted {
                None => Value::Object(own),
                Some(wanted) => include(&wanted, own, file, at, chain, found),
            }
        }
        Value::Array(list) => list
            .into_iter()
            .enumerate()
            .map(|(index, value)| walk(value, file, &at.index(index), chain, found))
            .collect(),
        value => value,
    }
}

fn include(
    wanted: &Value,
    own: Map<String, Value>,
    file: &FilePath,
    at: &Path,
    chain: &mut Vec<PathBuf>,
    found: &mut Includes,
) -> Value {
    let names: Vec<&str> = match wanted {
        Value::String(name) => vec![name],
        Value::Array(names) if names.iter().all(Value::is_string) => {
            names.iter().filter_map(Value::as_str).collect()
        }
        _ => {
            found.fail(at, "$include takes a file's name or a list of names");
            return Value::Object(own);
        }
    };
    let mut merged: Option<Value> = None;
    for name in names {
        let path = file.parent().unwrap_or(FilePath::new("")).join(name.trim());
        match read(&path, at, chain, found) {
            Ok(value) => {
                merged = Some(match merged {
                    Some(before) => merge(before, value),
                    None => value,
                });
            }
            Err(problem) => found.fail(at, &problem),
        }
    }
    match merged {
        Some(value @ Value::Object(_)) => merge(value, Value::Object(own)),
        Some(value) if own.is_empty() => value,
        Some(_) => {
            found.fail(
                at,
                "keys beside $include need an included file that holds an object",
            );
            Value::Object(own)
        }
        None => Value::Object(own),
    }
}

fn read(
    path: &FilePath,
    at: &Path,
    chain: &mut Vec<PathBuf>,
    found: &mut Includes,
) -> Result<Value, String> {
    let shown = path.display();
    let real = canonical(path);
    // Watched even when it can't be read: it may come into being.
    found.files.push(Included {
        at: at.clone(),
        file: path.to_owned(),
    });
    if chain.contains(&real) {
        return Err(format!("{shown} includes itself"));
    }
    if chain.len() > MAX_DEPTH {
        return Err(format!(
            "{shown} is included more than {MAX_DEPTH} levels deep"
        ));
    }
    let text = match source::read_text(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(format!("{shown} does not exist")),
        Err(error) => return Err(format!("can't read {shown}: {error}")),
    };
    let tree = source::parse(&text).map_err(|error| format!("{shown}: {error}"))?;
    chain.push(real);
    let tree = walk(tree, path, at, chain, found);
    drop(chain.pop());
    Ok(tree)
}

impl Includes {
    fn fail(&mut self, at: &Path, problem: &str) {
        let key = at.key(KEY).to_string();
        let issue = Issue::new(Severity::Error, key.clone(), problem).fix_unset(&key);
        self.broken.push(Broken {
            path: at.clone(),
            issue,
        });
    }
}

/// Objects are merged, lists joined; anything else is replaced.
fn merge(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, value) in above {
                let merged = match below.shift_remove(&key) {
                    Some(before) => merge(before, value),
                    None => value,
                };
                below.insert(key, merged);
            }
            Value::Object(below)
        }
        (Value::Array(mut below), Value::Array(above)) => {
            below.extend(above);
            Value::Array(below)
        }
        (_, above) => above,
    }
}

fn canonical(path: &FilePath) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
