//! The events of an answer.

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

#[cfg(test)]
mod tests;

/// The state of one answer: a call's arguments come in fragments, the usage after the last word.
#[derive(Debug)]
pub struct Decoder {
    answer: Answer,
    finish: Option<String>,
}

impl Decoder {
    /// Ready for the first event.
    pub fn new(provider: &str) -> Self {
        Self {
            answer: Answer::new(provider),
            finish: None,
        }
    }

    fn delta(&mut self, delta: &Value, out: &mut Out) {
        let thought = match text(delta, "reasoning_content") {
            "" => text(delta, "reasoning"),
            thought => thought,
        };
        push(out, thought, ModelEvent::Thinking);
        match delta.get("content") {
            Some(Value::String(text)) => push(out, text, ModelEvent::Text),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| push_part(out, part)),
            _ => {}
        }
        push(out, text(delta, "refusal"), ModelEvent::Text);
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        for fragment in calls.into_iter().flatten() {
            self.fragment(fragment);
        }
    }

    /// Finds the call a fragment belongs to. By the book that is its index; some servers leave it
    /// out or give all calls the same one, but a new id always begins a new call.
    fn fragment(&mut self, fragment: &Value) {
        let index = fragment.get("index").and_then(Value::as_u64);
        let id = text(fragment, "id");
        let calls = &mut self.answer.calls;
        let at = calls.iter().rposition(|call| {
            let same_id = id.is_empty() || call.id.is_empty() || call.id == id;
            same_id && (index.is_none() || call.place == index)
        });
        let at = at.unwrap_or_else(|| {
            calls.push(OpenCall {
                place: index,
                ..OpenCall::default()
            });
            calls.len() - 1
        });
        let Some(call) = calls.get_mut(at) else {
            return;
        };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let Some(function) = fragment.get("function") else {
            return;
        };
        if call.name.is_empty() {
            text(function, "name").clone_into(&mut call.name);
        }
        match function.get("arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(whole @ Value::Object(_)) => call.arguments = whole.to_string(),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), ModelError> {
        let reason = self.finish.take().unwrap_or_default();
        let end = match reason.as_str() {
            "length" => End::Length,
            "content_filter" => End::Refused("stopped the answer: its content filter objects"),
            "error" => End::Failed("broke the answer off with an error"),
            "stop" | "tool_calls" | "function_call" | "eos" | "" => End::Natural,
            other => End::Other(other.to_owned()),
        };
        self.answer.finish(end, out)
    }
}

impl Decode for Decoder {
    fn answer(&self) -> &Answer {
        &self.answer
    }

    fn piece(&mut self, _kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError> {
        // Groq keeps it in a folder of its own.
        let usage = [piece.get("usage"), piece.pointer("/x_groq/usage")];
        if let Some(usage) = usage.into_iter().flatten().find(|usage| usage.is_object()) {
            self.answer.usage = read_usage(usage);
        }
        if let Some(choice) = piece.pointer("/choices/0") {
            if let Some(delta) = choice.get("delta") {
                self.delta(delta, out);
            }
            if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
                self.finish = Some(reason.to_owned());
            }
        }
        Ok(())
    }

    fn closed(&mut self, out: &mut Out) -> Result<(), ModelError> {
        self.finish(out)
    }

    fn end(&mut self, out: &mut Out) -> Result<(), ModelError> {
        if self.answer.is_over() {
            return Ok(());
        }
        match self.finish {
            // A reason to end without the closing mark: some servers leave it out.
            Some(_) => self.finish(out),
            None => Err(self.answer.broke_off()),
        }
    }
}

/// Mistral's form: a list of texts and thoughts.
fn push_part(out: &mut Out, part: &Value) {
    match text(part, "type") {
        "text" => push(out, text(part, "text"), ModelEvent::Text),
        "thinking" => {
            let thoughts = part.get("thinking").and_then(Value::as_array);
            for thought in thoughts.into_iter().flatten() {
                push(out, text(thought, "text"), ModelEvent::Thinking);
            }
        }
        _ => {}
    }
}

fn read_usage(usage: &Value) -> Usage {
    let cached = figure(usage, "/prompt_tokens_details/cached_tokens")
        .or_else(|| figure(usage, "/prompt_cache_hit_tokens"))
        .unwrap_or(0);
    let read = figure(usage, "/prompt_tokens").unwrap_or(0);
    Usage {
        input: read.saturating_sub(cached),
        output: figure(usage, "/completion_tokens").unwrap_or(0),
        cache_read: cached,
        reasoning: figure(usage, "/completion_tokens_details/reasoning_tokens").unwrap_or(0),
        ..Usage::default()
    }
}
