//! What of a model's text reaches people: silence tokens and reply tags are read and taken out.

/// The model's way to say nothing.
const NO_REPLY: &str = "NO_REPLY";
/// A heartbeat's "all is well"; outside heartbeats it means nothing.
const HEARTBEAT_OK: &str = "HEARTBEAT_OK";

/// A text for people, with what the model said about its delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reply {
    /// The text; empty when the model chose silence.
    pub(crate) text: String,
    /// Which message it answers, when the model said so.
    pub(crate) answers: Option<Answers>,
}

/// The message an answer is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The one that started the turn.
    Current,
    /// One named by its platform id.
    Message(String),
}

/// Reads a model's text.
pub(crate) fn read(text: &str) -> Reply {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    let mut answers = None;
    while let Some(start) = rest.find("[[") {
        let (before, tagged) = rest.split_at(start);
        let Some(end) = tagged.find("]]") else { break };
        let inner = tagged.get(2..end).unwrap_or_default().trim();
        let found = match inner.split_once(':') {
            None if inner == "reply_to_current" => Some(Answers::Current),
            Some((tag, id)) if tag.trim() == "reply_to" => {
                Some(Answers::Message(id.trim().to_owned()))
            }
            _ => None,
        };
        clean.push_str(before);
        match found {
            Some(found) => {
                answers.get_or_insert(found);
            }
            None => clean.push_str(tagged.get(..end + 2).unwrap_or_default()),
        }
        rest = tagged.get(end + 2..).unwrap_or_default();
    }
    clean.push_str(rest);
    let text = if is_silent(&clean) {
        String::new()
    } else {
        without_heartbeat(clean.trim()).to_owned()
    };
    Reply { text, answers }
}

/// Whether a text means silence: the token first, then an end or a non-word; or the token last.
pub(crate) fn is_silent(text: &str) -> bool {
    let text = text.trim();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if let Some(after) = text.strip_prefix(NO_REPLY)
        && !after.starts_with(is_word)
    {
        return true;
    }
    text.strip_suffix(NO_REPLY)
        .is_some_and(|before| !before.ends_with(is_word))
}

/// Whether a stream so far may still turn out to be silence, so that it must not be shown yet.
pub(crate) fn may_be_silent(so_far: &str) -> bool {
    let so_far = so_far.trim();
    !so_far.is_empty() && (NO_REPLY.starts_with(so_far) || is_silent(so_far))
}

fn without_heartbeat(text: &str) -> &str {
    let text = text.strip_prefix(HEARTBEAT_OK).unwrap_or(text);
    text.strip_suffix(HEARTBEAT_OK).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_silence_at_the_start_and_at_the_end_only() {
        assert!(is_silent("NO_REPLY"));
        assert!(is_silent("  NO_REPLY. nothing to add"));
        assert!(is_silent("fine then\nNO_REPLY"));
        assert!(!is_silent("NO_REPLYING is a word"));
        assert!(!is_silent("say NO_REPLY to stay quiet"));
    }

    #[test]
    fn a_stream_is_held_back_while_it_may_be_silence() {
        for so_far in ["N", "NO_", "NO_REPLY", "NO_REPLY."] {
            assert!(may_be_silent(so_far), "{so_far}");
        }
        for so_far in ["", "Now", "NOPE", "hello NO_REP"] {
            assert!(!may_be_silent(so_far), "{so_far}");
        }
    }

    #[test]
    fn reply_tags_are_read_and_taken_out() {
        let reply = read("[[reply_to_current]] hello");
        assert_eq!(reply.text, "hello");
        assert_eq!(reply.answers, Some(Answers::Current));
        let reply = read("a [[ reply_to: 17 ]]b");
        assert_eq!(reply.text, "a b");
        assert_eq!(reply.answers, Some(Answers::Message("17".to_owned())));
    }

    #[test]
    fn other_double_brackets_stay() {
        assert_eq!(read("x[[1]] = y[[ -d f ]]").text, "x[[1]] = y[[ -d f ]]");
        assert_eq!(read("open [[ end").text, "open [[ end");
    }

    #[test]
    fn the_heartbeats_token_is_stripped_elsewhere() {
        assert_eq!(read("HEARTBEAT_OK").text, "");
        assert_eq!(read("done HEARTBEAT_OK").text, "done");
    }
}
