//! `agent`: a message with two answers, "accepted" and the result. `agent.wait`: the result alone.

use std::time::Duration;

use openclaw_ledger::Accepted;
use openclaw_protocol::AccountKey;
use openclaw_protocol::AgentId;
use openclaw_protocol::Content;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::Route;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::fault;
use openclaw_session::Idempotency;
use openclaw_session::entry;
use openclaw_session::entry::Entry;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::Answer;
use super::Call;
use super::Outcome;
use super::Refused;
use super::run;
use super::run::Progress;
use crate::hub::RunEnd;
use crate::hub::RunView;
use crate::services::now_ms;

/// Under which the ledger keeps the answers.
const SCOPE: &str = "agent";

/// A run ends by its own deadline; this only bounds what a connection holds on to.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long `agent.wait` waits unless told otherwise.
const WAIT_MS: u64 = 30_000;

pub(super) fn agent(call: Call) -> Outcome {
    Outcome::within(LONGEST, async move {
        let session = session(&call).await?;
        let run_id = RunId::from(call.text("idempotencyKey").unwrap_or_default());
        let reply = route(&call, &session).await?;
        let row = run::row(&call, &session, &run_id, reply)?;
        let services = &call.services;
        let now = now_ms();
        services
            .hub
            .expect_run(&run_id, &session, call.principal.connection, now);
        let mut view = services.hub.watch_run(&run_id, now);
        let first = json!({
            "runId": run_id,
            "status": "accepted",
            "acceptedAt": now,
            "sessionKey": session,
            "agentId": session.agent(),
        });
        let idempotency = Idempotency {
            scope: SCOPE.to_owned(),
            key: run_id.to_string(),
            response: first.clone(),
        };
        let accepted = services.intake.accept(row, Some(idempotency)).await;
        let (first, is_over) = match accepted {
            Ok(Accepted::Fresh(_)) => (first, false),
            Ok(Accepted::Repeat(stored)) => {
                let progress = run::progress(services, &session, &run_id);
                (stored, progress == Progress::Over)
            }
            Err(error) => {
                drop(view);
                services.hub.forget_run(&run_id);
                return Err(run::not_stored(&error).into());
            }
        };
        fault::point_async!("ws.before_ack")
            .await
            .map_err(run::in_the_way)?;
        (call.early)(early(first, call.principal.version));
        fault::point_async!("ws.after_ack")
            .await
            .map_err(run::in_the_way)?;
        if is_over && view.borrow().end.is_none() {
            drop(view);
            services.hub.forget_run(&run_id);
            return ended_earlier(&call, &session, &run_id).await;
        }
        let timeout = call.number("timeout").filter(|seconds| *seconds > 0);
        let timeout = timeout.map_or(LONGEST, Duration::from_secs);
        let is_late = !ends_within(&mut view, timeout).await;
        if is_late {
            let run = Some(run_id.clone());
            drop(
                services
                    .intake
                    .abort_because(&session, run, "timeout")
                    .await,
            );
            ends_within(&mut view, LONGEST).await;
        }
        let view = view.borrow().clone();
        result(&run_id, &view, call.principal.version)
    })
}

async fn ends_within(view: &mut watch::Receiver<RunView>, within: Duration) -> bool {
    let ended = tokio::time::timeout(within, view.wait_for(|view| view.end.is_some())).await;
    matches!(ended, Ok(Ok(_)))
}

/// The first answer; what came with protocol 4 is taken off for clients before it.
fn early(mut first: Value, version: Protocol) -> Value {
    if version == Protocol::V3
        && let Value::Object(first) = &mut first
    {
        first.remove("sessionKey");
        first.remove("agentId");
    }
    first
}

/// The second answer.
fn result(run_id: &RunId, view: &RunView, version: Protocol) -> Answer {
    let Some(end) = view.end.as_deref() else {
        return Err(ErrorShape::unavailable("the run has not ended").into());
    };
    let calls: &[Content] = match end {
        RunEnd::Answered { calls, .. } => calls,
        _ => &[],
    };
    let (text, is_aborted, usage, model) = match end {
        RunEnd::Failed { message } => return Err(failed(run_id, message)),
        RunEnd::Answered {
            text, usage, model, ..
        } => (text, false, *usage, model.as_str()),
        RunEnd::Aborted { partial, .. } => (partial, true, None, ""),
    };
    let payloads: Vec<Value> = text
        .iter()
        .map(|text| json!({ "text": text, "mediaUrl": null }))
        .collect();
    let duration = view
        .started_at_ms
        .zip(view.ended_at_ms)
        .map(|(from, to)| (to - from).max(0));
    let (provider, model) = model.split_once('/').unwrap_or(("", model));
    let mut agent_meta = json!({
        "sessionId": view.session_id, "provider": provider, "model": model,
    });
    if let (Some(usage), Value::Object(meta)) = (usage, &mut agent_meta) {
        let usage = json!({
            "input": usage.input,
            "output": usage.output,
            "cacheRead": usage.cache_read,
            "cacheWrite": usage.cache_write,
            "total": usage.total_tokens,
        });
        meta.insert("usage".to_owned(), usage);
    }
    let mut payload = json!({
        "runId": run_id,
        "status": "ok",
        "summary": "completed",
        "result": {
            "payloads": payloads,
            "meta": { "durationMs": duration, "agentMeta": agent_meta, "aborted": is_aborted },
        },
    });
    if !calls.is_empty()
        && let Some(Value::Object(meta)) = payload.pointer_mut("/result/meta")
    {
        let calls: Vec<Value> = calls.iter().filter_map(pending_call).collect();
        meta.insert("stopReason".to_owned(), json!("tool_calls"));
        meta.insert("pendingToolCalls".to_owned(), json!(calls));
    }
    if version == Protocol::V4
        && let (Value::Object(payload), RunEnd::Answered { stop_reason, .. }) = (&mut payload, end)
    {
        payload.insert("stopReason".to_owned(), json!(stop_reason));
    }
    Ok(payload)
}

/// A call that the client makes, with its arguments as text.
fn pending_call(part: &Content) -> Option<Value> {
    let part = serde_json::to_value(part).ok()?;
    let arguments = part.get("arguments").map(Value::to_string);
    Some(json!({
        "id": part.get("id"), "name": part.get("name"), "arguments": arguments.unwrap_or_default(),
    }))
}

fn failed(run_id: &RunId, message: &str) -> Refused {
    let payload = json!({ "runId": run_id, "status": "error", "summary": message });
    Refused {
        error: Box::new(ErrorShape::unavailable(message)),
        payload: Some(payload),
    }
}

/// A run of an earlier process: its answer is the last of the conversation, or long since followed by
/// others; either way it is in the history.
async fn ended_earlier(call: &Call, session: &SessionKey, run_id: &RunId) -> Answer {
    let history = call
        .services
        .sessions
        .history(session, 1)
        .await
        .map_err(run::refused)?;
    let messages = history.messages();
    let text = messages
        .last()
        .filter(|message| message.get("role").and_then(Value::as_str) == Some("assistant"));
    let message: Option<openclaw_protocol::Message> =
        text.and_then(|message| serde_json::from_value(message.clone()).ok());
    let payloads: Vec<Value> = message
        .iter()
        .map(|message| json!({ "text": message.text(), "mediaUrl": null }))
        .collect();
    Ok(json!({
        "runId": run_id,
        "status": "ok",
        "summary": "completed",
        "result": {
            "payloads": payloads,
            "meta": { "agentMeta": { "sessionId": history.session_id }, "aborted": false },
        },
    }))
}

/// The session a client means: by key, by id, by whom it speaks for, else the agent's main one.
async fn session(call: &Call) -> Result<SessionKey, ErrorShape> {
    let config = call.services.configuration();
    let agent = match call.text("agentId") {
        Some(agent) => AgentId::parse(agent).map_err(|error| params(&error.to_string()))?,
        None => config.agents.default_id(),
    };
    if config.agents.resolve(&agent).is_none() {
        return Err(params(&format!("unknown agent id \"{agent}\"")));
    }
    if let Some(key) = call.text("sessionKey") {
        let key = run::session(call, key)?;
        if call.text("agentId").is_some() && key.agent() != agent {
            return Err(params(&format!(
                "agent \"{agent}\" does not match session key agent \"{}\"",
                key.agent()
            )));
        }
        return Ok(key);
    }
    if let Some(id) = call.text("sessionId") {
        let is_it = |entry: &Entry| entry::session_id(entry) == Some(id);
        let listed = call.services.sessions.list(&Default::default()).await;
        let found = listed.into_iter().find(|listed| is_it(&listed.entry));
        return match found {
            Some(listed) => Ok(listed.key),
            // An id that nothing has yet names a conversation that begins with this message.
            None => SessionKey::expand(id, &agent).map_err(|error| params(&error.to_string())),
        };
    }
    if let Some(to) = call.text("to") {
        let scope = config.session.or_default().dm_scope;
        let channel = call.text("channel").unwrap_or("webchat");
        let account = call.text("accountId").unwrap_or(AccountKey::DEFAULT);
        return Ok(SessionKey::direct(&agent, scope, channel, account, to));
    }
    Ok(SessionKey::main(&agent))
}

/// Where the answer is to be delivered besides this socket, when that is asked for.
async fn route(call: &Call, session: &SessionKey) -> Result<Option<Route>, ErrorShape> {
    if call.flag("deliver") != Some(true) {
        return Ok(None);
    }
    let entry = call
        .services
        .sessions
        .entry(session)
        .await
        .map_err(run::refused)?;
    let last = entry
        .as_ref()
        .and_then(|entry| entry.get("deliveryContext"));
    let last = |name: &str| last.and_then(|last| last.get(name)).and_then(Value::as_str);
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| call.text(name));
    let channel = first(["replyChannel", "channel"]).or_else(|| last("channel"));
    let to = first(["replyTo", "to"]).or_else(|| last("to"));
    let (Some(channel), Some(to)) = (channel, to) else {
        return Err(params(
            "deliver needs a channel and a recipient: this session has none yet",
        ));
    };
    let account = first(["replyAccountId", "accountId"]).or_else(|| last("accountId"));
    let account = AccountKey::new(channel, account.unwrap_or(AccountKey::DEFAULT));
    if call.services.accounts.get(&account).is_none() {
        return Err(params(&format!(
            "unknown channel: {account} (`openclaw channels status` lists the accounts)"
        )));
    }
    let prefix = format!("{}:", account.channel);
    Ok(Some(Route {
        channel: account.channel.to_string(),
        account: account.account.to_string(),
        to: to.strip_prefix(&prefix).unwrap_or(to).to_owned(),
        thread: call
            .text("threadId")
            .or_else(|| last("threadId"))
            .map(str::to_owned),
        reply_to: None,
    }))
}

fn params(problem: &str) -> ErrorShape {
    ErrorShape::params("agent", problem)
}

pub(super) fn wait(call: Call) -> Outcome {
    let timeout = Duration::from_millis(call.number("timeoutMs").unwrap_or(WAIT_MS)).min(LONGEST);
    Outcome::within(timeout + Duration::from_secs(5), async move {
        let run_id = RunId::from(call.text("runId").unwrap_or_default());
        let services = &call.services;
        if services
            .hub
            .run(&run_id)
            .is_none_or(|view| view.session.is_none())
            && let Some(answer) = finished_before_restart(&call, &run_id)
        {
            return Ok(answer);
        }
        let mut view = services.hub.watch_run(&run_id, now_ms());
        ends_within(&mut view, timeout).await;
        let seen = view.borrow().clone();
        Ok(waited_for(&run_id, &seen, call.principal.version))
    })
}

/// A run that this process never saw, but whose message it knows to be answered.
fn finished_before_restart(call: &Call, run_id: &RunId) -> Option<Value> {
    let recall = |scope| call.services.ledger.recall(scope, run_id.as_str());
    let stored = recall(SCOPE).or_else(|| recall(super::chat::SCOPE))?;
    let session = stored.get("sessionKey").and_then(Value::as_str)?;
    let session = SessionKey::parse(session).ok()?;
    let progress = run::progress(&call.services, &session, run_id);
    (progress == Progress::Over).then(|| json!({ "runId": run_id, "status": "ok" }))
}

fn waited_for(run_id: &RunId, view: &RunView, version: Protocol) -> Value {
    let status = match view.end.as_deref() {
        Some(RunEnd::Answered { .. }) => "ok",
        Some(RunEnd::Failed { .. }) => "error",
        // Existing clients know no word for an abort.
        Some(RunEnd::Aborted { .. }) | None => "timeout",
    };
    let mut answer = json!({ "runId": run_id, "status": status });
    let Value::Object(fields) = &mut answer else {
        return answer;
    };
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    set("startedAt", json!(view.started_at_ms));
    set("endedAt", json!(view.ended_at_ms));
    match view.end.as_deref() {
        Some(RunEnd::Failed { message }) => set("error", json!(message)),
        Some(RunEnd::Answered {
            stop_reason, text, ..
        }) if version == Protocol::V4 => {
            set("stopReason", json!(stop_reason));
            let disposition = if text.is_some() { "visible" } else { "silent" };
            set(
                "terminalReply",
                json!({ "disposition": disposition, "text": text }),
            );
        }
        Some(RunEnd::Aborted { reason, .. }) if version == Protocol::V4 => {
            set("stopReason", json!(reason));
        }
        _ => {}
    }
    answer
}
