//! The events of an answer.

use std::collections::VecDeque;

use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use serde_json::Value;

use super::request::REDACTED;
use crate::call::Decode;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::classify;
use crate::model::ModelEvent;
use crate::openai::read_arguments;

#[cfg(test)]
mod tests;

/// The state of one answer: its blocks come one after the other, each in pieces.
#[derive(Debug)]
pub struct Decoder {
    provider: String,
    block: Block,
    /// Calls wait for the end: one that the limit cut in two must not run.
    calls: Vec<(String, String, String)>,
    usage: Usage,
    stop: Option<String>,
    over: bool,
}

#[derive(Debug)]
enum Block {
    /// None open, or one of which nothing is kept.
    Other,
    Thinking {
        signature: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

impl Decoder {
    /// Ready for the first event.
    pub fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            block: Block::Other,
            calls: Vec::new(),
            usage: Usage::default(),
            stop: None,
            over: false,
        }
    }

    fn open(&mut self, block: &Value, out: &mut VecDeque<ModelEvent>) {
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or("");
        self.block = match text("type") {
            "text" => {
                push(out, text("text"), ModelEvent::Text);
                Block::Other
            }
            "thinking" => {
                push(out, text("thinking"), ModelEvent::Thinking);
                Block::Thinking {
                    signature: text("signature").to_owned(),
                }
            }
            "redacted_thinking" => {
                let signature = format!("{REDACTED}{}", text("data"));
                out.push_back(ModelEvent::ThinkingSignature(signature));
                Block::Other
            }
            "tool_use" => {
                // Compatible servers send the whole input at once.
                let whole = block.get("input").and_then(Value::as_object);
                let whole = whole.filter(|input| !input.is_empty());
                Block::Call {
                    id: text("id").to_owned(),
                    name: text("name").to_owned(),
                    arguments: whole.map_or_else(String::new, |input| {
                        Value::Object(input.clone()).to_string()
                    }),
                }
            }
            _ => Block::Other,
        };
    }

    fn delta(&mut self, delta: &Value, out: &mut VecDeque<ModelEvent>) {
        let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or("");
        match (text("type"), &mut self.block) {
            ("text_delta", _) => push(out, text("text"), ModelEvent::Text),
            ("thinking_delta", _) => push(out, text("thinking"), ModelEvent::Thinking),
            ("signature_delta", Block::Thinking { signature }) => {
                signature.push_str(text("signature"));
            }
            ("input_json_delta", Block::Call { arguments, .. }) => {
                arguments.push_str(text("partial_json"));
            }
            _ => {}
        }
    }

    fn close(&mut self, out: &mut VecDeque<ModelEvent>) {
        match std::mem::replace(&mut self.block, Block::Other) {
            Block::Thinking { signature } => push(out, &signature, ModelEvent::ThinkingSignature),
            Block::Call {
                id,
                name,
                arguments,
            } => self.calls.push((id, name, arguments)),
            Block::Other => {}
        }
    }

    /// Figures that come later replace those that came before: they are sums.
    fn count(&mut self, usage: Option<&Value>) {
        let number = |name: &str| usage?.get(name)?.as_u64();
        let fields = [
            ("input_tokens", &mut self.usage.input),
            ("output_tokens", &mut self.usage.output),
            ("cache_read_input_tokens", &mut self.usage.cache_read),
            ("cache_creation_input_tokens", &mut self.usage.cache_write),
        ];
        for (name, field) in fields {
            if let Some(tokens) = number(name) {
                *field = tokens;
            }
        }
    }

    fn finish(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        self.over = true;
        self.close(out);
        let reason = self.stop.take().unwrap_or_default();
        let stop = match reason.as_str() {
            "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
            "refusal" => {
                return Err(ModelError::new(
                    ModelErrorKind::Refusal,
                    format!("{} declines to go on with this conversation", self.provider),
                ));
            }
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            "end_turn" | "stop_sequence" | "pause_turn" | "tool_use" | "" => StopReason::Stop,
            other => StopReason::Other(other.to_owned()),
        };
        for (id, name, arguments) in self.calls.drain(..) {
            let arguments = read_arguments(&arguments);
            if stop == StopReason::Length && !arguments.is_object() {
                continue;
            }
            out.push_back(ModelEvent::ToolCall {
                id,
                name,
                arguments,
            });
        }
        out.push_back(ModelEvent::Done {
            usage: self.usage,
            stop,
        });
        Ok(())
    }
}

impl Decode for Decoder {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ModelError> {
        if self.over || data.trim().is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|error| {
            ModelError::new(
                ModelErrorKind::Format,
                format!("{} sent a piece that is not JSON: {error}", self.provider),
            )
        })?;
        // The name stands in the data too; some servers leave the event's own name out.
        let kind = value.get("type").and_then(Value::as_str).unwrap_or(name);
        match kind {
            "message_start" => self.count(value.pointer("/message/usage")),
            "content_block_start" => {
                self.close(out);
                if let Some(block) = value.get("content_block") {
                    self.open(block, out);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = value.get("delta") {
                    self.delta(delta, out);
                }
            }
            "content_block_stop" => self.close(out),
            "message_delta" => {
                self.count(value.get("usage"));
                if let Some(reason) = value.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    self.stop = Some(reason.to_owned());
                }
            }
            "message_stop" => self.finish(out)?,
            "error" => return Err(classify(&self.provider, 0, data, None)),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        if self.over {
            return Ok(());
        }
        if self.stop.is_some() {
            return self.finish(out);
        }
        Err(ModelError::new(
            ModelErrorKind::Network,
            format!("{} broke off in the middle of its answer", self.provider),
        ))
    }
}

fn push(out: &mut VecDeque<ModelEvent>, text: &str, event: fn(String) -> ModelEvent) {
    if !text.is_empty() {
        out.push_back(event(text.to_owned()));
    }
}
