//! One occurrence of a job: its row in the inbox, the wait for its end, the report.
//!
//! Owns: nothing; the row is durable and named after job and due time. Started by: the scheduler, under
//! itself, not restarted. Crashes when: its task panics. Survives: the row; the next scheduler finds it.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxFilter;
use openclaw_ledger::NewInbound;
use openclaw_protocol::AccountKey;
use openclaw_protocol::AgentId;
use openclaw_protocol::Inbound;
use openclaw_protocol::Route;
use openclaw_protocol::RunId;
use openclaw_protocol::Scopes;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Actor;
use openclaw_runtime::Address;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::CronMail;
use super::job::Job;
use super::job::Work;
use crate::hub::RunEnd;
use crate::hub::RunView;
use crate::services::Services;
use crate::services::now_ms;

/// How long a run may take unless its job says otherwise.
const LONGEST: Duration = Duration::from_secs(600);
/// How long an ended run may take to be over.
const ENDING: Duration = Duration::from_secs(30);
/// How long the scheduler may take to hear of the end.
const REPORTING: Duration = Duration::from_secs(60);

/// What became of an occurrence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// `ok` or `error`.
    pub(super) status: &'static str,
    /// Why it failed.
    pub(super) error: Option<String>,
    /// What was answered.
    pub(super) summary: Option<String>,
    /// Where it ran.
    pub(super) session: Option<String>,
    /// The session's id.
    pub(super) session_id: Option<String>,
    /// How long it took.
    pub(super) duration_ms: i64,
}

/// What an occurrence is made from.
#[derive(Clone)]
pub(super) struct RunArgs {
    pub(super) services: Arc<Services>,
    pub(super) job: Arc<Job>,
    pub(super) due_ms: i64,
    pub(super) scheduler: Address<CronMail>,
}

/// Mail of an occurrence.
#[derive(Debug)]
pub(super) enum RunMail {
    /// The scheduler knows how it ended.
    Reported,
}

impl Mail for RunMail {
    fn kind(&self) -> &'static str {
        "reported"
    }
}

/// An occurrence at work.
pub(super) struct CronRun {
    args: RunArgs,
}

impl Actor for CronRun {
    const KIND: &'static str = "cron.run";
    type Mail = RunMail;
    type Args = RunArgs;

    fn init(args: RunArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self { args })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let RunArgs {
            services,
            job,
            due_ms,
            scheduler,
        } = self.args.clone();
        ctx.note(job.name.clone());
        let working = async move {
            let report = Box::new(perform(&services, &job, due_ms).await);
            let job = job.id.clone();
            let told = scheduler.send(
                CronMail::Ended {
                    job,
                    due_ms,
                    report,
                },
                REPORTING,
            );
            if told.await.is_err() {
                tracing::warn!("the scheduler did not hear how a job ended; it will look again");
            }
        };
        ctx.task(Task::new("work").kind("work"), working, |()| {
            RunMail::Reported
        });
        Ok(())
    }

    fn handle(&mut self, mail: RunMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            RunMail::Reported => ctx.stop(),
        }
        Ok(())
    }
}

async fn perform(services: &Services, job: &Job, due_ms: i64) -> Report {
    let began = now_ms();
    let mut report = match attempt(services, job, due_ms).await {
        Ok(report) => report,
        Err(error) => Report {
            status: "error",
            error: Some(error),
            ..Report::default()
        },
    };
    report.duration_ms = (now_ms() - began).max(0);
    report
}

async fn attempt(services: &Services, job: &Job, due_ms: i64) -> Result<Report, String> {
    let config = services.configuration();
    let agent = match &job.agent_id {
        Some(agent) => AgentId::parse(agent).map_err(|error| error.to_string())?,
        None => config.agents.default_id(),
    };
    if config.agents.resolve(&agent).is_none() {
        return Err(format!("unknown agent id \"{agent}\""));
    }
    let main = SessionKey::main(&agent);
    let (session, text, thinking, limit) = match job.work()? {
        Work::Event(text) => (
            main.clone(),
            crate::method::wake::line(&text, due_ms),
            None,
            LONGEST,
        ),
        Work::Turn {
            message,
            model,
            thinking,
            timeout_seconds,
        } => {
            let key = format!("agent:{agent}:cron:{}:run:{due_ms}", job.id);
            let session = SessionKey::parse(&key).map_err(|error| error.to_string())?;
            let mut fields = Map::new();
            let label = format!("Cron: {} {due_ms}", job.name);
            fields.insert("label".to_owned(), json!(label));
            if let Some(model) = model {
                fields.insert("model".to_owned(), json!(model));
            }
            let patched = services.sessions.patch(&session, &fields).await;
            patched.map_err(|error| error.to_string())?;
            let text = format!("[cron:{} {}] {message}", job.id, job.name);
            let limit = timeout_seconds.map_or(LONGEST, Duration::from_secs);
            (session, text, thinking, limit)
        }
    };
    let reply = reply(services, job, &main).await;
    let run_id = RunId::from(format!("cron:{}:{due_ms}", job.id).as_str());
    let now = now_ms();
    services.hub.expect_run(&run_id, &session, 0, now);
    let mut view = services.hub.watch_run(&run_id, now);
    let row = NewInbound {
        session: session.clone(),
        source: "cron".to_owned(),
        source_id: format!("{}/{due_ms}", job.id),
        run_id: run_id.clone(),
        body: Inbound {
            text,
            timestamp_ms: now,
            thinking,
            deliver: reply.is_some(),
            // Who may make a job holds every right.
            scopes: Scopes::all(),
            ..Inbound::default()
        },
        reply,
        received_at_ms: now,
        traceparent: None,
    };
    let stored = services.intake.accept(row, None).await;
    stored.map_err(|error| format!("not stored: {error}"))?;
    if is_over(services, &session, &run_id) && view.borrow().end.is_none() {
        // It ended in an earlier process, between its answer and the report.
        return Ok(Report {
            status: "ok",
            session: Some(session.to_string()),
            ..Report::default()
        });
    }
    let ended = view.wait_for(|view| view.end.is_some());
    let is_late = tokio::time::timeout(limit, ended).await.is_err();
    if is_late {
        let aborting = services
            .intake
            .abort_because(&session, Some(run_id), "timeout");
        drop(aborting.await);
        let ended = view.wait_for(|view| view.end.is_some());
        drop(tokio::time::timeout(ENDING, ended).await);
    }
    let mut report = reported(&view.borrow(), &session);
    if is_late && report.status != "ok" {
        report.error = Some(format!("timed out after {} s", limit.as_secs()));
    }
    Ok(report)
}

/// Tells whether a run has no open row any more.
fn is_over(services: &Services, session: &SessionKey, run_id: &RunId) -> bool {
    let open = services.ledger.inbox(&InboxFilter {
        session: Some(session.clone()),
        open_only: true,
        ..InboxFilter::default()
    });
    !open.iter().any(|row| row.run_id == *run_id)
}

fn reported(view: &RunView, session: &SessionKey) -> Report {
    let (status, error, summary) = match view.end.as_deref() {
        Some(RunEnd::Answered { text, .. }) => ("ok", None, text.clone()),
        Some(RunEnd::Failed { message }) => ("error", Some(message.clone()), None),
        Some(RunEnd::Aborted { reason, partial }) => (
            "error",
            Some(format!("ended by: {reason}")),
            partial.clone(),
        ),
        None => ("error", Some("it did not end".to_owned()), None),
    };
    Report {
        status,
        error,
        summary,
        session: Some(session.to_string()),
        session_id: view.session_id.as_deref().map(str::to_owned),
        duration_ms: 0,
    }
}

/// Where the answer goes: as the job says, else where the main session last spoke. An event is part of the
/// main session's own conversation.
async fn reply(services: &Services, job: &Job, main: &SessionKey) -> Option<Route> {
    let (channel, to) = match job.announces() {
        Some(named) => named,
        None if job.session_target == "main" => (None, None),
        None => return None,
    };
    let entry = services.sessions.entry(main).await.ok().flatten();
    let last = entry
        .as_ref()
        .and_then(|entry| entry.get("deliveryContext"));
    let last = |name: &str| last.and_then(|last| last.get(name)).and_then(Value::as_str);
    let is_other_channel = channel.is_some_and(|channel| last("channel") != Some(channel));
    let channel = channel.or_else(|| last("channel"))?;
    let of_last = |name: &str| last(name).filter(|_| !is_other_channel);
    let to = to.or_else(|| of_last("to"))?;
    let account = of_last("accountId").unwrap_or(AccountKey::DEFAULT);
    let account = AccountKey::new(channel, account);
    services.accounts.get(&account)?;
    let prefix = format!("{}:", account.channel);
    Some(Route {
        channel: account.channel.to_string(),
        account: account.account.to_string(),
        to: to.strip_prefix(&prefix).unwrap_or(to).to_owned(),
        thread: of_last("threadId").map(str::to_owned),
        reply_to: None,
    })
}
