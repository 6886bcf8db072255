//! Older and friendlier spellings, rewritten to the canonical ones when a file is read.
//!
//! The file itself is not touched. Where both spellings are set the canonical one wins, and the
//! other is reported with the command that removes it.

mod agent;
mod rules;

use serde_json::Value;

use super::Severity;
use super::check::Finding;
use super::path::Path;
use super::path::Segment;

#[cfg(test)]
mod tests;

/// What was rewritten.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// (as written, as understood), in the order of the rewriting.
    pub(super) moves: Vec<(Path, Path)>,
    pub(super) findings: Vec<Finding>,
}

/// Rewrites a tree.
pub(super) fn rewrite(tree: &mut Value) -> Rewritten {
    let mut rewriter = Rewriter {
        tree,
        done: Rewritten::default(),
    };
    rewriter.sections();
    rewriter.agents();
    rewriter.models();
    rewriter.session();
    rewriter.rest();
    rewriter.done
}

impl Rewritten {
    /// Where the value that stands at `path` in the file is now.
    pub(super) fn as_understood(&self, path: &Path) -> Path {
        let mut path = path.clone();
        let mut moves = self.moves.as_slice();
        // Of the moves that concern it, the most precise one took it.
        while let Some((position, moved)) = moves
            .iter()
            .enumerate()
            .filter_map(|(position, (from, to))| Some((position, from, path.rebase(from, to)?)))
            .max_by_key(|(_, from, _)| from.segments().len())
            .map(|(position, _, moved)| (position, moved))
        {
            path = moved;
            moves = moves.get(position + 1..).unwrap_or_default();
        }
        path
    }

    /// Where the value that is now at `path` stands in the file.
    pub(super) fn as_written(&self, path: &Path) -> Path {
        self.moves
            .iter()
            .rev()
            .fold(path.clone(), |path, (from, to)| {
                path.rebase(to, from).unwrap_or(path)
            })
    }
}

struct Rewriter<'a> {
    tree: &'a mut Value,
    done: Rewritten,
}

impl Rewriter<'_> {
    fn get(&self, path: &Path) -> Option<&Value> {
        path.get(self.tree)
    }

    /// Moves a value to its canonical place.
    fn shift(&mut self, from: &Path, to: &Path) {
        if let Some(value) = from.unset(self.tree) {
            self.place(from, to, value);
        }
    }

    /// Puts a value that was taken from `from` in its canonical place, unless one is there.
    fn place(&mut self, from: &Path, to: &Path, value: Value) {
        let merged = match (to.get(self.tree), value) {
            (None, value) => Some(value),
            (Some(Value::Object(there)), Value::Object(more)) => {
                let mut both = there.clone();
                for (key, value) in more {
                    both.entry(key).or_insert(value);
                }
                Some(Value::Object(both))
            }
            (Some(_), _) => None,
        };
        let written = self.done.as_written(from);
        match merged.map(|value| to.set(self.tree, value)) {
            Some(Ok(())) => {
                self.done.moves.push((from.clone(), to.clone()));
                let message = format!("an older spelling, read as {to}");
                let mut note = Finding::new(Severity::Note, &written, message);
                note.issue.fix = None;
                self.done.findings.push(note);
            }
            _ => {
                let message = format!("without effect: {to} is set too, and counts");
                self.done
                    .findings
                    .push(Finding::new(Severity::Warning, &written, message));
            }
        }
    }

    /// Removes an object that the rewriting left empty.
    fn tidy(&mut self, path: &Path) {
        if matches!(self.get(path), Some(Value::Object(map)) if map.is_empty()) {
            drop(path.unset(self.tree));
        }
    }

    fn keys(&self, path: &Path) -> Vec<String> {
        match self.get(path) {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// A path of plain keys; a number is a place in a list.
fn at(text: &str) -> Path {
    text.split('.').fold(Path::root(), |path, key| {
        path.step(match key.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key(key.to_owned()),
        })
    })
}

/// Minutes in a duration such as `90`, `30m`, `24h` or `7d`; a bare number is minutes.
fn minutes(value: &Value) -> Option<u64> {
    if let Some(minutes) = value.as_u64() {
        return Some(minutes).filter(|minutes| *minutes > 0);
    }
    let text = value.as_str()?.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..)?;
    let number: u64 = digits.trim().parse().ok()?;
    let factor = match unit {
        "" | "m" | "min" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        _ => return None,
    };
    number.checked_mul(factor).filter(|minutes| *minutes > 0)
}
