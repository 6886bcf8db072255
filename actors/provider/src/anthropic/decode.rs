//! The events of an answer.

use serde_json::Value;

use super::request::REDACTED;
use crate::answer::Answer;
use crate::answer::End;
use crate::answer::OpenCall;
use crate::answer::Out;
use crate::answer::push;
use crate::answer::text;
use crate::call::Decode;
use crate::error::ModelError;
use crate::model::ModelEvent;

#[cfg(test)]
mod tests;

/// The state of one answer: its blocks come one after the other, each in pieces.
#[derive(Debug)]
pub struct Decoder {
    answer: Answer,
    block: Block,
    stop: Option<String>,
}

#[derive(Debug)]
enum Block {
    /// None open, or one of which nothing is kept.
    Other,
    Thinking {
        signature: String,
    },
    Call(OpenCall),
}

impl Decoder {
    /// Ready for the first event.
    pub fn new(provider: &str) -> Self {
        Self {
            answer: Answer::new(provider),
            block: Block::Other,
            stop: None,
        }
    }

    fn open(&mut self, block: &Value, out: &mut Out) {
        self.block = match text(block, "type") {
            "text" => {
                push(out, text(block, "text"), ModelEvent::Text);
                Block::Other
            }
            "thinking" => {
                push(out, text(block, "thinking"), ModelEvent::Thinking);
                Block::Thinking {
                    signature: text(block, "signature").to_owned(),
                }
            }
            "redacted_thinking" => {
                let signature = format!("{REDACTED}{}", text(block, "data"));
                out.push_back(ModelEvent::ThinkingSignature(signature));
                Block::Other
            }
            "tool_use" => {
                // Compatible servers send the whole input at once.
                let whole = block.get("input").and_then(Value::as_object);
                let whole = whole.filter(|input| !input.is_empty());
                Block::Call(OpenCall {
                    id: text(block, "id").to_owned(),
                    name: text(block, "name").to_owned(),
                    arguments: whole.map_or_else(String::new, |input| {
                        Value::Object(input.clone()).to_string()
                    }),
                    ..OpenCall::default()
                })
            }
            _ => Block::Other,
        };
    }

    fn delta(&mut self, delta: &Value, out: &mut Out) {
        match (text(delta, "type"), &mut self.block) {
            ("text_delta", _) => push(out, text(delta, "text"), ModelEvent::Text),
            ("thinking_delta", _) => push(out, text(delta, "thinking"), ModelEvent::Thinking),
            ("signature_delta", Block::Thinking { signature }) => {
                signature.push_str(text(delta, "signature"));
            }
            ("input_json_delta", Block::Call(call)) => {
                call.arguments.push_str(text(delta, "partial_json"));
            }
            _ => {}
        }
    }

    fn close(&mut self, out: &mut Out) {
        match std::mem::replace(&mut self.block, Block::Other) {
            Block::Thinking { signature } => push(out, &signature, ModelEvent::ThinkingSignature),
            Block::Call(call) => self.answer.calls.push(call),
            Block::Other => {}
        }
    }

    /// Figures that come later replace those that came before: they are sums.
    fn count(&mut self, usage: Option<&Value>) {
        let total = &mut self.answer.usage;
        let fields = [
            ("input_tokens", &mut total.input),
            ("output_tokens", &mut total.output),
            ("cache_read_input_tokens", &mut total.cache_read),
            ("cache_creation_input_tokens", &mut total.cache_write),
        ];
        for (name, field) in fields {
            if let Some(tokens) = usage.and_then(|usage| usage.get(name)?.as_u64()) {
                *field = tokens;
            }
        }
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), ModelError> {
        self.close(out);
        let reason = self.stop.take().unwrap_or_default();
        let end = match reason.as_str() {
            "max_tokens" | "model_context_window_exceeded" => End::Length,
            "refusal" => End::Refused("declines to go on with this conversation"),
            "end_turn" | "stop_sequence" | "pause_turn" | "tool_use" | "" => End::Natural,
            other => End::Other(other.to_owned()),
        };
        self.answer.finish(end, out)
    }
}

impl Decode for Decoder {
    fn answer(&self) -> &Answer {
        &self.answer
    }

    fn piece(&mut self, kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError> {
        // The name stands in the data too; some servers leave the event's own name out.
        let kind = piece.get("type").and_then(Value::as_str).unwrap_or(kind);
        match kind {
            "message_start" => self.count(piece.pointer("/message/usage")),
            "content_block_start" => {
                self.close(out);
                if let Some(block) = piece.get("content_block") {
                    self.open(block, out);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = piece.get("delta") {
                    self.delta(delta, out);
                }
            }
            "content_block_stop" => self.close(out),
            "message_delta" => {
                self.count(piece.get("usage"));
                if let Some(reason) = piece.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    self.stop = Some(reason.to_owned());
                }
            }
            "message_stop" => self.finish(out)?,
            "error" => return Err(self.answer.failed(&piece.to_string())),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Out) -> Result<(), ModelError> {
        if self.answer.is_over() {
            return Ok(());
        }
        match self.stop {
            Some(_) => self.finish(out),
            None => Err(self.answer.broke_off()),
        }
    }
}
