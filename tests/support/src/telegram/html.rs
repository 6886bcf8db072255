//! The HTML subset of the Bot API, parsed as strictly as the server does.

/// Reads a text with tags: what is shown of it, or what the server would say.
pub fn parse(html: &str) -> Result<String, String> {
    let mut shown = String::new();
    let mut open: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < html.len() {
        let rest = &html[at..];
        if rest.starts_with('<') {
            let end = rest
                .find('>')
                .ok_or_else(|| problem("Unclosed start tag", at))?;
            let tag = &rest[1..end];
            match tag.strip_prefix('/') {
                Some(name) => close(&mut open, name.trim(), at)?,
                None => open.push((start(tag, at, &open)?, at)),
            }
            at += end + 1;
        } else if rest.starts_with('&') {
            let (text, length) = entity(rest);
            shown.push_str(&text);
            at += length;
        } else {
            let next = rest.chars().next().unwrap();
            shown.push(next);
            at += next.len_utf8();
        }
    }
    match open.pop() {
        None => Ok(shown),
        Some((name, at)) => Err(problem(
            &format!("Can't find end tag corresponding to start tag \"{name}\""),
            at,
        )),
    }
}

fn problem(what: &str, at: usize) -> String {
    format!("Bad Request: can't parse entities: {what} at byte offset {at}")
}

fn start(tag: &str, at: usize, open: &[(String, usize)]) -> Result<String, String> {
    let (name, attributes) = match tag.split_once(char::is_whitespace) {
        Some((name, attributes)) => (name.to_lowercase(), attributes.trim()),
        None => (tag.to_lowercase(), ""),
    };
    let unsupported = || problem(&format!("Unsupported start tag \"{tag}\""), at);
    match name.as_str() {
        "b" | "strong" | "i" | "em" | "u" | "ins" | "s" | "strike" | "del" | "tg-spoiler"
        | "pre" => {
            if !attributes.is_empty() {
                return Err(unsupported());
            }
        }
        "code" => {
            let is_language =
                attributes.starts_with("class=\"language-") && attributes.ends_with('"');
            if !(attributes.is_empty() || is_language) {
                return Err(unsupported());
            }
        }
        "a" => {
            let url = attributes
                .strip_prefix("href=\"")
                .and_then(|rest| rest.strip_suffix('"'));
            if !url.is_some_and(|url| url.contains(':') && !url.contains('"')) {
                return Err(unsupported());
            }
        }
        "blockquote" => {
            if !(attributes.is_empty() || attributes == "expandable") {
                return Err(unsupported());
            }
            if open.iter().any(|(name, _)| name == "blockquote") {
                return Err(problem("Nested blockquote", at));
            }
        }
        "span" if attributes == "class=\"tg-spoiler\"" => {}
        _ => return Err(unsupported()),
    }
    Ok(name)
}

fn close(open: &mut Vec<(String, usize)>, name: &str, at: usize) -> Result<(), String> {
    match open.pop() {
        None => Err(problem("Unexpected end tag", at)),
        Some((expected, _)) if expected == name.to_lowercase() => Ok(()),
        Some((expected, _)) => Err(problem(
            &format!("Unmatched end tag, expected \"</{expected}>\", found \"</{name}>\""),
            at,
        )),
    }
}

/// Reads an entity: its text and its length. One that is not known stands for itself.
fn entity(rest: &str) -> (String, usize) {
    let known = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
        ("&quot;", "\""),
    ];
    for (entity, text) in known {
        if rest.starts_with(entity) {
            return (text.to_owned(), entity.len());
        }
    }
    let number = rest
        .strip_prefix("&#")
        .and_then(|rest| rest.split_once(';'));
    let decoded = number.and_then(|(digits, _)| {
        let code = match digits.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        Some((char::from_u32(code)?.to_string(), digits.len() + 3))
    });
    decoded.unwrap_or_else(|| ("&".to_owned(), 1))
}
