//! HTTP, and connections that can be cut under it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::connect_info::Connected;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::any;
use axum::serve::IncomingStream;
use axum::serve::Listener;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use super::Shared;
use super::fault::FaultKind;
use super::method;
use super::state::Call;

/// A refusal in the Bot API's words.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub code: u16,
    pub description: String,
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: u16, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
            retry_after: None,
        }
    }
}

pub(crate) async fn serve(shared: Arc<Shared>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/{bot}/{method}", any(call))
        .with_state(shared)
        .into_make_service_with_connect_info::<Cut>();
    let server = tokio::spawn(async move {
        axum::serve(Cuttable(listener), router).await.unwrap();
    });
    (address, server)
}

async fn call(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path((bot, method)): Path<(String, String)>,
    Query(query): Query<Map<String, Value>>,
    body: Bytes,
) -> Response {
    let Some(token) = bot.strip_prefix("bot").map(str::to_owned) else {
        return answer(Err(Refusal::new(404, "Not Found")));
    };
    let mut params = Value::Object(query);
    if !body.is_empty() {
        match serde_json::from_slice(&body) {
            Ok(parsed) => params = parsed,
            Err(error) => return answer(Err(Refusal::new(400, format!("Bad Request: {error}")))),
        }
    }
    let index = shared.change(|state| {
        state.calls.push(Call {
            at: Instant::now(),
            token: token.clone(),
            method: method.clone(),
            params: params.clone(),
            status: 0,
        });
        state.calls.len() - 1
    });
    let response = faulty(&shared, &cut, &token, &method, params).await;
    let status = response.status().as_u16();
    shared.change(|state| state.calls[index].status = status);
    response
}

async fn faulty(
    shared: &Arc<Shared>,
    cut: &Cut,
    token: &str,
    method: &str,
    params: Value,
) -> Response {
    let fault = shared.change(|state| state.take_fault(method, &params));
    match fault {
        None => {}
        Some(FaultKind::Refuse {
            code,
            description,
            retry_after,
        }) => {
            return answer(Err(Refusal {
                code,
                description,
                retry_after,
            }));
        }
        Some(FaultKind::Gateway(code)) => {
            let code = StatusCode::from_u16(code).unwrap();
            return (code, "<html><h1>Bad Gateway</h1></html>").into_response();
        }
        Some(FaultKind::CutBefore) => return cut.now(),
        Some(FaultKind::CutAfter) => {
            let _lost = method::run(shared, token, method, params).await;
            return cut.now();
        }
        Some(FaultKind::Delay(time)) => tokio::time::sleep(time).await,
    }
    answer(method::run(shared, token, method, params).await)
}

fn answer(result: Result<Value, Refusal>) -> Response {
    let (code, body) = match result {
        Ok(result) => (200, json!({"ok": true, "result": result})),
        Err(refusal) => {
            let mut body = json!({
                "ok": false, "error_code": refusal.code, "description": refusal.description,
            });
            if let Some(after) = refusal.retry_after {
                body["parameters"] = json!({"retry_after": after});
            }
            (refusal.code, body)
        }
    };
    let code = StatusCode::from_u16(code).unwrap();
    (code, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Cuts the connection it belongs to.
#[derive(Debug, Clone)]
struct Cut(Arc<AtomicBool>);

impl Cut {
    /// From here on nothing is written: the client sees the connection break.
    fn now(&self) -> Response {
        self.0.store(true, Ordering::SeqCst);
        ().into_response()
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        Self(Arc::clone(&stream.io().cut))
    }
}

struct Cuttable(TcpListener);

impl Listener for Cuttable {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.0.accept().await {
                let cut = Arc::new(AtomicBool::new(false));
                return (CuttableStream { stream, cut }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

struct CuttableStream {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
