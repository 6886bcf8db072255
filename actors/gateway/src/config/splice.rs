//! Changes a configuration's text in place: what a change doesn't name keeps every byte, with its comments,
//! quotes and order. Pure.
//!
//! The text is scanned for where each key and value stands; the differences of two trees become edits of the
//! text. What comes out is read again: if it isn't the wanted tree, nothing is answered and the caller writes
//! the whole anew.

use std::ops::Range;

use serde_json::Map;
use serde_json::Value;

use super::source;

mod scan;

#[cfg(test)]
mod tests;

use self::scan::Member;
use self::scan::Node;
use self::scan::scan;

/// The step of one level where the text doesn't show its own.
const STEP: &str = "  ";

/// An edit: what stands in the range is replaced.
struct Edit {
    at: Range<usize>,
    text: String,
}

/// The text changed from one tree to another; none when that can't be done in place.
pub(super) fn splice(text: &str, from: &Value, to: &Value) -> Option<String> {
    let root = scan(text)?;
    let mut edits = Vec::new();
    change(text, &root, from, to, &mut edits)?;
    let spliced = apply(text, edits)?;
    let is_right = source::parse(&spliced).is_ok_and(|tree| tree == *to);
    is_right.then_some(spliced)
}

fn change(text: &str, node: &Node, from: &Value, to: &Value, edits: &mut Vec<Edit>) -> Option<()> {
    if from == to {
        return Some(());
    }
    // A list that became longer or shorter is written anew: which item is which can't be told.
    if let (Node::List { items, .. }, Value::Array(from), Value::Array(to)) = (node, from, to)
        && from.len() == to.len()
        && from.len() == items.len()
    {
        for ((item, old), new) in items.iter().zip(from).zip(to) {
            change(text, item, old, new, edits)?;
        }
        return Some(());
    }
    let (Node::Object { at, members }, Value::Object(from), Value::Object(to)) = (node, from, to)
    else {
        let indent = indent_of(text, node.at().start);
        edits.push(Edit {
            at: node.at().clone(),
            text: render(to, indent),
        });
        return Some(());
    };
    let mut kept: Option<&Member> = None;
    for (index, member) in members.iter().enumerate() {
        match (from.get(&member.key), to.get(&member.key)) {
            (Some(old), Some(new)) => {
                change(text, &member.value, old, new, edits)?;
                kept = Some(member);
            }
            (Some(_), None) => edits.push(removal(text, at, members, index, kept)),
            // The text holds a key that the tree does not: it was not read as it stands.
            (None, _) => return None,
        }
    }
    add(text, at, members, kept, (from, to), edits);
    Some(())
}

/// Takes a member out, with the comma that goes with it.
fn removal(
    text: &str,
    object: &Range<usize>,
    members: &[Member],
    index: usize,
    kept: Option<&Member>,
) -> Edit {
    let (start, end) = members
        .get(index)
        .map_or((0, 0), |m| (m.start, m.value.at().end));
    let comma = members.get(index).and_then(|member| member.comma);
    let is_last = index + 1 == members.len();
    let at = match (comma, kept) {
        // The last one without a comma: the comma before it goes too.
        (None, Some(kept)) if is_last => kept.value.at().end..end,
        (None, None) if is_last => object.start + 1..end,
        (comma, _) => {
            let end = comma.map_or(end, |comma| comma + 1);
            line_of(text, start)..end
        }
    };
    let text = String::new();
    Edit { at, text }
}

/// Where the line's own whitespace before a member begins, its line break included.
fn line_of(text: &str, start: usize) -> usize {
    let before = text.get(..start).unwrap_or_default();
    let bare = before.trim_end_matches([' ', '\t']);
    let bare = bare
        .strip_suffix('\n')
        .map_or(bare, |bare| bare.strip_suffix('\r').unwrap_or(bare));
    // Several members on one line: only the member goes.
    if bare.len() < before.len()
        && before
            .get(bare.len()..)
            .is_some_and(|gap| gap.contains('\n'))
    {
        bare.len()
    } else {
        start
    }
}

/// Puts new members behind the last one that stays.
fn add(
    text: &str,
    object: &Range<usize>,
    members: &[Member],
    kept: Option<&Member>,
    (from, to): (&Map<String, Value>, &Map<String, Value>),
    edits: &mut Vec<Edit>,
) {
    let new: Vec<(&String, &Value)> = to
        .iter()
        .filter(|(key, _)| !from.contains_key(*key))
        .collect();
    if new.is_empty() {
        return;
    }
    let outer = indent_of(text, object.start).to_owned();
    let first = members.first();
    let is_spread = first.is_none_or(|first| {
        let gap = text.get(object.start..first.start).unwrap_or_default();
        gap.contains('\n')
    });
    let inner = match first {
        Some(first) if is_spread => indent_of(text, first.start).to_owned(),
        _ => format!("{outer}{STEP}"),
    };
    let gap = if is_spread {
        format!("\n{inner}")
    } else {
        " ".to_owned()
    };
    let lines: Vec<String> = new
        .iter()
        .map(|(key, value)| {
            let key = Value::from(key.as_str()).to_string();
            format!("{gap}{key}: {}", render(value, &inner))
        })
        .collect();
    let lines = lines.join(",");
    // The comma of the last one that stays goes when what follows it went and had none.
    let last = members.last();
    let is_cut = last.is_some_and(|last| {
        last.comma.is_none() && kept.is_some_and(|kept| kept.start != last.start)
    });
    let (at, text) = match kept {
        Some(member) => match member.comma.filter(|_| !is_cut) {
            // What follows was taken out, or the text ends its lists with a comma.
            Some(comma) => (comma + 1, lines),
            None => (member.value.at().end, format!(",{lines}")),
        },
        None if members.is_empty() => (object.start + 1, format!("{lines}\n{outer}")),
        None => (object.start + 1, lines),
    };
    edits.push(Edit { at: at..at, text });
}

/// A value as text, its inner lines indented.
fn render(value: &Value, indent: &str) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.replace('\n', &format!("\n{indent}"))
}

/// The whitespace at the beginning of the line of a place.
fn indent_of(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let bare = line.trim_start_matches([' ', '\t']);
    line.get(..line.len() - bare.len()).unwrap_or_default()
}

/// Makes the edits; ranges that overlap are taken out once.
fn apply(text: &str, mut edits: Vec<Edit>) -> Option<String> {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let (mut changed, mut at) = (String::new(), 0);
    for edit in edits {
        if edit.at.start > at {
            changed.push_str(text.get(at..edit.at.start)?);
        }
        changed.push_str(&edit.text);
        at = at.max(edit.at.end);
    }
    changed.push_str(text.get(at..)?);
    Some(changed)
}
