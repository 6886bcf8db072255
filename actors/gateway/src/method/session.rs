//! One session: found, described, begun, spoken to, listened to.

use openclaw_ledger::Accepted;
use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_session::Idempotency;
use openclaw_session::entry;
use openclaw_session::sessions::Filter;
use openclaw_session::sessions::Listed;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::chat;
use super::run;
use crate::services::now_ms;

/// Messages of `sessions.get` unless told otherwise.
const MESSAGES: u64 = 200;

pub(super) fn resolve(call: Call) -> Outcome {
    Outcome::later(async move {
        let named = ["key", "sessionId", "label"].map(|name| call.text(name));
        if named.iter().flatten().count() != 1 {
            return Err(ErrorShape::invalid("say one of key, sessionId, label"));
        }
        let [key, id, label] = named;
        let found = match key {
            Some(key) => {
                let key = run::session(&call, key)?;
                let entry = call
                    .services
                    .sessions
                    .entry(&key)
                    .await
                    .map_err(run::refused)?;
                entry.map(|_| key)
            }
            None => {
                let agent = call.text("agentId").map(AgentId::parse).transpose();
                let filter = Filter {
                    agent: agent.map_err(run::invalid)?,
                    label: label.map(str::to_owned),
                    ..Filter::default()
                };
                let listed = call.services.sessions.list(&filter).await;
                let is_it = |listed: &Listed| {
                    id.is_none_or(|id| entry::session_id(&listed.entry) == Some(id))
                };
                listed.into_iter().find(is_it).map(|listed| listed.key)
            }
        };
        match found {
            Some(key) => Ok(json!({ "ok": true, "key": key, "agentId": key.agent() })),
            None if call.flag("allowMissing") == Some(true) => {
                Ok(json!({ "ok": true, "key": null }))
            }
            None => {
                let named = key.or(id).or(label).unwrap_or_default();
                Err(ErrorShape::invalid(format!("No session found: {named}")))
            }
        }
    })
}

pub(super) fn describe(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let filter = Filter {
            agent: Some(key.agent()),
            derived_titles: call.flag("includeDerivedTitles").unwrap_or(false),
            last_message: call.flag("includeLastMessage").unwrap_or(false),
            ..Filter::default()
        };
        let listed = call.services.sessions.list(&filter).await;
        let found = listed.iter().find(|listed| listed.key == key);
        Ok(json!({ "session": found.map(Listed::row) }))
    })
}

pub(super) fn get(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let limit = call.number("limit").unwrap_or(MESSAGES);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let history = call.services.sessions.history(&key, limit).await;
        let history = history.map_err(run::refused)?;
        Ok(json!({ "messages": history.messages() }))
    })
}

pub(super) fn create(call: Call) -> Outcome {
    Outcome::later(async move {
        let named = call.text("key").map(str::to_owned);
        let named = named.unwrap_or_else(|| format!("dashboard:{}", uuid::Uuid::new_v4()));
        let key = run::session(&call, &named)?;
        let fields: Map<String, Value> = ["label", "model", "thinkingLevel"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), json!(call.text(name)?))))
            .collect();
        let sessions = &call.services.sessions;
        let entry = sessions.patch(&key, &fields).await.map_err(run::refused)?;
        call.services.hub.session_changed(&key, "create", now_ms());
        let started = match call.text("message") {
            Some(message) => Some(speak(&call, &key, message).await?),
            None => None,
        };
        let resolved = sessions.resolved_model(&key, &entry);
        let resolved =
            resolved.map(|(provider, model)| json!({ "modelProvider": provider, "model": model }));
        Ok(json!({
            "ok": true,
            "key": key,
            "sessionId": entry::session_id(&entry),
            "entry": entry,
            "runStarted": started.is_some(),
            "runId": started.map(|(run_id, _)| run_id),
            "resolved": resolved,
        }))
    })
}

pub(super) fn send(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let message = call.text("message").unwrap_or_default();
        let (run_id, status) = speak(&call, &key, message).await?;
        Ok(json!({ "runId": run_id, "status": status }))
    })
}

/// Stores a message of the caller; a repeat under its key is not stored again.
async fn speak(
    call: &Call,
    session: &SessionKey,
    message: &str,
) -> Result<(RunId, &'static str), ErrorShape> {
    let key = call.text("idempotencyKey").map(str::to_owned);
    let run_id = key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let run_id = RunId::from(run_id.as_str());
    let mut row = run::row(call, session, &run_id, None)?;
    message.clone_into(&mut row.body.text);
    let hub = &call.services.hub;
    hub.expect_run(&run_id, session, call.principal.connection, now_ms());
    let idempotency = Idempotency {
        scope: chat::SCOPE.to_owned(),
        key: run_id.to_string(),
        response: json!({ "runId": run_id, "status": "started", "sessionKey": session }),
    };
    match call.services.intake.accept(row, Some(idempotency)).await {
        Ok(Accepted::Fresh(_)) => {
            hub.session_changed(session, "send", now_ms());
            Ok((run_id, "started"))
        }
        Ok(Accepted::Repeat(_)) => match run::progress(&call.services, session, &run_id) {
            run::Progress::InFlight => Ok((run_id, "in_flight")),
            run::Progress::Over => {
                hub.forget_run(&run_id);
                Ok((run_id, "ok"))
            }
        },
        Err(error) => {
            hub.forget_run(&run_id);
            Err(run::not_stored(&error))
        }
    }
}

pub(super) fn abort(call: Call) -> Outcome {
    Outcome::later(async move {
        let run_id = call.text("runId").map(RunId::from);
        let session = match (call.text("key"), &run_id) {
            (Some(key), _) => Some(run::session(&call, key)?),
            (None, Some(run_id)) => call.services.hub.run(run_id).and_then(|view| view.session),
            (None, None) => return Err(ErrorShape::invalid("say which: key or runId")),
        };
        let aborted = match &session {
            Some(session) => call.services.intake.abort(session, run_id).await,
            None => Vec::new(),
        };
        Ok(json!({ "ok": true, "aborted": !aborted.is_empty(), "runIds": aborted }))
    })
}

pub(super) fn subscribe(call: Call) -> Outcome {
    hear(&call, true);
    Outcome::now(Ok(json!({ "subscribed": true })))
}

pub(super) fn unsubscribe(call: Call) -> Outcome {
    hear(&call, false);
    Outcome::now(Ok(json!({ "subscribed": false })))
}

fn hear(call: &Call, enabled: bool) {
    let hub = &call.services.hub;
    hub.hear_sessions(call.principal.connection, enabled);
}

pub(super) fn subscribe_messages(call: Call) -> Outcome {
    hear_messages(&call, true)
}

pub(super) fn unsubscribe_messages(call: Call) -> Outcome {
    hear_messages(&call, false)
}

fn hear_messages(call: &Call, enabled: bool) -> Outcome {
    let key = run::session(call, call.text("key").unwrap_or_default());
    Outcome::now(key.map(|key| {
        let hub = &call.services.hub;
        hub.hear_messages(call.principal.connection, &key, enabled);
        json!({ "subscribed": enabled, "key": key })
    }))
}
