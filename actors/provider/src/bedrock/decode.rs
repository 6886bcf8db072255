//! The messages of an answer: its blocks in pieces, then the reason for the end, then the usage.

use openclaw_protocol::Usage;
use serde_json::Value;
use serde_json::json;

use super::request::REDACTED;
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
    /// The signature of the reasoning that is open.
    signature: String,
    stop: Option<String>,
}

impl Decoder {
    /// Ready for the first message.
    pub fn new(provider: &str) -> Self {
        Self {
            answer: Answer::new(provider),
            signature: String::new(),
            stop: None,
        }
    }

    fn delta(&mut self, place: Option<u64>, delta: &Value, out: &mut Out) {
        push(out, text(delta, "text"), ModelEvent::Text);
        if let Some(call) = delta.get("toolUse") {
            let more = text(call, "input");
            let calls = &mut self.answer.calls;
            if let Some(call) = calls.iter_mut().rev().find(|call| call.place == place) {
                call.arguments.push_str(more);
            }
        }
        if let Some(thought) = delta.get("reasoningContent") {
            push(out, text(thought, "text"), ModelEvent::Thinking);
            self.signature.push_str(text(thought, "signature"));
            let hidden = text(thought, "redactedContent");
            if !hidden.is_empty() {
                let signature = format!("{REDACTED}{hidden}");
                out.push_back(ModelEvent::ThinkingSignature(signature));
            }
        }
    }
}

impl Decode for Decoder {
    fn answer(&self) -> &Answer {
        &self.answer
    }

    fn piece(&mut self, kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError> {
        let place = piece.get("contentBlockIndex").and_then(Value::as_u64);
        match kind {
            "contentBlockStart" => {
                if let Some(call) = piece.pointer("/start/toolUse") {
                    self.answer.calls.push(OpenCall {
                        place,
                        id: text(call, "toolUseId").to_owned(),
                        name: text(call, "name").to_owned(),
                        ..OpenCall::default()
                    });
                }
            }
            "contentBlockDelta" => {
                if let Some(delta) = piece.get("delta") {
                    self.delta(place, delta, out);
                }
            }
            "contentBlockStop" => {
                let signature = std::mem::take(&mut self.signature);
                push(out, &signature, ModelEvent::ThinkingSignature);
            }
            "messageStop" => self.stop = Some(text(piece, "stopReason").to_owned()),
            "metadata" => self.answer.usage = read_usage(piece),
            _ if kind.ends_with("Exception") || kind.ends_with("Error") => {
                let error = json!({ "error": { "type": kind, "message": piece.get("message") } });
                return Err(self.answer.failed(&error.to_string()));
            }
            _ => {}
        }
        Ok(())
    }

    /// The usage comes last, so that only the body's end is the answer's.
    fn end(&mut self, out: &mut Out) -> Result<(), ModelError> {
        if self.answer.is_over() {
            return Ok(());
        }
        let Some(reason) = self.stop.take() else {
            return Err(self.answer.broke_off());
        };
        let end = match reason.as_str() {
            "max_tokens" | "model_context_window_exceeded" => End::Length,
            "guardrail_intervened" | "content_filtered" => {
                End::Refused("stopped the answer: its content filter objects")
            }
            "malformed_model_output" | "malformed_tool_use" => {
                End::Failed("made a call that can't be read")
            }
            "end_turn" | "tool_use" | "stop_sequence" => End::Natural,
            other => End::Other(other.to_owned()),
        };
        self.answer.finish(end, out)
    }
}

fn read_usage(piece: &Value) -> Usage {
    let tokens = |name: &str| figure(piece, name).unwrap_or(0);
    Usage {
        input: tokens("/usage/inputTokens"),
        output: tokens("/usage/outputTokens"),
        cache_read: tokens("/usage/cacheReadInputTokens"),
        cache_write: tokens("/usage/cacheWriteInputTokens"),
        ..Usage::default()
    }
}
