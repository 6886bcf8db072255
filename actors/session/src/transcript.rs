//! The lines of a session's transcript: their ids, their chain, their opening sequence.

use jiff::Timestamp;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::TranscriptEntry;
use openclaw_protocol::message::Extra;
use openclaw_protocol::message::Link;
use serde_json::Value;
use serde_json::json;

/// Writes lines after what a transcript holds already.
#[derive(Debug, Clone)]
pub(crate) struct Scribe {
    session_id: String,
    seed: u32,
    /// How many lines the transcript holds, with those written here.
    rows: u64,
    leaf: Option<String>,
    now_ms: i64,
    lines: Vec<Value>,
}

impl Scribe {
    /// Continues a transcript of `rows` lines whose last chained entry is `leaf`.
    pub(crate) fn new(session_id: &str, rows: u64, leaf: Option<&str>, now_ms: i64) -> Self {
        let seed = session_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self {
            session_id: session_id.to_owned(),
            seed,
            rows,
            leaf: leaf.map(str::to_owned),
            now_ms,
            lines: Vec::new(),
        }
    }

    /// The opening of a new transcript: header, model, thinking level, snapshot.
    pub(crate) fn open(&mut self, cwd: &str, model: &ModelRef, api: &str, thinking: &str) {
        let header = TranscriptEntry::header(self.session_id.clone(), iso(self.now_ms), cwd);
        self.rows += 1;
        self.push(&header);
        self.model_change(model);
        let link = self.link();
        self.push(&TranscriptEntry::ThinkingLevelChange {
            link,
            thinking_level: thinking.to_owned(),
            extra: Extra::new(),
        });
        self.snapshot(model, api);
    }

    /// Says that another model answers from here on.
    pub(crate) fn switch(&mut self, model: &ModelRef, api: &str) {
        self.model_change(model);
        self.snapshot(model, api);
    }

    /// A message; returns the entry's id.
    pub(crate) fn message(&mut self, message: Message) -> String {
        let link = self.link();
        let id = link.id.clone();
        self.push(&TranscriptEntry::message(link, message));
        id
    }

    /// What came before is summed up; entries from `first_kept` on stay. Without one nothing stays.
    pub(crate) fn compaction(
        &mut self,
        summary: &str,
        first_kept: Option<&str>,
        tokens: u64,
        by: &str,
        outside: Option<&str>,
    ) {
        let mut details = json!({ "by": by });
        // What was read doesn't get better by being summed up.
        if let (Some(from), Value::Object(details)) = (outside, &mut details) {
            details.insert("outside".to_owned(), json!(from));
        }
        let link = self.link();
        let own = link.id.clone();
        self.push(&TranscriptEntry::Compaction {
            first_kept_entry_id: first_kept.map_or(own, str::to_owned),
            link,
            summary: summary.to_owned(),
            tokens_before: tokens,
            extra: Extra::from_iter([("details".to_owned(), details)]),
        });
    }

    /// A line of another program, put into the chain where it was.
    pub(crate) fn adopt(&mut self, mut line: Value) {
        if let Some(object) = line.as_object_mut() {
            let has_id = object.get("id").is_some_and(Value::is_string);
            if object.get("type").and_then(Value::as_str) != Some("session") && !has_id {
                let link = self.link();
                object.insert("id".to_owned(), json!(link.id));
                object.insert("parentId".to_owned(), json!(link.parent_id));
                self.lines.push(line);
                return;
            }
        }
        self.rows += 1;
        if line.get("type").and_then(Value::as_str) != Some("session")
            && let Some(id) = line.get("id").and_then(Value::as_str)
        {
            self.leaf = Some(id.to_owned());
        }
        self.lines.push(line);
    }

    /// The last chained entry.
    pub(crate) fn leaf(&self) -> Option<&str> {
        self.leaf.as_deref()
    }

    /// How many lines the transcript holds now.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The lines written here.
    pub(crate) fn finish(self) -> Vec<Value> {
        self.lines
    }

    fn model_change(&mut self, model: &ModelRef) {
        let link = self.link();
        self.push(&TranscriptEntry::ModelChange {
            link,
            provider: model.provider.clone(),
            model_id: model.model.clone(),
            extra: Extra::new(),
        });
    }

    fn snapshot(&mut self, model: &ModelRef, api: &str) {
        let link = self.link();
        let data = json!({
            "timestamp": self.now_ms,
            "provider": model.provider,
            "modelApi": api,
            "modelId": model.model,
        });
        self.push(&TranscriptEntry::Custom {
            link,
            custom_type: "model-snapshot".to_owned(),
            data,
            extra: Extra::new(),
        });
    }

    fn push(&mut self, entry: &TranscriptEntry) {
        // Values of our own types always serialise; a line lost here would break the chain.
        self.lines
            .push(serde_json::to_value(entry).unwrap_or(Value::Null));
    }

    fn link(&mut self) -> Link {
        let id = entry_id(self.seed, self.rows);
        self.rows += 1;
        let parent_id = self.leaf.replace(id.clone());
        Link {
            id,
            parent_id,
            timestamp: iso(self.now_ms),
        }
    }
}

/// Eight hex digits for the n-th line: a bijection of the number, so no two lines of a session
/// share an id.
fn entry_id(seed: u32, n: u64) -> String {
    let low = u32::try_from(n & 0xffff_ffff).unwrap_or(0);
    let mut x = low.wrapping_mul(0x9e37_79b1).wrapping_add(seed);
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    format!("{x:08x}")
}

/// A moment as ISO 8601 in UTC with milliseconds.
pub(crate) fn iso(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_new_transcript_opens_as_existing_readers_expect() {
        let mut scribe = Scribe::new("s-1", 0, None, 1_771_147_800_000);
        let model = ModelRef::new("p", "m");
        scribe.open("/ws", &model, "openai-completions", "off");
        let id = scribe.message(Message::user("hi", 1));
        assert_eq!(scribe.rows(), 5);
        assert_eq!(scribe.leaf(), Some(id.as_str()));
        let lines = scribe.finish();
        let kinds: Vec<&str> = lines.iter().filter_map(|l| l["type"].as_str()).collect();
        assert_eq!(
            kinds,
            [
                "session",
                "model_change",
                "thinking_level_change",
                "custom",
                "message"
            ]
        );
        assert_eq!(lines[0]["version"], 3);
        assert_eq!(lines[0]["timestamp"], "2026-02-15T09:30:00.000Z");
        assert_eq!(lines[1]["parentId"], Value::Null);
        assert_eq!(lines[3]["customType"], "model-snapshot");
        assert_eq!(lines[3]["data"]["modelApi"], "openai-completions");
        for pair in lines[1..].windows(2) {
            assert_eq!(pair[1]["parentId"], pair[0]["id"]);
        }
    }

    #[test]
    fn no_two_lines_share_an_id() {
        let ids: HashSet<String> = (0..50_000).map(|n| entry_id(7, n)).collect();
        assert_eq!(ids.len(), 50_000);
        assert!(ids.iter().all(|id| id.len() == 8));
    }
}
