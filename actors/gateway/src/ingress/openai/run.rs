//! A run of an agent, followed by its text and to its end.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream;
use openclaw_protocol::ErrorCode;
use openclaw_protocol::RunId;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::Asked;
use crate::ingress::leaving::Reader;
use crate::method;
use crate::method::Answer;
use crate::method::Call;
use crate::services::now_ms;

/// A run at work.
pub(super) struct Run {
    text: watch::Receiver<Arc<str>>,
    end: BoxFuture<'static, Answer>,
    reader: Reader,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct End {
    /// What was answered.
    pub(super) text: String,
    /// Calls of the client's tools, which are now the client's to make.
    pub(super) calls: Vec<ToolCall>,
    /// Tokens read and written.
    pub(super) input: u64,
    pub(super) output: u64,
}

/// A call of one of the client's tools.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON, as text.
    pub(super) arguments: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// The request makes no sense.
    Invalid(String),
    /// It went wrong; the reason is in the log, not on the wire.
    Internal,
}

/// What comes of a run, piece by piece.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// More text.
    Text(String),
    /// It is over.
    End(Result<End, Failure>),
}

/// Starts a run.
pub(super) fn start(asked: Asked) -> Run {
    let Asked {
        services,
        principal,
        agent,
        session,
        prompt,
        left,
    } = asked;
    let run_id = uuid::Uuid::new_v4().to_string();
    let reader = Reader::new(RunId::from(run_id.as_str()), left);
    let text = services
        .hub
        .follow_text(&RunId::from(run_id.as_str()), now_ms());
    let mut params = json!({
        "message": prompt.message,
        "agentId": agent,
        "sessionKey": session,
        "deliver": false,
        "idempotencyKey": run_id,
    });
    if let Value::Object(params) = &mut params {
        if let Some(system) = prompt.system {
            params.insert("extraSystemPrompt".to_owned(), json!(system));
        }
        if !prompt.attachments.is_empty() {
            params.insert("attachments".to_owned(), json!(prompt.attachments));
        }
        if !prompt.tools.is_empty() {
            params.insert("clientTools".to_owned(), json!(prompt.tools));
        }
    }
    let call = Call {
        principal,
        services,
        params,
        traceparent: None,
        early: Arc::new(|_| {}),
    };
    let outcome = method::dispatch("agent", call);
    let end = Box::pin(async move {
        let late = || Err(openclaw_protocol::ErrorShape::unavailable("no answer in time").into());
        outcome.answer().await.unwrap_or_else(late)
    });
    Run { text, end, reader }
}

impl Run {
    /// Waits for the end.
    pub(super) async fn end(mut self) -> Result<End, Failure> {
        let answer = self.end.await;
        self.reader.done();
        ended(answer)
    }

    /// The text as it comes, and then the end.
    pub(super) fn pieces(self) -> impl Stream<Item = Piece> + Send + 'static {
        let following = Following {
            text: self.text,
            end: Some(self.end),
            reader: self.reader,
            sent: String::new(),
            ready: VecDeque::new(),
        };
        stream::unfold(following, |mut following| async move {
            let piece = following.next().await?;
            Some((piece, following))
        })
    }
}

struct Following {
    text: watch::Receiver<Arc<str>>,
    end: Option<BoxFuture<'static, Answer>>,
    sent: String,
    ready: VecDeque<Piece>,
    reader: Reader,
}

impl Following {
    async fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            let end = self.end.as_mut()?;
            tokio::select! {
                biased;
                Ok(()) = self.text.changed() => {
                    let so_far = self.text.borrow_and_update().clone();
                    if let Some(more) = more(&self.sent, &so_far) {
                        self.sent.push_str(&more);
                        return Some(Piece::Text(more));
                    }
                }
                answer = end => {
                    self.end = None;
                    self.reader.done();
                    let ended = ended(answer);
                    if let Ok(end) = &ended
                        && let Some(rest) = rest(&self.sent, &end.text)
                    {
                        self.ready.push_back(Piece::Text(rest));
                    }
                    self.ready.push_back(Piece::End(ended));
                }
            }
        }
    }
}

/// What is new in the text. Nothing when it was begun anew: what is sent can't be taken back.
pub(super) fn more(sent: &str, so_far: &str) -> Option<String> {
    so_far
        .strip_prefix(sent)
        .filter(|more| !more.is_empty())
        .map(str::to_owned)
}

/// What of the whole answer was not sent yet.
pub(super) fn rest(sent: &str, whole: &str) -> Option<String> {
    if whole.is_empty() || sent.ends_with(whole) {
        return None;
    }
    match whole.strip_prefix(sent) {
        Some(rest) => Some(rest.to_owned()),
        None => Some(format!("\n\n{whole}")),
    }
}

fn ended(answer: Answer) -> Result<End, Failure> {
    let payload = answer.map_err(|refused| match refused.error.code {
        ErrorCode::InvalidRequest => Failure::Invalid(refused.error.message.clone()),
        _ => {
            tracing::warn!(error = %refused.error.message, "a run over HTTP failed");
            Failure::Internal
        }
    })?;
    let payloads = payload
        .pointer("/result/payloads")
        .and_then(Value::as_array);
    let texts = payloads
        .into_iter()
        .flatten()
        .filter_map(|part| part.get("text")?.as_str());
    let usage = |name: &str| {
        let place = payload.pointer(&format!("/result/meta/agentMeta/usage/{name}"));
        place.and_then(Value::as_u64).unwrap_or(0)
    };
    let calls = payload
        .pointer("/result/meta/pendingToolCalls")
        .and_then(Value::as_array);
    let calls = calls.into_iter().flatten().map(|call| {
        let text = |name: &str| {
            call.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        ToolCall {
            id: text("id"),
            name: text("name"),
            arguments: text("arguments"),
        }
    });
    Ok(End {
        text: texts.collect::<Vec<_>>().join("\n\n"),
        calls: calls.collect(),
        input: usage("input") + usage("cacheRead") + usage("cacheWrite"),
        output: usage("output"),
    })
}
