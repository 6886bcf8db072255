//! Reads `.env` files: `NAME=value` a line.

#[cfg(test)]
mod tests;

/// The variables of a file's text. What can't be read is left out.
pub(super) fn parse(text: &str) -> Vec<(String, String)> {
    let mut vars = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches('\u{feff}').trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim();
        if !is_name(name) {
            continue;
        }
        vars.push((name.to_owned(), read_value(value.trim(), &mut lines)));
    }
    vars
}

fn is_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_word)
}

/// A value: bare up to a comment, or in quotes, where it may go on over several lines.
fn read_value<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let Some(quote) = first.chars().next().filter(|c| "\"'`".contains(*c)) else {
        let bare = first.split_once(" #").map_or(first, |(value, _)| value);
        let bare = if bare.starts_with('#') { "" } else { bare };
        return bare.trim().to_owned();
    };
    let mut text = first.get(1..).unwrap_or_default().to_owned();
    loop {
        if let Some(end) = closing(&text, quote) {
            text.truncate(end);
            break;
        }
        match lines.next() {
            Some(line) => {
                text.push('\n');
                text.push_str(line);
            }
            // The quote was never closed: it was part of the value.
            None => return first.to_owned(),
        }
    }
    if quote == '"' { unescape(&text) } else { text }
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let found = (c == quote && !is_escaped).then_some(at);
        is_escaped = c == '\\' && !is_escaped && quote == '"';
        found
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some('t') => plain.push('\t'),
                Some(other) if "\"\\$".contains(other) => plain.push(other),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}
