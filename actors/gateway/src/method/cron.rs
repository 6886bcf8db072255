//! `cron.*`. Questions are answered from the board; changes go to the scheduler, which owns the jobs.

use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::cron;
use crate::cron::Change;
use crate::cron::CronError;
use crate::cron::CronMail;
use crate::cron::job::Job;
use crate::state_file;

/// How long a change may take: one write of a small file.
const CHANGE: Duration = Duration::from_secs(30);
/// How long a run by hand is waited for.
const RUN: Duration = Duration::from_secs(20 * 60);
/// Runs listed unless told otherwise.
const RUNS: u64 = 200;

pub(super) fn list(call: Call) -> Outcome {
    let shown = call.services.cron.now();
    let with_disabled = call.flag("includeDisabled").unwrap_or(false);
    let is_late = call.principal.version == Protocol::V4;
    let query = call.text("query").map(str::to_lowercase);
    let is_wanted = |job: &&Job| {
        (with_disabled || job.enabled)
            && query
                .as_ref()
                .is_none_or(|query| job.name.to_lowercase().contains(query))
    };
    let mut jobs: Vec<&Job> = shown.jobs.iter().filter(is_wanted).collect();
    if is_late {
        jobs.retain(|job| fits(job, &call));
    }
    match call.text("sortBy").filter(|_| is_late) {
        Some("name") => jobs.sort_by_key(|job| job.name.to_lowercase()),
        Some("updatedAtMs") => jobs.sort_by_key(|job| job.updated_at_ms),
        _ => jobs.sort_by_key(|job| job.state.next_run_at_ms.unwrap_or(i64::MAX)),
    }
    if is_late && call.text("sortDir") == Some("desc") {
        jobs.reverse();
    }
    let rows: Vec<Value> = jobs.into_iter().map(|job| row(job, &call)).collect();
    if !is_late {
        return Outcome::now(Ok(json!({ "jobs": rows })));
    }
    Outcome::now(Ok(page("jobs", rows, &call, 200)))
}

/// Whether a job is among those that a page of protocol 4 wants to see.
fn fits(job: &Job, call: &Call) -> bool {
    let is = |name: &str, value: Option<&str>| {
        let wanted = call.text(name).filter(|wanted| *wanted != "all");
        wanted.is_none_or(|wanted| value == Some(wanted))
    };
    let state = if job.enabled { "enabled" } else { "disabled" };
    let kind = job.schedule.get("kind").and_then(Value::as_str);
    let last = job.state.last_status.as_deref().unwrap_or("unknown");
    is("enabled", Some(state))
        && is("scheduleKind", kind)
        && is("lastRunStatus", Some(last))
        && is("agentId", Some(&agent_of(job, call)))
        // Conditions are not built: no job has one.
        && is("trigger", Some("unconditional"))
}

/// Whose agent runs a job.
fn agent_of(job: &Job, call: &Call) -> String {
    let default = || {
        call.services
            .configuration()
            .agents
            .default_id()
            .to_string()
    };
    job.agent_id.clone().unwrap_or_else(default)
}

/// One page of a list, as protocol 4 asks for it.
fn page(name: &str, rows: Vec<Value>, call: &Call, most: u64) -> Value {
    let size = |name: &str| call.number(name).and_then(|n| usize::try_from(n).ok());
    let total = rows.len();
    // Pages with the same revision are pages of the same list.
    let revision = state_file::hash(&json!(rows).to_string());
    let offset = size("offset").unwrap_or(0);
    let limit = size("limit").unwrap_or(usize::try_from(most).unwrap_or(usize::MAX));
    let rows: Vec<Value> = rows.into_iter().skip(offset).take(limit).collect();
    let next = offset + rows.len();
    let has_more = next < total;
    let mut answer = json!({
        "snapshotRevision": format!("sha256:{revision}"),
        "total": total,
        "offset": offset,
        "limit": limit,
        "hasMore": has_more,
        "nextOffset": has_more.then_some(next),
    });
    if let Value::Object(answer) = &mut answer {
        answer.insert(name.to_owned(), json!(rows));
    }
    answer
}

fn row(job: &Job, call: &Call) -> Value {
    let mut row = serde_json::to_value(job).unwrap_or_default();
    if call.principal.version == Protocol::V4
        && let Value::Object(row) = &mut row
    {
        let revision = json!([
            job.name,
            job.enabled,
            job.schedule,
            job.payload,
            job.delivery
        ]);
        let revision = state_file::hash(&revision.to_string());
        row.insert(
            "configRevision".to_owned(),
            json!(format!("sha256:{revision}")),
        );
        let state = &job.state;
        row.insert("nextRunAtMs".to_owned(), json!(state.next_run_at_ms));
        row.insert("lastRunAtMs".to_owned(), json!(state.last_run_at_ms));
        row.insert("lastRunStatus".to_owned(), json!(state.last_status));
        if let Some(since) = state.running_at_ms {
            row.insert("runningAtMs".to_owned(), json!(since));
        }
        row.insert("effectiveAgentId".to_owned(), json!(agent_of(job, call)));
    }
    row
}

pub(super) fn status(call: Call) -> Outcome {
    let shown = call.services.cron.now();
    let store = cron::store_path(&call.services.configuration(), &call.services.paths);
    let mut status = json!({
        "enabled": shown.is_enabled,
        "storePath": store,
        "jobs": shown.jobs.len(),
        "nextWakeAtMs": shown.next_wake_at_ms(),
    });
    if let Value::Object(status) = &mut status {
        if call.principal.version == Protocol::V4 {
            status.insert("storage".to_owned(), json!("file"));
            status.insert("triggersEnabled".to_owned(), json!(false));
        }
        if let Some(problem) = &shown.problem {
            status.insert("problem".to_owned(), json!(problem));
        }
    }
    Outcome::now(Ok(status))
}

fn id(call: &Call) -> Result<String, ErrorShape> {
    let id = call.text("id").or_else(|| call.text("jobId"));
    id.map(str::to_owned).ok_or_else(|| {
        ErrorShape::invalid("invalid cron params: at root: must have required property 'id'")
    })
}

pub(super) fn get(call: Call) -> Outcome {
    Outcome::now(id(&call).and_then(|id| {
        let job = call.services.cron.job(&id);
        let job = job.ok_or_else(|| ErrorShape::invalid(format!("unknown cron job id: {id}")))?;
        Ok(row(&job, &call))
    }))
}

pub(super) fn add(call: Call) -> Outcome {
    let change = Change::Add(call.params.clone());
    make(call, change, CHANGE)
}

pub(super) fn update(call: Call) -> Outcome {
    match id(&call) {
        Ok(id) => {
            let patch = call.params.get("patch").cloned().unwrap_or_default();
            make(call, Change::Update { id, patch }, CHANGE)
        }
        Err(error) => Outcome::now(Err(error)),
    }
}

pub(super) fn remove(call: Call) -> Outcome {
    match id(&call) {
        Ok(id) => make(call, Change::Remove { id }, CHANGE),
        Err(error) => Outcome::now(Err(error)),
    }
}

pub(super) fn run(call: Call) -> Outcome {
    let only_due = call.text("mode") == Some("due");
    match id(&call) {
        Ok(id) => make(call, Change::Run { id, only_due }, RUN),
        Err(error) => Outcome::now(Err(error)),
    }
}

fn make(call: Call, change: Change, within: Duration) -> Outcome {
    Outcome::within(within + Duration::from_secs(5), async move {
        let scheduler = call.services.directory.address::<CronMail>(&cron::path());
        let answer = scheduler
            .ask(within, |reply| CronMail::Change(change, reply))
            .await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(CronError::Invalid(why))) => Err(ErrorShape::invalid(why).into()),
            Ok(Err(CronError::Unavailable(why))) => Err(ErrorShape::unavailable(why).into()),
            Err(error) => {
                let message = format!("the scheduler did not answer: {error}");
                Err(ErrorShape::unavailable(message).retry_after(1000).into())
            }
        }
    })
}

pub(super) fn runs(call: Call) -> Outcome {
    Outcome::later(async move {
        let is_late = call.principal.version == Protocol::V4;
        let services = &call.services;
        let ids = match id(&call) {
            Ok(id) => vec![id],
            Err(_) if is_late => services
                .cron
                .now()
                .jobs
                .iter()
                .map(|job| job.id.clone())
                .collect(),
            Err(error) => return Err(error),
        };
        let store = cron::store_path(&services.configuration(), &services.paths);
        let folder = cron::runs_folder(&store);
        let limit = call.number("limit").unwrap_or(RUNS);
        let most = if is_late {
            5000
        } else {
            usize::try_from(limit).unwrap_or(usize::MAX)
        };
        let reading = tokio::task::spawn_blocking(move || {
            let mut entries = Vec::new();
            for id in ids {
                entries.extend(cron::read_runs(&folder, &id, most)?);
            }
            Ok::<_, std::io::Error>(entries)
        });
        let read = reading
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let mut entries = read.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        if !is_late {
            return Ok(json!({ "entries": entries }));
        }
        let wanted = call.text("status").filter(|status| *status != "all");
        entries.retain(|entry| {
            wanted.is_none_or(|wanted| entry.get("status").and_then(Value::as_str) == Some(wanted))
        });
        entries.sort_by_key(|entry| entry.get("ts").and_then(Value::as_i64));
        if call.text("sortDir") != Some("asc") {
            entries.reverse();
        }
        Ok(page("entries", entries, &call, RUNS))
    })
}
