//! What nodes say of themselves.

use std::sync::Arc;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::node_invoke::own_link;
use super::run;
use super::wake;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::node::Link;

/// The longest transcript that is taken.
const LONGEST: usize = 20_000;
/// How much of a program's output an agent is told.
const OUTPUT: usize = 4_000;

/// What became of an event: handled, or why not.
type Heard = Result<(), Option<&'static str>>;

pub(super) fn event(call: Call) -> Outcome {
    Outcome::later(async move {
        let name = call.text("event").unwrap_or_default();
        let payload = match call.text("payloadJSON").map(serde_json::from_str::<Value>) {
            Some(payload) => payload.ok(),
            None => Some(call.params.get("payload").cloned().unwrap_or_default()),
        };
        let heard = match payload {
            Some(payload) => hear(&call, name, &payload).await?,
            None => Err(Some("unreadable_payload")),
        };
        if call.principal.version == Protocol::V3 {
            return Ok(json!({ "ok": true }));
        }
        let mut answer = json!({ "ok": true, "event": name, "handled": heard.is_ok() });
        if let (Err(Some(reason)), Value::Object(answer)) = (heard, &mut answer) {
            answer.insert("reason".to_owned(), json!(reason));
        }
        Ok(answer)
    })
}

async fn hear(call: &Call, name: &str, payload: &Value) -> Result<Heard, ErrorShape> {
    Ok(match name {
        "voice.transcript" => spoken(call, payload, "text").await?,
        "agent.request" => spoken(call, payload, "message").await?,
        "chat.subscribe" => listen(call, payload, true)?,
        "chat.unsubscribe" => listen(call, payload, false)?,
        "exec.finished" | "exec.denied" => ran(call, name, payload).await?,
        // That something began is of use to nobody before it ended.
        "exec.started" | "node.presence.alive" => Ok(()),
        "node.host.stats" => stats(call, payload),
        _ => Err(None),
    })
}

fn text<'a>(payload: &'a Value, name: &str) -> Option<&'a str> {
    let text = payload.get(name).and_then(Value::as_str).map(str::trim);
    text.filter(|text| !text.is_empty())
}

/// Words of a person, heard or typed at a device: they are answered in the session they name, else in the main one.
async fn spoken(call: &Call, payload: &Value, field: &str) -> Result<Heard, ErrorShape> {
    let Some(said) = text(payload, field).filter(|said| said.len() <= LONGEST) else {
        return Ok(Err(None));
    };
    let session = match text(payload, "sessionKey") {
        Some(key) => run::session(call, key)?,
        None => wake::main_session(call)?,
    };
    wake::say(&call.services, &session, said.to_owned()).await?;
    Ok(Ok(()))
}

/// Lets the node hear what is said in a session, or no longer.
fn listen(call: &Call, payload: &Value, enabled: bool) -> Result<Heard, ErrorShape> {
    let Some(key) = text(payload, "sessionKey") else {
        return Ok(Err(None));
    };
    let session = run::session(call, key)?;
    let connection = call.principal.connection;
    call.services
        .hub
        .hear_messages(connection, &session, enabled);
    Ok(Ok(()))
}

/// A program ended, or was not run: the session that wanted it is told. A node is not believed about others.
async fn ran(call: &Call, name: &str, payload: &Value) -> Result<Heard, ErrorShape> {
    const UNMATCHED: Heard = Err(Some("unmatched_exec_event"));
    let own = own_link(call);
    let (Some(link), Some(key)) = (own, text(payload, "sessionKey")) else {
        return Ok(UNMATCHED);
    };
    if !link.ran_for(key) {
        return Ok(UNMATCHED);
    }
    let session = run::session(call, key)?;
    let entry = call.services.sessions.entry(&session).await;
    let is_quiet = payload.get("suppressNotifyOnExit") == Some(&json!(true));
    if entry.map_err(run::refused)?.is_none() || is_quiet {
        return Ok(Ok(()));
    }
    let line = exec_line(&link, name, payload);
    wake::tell(&call.services, &session, &line).await?;
    Ok(Ok(()))
}

fn exec_line(link: &Arc<Link>, name: &str, payload: &Value) -> String {
    let node = &link.node_id;
    let run = text(payload, "runId").map_or_else(String::new, |run| format!(" id={run}"));
    if name == "exec.denied" {
        let reason = text(payload, "reason").map_or_else(String::new, |why| format!(", {why}"));
        let command = text(payload, "command").map_or_else(String::new, |line| format!(": {line}"));
        return format!("Exec denied (node={node}{run}{reason}){command}");
    }
    let end = match payload.get("timedOut") {
        Some(Value::Bool(true)) => "timeout".to_owned(),
        _ => match payload.get("exitCode").and_then(Value::as_i64) {
            Some(code) => format!("code {code}"),
            None => "code ?".to_owned(),
        },
    };
    let output: String = text(payload, "output")
        .unwrap_or_default()
        .chars()
        .take(OUTPUT)
        .collect();
    let line = format!("Exec finished (node={node}{run}, {end})\n{output}");
    line.trim_end().to_owned()
}

/// How the node's machine is.
fn stats(call: &Call, payload: &Value) -> Heard {
    let link = own_link(call).ok_or(None)?;
    link.note_stats(payload.clone());
    call.services.hub.broadcast(&Broadcast {
        payload: json!({ "nodeId": link.node_id, "hostStats": payload }),
        is_stale_soon: true,
        ..Broadcast::to(Audience::LateHolders(Scope::Read), "node.hostStats")
    });
    Ok(())
}

pub(super) fn pending(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "items": [], "hasMore": false })))
}

pub(super) fn noted(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "ok": true })))
}
