//! `${NAME}` in any text becomes the variable's value; `$${NAME}` stays `${NAME}`.

use openclaw_protocol::config::Broken;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::Severity;
use serde_json::Value;

use super::Environment;

#[cfg(test)]
mod tests;

/// Replaces the variables in every text of a tree. A text with a variable that isn't set stays as
/// it is and is reported.
pub(super) fn substitute(tree: &mut Value, env: &Environment) -> Vec<Broken> {
    let mut broken = Vec::new();
    walk(tree, &Path::root(), env, &mut broken);
    broken
}

/// The names of the variables a tree asks for.
pub(super) fn wanted(tree: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut pending = vec![tree];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) => {
                names.extend(pieces(text).into_iter().filter_map(|piece| match piece {
                    Piece::Variable(name) => Some(name.to_owned()),
                    Piece::Text(_) => None,
                }));
            }
            Value::Array(list) => pending.extend(list),
            Value::Object(map) => pending.extend(map.values()),
            _ => {}
        }
    }
    names
}

fn walk(value: &mut Value, path: &Path, env: &Environment, broken: &mut Vec<Broken>) {
    match value {
        Value::String(text) if text.contains("${") => match expand(text, env) {
            Ok(expanded) => *text = expanded,
            Err(name) => {
                let message = format!("the variable {name} is not set");
                let path_text = path.to_string();
                broken.push(Broken {
                    path: path.clone(),
                    issue: Issue::new(Severity::Error, path_text.clone(), message)
                        .fix_unset(&path_text),
                });
            }
        },
        Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                walk(value, &path.index(index), env, broken);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                walk(value, &path.key(key.as_str()), env, broken);
            }
        }
        _ => {}
    }
}

/// The text with its variables; else the name of the first that isn't set.
fn expand(text: &str, env: &Environment) -> Result<String, String> {
    let mut expanded = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Variable(name) => match env.get(name) {
                Some(value) => expanded.push_str(value),
                None => return Err(name.to_owned()),
            },
        }
    }
    Ok(expanded)
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let inside = from.get(2..).unwrap_or_default();
        let name = inside.find('}').and_then(|end| inside.get(..end));
        let Some(name) = name.filter(|name| is_name(name)) else {
            // Not a variable: the text goes on behind the bracket.
            let (taken, behind) = rest.split_at(at + 2);
            pieces.push(Piece::Text(taken));
            rest = behind;
            continue;
        };
        let behind = inside.get(name.len() + 1..).unwrap_or_default();
        match before.strip_suffix('$') {
            Some(before) => {
                pieces.push(Piece::Text(before));
                let literal = from.get(..name.len() + 3).unwrap_or_default();
                pieces.push(Piece::Text(literal));
            }
            None => {
                pieces.push(Piece::Text(before));
                pieces.push(Piece::Variable(name));
            }
        }
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    starts_well && name.chars().all(is_word)
}
