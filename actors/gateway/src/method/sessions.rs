//! `sessions.*`.

use bytes::Bytes;
use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::SessionKey;
use openclaw_session::sessions::Filter;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::ingress::outbound::Payload;
use crate::services::now_ms;

/// Messages of a preview unless told otherwise.
const PREVIEW_ITEMS: u64 = 12;
const PREVIEW_CHARS: u64 = 240;

/// Parameters of a patch that say which session, or what the caller expects of it.
const NOT_FIELDS: [&str; 2] = ["key", "agentId"];

pub(super) fn list(call: Call) -> Outcome {
    Outcome::written(async move {
        let text = |name: &str| call.text(name).map(str::to_owned);
        let agent = match call.text("agentId") {
            Some(agent) => Some(AgentId::parse(agent).map_err(run::invalid)?),
            None => None,
        };
        let filter = Filter {
            agent: agent.clone(),
            limit: None,
            active_minutes: call.number("activeMinutes"),
            label: text("label"),
            spawned_by: text("spawnedBy"),
            search: text("search"),
            derived_titles: call.flag("includeDerivedTitles").unwrap_or(false),
            last_message: call.flag("includeLastMessage").unwrap_or(false),
        };
        let size = |name: &str| call.number(name).and_then(|n| usize::try_from(n).ok());
        let (offset, limit) = (size("offset").unwrap_or(0), size("limit"));
        let sessions = &call.services.sessions;
        let page = sessions.page(&filter, offset, limit).await;
        let page = page.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let agents = call.services.configuration().agents.ids();
        let path = match (&agent, agents.as_slice()) {
            (Some(agent), _) | (None, [agent]) => sessions.store_path(agent),
            _ => "(multiple)".to_owned(),
        };
        let mut about = json!({
            "ts": now_ms(),
            "path": path,
            "count": page.count,
            "defaults": super::models::defaults(&call.services),
        });
        if call.principal.version == Protocol::V4
            && let Value::Object(about) = &mut about
        {
            let next = offset + page.count;
            let next = (next < page.total).then_some(next);
            about.insert("totalCount".to_owned(), json!(page.total));
            about.insert("limitApplied".to_owned(), json!(limit));
            about.insert("offset".to_owned(), json!(offset));
            about.insert("hasMore".to_owned(), json!(next.is_some()));
            about.insert("nextOffset".to_owned(), json!(next));
        }
        // The rows are JSON already; the rest of the object follows them.
        let mut pieces = vec![Bytes::from_static(b"{\"sessions\":")];
        pieces.extend(page.pieces);
        pieces.push(about.to_string().replacen('{', ",", 1).into());
        Ok(Payload::new(pieces))
    })
}

pub(super) fn preview(call: Call) -> Outcome {
    Outcome::later(async move {
        let named = call.params.get("keys").and_then(Value::as_array);
        let named: Vec<&str> = named
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let default = call.services.configuration().agents.default_id();
        let read: Vec<_> = named
            .iter()
            .map(|key| (*key, SessionKey::expand(key, &default).ok()))
            .collect();
        let keys: Vec<SessionKey> = read.iter().filter_map(|(_, key)| key.clone()).collect();
        let size = |name: &str, default: u64| {
            usize::try_from(call.number(name).unwrap_or(default)).unwrap_or(usize::MAX)
        };
        let limit = size("limit", PREVIEW_ITEMS);
        let chars = size("maxChars", PREVIEW_CHARS);
        let found = call.services.sessions.preview(&keys, limit, chars).await;
        let mut found = found.into_iter();
        let mut previews = Vec::new();
        for (named, key) in read {
            // Answered under the name that was asked for.
            match key.and_then(|_| found.next()) {
                Some(preview) => previews.push(json!({
                    "key": named, "status": preview.status, "items": preview.items,
                })),
                None => previews.push(json!({ "key": named, "status": "missing", "items": [] })),
            }
        }
        Ok(json!({ "ts": now_ms(), "previews": previews }))
    })
}

pub(super) fn patch(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let sessions = &call.services.sessions;
        let fields: Map<String, Value> = call
            .params
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| {
                !NOT_FIELDS.contains(&name.as_str()) && !name.starts_with("expected")
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let entry = sessions.patch(&key, &fields).await.map_err(run::refused)?;
        call.services.hub.session_changed(&key, "patch", now_ms());
        let resolved = sessions.resolved_model(&key, &entry);
        let resolved =
            resolved.map(|(provider, model)| json!({ "modelProvider": provider, "model": model }));
        Ok(json!({
            "ok": true,
            "path": sessions.store_path(&key.agent()),
            "key": key,
            "entry": entry,
            "resolved": resolved,
        }))
    })
}

pub(super) fn reset(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        check_expected(&call, &key).await?;
        let entry = call
            .services
            .sessions
            .reset(&key)
            .await
            .map_err(run::refused)?;
        call.services.hub.session_changed(&key, "reset", now_ms());
        Ok(json!({ "ok": true, "key": key, "entry": entry }))
    })
}

pub(super) fn delete(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        check_expected(&call, &key).await?;
        let with_transcript = call.flag("deleteTranscript").unwrap_or(true);
        let deleted = call.services.sessions.delete(&key, with_transcript).await;
        let deleted = deleted.map_err(run::refused)?;
        call.services.hub.session_changed(&key, "delete", now_ms());
        Ok(json!({
            "ok": true, "key": key, "deleted": deleted.deleted, "archived": deleted.archived,
        }))
    })
}

/// Sums a conversation up; with `maxLines`, only one that has more of them.
pub(super) fn compact(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let sessions = &call.services.sessions;
        let entry = sessions.entry(&key).await.map_err(run::refused)?;
        let id = entry.as_ref().and_then(openclaw_session::entry::session_id);
        let Some(id) = id else {
            return Ok(json!({
                "ok": true, "key": key, "compacted": false, "reason": "no sessionId",
            }));
        };
        let lines = call.services.ledger.transcript_len(id);
        if call.number("maxLines").is_some_and(|most| lines <= most) {
            return Ok(json!({ "ok": true, "key": key, "compacted": false, "kept": lines }));
        }
        let Some(done) = sessions.compact(&key).await.map_err(run::refused)? else {
            return Ok(json!({
                "ok": true, "key": key, "compacted": false, "kept": lines,
                "reason": "the conversation is short",
            }));
        };
        call.services.hub.session_changed(&key, "compact", now_ms());
        Ok(json!({
            "ok": true, "key": key, "compacted": true, "kept": lines,
            "result": {
                "tokensBefore": done.before, "tokensAfter": done.after, "messages": done.messages,
                "byModel": done.by_model, "compactionCount": done.count,
            },
        }))
    })
}

/// A client that saw an older session must not throw away a newer one.
async fn check_expected(call: &Call, key: &SessionKey) -> Result<(), ErrorShape> {
    let Some(expected) = call.text("expectedSessionId") else {
        return Ok(());
    };
    let entry = call
        .services
        .sessions
        .entry(key)
        .await
        .map_err(run::refused)?;
    let current = entry.as_ref().and_then(openclaw_session::entry::session_id);
    if current != Some(expected) {
        let message = "the session changed meanwhile: list the sessions again";
        return Err(ErrorShape::invalid(message));
    }
    Ok(())
}
