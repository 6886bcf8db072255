//! The events of an answer.

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

/// The state of one answer: items, each opened, filled and closed by events of its own.
#[derive(Debug)]
pub struct Decoder {
    answer: Answer,
    /// The text of the item that is open came in pieces: its closed form repeats it.
    said: bool,
}

impl Decoder {
    /// Ready for the first event.
    pub fn new(provider: &str) -> Self {
        Self {
            answer: Answer::new(provider),
            said: false,
        }
    }

    fn say(&mut self, piece: &Value, event: fn(String) -> ModelEvent, out: &mut Out) {
        self.said = true;
        push(out, text(piece, "delta"), event);
    }

    fn call(&mut self, place: Option<u64>) -> Option<&mut OpenCall> {
        let calls = &mut self.answer.calls;
        calls.iter_mut().rev().find(|call| call.place == place)
    }

    fn opened(&mut self, place: Option<u64>, item: &Value) {
        self.said = false;
        if text(item, "type") == "function_call" {
            self.answer.calls.push(OpenCall {
                place,
                id: text(item, "call_id").to_owned(),
                name: text(item, "name").to_owned(),
                arguments: text(item, "arguments").to_owned(),
                signature: None,
            });
        }
    }

    /// An item is repeated whole when it is closed; servers that send no pieces send only this.
    fn closed_item(&mut self, place: Option<u64>, item: &Value, out: &mut Out) {
        match text(item, "type") {
            "function_call" => {
                if self.call(place).is_none() {
                    self.opened(place, item);
                }
                let whole = text(item, "arguments").to_owned();
                if let Some(call) = self.call(place).filter(|_| !whole.is_empty()) {
                    call.arguments = whole;
                }
            }
            "message" if !self.said => {
                for part in list(item, "content") {
                    push(out, text(part, "text"), ModelEvent::Text);
                    push(out, text(part, "refusal"), ModelEvent::Text);
                }
            }
            "reasoning" => {
                if !self.said {
                    for part in list(item, "summary").chain(list(item, "content")) {
                        push(out, text(part, "text"), ModelEvent::Thinking);
                    }
                }
                let sealed = text(item, "encrypted_content");
                if !sealed.is_empty() {
                    let summary = item.get("summary").cloned().unwrap_or_else(|| json!([]));
                    let kept = json!({
                        "type": "reasoning", "id": text(item, "id"), "summary": summary,
                        "encrypted_content": sealed,
                    });
                    out.push_back(ModelEvent::ThinkingSignature(kept.to_string()));
                }
            }
            _ => {}
        }
        self.said = false;
    }

    fn over(&mut self, response: &Value, out: &mut Out) -> Result<(), ModelError> {
        self.answer.usage = read_usage(response);
        let reason = response.pointer("/incomplete_details/reason");
        let end = match reason.and_then(Value::as_str) {
            Some("max_output_tokens" | "max_tokens") => End::Length,
            Some("content_filter") => {
                End::Refused("stopped the answer: its content filter objects")
            }
            Some(other) => End::Other(other.to_owned()),
            None => End::Natural,
        };
        self.answer.finish(end, out)
    }
}

impl Decode for Decoder {
    fn answer(&self) -> &Answer {
        &self.answer
    }

    fn piece(&mut self, kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError> {
        let kind = piece.get("type").and_then(Value::as_str).unwrap_or(kind);
        let place = piece.get("output_index").and_then(Value::as_u64);
        let item = piece.get("item").unwrap_or(&Value::Null);
        let response = piece.get("response").unwrap_or(&Value::Null);
        match kind {
            "response.output_item.added" => self.opened(place, item),
            "response.output_item.done" => self.closed_item(place, item, out),
            "response.output_text.delta" | "response.refusal.delta" => {
                self.say(piece, ModelEvent::Text, out);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.say(piece, ModelEvent::Thinking, out);
            }
            "response.reasoning_summary_part.added" if self.said => {
                push(out, "\n\n", ModelEvent::Thinking);
            }
            "response.function_call_arguments.delta" => {
                let more = text(piece, "delta").to_owned();
                if let Some(call) = self.call(place) {
                    call.arguments.push_str(&more);
                }
            }
            "response.completed" | "response.incomplete" | "response.done" => {
                self.over(response, out)?;
            }
            "response.failed" => {
                let error = json!({ "error": response.get("error") });
                return Err(self.answer.failed(&error.to_string()));
            }
            "error" => {
                let error = json!({ "error": {
                    "code": piece.get("code"), "message": piece.get("message"),
                }});
                return Err(self.answer.failed(&error.to_string()));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Out) -> Result<(), ModelError> {
        match self.answer.is_over() {
            true => Ok(()),
            false => Err(self.answer.broke_off()),
        }
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn read_usage(response: &Value) -> Usage {
    let cached = figure(response, "/usage/input_tokens_details/cached_tokens").unwrap_or(0);
    let read = figure(response, "/usage/input_tokens").unwrap_or(0);
    Usage {
        input: read.saturating_sub(cached),
        output: figure(response, "/usage/output_tokens").unwrap_or(0),
        cache_read: cached,
        reasoning: figure(response, "/usage/output_tokens_details/reasoning_tokens").unwrap_or(0),
        ..Usage::default()
    }
}
