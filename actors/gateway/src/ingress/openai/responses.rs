//! `/v1/responses`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;
use serde_json::json;

use super::Caller;
use super::agent;
use super::chat::SILENCE;
use super::chat::events;
use super::failed;
use super::prompt;
use super::run;
use super::run::End;
use super::run::Failure;
use super::run::Piece;
use super::session;
use crate::ingress::body::invalid;
use crate::services::now_ms;

/// One answer while it is told.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    id: String,
    message_id: String,
    model: String,
    created: i64,
    seq: u64,
    text: String,
}

pub(super) async fn answer(caller: Caller, asked: &Value) -> Response {
    let prompt = match prompt::of_responses(asked) {
        Ok(prompt) => prompt,
        Err(problem) => return invalid(&problem),
    };
    let agent = match agent(&caller.services, &caller.headers, asked) {
        Ok(agent) => agent,
        Err(refusal) => return *refusal,
    };
    let model = asked
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or("openclaw");
    let mut teller = Teller::new(model, now_ms() / 1000);
    let session = session(&caller.headers, asked, &agent, "openresponses");
    let run = caller.run(agent, session, prompt);
    if asked.get("stream").and_then(Value::as_bool) != Some(true) {
        return match run.end().await {
            Ok(end) => Json(teller.whole("completed", Some(&end))).into_response(),
            Err(Failure::Invalid(problem)) => invalid(&problem),
            Err(Failure::Internal) => failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "api_error",
                "internal error",
            ),
        };
    }
    let begin = teller.begin();
    let rest = run.pieces().map(move |piece| teller.tell(piece));
    events(stream::once(async move { begin }).chain(rest))
}

impl Teller {
    pub(super) fn new(model: &str, created: i64) -> Self {
        Self {
            id: format!("resp_{}", uuid::Uuid::new_v4()),
            message_id: format!("msg_{}", uuid::Uuid::new_v4()),
            model: model.to_owned(),
            created,
            seq: 0,
            text: String::new(),
        }
    }

    fn whole(&self, status: &str, end: Option<&End>) -> Value {
        let mut output = Vec::new();
        let none = End::default();
        let told = end.unwrap_or(&none);
        match (told.text.is_empty(), told.calls.is_empty(), end) {
            (false, _, _) => output.push(self.message(&told.text, "completed")),
            (true, true, Some(_)) => output.push(self.message(SILENCE, "completed")),
            _ => {}
        }
        output.extend(told.calls.iter().map(call));
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": told.input,
                "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": told.output,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": told.input + told.output,
            },
        })
    }

    fn message(&self, text: &str, status: &str) -> Value {
        let content = match status {
            "in_progress" => json!([]),
            _ => json!([part(text)]),
        };
        json!({
            "type": "message", "id": self.message_id, "role": "assistant", "content": content,
            "status": status,
        })
    }

    fn event(&mut self, kind: &str, mut data: Value) -> String {
        if let Value::Object(data) = &mut data {
            data.insert("type".to_owned(), json!(kind));
            data.insert("sequence_number".to_owned(), json!(self.seq));
        }
        self.seq += 1;
        format!("event: {kind}\ndata: {data}\n\n")
    }

    /// The events before the first word.
    pub(super) fn begin(&mut self) -> String {
        let response = json!({ "response": self.whole("in_progress", None) });
        let item = json!({ "output_index": 0, "item": self.message("", "in_progress") });
        let part = json!({
            "item_id": self.message_id, "output_index": 0, "content_index": 0, "part": part(""),
        });
        [
            self.event("response.created", response.clone()),
            self.event("response.in_progress", response),
            self.event("response.output_item.added", item),
            self.event("response.content_part.added", part),
        ]
        .concat()
    }

    /// The events of a piece.
    pub(super) fn tell(&mut self, piece: Piece) -> String {
        let end = match piece {
            Piece::Text(text) => {
                self.text.push_str(&text);
                let delta = json!({
                    "item_id": self.message_id, "output_index": 0, "content_index": 0, "delta": text,
                    "logprobs": [],
                });
                return self.event("response.output_text.delta", delta);
            }
            Piece::End(Ok(end)) => end,
            Piece::End(Err(failure)) => {
                let message = match failure {
                    Failure::Invalid(problem) => problem,
                    Failure::Internal => "internal error".to_owned(),
                };
                let mut response = self.whole("failed", None);
                if let Value::Object(response) = &mut response {
                    let error = json!({ "code": "server_error", "message": message });
                    response.insert("error".to_owned(), error);
                }
                let failed = self.event("response.failed", json!({ "response": response }));
                return format!("{failed}data: [DONE]\n\n");
            }
        };
        let text = self.text.clone();
        let done = json!({
            "item_id": self.message_id, "output_index": 0, "content_index": 0, "text": text,
            "logprobs": [],
        });
        let part_done = json!({
            "item_id": self.message_id, "output_index": 0, "content_index": 0, "part": part(&text),
        });
        let item = json!({ "output_index": 0, "item": self.message(&text, "completed") });
        let mut told = vec![
            self.event("response.output_text.done", done),
            self.event("response.content_part.done", part_done),
            self.event("response.output_item.done", item),
        ];
        for (index, of) in end.calls.iter().enumerate() {
            let item = json!({ "output_index": index + 1, "item": call(of) });
            told.push(self.event("response.output_item.added", item.clone()));
            told.push(self.event("response.output_item.done", item));
        }
        let whole = End { text, ..end };
        let response = json!({ "response": self.whole("completed", Some(&whole)) });
        told.push(self.event("response.completed", response));
        told.push("data: [DONE]\n\n".to_owned());
        told.concat()
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

fn call(call: &run::ToolCall) -> Value {
    json!({
        "type": "function_call",
        "id": format!("fc_{}", call.id),
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    })
}
