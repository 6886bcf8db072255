//! `exec.approval.*`: a command is asked about, somebody decides, and whoever asked hears it.

use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::Call;
use super::Outcome;
use crate::approval::ApprovalError;
use crate::approval::Question;
use crate::approval::announce;
use crate::services::now_ms;

/// How long an answer is waited for unless told otherwise.
const WAIT_MS: u64 = 120_000;
/// Nobody sits before a question longer than this.
const LONGEST_MS: u64 = 60 * 60 * 1000;

/// What is said of a command; null where nothing was said.
const FACTS: [&str; 8] = [
    "command",
    "cwd",
    "host",
    "security",
    "ask",
    "agentId",
    "resolvedPath",
    "sessionKey",
];

pub(super) fn request(call: Call) -> Outcome {
    let wait_ms = call.number("timeoutMs").unwrap_or(WAIT_MS).min(LONGEST_MS);
    let wait = Duration::from_millis(wait_ms);
    Outcome::within(wait + Duration::from_secs(5), async move {
        let now = now_ms();
        let id = call.text("id").map(str::to_owned);
        let request: serde_json::Map<String, Value> = FACTS
            .iter()
            .map(|name| {
                (
                    (*name).to_owned(),
                    call.params.get(*name).cloned().unwrap_or_default(),
                )
            })
            .collect();
        let question = Question {
            id: id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            request: Value::Object(request),
            created_at_ms: now,
            expires_at_ms: now.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)),
        };
        let asked = call.services.approvals.ask(question).await;
        let ((question, mut waiting), is_new) = asked.map_err(|error| refused(error, &call))?;
        if is_new {
            announce(
                &call.services.hub,
                "exec.approval.requested",
                question.value(),
            );
        }
        if call.flag("twoPhase") == Some(true) {
            (call.early)(json!({
                "status": "accepted",
                "id": question.id,
                "createdAtMs": question.created_at_ms,
                "expiresAtMs": question.expires_at_ms,
            }));
        }
        Ok(decision(&question, &mut waiting).await)
    })
}

/// The decision, or null when nobody made one in time: no answer is a no.
async fn decision(question: &Question, waiting: &mut watch::Receiver<Option<String>>) -> Value {
    let left = question.expires_at_ms.saturating_sub(now_ms()).max(0);
    let wait = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    let decided = tokio::time::timeout(wait, waiting.wait_for(Option::is_some)).await;
    let decision = match decided {
        Ok(Ok(decision)) => decision.clone(),
        _ => None,
    };
    json!({
        "id": question.id,
        "decision": decision,
        "createdAtMs": question.created_at_ms,
        "expiresAtMs": question.expires_at_ms,
    })
}

pub(super) fn resolve(call: Call) -> Outcome {
    Outcome::later(async move { decide(&call).await })
}

async fn decide(call: &Call) -> Result<Value, ErrorShape> {
    let (id, decision) = (call.text("id").unwrap_or_default(), call.text("decision"));
    let decision = decision.unwrap_or_default();
    let now = now_ms();
    let decided = call.services.approvals.resolve(id, decision, now).await;
    let question = decided.map_err(|error| refused(error, call))?;
    let client = &call.principal.client;
    let by = client.display_name.as_deref().unwrap_or(&client.id);
    let mut payload = json!({ "id": id, "decision": decision, "resolvedBy": by, "ts": now });
    if call.principal.version == Protocol::V4
        && let Value::Object(payload) = &mut payload
    {
        payload.insert("request".to_owned(), question.request);
    }
    announce(&call.services.hub, "exec.approval.resolved", payload);
    Ok(json!({ "ok": true }))
}

pub(super) fn get(call: Call) -> Outcome {
    let id = call.text("id").unwrap_or_default();
    let found = call.services.approvals.get(id, now_ms());
    let answer = found.map(|question| question.value());
    Outcome::now(answer.ok_or_else(|| refused(ApprovalError::Unknown, &call)))
}

pub(super) fn list(call: Call) -> Outcome {
    let open = call.services.approvals.waiting(now_ms());
    Outcome::now(Ok(open.iter().map(Question::value).collect()))
}

pub(super) fn wait(call: Call) -> Outcome {
    let id = call.text("id").unwrap_or_default();
    let Some((question, mut waiting)) = call.services.approvals.follow(id) else {
        return Outcome::now(Err(refused(ApprovalError::Unknown, &call)));
    };
    let left = question.expires_at_ms.saturating_sub(now_ms()).max(0);
    let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    Outcome::within(left + Duration::from_secs(5), async move {
        Ok(decision(&question, &mut waiting).await)
    })
}

fn refused(error: ApprovalError, call: &Call) -> ErrorShape {
    match error {
        ApprovalError::Crowded | ApprovalError::Unstored(_) => {
            ErrorShape::unavailable(error.to_string()).retry_after(1000)
        }
        _ if call.principal.version == Protocol::V3 => ErrorShape::invalid(error.to_string()),
        ApprovalError::Unknown => ErrorShape::invalid("unknown or expired approval id")
            .with(json!({ "reason": "APPROVAL_NOT_FOUND" })),
        ApprovalError::Resolved => ErrorShape::invalid(error.to_string())
            .with(json!({ "reason": "APPROVAL_ALREADY_RESOLVED" })),
        _ => ErrorShape::invalid(error.to_string()),
    }
}
