//! The pieces of an answer: each holds some parts of it, the last one the reason for the end.

use openclaw_protocol::Usage;
use serde_json::Value;
use serde_json::json;

use crate::answer::Answer;
use crate::answer::End;
use crate::answer::OpenCall;
use crate::answer::Out;
use crate::answer::figure;
use crate::answer::push;
use crate::answer::text;
use crate::call::Decode;
use crate::error::ModelError;
use crate::model::ModelEvent;

/// The state of one answer.
#[derive(Debug)]
pub struct Decoder {
    answer: Answer,
    finish: Option<String>,
}

impl Decoder {
    /// Ready for the first piece.
    pub fn new(provider: &str) -> Self {
        Self {
            answer: Answer::new(provider),
            finish: None,
        }
    }

    fn part(&mut self, part: &Value, out: &mut Out) {
        if let Some(call) = part.get("functionCall") {
            let arguments = call.get("args").filter(|args| args.is_object());
            let id = text(call, "id");
            let signature = text(part, "thoughtSignature");
            self.answer.calls.push(OpenCall {
                place: None,
                // The wire needs none; the transcript tells calls apart by them.
                id: match id.is_empty() {
                    true => format!("call_{}", uuid::Uuid::new_v4().simple()),
                    false => id.to_owned(),
                },
                name: text(call, "name").to_owned(),
                arguments: arguments.cloned().unwrap_or_else(|| json!({})).to_string(),
                signature: (!signature.is_empty()).then(|| signature.to_owned()),
            });
            return;
        }
        let event = match part.get("thought").and_then(Value::as_bool) {
            Some(true) => ModelEvent::Thinking,
            _ => ModelEvent::Text,
        };
        push(out, text(part, "text"), event);
    }
}

impl Decode for Decoder {
    fn answer(&self) -> &Answer {
        &self.answer
    }

    fn piece(&mut self, _kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError> {
        if let Some(usage) = piece.get("usageMetadata") {
            self.answer.usage = read_usage(usage);
        }
        if piece.pointer("/promptFeedback/blockReason").is_some() {
            let refused = End::Refused("did not take the question: its content filter objects");
            return self.answer.finish(refused, out);
        }
        let Some(candidate) = piece.pointer("/candidates/0") else {
            return Ok(());
        };
        let parts = candidate
            .pointer("/content/parts")
            .and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            self.part(part, out);
        }
        if let Some(reason) = candidate.get("finishReason").and_then(Value::as_str) {
            self.finish = Some(reason.to_owned());
        }
        Ok(())
    }

    /// Usage may come after the reason, so that only the body's end is the answer's.
    fn end(&mut self, out: &mut Out) -> Result<(), ModelError> {
        if self.answer.is_over() {
            return Ok(());
        }
        let Some(reason) = self.finish.take() else {
            return Err(self.answer.broke_off());
        };
        let end = match reason.as_str() {
            "STOP" | "FINISH_REASON_UNSPECIFIED" => End::Natural,
            "MAX_TOKENS" => End::Length,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "IMAGE_SAFETY" => End::Refused("stopped the answer: its content filter objects"),
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE" => End::Failed("made a call that can't be read"),
            other => End::Other(other.to_owned()),
        };
        self.answer.finish(end, out)
    }
}

fn read_usage(usage: &Value) -> Usage {
    let tokens = |name: &str| figure(usage, name).unwrap_or(0);
    let cached = tokens("/cachedContentTokenCount");
    let read = tokens("/promptTokenCount") + tokens("/toolUsePromptTokenCount");
    Usage {
        input: read.saturating_sub(cached),
        output: tokens("/candidatesTokenCount") + tokens("/thoughtsTokenCount"),
        cache_read: cached,
        reasoning: tokens("/thoughtsTokenCount"),
        ..Usage::default()
    }
}
