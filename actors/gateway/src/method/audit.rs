//! `audit.*`, and the entries that calls leave: who changed the configuration, let a device in, decided on a command or
//! ran a tool from outside.

use openclaw_ledger::AuditEntry;
use openclaw_ledger::AuditFilter;
use openclaw_ledger::Ledger;
use openclaw_ledger::audit_hash;
use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::Answer;
use super::Call;
use super::DEADLINE;
use super::Handler;
use super::Outcome;
use super::run;
use crate::ingress::principal::Principal;

/// How many entries are shown unless told.
const USUAL: u64 = 100;

/// Names of what a call is about; none of them is a secret.
const SUBJECTS: [&str; 9] = [
    "id",
    "requestId",
    "deviceId",
    "nodeId",
    "agentId",
    "skillKey",
    "channel",
    "name",
    "decision",
];

/// The kind of entry that a method leaves; none for what changes nothing of rights or rules.
fn kind_of(method: &str) -> Option<&'static str> {
    Some(match method {
        "config.set" | "config.patch" | "config.apply" | "skills.update" | "skills.install"
        | "agents.create" | "agents.update" | "agents.delete" => "config",
        "device.pair.approve"
        | "device.pair.reject"
        | "device.pair.remove"
        | "device.pair.rename"
        | "device.pair.setupCode"
        | "device.token.rotate"
        | "device.token.revoke"
        | "node.pair.approve"
        | "node.pair.reject"
        | "node.pair.remove"
        | "channels.pairing.approve" => "pairing",
        "exec.approval.resolve" | "exec.approvals.set" | "exec.approvals.node.set" => "approval",
        "tools.invoke" => "tool",
        _ => return None,
    })
}

/// Who calls, as the chain names them.
fn actor(principal: &Principal) -> String {
    let client = &principal.client.id;
    match (&principal.device, &principal.user) {
        (Some(device), _) => format!("{client} (device {device})"),
        (None, Some(user)) => format!("{client} ({user})"),
        (None, None) => client.to_string(),
    }
}

fn entry(kind: &str, method: &str, call: &Call) -> AuditEntry {
    let subject = |name: &&str| {
        let text = call.params.get(*name).and_then(Value::as_str)?;
        Some(format!("{name}={text}"))
    };
    let subjects: Vec<String> = SUBJECTS.iter().filter_map(subject).collect();
    AuditEntry {
        kind: kind.to_owned(),
        what: method.to_owned(),
        actor: actor(&call.principal),
        arguments: Some(audit_hash(&call.params)),
        place: (!subjects.is_empty()).then(|| subjects.join(" ")),
        ..AuditEntry::default()
    }
}

/// Lets a method answer, and writes down that it did where it matters.
pub(super) fn written(method: &str, call: Call, handler: Handler) -> Outcome {
    let Some(kind) = kind_of(method) else {
        return handler(call);
    };
    let entry = entry(kind, method, &call);
    let ledger = call.services.ledger.clone();
    match handler(call) {
        Outcome::Now(answer) => Outcome::within(DEADLINE, noted(ready(answer), entry, ledger)),
        Outcome::Later { deadline, future } => {
            Outcome::within(deadline, noted(future, entry, ledger))
        }
        Outcome::Written { deadline, future } => Outcome::Written {
            deadline,
            future: Box::pin(noted(future, entry, ledger)),
        },
    }
}

async fn noted<T, E>(
    answer: impl Future<Output = Result<T, E>>,
    mut entry: AuditEntry,
    ledger: Ledger,
) -> Result<T, E> {
    let answer = answer.await;
    let outcome = if answer.is_ok() { "done" } else { "refused" };
    entry.outcome = Some(outcome.to_owned());
    if let Err(error) = ledger.audit(entry).await {
        tracing::warn!(%error, "a call is not in the audit chain");
    }
    answer
}

fn ready(answer: Answer) -> BoxFuture<'static, Answer> {
    Box::pin(std::future::ready(answer))
}

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move {
        let filter = filter(&call)?;
        let limit = filter.limit;
        let ledger = call.services.ledger.clone();
        let reading = tokio::task::spawn_blocking(move || ledger.audit_list(&filter));
        let rows = reading
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let next = rows.last().filter(|row| rows.len() == limit && row.n > 1);
        let next = next.map(|row| row.n.to_string());
        let mut shown = json!({ "entries": rows });
        if let (Some(shown), Some(next)) = (shown.as_object_mut(), next) {
            shown.insert("nextCursor".to_owned(), json!(next));
        }
        Ok(shown)
    })
}

/// Which entries a call asks for; some words of other gateways mean ours.
fn filter(call: &Call) -> Result<AuditFilter, ErrorShape> {
    let text = |name: &str| call.text(name).map(str::to_owned);
    let moment = |name: &str| call.params.get(name).and_then(Value::as_i64);
    let cursor = call.text("cursor").map(str::parse).transpose();
    let agent = call.text("agentId").map(AgentId::parse).transpose();
    let kind = text("kind").map(|kind| match kind.as_str() {
        "tool_action" => "tool".to_owned(),
        _ => kind,
    });
    let outcome = text("status").map(|status| match status.as_str() {
        "succeeded" => "done".to_owned(),
        "blocked" => "refused".to_owned(),
        _ => status,
    });
    Ok(AuditFilter {
        kind,
        outcome,
        session: text("sessionKey"),
        agent: agent.map_err(run::invalid)?,
        after_ms: moment("after"),
        before_ms: moment("before"),
        cursor: cursor.map_err(|_| ErrorShape::invalid("cursor is the number of an entry"))?,
        limit: usize::try_from(call.number("limit").unwrap_or(USUAL)).unwrap_or(usize::MAX),
    })
}

pub(super) fn verify(call: Call) -> Outcome {
    Outcome::later(async move {
        let ledger = call.services.ledger.clone();
        let looking = tokio::task::spawn_blocking(move || ledger.audit_verify());
        let looked = looking
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let check = looked.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let said = check.problem.as_ref().map(ToString::to_string);
        let mut shown = serde_json::to_value(&check).map_err(run::invalid)?;
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("ok".to_owned(), json!(check.problem.is_none()));
            shown.insert("said".to_owned(), json!(said));
        }
        Ok(shown)
    })
}
