//! Directives: `/think:high` and the like inside a message that is for the model.
//!
//! Pure. A directive holds for its message only and is taken out of the words that the model sees. As a whole message it
//! is a command, and holds for the session. What doesn't read as one, a path such as `/t/high`, stays.

use openclaw_tool::Elevated;

use super::model::LEVELS;

/// What a message says about its own turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    /// How much the model shall think.
    pub(crate) think: Option<String>,
    /// Which model shall answer.
    pub(crate) model: Option<String>,
    /// Whether the tools are named with the answer.
    pub(crate) verbose: Option<bool>,
    /// Whether the reasoning is shown with the answer.
    pub(crate) reasoning: Option<bool>,
    /// Whether programs leave the sandbox.
    pub(crate) elevated: Option<String>,
}

/// Whether a message says nothing about its own turn.
pub(crate) fn is_plain(text: &str) -> bool {
    strip(text, Elevated::Full).0 == Directives::default()
}

/// A message without its directives, and what they say. One for more than `most` is ordinary text.
pub(crate) fn strip(text: &str, most: Elevated) -> (Directives, String) {
    let mut found = Directives::default();
    if !text.contains('/') {
        return (found, text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        let gap = after.len() - after.trim_start().len();
        let (space, next) = after.split_at(gap);
        match taken(word, next, most, &mut found) {
            Some(left) => rest = left,
            None => {
                out.push_str(word);
                out.push_str(space);
                rest = next;
            }
        }
    }
    if found == Directives::default() {
        return (found, text.to_owned());
    }
    (found, out.trim().to_owned())
}

/// What is left behind a directive; none where the word is no directive.
fn taken<'a>(word: &str, next: &'a str, most: Elevated, found: &mut Directives) -> Option<&'a str> {
    let name = word.strip_prefix('/')?;
    let (name, value, left) = match name.split_once(':') {
        Some((name, value)) if !value.is_empty() => (name, value, next),
        other => {
            let name = other.map_or(name, |(name, _)| name);
            let end = next.find(char::is_whitespace).unwrap_or(next.len());
            let (value, left) = next.split_at(end);
            (name, value, left.trim_start())
        }
    };
    let value = value.to_lowercase();
    match name.to_ascii_lowercase().as_str() {
        "think" | "thinking" | "t" if LEVELS.contains(&value.as_str()) => found.think = Some(value),
        "model" if value.contains('/') => found.model = Some(value),
        "verbose" | "v" => found.verbose = Some(switch(&value)?),
        "reasoning" | "reason" => found.reasoning = Some(switch(&value)?),
        "elevated" | "elev" => {
            let wished = Elevated::parse(&value)?;
            if most == Elevated::Off || wished > most {
                return None;
            }
            found.elevated = Some(value);
        }
        _ => return None,
    }
    Some(left)
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "on" | "full" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip_all(text: &str) -> (Directives, String) {
        strip(text, Elevated::Full)
    }

    #[test]
    fn directives_are_taken_out_and_hold_for_their_message() {
        let (found, text) =
            strip_all("/think:high please /model openai/gpt-5 compare\nthese /v on");
        assert_eq!(found.think.as_deref(), Some("high"));
        assert_eq!(found.model.as_deref(), Some("openai/gpt-5"));
        assert_eq!(found.verbose, Some(true));
        assert_eq!(text, "please compare\nthese");
        let (found, text) = strip_all("/t low: sum 1 and 2");
        assert_eq!((found.think, text.as_str()), (None, "/t low: sum 1 and 2"));
        let (found, text) = strip_all("sum it /T LOW");
        assert_eq!(
            (found.think.as_deref(), text.as_str()),
            (Some("low"), "sum it")
        );
    }

    #[test]
    fn what_is_no_directive_stays_to_the_byte() {
        for text in [
            "see /think tank",
            "ls /t/high  and\n\n/v",
            "/model",
            "a/think:high",
            "/think:very",
            "  two  spaces / slash ",
        ] {
            assert_eq!(
                strip_all(text),
                (Directives::default(), text.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn who_may_not_leave_the_sandbox_said_ordinary_words() {
        for (text, most, is) in [
            ("/elevated:full run it", Elevated::Full, Some("full")),
            ("/elev on run it", Elevated::Ask, Some("on")),
            ("/elevated:full run it", Elevated::Ask, None),
            ("/elevated:on run it", Elevated::Off, None),
            ("/elevated:very run it", Elevated::Full, None),
        ] {
            let (found, left) = strip(text, most);
            assert_eq!(found.elevated.as_deref(), is, "{text}");
            assert_eq!(left == text, is.is_none(), "{text}");
        }
    }
}
