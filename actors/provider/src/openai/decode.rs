//! The events of an answer.

use std::collections::VecDeque;

use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use serde_json::Value;

use crate::call::Decode;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::classify;
use crate::model::ModelEvent;

#[cfg(test)]
mod tests;

/// The state of one answer: a call's arguments come in fragments, the usage after the last word.
#[derive(Debug)]
pub struct Decoder {
    provider: String,
    calls: Vec<PartialCall>,
    usage: Usage,
    finish: Option<String>,
    over: bool,
}

#[derive(Debug, Default)]
struct PartialCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Decoder {
    /// Ready for the first event.
    pub fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            calls: Vec::new(),
            usage: Usage::default(),
            finish: None,
            over: false,
        }
    }

    fn chunk(&mut self, chunk: &Value, out: &mut VecDeque<ModelEvent>) {
        // Groq keeps it in a folder of its own.
        let usage = [chunk.get("usage"), chunk.pointer("/x_groq/usage")];
        if let Some(usage) = usage.into_iter().flatten().find(|usage| usage.is_object()) {
            self.usage = read_usage(usage);
        }
        let Some(choice) = chunk.pointer("/choices/0") else {
            return;
        };
        if let Some(delta) = choice.get("delta") {
            self.delta(delta, out);
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(reason.to_owned());
        }
    }

    fn delta(&mut self, delta: &Value, out: &mut VecDeque<ModelEvent>) {
        let text = |name: &str| delta.get(name).and_then(Value::as_str);
        if let Some(thought) = text("reasoning_content").or_else(|| text("reasoning")) {
            push_text(out, thought, ModelEvent::Thinking);
        }
        match delta.get("content") {
            Some(Value::String(text)) => push_text(out, text, ModelEvent::Text),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| push_part(out, part)),
            _ => {}
        }
        if let Some(refusal) = text("refusal") {
            push_text(out, refusal, ModelEvent::Text);
        }
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        for fragment in calls.into_iter().flatten() {
            self.fragment(fragment);
        }
    }

    /// Finds the call a fragment belongs to. By the book that is its index; some servers leave it
    /// out or give all calls the same one, but a new id always begins a new call.
    fn fragment(&mut self, fragment: &Value) {
        let index = fragment.get("index").and_then(Value::as_u64);
        let id = fragment.get("id").and_then(Value::as_str).unwrap_or("");
        let place = self.calls.iter().rposition(|call| {
            let same_id = id.is_empty() || call.id.is_empty() || call.id == id;
            same_id && (index.is_none() || call.index == index)
        });
        let place = place.unwrap_or_else(|| {
            self.calls.push(PartialCall {
                index,
                ..PartialCall::default()
            });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(place) else {
            return;
        };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let Some(function) = fragment.get("function") else {
            return;
        };
        let name = function.get("name").and_then(Value::as_str);
        if let (true, Some(name)) = (call.name.is_empty(), name) {
            name.clone_into(&mut call.name);
        }
        match function.get("arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(whole @ Value::Object(_)) => call.arguments = whole.to_string(),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        self.over = true;
        let reason = self.finish.take().unwrap_or_default();
        let broken = |kind, what: &str| ModelError::new(kind, format!("{} {what}", self.provider));
        let stop = match reason.as_str() {
            "length" => StopReason::Length,
            "content_filter" => {
                let what = "stopped the answer: its content filter objects";
                return Err(broken(ModelErrorKind::Refusal, what));
            }
            "error" => {
                let what = "broke the answer off with an error";
                return Err(broken(ModelErrorKind::Overload, what));
            }
            // Some servers end a call with "stop".
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            "stop" | "tool_calls" | "function_call" | "eos" | "" => StopReason::Stop,
            other => StopReason::Other(other.to_owned()),
        };
        for (number, call) in self.calls.drain(..).enumerate() {
            let arguments = read_arguments(&call.arguments);
            // What the limit cut in two must not run.
            if call.name.is_empty() || (stop == StopReason::Length && !arguments.is_object()) {
                continue;
            }
            let id = match call.id.is_empty() {
                true => format!("call_{number}"),
                false => call.id,
            };
            out.push_back(ModelEvent::ToolCall {
                id,
                name: call.name,
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
        _name: &str,
        data: &str,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ModelError> {
        let data = data.trim();
        if self.over || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            return self.finish(out);
        }
        let chunk: Value = serde_json::from_str(data).map_err(|error| {
            ModelError::new(
                ModelErrorKind::Format,
                format!("{} sent a piece that is not JSON: {error}", self.provider),
            )
        })?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Err(classify(&self.provider, 0, data, None));
        }
        self.chunk(&chunk, out);
        Ok(())
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        if self.over {
            return Ok(());
        }
        // A reason to end without the closing mark: some servers leave it out.
        if self.finish.is_some() {
            return self.finish(out);
        }
        Err(ModelError::new(
            ModelErrorKind::Network,
            format!("{} broke off in the middle of its answer", self.provider),
        ))
    }
}

fn push_text(out: &mut VecDeque<ModelEvent>, text: &str, event: fn(String) -> ModelEvent) {
    if !text.is_empty() {
        out.push_back(event(text.to_owned()));
    }
}

/// Mistral's form: a list of texts and thoughts.
fn push_part(out: &mut VecDeque<ModelEvent>, part: &Value) {
    let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
    match part.get("type").and_then(Value::as_str) {
        Some("text") => push_text(out, &text(part).unwrap_or_default(), ModelEvent::Text),
        Some("thinking") => {
            let thoughts = part.get("thinking").and_then(Value::as_array);
            for thought in thoughts.into_iter().flatten().filter_map(text) {
                push_text(out, &thought, ModelEvent::Thinking);
            }
        }
        _ => {}
    }
}

/// The arguments; text that isn't JSON stays text, so that the tool can tell the model.
pub(crate) fn read_arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn read_usage(usage: &Value) -> Usage {
    let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let cached = number("/prompt_tokens_details/cached_tokens")
        .or_else(|| number("/prompt_cache_hit_tokens"))
        .unwrap_or(0);
    Usage {
        input: number("/prompt_tokens").unwrap_or(0).saturating_sub(cached),
        output: number("/completion_tokens").unwrap_or(0),
        cache_read: cached,
        ..Usage::default()
    }
}
