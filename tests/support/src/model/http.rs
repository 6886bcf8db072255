//! HTTP/1.1 by hand: one request at a time on a kept connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserializer;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;

use super::KEY;
use super::Recorded;
use super::State;
use super::Wire;
use super::check;
use super::embedding;
use super::reply::Reply;
use super::reply::Trouble;
use super::wire;

/// A request's line, headers and body.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Whether the connection goes on.
#[derive(PartialEq)]
enum After {
    Keep,
    Close,
}

pub(super) async fn serve(stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).ok();
    let (mut read, mut write) = stream.into_split();
    let mut buffer = Vec::new();
    while let Some(request) = next(&mut read, &mut buffer).await {
        let answering = answer(&request, &mut write, &state);
        let mut byte = [0_u8; 1];
        let after = tokio::select! {
            after = answering => after,
            // A client sends nothing while it waits, so this is the end of the connection.
            _ = read.read(&mut byte) => {
                state.cancelled.fetch_add(1, Ordering::SeqCst);
                After::Close
            }
        };
        state.changed.notify_waiters();
        if after == After::Close {
            return;
        }
    }
}

async fn next(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Request> {
    let mut piece = vec![0_u8; 16 * 1024];
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match read.read(&mut piece).await {
            Ok(length) if length > 0 => buffer.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().expect("a content-length"));
    let whole = head + 4 + length;
    while buffer.len() < whole {
        match read.read(&mut piece).await {
            Ok(length) if length > 0 => buffer.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
    let body = buffer[head + 4..whole].to_vec();
    buffer.drain(..whole);
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

async fn answer(request: &Request, write: &mut OwnedWriteHalf, state: &State) -> After {
    let path = request.path.split('?').next().unwrap_or_default();
    let wire = match (request.method.as_str(), path) {
        ("GET", "/v1/models") => {
            let models = state.models.lock().unwrap().clone();
            let data: Vec<Value> = models
                .iter()
                .map(|id| json!({ "id": id, "object": "model", "created": 1, "owned_by": "fake" }))
                .collect();
            let data = state.catalogue.lock().unwrap().clone().unwrap_or(data);
            return send(
                write,
                200,
                &json!({ "object": "list", "data": data }),
                None,
                None,
            )
            .await;
        }
        ("GET", "/api/tags") => {
            let models = state.models.lock().unwrap().clone();
            let models: Vec<Value> = models
                .iter()
                .map(|id| json!({ "name": id, "model": id, "size": 1 }))
                .collect();
            return send(write, 200, &json!({ "models": models }), None, None).await;
        }
        ("POST", path) if embedding::Shape::of(path).is_some() => {
            return embed(request, path, write, state).await;
        }
        ("POST", "/v1/chat/completions") => Wire::Openai,
        ("POST", "/v1/responses" | "/codex/responses") => Wire::Responses,
        ("POST", "/v1/messages") => Wire::Anthropic,
        ("POST", "/api/chat") => Wire::Ollama,
        ("POST", path) if path.starts_with("/v1beta/models/") => Wire::Google,
        ("POST", path) if path.ends_with("/converse-stream") => Wire::Bedrock,
        _ => {
            let text = format!("Unknown request URL: {} {path}", request.method);
            let body = wire::error(Wire::Openai, 404, "invalid_request_error", &text);
            return send(write, 404, &body, None, None).await;
        }
    };
    let mut body = if state.recording.load(Ordering::Relaxed) {
        serde_json::from_slice(&request.body).unwrap_or(Value::Null)
    } else {
        without_tools(&request.body)
    };
    let verdict = judge(wire, request, &body);
    state.record(|| Recorded {
        wire,
        headers: request.headers.clone(),
        body: body.clone(),
        refused: verdict.as_ref().err().map(|(_, _, text)| text.clone()),
    });
    if let Err((status, kind, text)) = verdict {
        let error = wire::error(wire, status, kind, &text);
        let named = (wire == Wire::Bedrock).then_some(kind);
        return send(write, status, &error, None, named).await;
    }
    if let Some(model) = model_of(path) {
        body["model"] = json!(model);
    }
    let reply = state.next_reply(&body);
    let _open = Open::new(state);
    play(wire, &reply, &body, write).await
}

/// A body without its tools, which are most of it: benchmarks measure who asks, and not how long this server reads.
fn without_tools(body: &[u8]) -> Value {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Value;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
            let mut fields = serde_json::Map::new();
            while let Some(name) = map.next_key::<String>()? {
                if name == "tools" {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    fields.insert(name, map.next_value()?);
                }
            }
            Ok(fields.into())
        }
    }
    let mut body = serde_json::Deserializer::from_slice(body);
    body.deserialize_map(Fields).unwrap_or(Value::Null)
}

/// Texts into vectors; what the script holds goes before.
async fn embed(request: &Request, path: &str, write: &mut OwnedWriteHalf, state: &State) -> After {
    let Some(shape) = embedding::Shape::of(path) else {
        return After::Close;
    };
    let wire = shape.wire();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let verdict = keyed(wire, request).and_then(|()| {
        let invalid = |text| (400, "invalid_request_error", text);
        shape.vectors(path, &body).map_err(invalid)
    });
    state.record(|| Recorded {
        wire,
        headers: request.headers.clone(),
        body: body.clone(),
        refused: verdict.as_ref().err().map(|(_, _, text)| text.clone()),
    });
    let scripted = state.script.lock().unwrap().pop_front();
    let _open = Open::new(state);
    match (verdict, scripted) {
        (Err((status, kind, text)), _) => {
            let error = wire::error(wire, status, kind, &text);
            send(write, status, &error, None, None).await
        }
        (Ok(_), Some(reply)) => play(wire, &reply, &body, write).await,
        (Ok(answer), None) => send(write, 200, &answer, None, None).await,
    }
}

type Verdict = Result<(), (u16, &'static str, String)>;

/// Whether a request has the right key.
fn keyed(wire: Wire, request: &Request) -> Verdict {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    };
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = match wire {
        Wire::Anthropic => header("x-api-key").or(bearer),
        Wire::Google => header("x-goog-api-key").or(bearer),
        // It asks for none, and takes one.
        Wire::Ollama => bearer.or(Some(KEY)),
        Wire::Bedrock if bearer.is_none() => signed(request).then_some(KEY),
        _ => bearer,
    };
    if key != Some(KEY) {
        let text = match key {
            None => "You didn't provide an API key.",
            Some(_) => "Incorrect API key provided.",
        };
        return Err((401, "authentication_error", text.to_owned()));
    }
    if header("content-type") != Some("application/json") {
        let text = "the content type must be application/json".to_owned();
        return Err((415, "invalid_request_error", text));
    }
    Ok(())
}

fn judge(wire: Wire, request: &Request, body: &Value) -> Verdict {
    keyed(wire, request)?;
    let header = |name: &str| {
        let found = request.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    };
    if wire == Wire::Anthropic && header("anthropic-version") != Some("2023-06-01") {
        let text = "anthropic-version: header is required".to_owned();
        return Err((400, "invalid_request_error", text));
    }
    let invalid = |text| (400, "invalid_request_error", text);
    match wire {
        Wire::Openai => check::openai(body).map_err(invalid)?,
        Wire::Responses => check::responses(body).map_err(invalid)?,
        Wire::Anthropic => check::anthropic(body).map_err(invalid)?,
        Wire::Google => check::google(body).map_err(invalid)?,
        Wire::Ollama => check::ollama(body).map_err(invalid)?,
        Wire::Bedrock => check::bedrock(body).map_err(invalid)?,
    }
    let model = model_of(&request.path).or_else(|| body["model"].as_str().map(str::to_owned));
    if let Some(model) = model.filter(|model| model.contains("nonexistent")) {
        let text = format!("The model `{model}` does not exist");
        let kind = match wire {
            Wire::Openai | Wire::Responses => "model_not_found",
            Wire::Bedrock => "ResourceNotFoundException",
            _ => "not_found_error",
        };
        return Err((404, kind, text));
    }
    Ok(())
}

/// The model, for wires that name it in the path.
fn model_of(path: &str) -> Option<String> {
    let path = path.split('?').next()?;
    let named = path
        .strip_prefix("/v1beta/models/")
        .and_then(|rest| rest.strip_suffix(":streamGenerateContent"))
        .or_else(|| {
            path.strip_prefix("/model/")?
                .strip_suffix("/converse-stream")
        })?;
    Some(named.to_owned())
}

/// Whether a request carries all that a signature of Amazon's kind is made of.
fn signed(request: &Request) -> bool {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let authorization = header("authorization");
    authorization.starts_with("AWS4-HMAC-SHA256 Credential=")
        && authorization.contains("/bedrock/aws4_request, SignedHeaders=")
        && authorization.contains("host;x-amz-content-sha256;x-amz-date")
        && header("x-amz-date").len() == 16
        && header("x-amz-content-sha256").len() == 64
}

async fn play(wire: Wire, reply: &Reply, body: &Value, write: &mut OwnedWriteHalf) -> After {
    // A timer of no time at all still takes a millisecond.
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    match reply.trouble {
        Some(Trouble::HangBeforeHeaders) => std::future::pending().await,
        Some(Trouble::CutBeforeHeaders) => return After::Close,
        _ => {}
    }
    if let Some(failure) = &reply.error {
        let error = wire::error(wire, failure.status, &failure.kind, &failure.message);
        let named = (wire == Wire::Bedrock).then_some(failure.kind.as_str());
        return send(write, failure.status, &error, failure.retry_after, named).await;
    }
    if let Some(page) = &reply.page {
        return send(write, 200, page, None, None).await;
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n",
        wire::content_type(wire)
    );
    let mut out = head.into_bytes();
    if reply.trouble == Some(Trouble::HangBeforeFirstByte) {
        write.write_all(&out).await.ok();
        std::future::pending::<()>().await;
    }
    for (token, frame) in wire::frames(wire, reply, body) {
        // Whatever waits or breaks here must find what came before on its way.
        let trouble = match (reply.trouble, token) {
            (Some(trouble), Some(token)) => (trouble.after() == Some(token)).then_some(trouble),
            _ => None,
        };
        if (token.is_some() && !reply.pause.is_zero()) || trouble.is_some() {
            if write.write_all(&out).await.is_err() {
                return After::Close;
            }
            out.clear();
            tokio::time::sleep(reply.pause).await;
        }
        match trouble {
            Some(Trouble::HangAfter(_)) => std::future::pending().await,
            Some(Trouble::CutAfter(_)) => return After::Close,
            Some(Trouble::GarbledAfter(_)) => {
                chunk(&mut out, &wire::garbled(wire));
                break;
            }
            Some(_) => {
                chunk(&mut out, &wire::error_frame(wire));
                break;
            }
            None => chunk(&mut out, &frame),
        }
    }
    out.extend_from_slice(b"0\r\n\r\n");
    match write.write_all(&out).await {
        Ok(()) => After::Keep,
        Err(_) => After::Close,
    }
}

fn chunk(out: &mut Vec<u8>, frame: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", frame.len()).as_bytes());
    out.extend_from_slice(frame);
    out.extend_from_slice(b"\r\n");
}

async fn send(
    write: &mut OwnedWriteHalf,
    status: u16,
    body: &Value,
    retry_after: Option<u64>,
    named: Option<&str>,
) -> After {
    let body = body.to_string();
    let retry = retry_after.map_or_else(String::new, |wait| format!("retry-after: {wait}\r\n"));
    let named = named.map_or_else(String::new, |kind| format!("x-amzn-errortype: {kind}\r\n"));
    let text = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{retry}{named}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    match write.write_all(text.as_bytes()).await {
        Ok(()) => After::Keep,
        Err(_) => After::Close,
    }
}

impl Trouble {
    fn after(self) -> Option<usize> {
        match self {
            Self::HangAfter(tokens)
            | Self::CutAfter(tokens)
            | Self::ErrorAfter(tokens)
            | Self::GarbledAfter(tokens) => Some(tokens),
            _ => None,
        }
    }
}

/// Counts an answer under way.
struct Open<'s>(&'s State);

impl<'s> Open<'s> {
    fn new(state: &'s State) -> Self {
        state.open.fetch_add(1, Ordering::SeqCst);
        state.changed.notify_waiters();
        Self(state)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}
