//! A client for hard times: one call on a connection of its own, and every failure is a value.

use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::TOKEN;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum NoAnswer {
    /// Nobody there, the connection broke, or the time was over.
    Lost,
    /// The gateway said no.
    Refused(Value),
}

/// Calls a method with every right; the whole of it within `within`.
pub async fn call(
    port: u16,
    method: &str,
    params: Value,
    within: Duration,
) -> Result<Value, NoAnswer> {
    let scopes = ["operator.admin", "operator.read", "operator.write"];
    call_with(port, &scopes, method, params, within).await
}

/// Calls a method with these rights.
pub async fn call_with(
    port: u16,
    scopes: &[&str],
    method: &str,
    params: Value,
    within: Duration,
) -> Result<Value, NoAnswer> {
    let talk = async {
        let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{port}/"))
            .await
            .ok()?;
        socket.next().await?.ok()?;
        let connect = json!({ "type": "req", "id": "1", "method": "connect", "params": {
            "minProtocol": 3, "maxProtocol": 4, "role": "operator", "scopes": scopes,
            "client": { "id": "cli", "version": "test", "platform": "linux", "mode": "cli" },
            "auth": { "token": TOKEN },
        } });
        let wanted = json!({ "type": "req", "id": "2", "method": method, "params": params });
        let mut answer = Value::Null;
        for request in [connect, wanted] {
            socket.send(Message::text(request.to_string())).await.ok()?;
            answer = loop {
                let text = socket.next().await?.ok()?;
                let frame: Value = serde_json::from_str(text.to_text().ok()?).ok()?;
                if frame["type"] == "res" && frame["id"] == request["id"] {
                    break frame;
                }
            };
            if answer["ok"] != true {
                break;
            }
        }
        Some(answer)
    };
    match tokio::time::timeout(within, talk).await {
        Ok(Some(mut answer)) if answer["ok"] == true => Ok(answer["payload"].take()),
        Ok(Some(mut answer)) => Err(NoAnswer::Refused(answer["error"].take())),
        _ => Err(NoAnswer::Lost),
    }
}

/// The values of the metrics page by name and labels, without the prefix; empty when it can't be read.
pub async fn metrics(port: u16) -> std::collections::BTreeMap<String, f64> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let ask = async {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/metrics"))
            .await
            .ok()?;
        answer.text().await.ok()
    };
    let text = tokio::time::timeout(Duration::from_secs(5), ask).await;
    let text = text.ok().flatten().unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let name = name.strip_prefix("openclaw_")?.to_owned();
            Some((name, value.parse().ok()?))
        })
        .collect()
}
