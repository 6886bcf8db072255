//! A service that answers as strictly as the protocol asks.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use openclaw_protocol::config::McpServer;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use super::*;
use crate::Shelf;

/// Answers one request of a connection: the hello names the session, all others must name it too.
async fn serve(mut stream: TcpStream, has_forgotten: &AtomicBool) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let message: Value = serde_json::from_str(&body).unwrap_or_default();
    let id = &message["id"];
    let result =
        |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
    assert!(head.contains("authorization: bearer key"), "{head}");
    let method = message["method"].as_str().unwrap_or_default();
    let knows =
        head.contains("mcp-session-id: s-1") && head.contains("mcp-protocol-version: 2025-03-26");
    let answer = match method {
        "initialize" => {
            let hello =
                result(json!({ "protocolVersion": "2025-03-26", "capabilities": { "tools": {} } }));
            reply(
                "200 OK",
                "content-type: application/json\r\nmcp-session-id: S-1\r\n",
                &hello,
            )
        }
        _ if !knows || has_forgotten.load(SeqCst) => reply("404 Not Found", "", ""),
        _ if head.starts_with("get ") => reply("405 Method Not Allowed", "", ""),
        "notifications/initialized" => reply("202 Accepted", "", ""),
        "tools/list" => {
            // A word of its own comes before the answer.
            let word = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
            let tools = result(json!({ "tools": [{ "name": "ask" }] }));
            let events = format!(": hello\n\ndata: {word}\n\nevent: message\ndata: {tools}\n\n");
            reply("200 OK", "content-type: text/event-stream\r\n", &events)
        }
        "tools/call" => reply("500 Internal Server Error", "", "out of tea"),
        other => panic!("{other}: {head}"),
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_service_is_asked_as_the_protocol_wants_it_and_a_forgotten_connection_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let has_forgotten = Arc::new(AtomicBool::new(false));
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, &has_forgotten).await;
        }
    };
    let shelf = Shelf::default();
    let settings = McpServer {
        headers: [("Authorization".to_owned(), "Bearer key".into())].into(),
        ..McpServer::default()
    };
    let args = ServerArgs::new("tea", &settings, &shelf);
    let (listed, mut heard) = watch::channel(0);
    let (_go_on, stop) = watch::channel(false);
    let running = run(
        &url,
        &args,
        |tools| {
            listed.send_replace(tools);
        },
        stop,
    );
    let asking = async {
        heard.wait_for(|tools| *tools == 1).await.unwrap();
        let client = args.client().expect("a connection");
        let answer = client.ask("tools/call", json!({ "name": "ask" })).await;
        let failed = CallError::Failed("HTTP 500 Internal Server Error out of tea".to_owned());
        assert_eq!(
            answer.map_err(|error| error.to_string()),
            Err(failed.to_string())
        );
        assert!(shelf.get("tea__ask").is_some());
        has_forgotten.store(true, SeqCst);
        assert_eq!(
            client.ask("tools/call", json!({})).await,
            Err(CallError::Gone)
        );
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        () = serving => unreachable!(),
        () = asking => unreachable!(),
        ended = running => ended,
    };
    assert_eq!(ended, Err("the service forgot this connection".to_owned()));
    assert!(args.client().is_none());
}
