//! The lines of an answer: each holds the next piece, the last one the figures.

use openclaw_protocol::Usage;
use serde_json::Value;

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
}

impl Decoder {
    /// Ready for the first line.
    pub fn new(provider: &str) -> Self {
        Self {
            answer: Answer::new(provider),
        }
    }

    fn call(&mut self, call: &Value) {
        let Some(function) = call.get("function") else {
            return;
        };
        let id = text(call, "id");
        self.answer.calls.push(OpenCall {
            place: None,
            id: match id.is_empty() {
                true => format!("call_{}", uuid::Uuid::new_v4().simple()),
                false => id.to_owned(),
            },
            name: text(function, "name").to_owned(),
            arguments: match function.get("arguments") {
                Some(Value::String(text)) => text.clone(),
                Some(whole @ Value::Object(_)) => whole.to_string(),
                _ => String::new(),
            },
            signature: None,
        });
    }
}

impl Decode for Decoder {
    fn answer(&self) -> &Answer {
        &self.answer
    }

    fn piece(&mut self, _kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError> {
        let message = piece.get("message").unwrap_or(&Value::Null);
        push(out, text(message, "thinking"), ModelEvent::Thinking);
        push(out, text(message, "content"), ModelEvent::Text);
        let calls = message.get("tool_calls").and_then(Value::as_array);
        for call in calls.into_iter().flatten() {
            self.call(call);
        }
        if piece.get("done").and_then(Value::as_bool) != Some(true) {
            return Ok(());
        }
        self.answer.usage = Usage {
            input: figure(piece, "/prompt_eval_count").unwrap_or(0),
            output: figure(piece, "/eval_count").unwrap_or(0),
            ..Usage::default()
        };
        let end = match text(piece, "done_reason") {
            "length" => End::Length,
            "stop" | "" => End::Natural,
            "content_filter" => End::Refused("stopped the answer: its content filter objects"),
            other => End::Other(other.to_owned()),
        };
        self.answer.finish(end, out)
    }

    fn end(&mut self, _out: &mut Out) -> Result<(), ModelError> {
        match self.answer.is_over() {
            true => Ok(()),
            false => Err(self.answer.broke_off()),
        }
    }
}
