//! `supervisor.*`: the tree, its crashes, and orders to it.

use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Change;
use openclaw_runtime::ChildId;
use openclaw_runtime::CrashId;
use openclaw_runtime::CrashRecord;
use openclaw_runtime::Directory;
use openclaw_runtime::OrderError;
use openclaw_runtime::Poison;
use openclaw_runtime::SupervisionEvent;
use openclaw_runtime::SupervisorHandle;
use openclaw_runtime::TreeNode;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

/// Crashes listed unless told otherwise.
const CRASHES: u64 = 50;

/// How long an order may take: a child gets its shutdown time first.
const ORDER: Duration = Duration::from_secs(20);

pub(super) fn tree(call: Call) -> Outcome {
    let path = call.text("path").map(ActorPath::from);
    let depth = call
        .number("depth")
        .and_then(|depth| usize::try_from(depth).ok());
    let answer = match call.services.directory.tree(path.as_ref(), depth) {
        Some(root) => {
            let mut tree = node_value(&root);
            locate(&mut tree, &call.services.directory);
            let mut answer = json!({ "tree": tree });
            let lost = call.services.directory.abandoned();
            if let (Some(answer), false) = (answer.as_object_mut(), lost.is_empty()) {
                // Given up, replaced, and still on their threads.
                let lost: Vec<_> = lost.iter().map(ActorPath::as_str).collect();
                answer.insert("abandoned".to_owned(), json!(lost));
            }
            Ok(answer)
        }
        None => Err(unknown_path(call.text("path").unwrap_or_default())),
    };
    Outcome::now(answer)
}

/// Says of each node that crashed where in the code and with what words: an incident begins with this question.
fn locate(node: &mut Value, directory: &Directory) {
    let crash = node.get("crash").and_then(Value::as_str);
    if let Some(record) = crash.and_then(|id| directory.crash(&CrashId::parse(id)))
        && let Value::Object(node) = node
    {
        node.insert("crashAt".to_owned(), json!(&*record.location));
        node.insert("crashSaid".to_owned(), json!(&*record.message));
        node.insert("crashIn".to_owned(), json!(record.mail));
    }
    let children = node.get_mut("children").and_then(Value::as_array_mut);
    for child in children.into_iter().flatten() {
        locate(child, directory);
    }
}

pub(super) fn watch(call: Call) -> Outcome {
    let enabled = call.flag("enabled").unwrap_or(true);
    call.services
        .hub
        .watch_tree(call.principal.connection, enabled);
    Outcome::now(Ok(json!({ "ok": true, "watching": enabled })))
}

pub(super) fn crash(call: Call) -> Outcome {
    let directory = &call.services.directory;
    if let Some(id) = call.text("id") {
        let answer = match directory.crash(&CrashId::parse(id)) {
            Some(record) => Ok(json!({ "crash": crash_value(&record, true) })),
            None => earlier_crash(&call, id),
        };
        return Outcome::now(answer);
    }
    let limit = usize::try_from(call.number("limit").unwrap_or(CRASHES)).unwrap_or(usize::MAX);
    let mut records = directory.crashes();
    records.sort_by_key(|record| std::cmp::Reverse(record.at_ms));
    let crashes: Vec<Value> = records
        .iter()
        .take(limit)
        .map(|record| crash_value(record, false))
        .collect();
    Outcome::now(Ok(json!({ "crashes": crashes })))
}

/// A crash of an earlier process, from the ledger's ring.
fn earlier_crash(call: &Call, id: &str) -> Result<Value, ErrorShape> {
    let kept = call
        .services
        .ledger
        .crashes()
        .into_iter()
        .find(|row| row.id == id);
    kept.map(|row| json!({ "crash": row.record }))
        .ok_or_else(|| {
            let message = format!("no crash {id}: `openclaw supervisor crash` lists them");
            ErrorShape::invalid(message)
        })
}

pub(super) fn restart(call: Call) -> Outcome {
    order(call, |handle, id| async move { handle.restart(&id).await })
}

pub(super) fn stop(call: Call) -> Outcome {
    order(call, |handle, id| async move { handle.stop(&id).await })
}

pub(super) fn park(call: Call) -> Outcome {
    order(call, |handle, id| async move { handle.park(&id).await })
}

pub(super) fn unpark(call: Call) -> Outcome {
    order(call, |handle, id| async move { handle.unpark(&id).await })
}

fn order<F>(
    call: Call,
    give: impl FnOnce(SupervisorHandle, ChildId) -> F + Send + 'static,
) -> Outcome
where
    F: Future<Output = Result<(), OrderError>> + Send + 'static,
{
    let path = call.text("path").unwrap_or_default().to_owned();
    let found = call
        .services
        .directory
        .supervisor_of(&ActorPath::new(&path));
    let Some((handle, id)) = found else {
        return Outcome::now(Err(unknown_path(&path)));
    };
    Outcome::within(ORDER, async move {
        match give(handle, id).await {
            Ok(()) => Ok(json!({ "ok": true, "path": path })),
            Err(error @ (OrderError::Unknown { .. } | OrderError::Duplicate { .. })) => {
                Err(ErrorShape::invalid(error.to_string()).into())
            }
            Err(error) => Err(ErrorShape::unavailable(error.to_string()).into()),
        }
    })
}

/// Breaks things on purpose, in builds that were made for it, from this machine only.
#[cfg(feature = "chaos")]
pub(super) fn chaos(call: Call) -> Outcome {
    use openclaw_runtime::KillReason;
    use openclaw_runtime::fault;

    if !call.principal.is_local {
        return Outcome::now(Err(ErrorShape::invalid(
            "chaos is only taken from this machine",
        )));
    }
    let path = call.text("path").unwrap_or_default();
    let faults = call.text("faults").unwrap_or_default();
    let answer = match call.text("action").unwrap_or_default() {
        "kill"
            if call
                .services
                .directory
                .kill(&ActorPath::new(path), KillReason::Chaos) =>
        {
            Ok(json!({ "ok": true }))
        }
        "kill" => Err(unknown_path(path)),
        "arm" => fault::arm(faults)
            .map(|()| json!({ "ok": true }))
            .map_err(|error| ErrorShape::invalid(error.to_string())),
        "disarm" => {
            fault::disarm();
            Ok(json!({ "ok": true }))
        }
        "hits" => Ok(json!({ "hits": fault::hits() })),
        // The next mail of that actor.
        action @ ("panic" | "hang") => fault::arm(&format!("handle.{path}={action}@1"))
            .map(|()| json!({ "ok": true }))
            .map_err(|error| ErrorShape::invalid(error.to_string())),
        other => Err(ErrorShape::invalid(format!("unknown action \"{other}\""))),
    };
    Outcome::now(answer)
}

fn unknown_path(path: &str) -> ErrorShape {
    let message = format!("no actor at \"{path}\": `openclaw supervisor tree` lists them");
    ErrorShape::invalid(message)
}

/// A node and what is under it.
pub fn node_value(node: &TreeNode) -> Value {
    let mut value = Map::new();
    let mut set = |name: &str, field: Value| {
        if !field.is_null() {
            value.insert(name.to_owned(), field);
        }
    };
    set("path", json!(node.path.as_str()));
    set("name", json!(&*node.name));
    set("kind", json!(node.kind));
    set("state", json!(format!("{:?}", node.state).to_lowercase()));
    set("health", json!(format!("{:?}", node.health).to_lowercase()));
    set("generation", json!(node.generation));
    set("restarts", json!(node.restarts));
    set("queued", json!(node.queued));
    set("capacity", json!(node.capacity));
    set("handled", json!(node.handled));
    set("stalls", json!((node.stalls > 0).then_some(node.stalls)));
    set("refused", json!((node.refused > 0).then_some(node.refused)));
    if !node.poison.is_empty() {
        set("poison", node.poison.iter().map(poison_value).collect());
    }
    set("busyMs", json!(node.busy.map(millis)));
    set("current", json!(node.current));
    set("startedAtMs", json!(node.started_at_ms));
    set("untilMs", json!(node.until_ms));
    set("lastExit", json!(node.last_exit.as_deref()));
    set("crash", json!(node.crash.as_ref().map(CrashId::as_str)));
    set("note", json!(node.note.as_deref()));
    set("isTask", json!(node.is_task.then_some(true)));
    if !node.children.is_empty() {
        set("children", node.children.iter().map(node_value).collect());
    }
    Value::Object(value)
}

fn poison_value(poison: &Poison) -> Value {
    json!({ "mail": poison.mail, "inARow": poison.in_a_row, "dropped": poison.dropped })
}

/// The payload of a `supervisor` event.
pub fn event_value(event: &SupervisionEvent) -> Value {
    let (what, more) = match &event.what {
        Change::Started => ("started", Value::Null),
        Change::Exited(exit) => ("exited", json!({ "exit": exit.to_string() })),
        Change::Restarting { after } => ("restarting", json!({ "inMs": millis(*after) })),
        Change::Parked(parking) => (
            "parked",
            json!({
                "untilMs": parking.retry_at_ms,
                "how": parking.class(),
                "exit": parking.exit.as_ref().map(ToString::to_string),
                "location": parking.location.as_deref(),
                "byHand": parking.by_hand,
                "again": parking.again,
            }),
        ),
        Change::Unparked => ("unparked", Value::Null),
        Change::Stopped => ("stopped", Value::Null),
    };
    let mut value = json!({
        "path": event.path.as_str(),
        "what": what,
        "atMs": event.at_ms,
        "generation": event.generation,
        "crash": event.crash.as_ref().map(CrashId::as_str),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
        value.retain(|_, field| !field.is_null());
    }
    value
}

/// A crash; with its backtrace when it is asked for alone.
pub fn crash_value(record: &CrashRecord, is_full: bool) -> Value {
    let mut value = json!({
        "id": record.id.as_str(),
        "path": record.path.as_str(),
        "kind": record.kind,
        "mail": record.mail,
        "generation": record.generation,
        "inARow": record.in_a_row,
        "message": &*record.message,
        "location": &*record.location,
        "thread": &*record.thread,
        "atMs": record.at_ms,
    });
    if let Value::Object(value) = &mut value {
        if let Some(trace) = &record.trace {
            value.insert("traceparent".to_owned(), json!(trace.traceparent()));
        }
        if is_full {
            value.insert("backtrace".to_owned(), json!(record.backtrace()));
        }
    }
    value
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
