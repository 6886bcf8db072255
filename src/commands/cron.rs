//! `cron`: jobs that run by the clock.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::ask;
use super::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

mod job;

use self::job::JobArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct CronArgs {
    #[command(subcommand)]
    command: CronCommand,
}

#[derive(Debug, Subcommand)]
enum CronCommand {
    /// Show whether jobs fire, and when the next one does.
    Status(PlainArgs),
    /// List the jobs that fire.
    List {
        /// Those that are switched off too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Make a job.
    #[command(alias = "create")]
    Add(Box<AddArgs>),
    /// Change a job; what is not named stays.
    Edit(Box<EditArgs>),
    /// Run a job now and wait for its end.
    Run {
        /// The job.
        id: String,
        /// The usual: run it whether it is due or not.
        #[arg(long, conflicts_with = "due")]
        force: bool,
        /// Only if it is due.
        #[arg(long)]
        due: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Show what became of a job's runs.
    Runs {
        /// The job.
        #[arg(long)]
        id: String,
        /// How many at most.
        #[arg(long, value_name = "n", default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Take a job away.
    #[command(aliases = ["remove", "delete"])]
    Rm(OneArgs),
    /// Let a job fire again.
    Enable(OneArgs),
    /// Keep a job, but don't let it fire.
    Disable(OneArgs),
}

#[derive(Debug, clap::Args)]
struct PlainArgs {
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The job.
    id: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Make it, but don't let it fire yet.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, clap::Args)]
struct EditArgs {
    /// The job.
    id: String,
    #[command(flatten)]
    job: JobArgs,
    /// Let it fire.
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Don't let it fire.
    #[arg(long)]
    disable: bool,
    /// Give it back to the default agent.
    #[arg(long, conflicts_with = "agent")]
    clear_agent: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &CronArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        CronCommand::Status(args) => {
            let status = ask("cron.status", json!({}), &args.remote, shell).await?;
            shell.terminal.show(&status, |terminal| {
                summary(&status, render::now_ms(), terminal)
            })?;
        }
        CronCommand::List { all, remote } => {
            let params = json!({ "includeDisabled": all });
            let listed = ask("cron.list", params, remote, shell).await?;
            shell.terminal.show(&listed, |terminal| {
                jobs(&listed, render::now_ms(), terminal)
            })?;
        }
        CronCommand::Add(args) => {
            let mut job = args.job.new_job()?;
            if let (true, Value::Object(job)) = (args.disabled, &mut job) {
                job.insert("enabled".to_owned(), json!(false));
            }
            let job = ask("cron.add", job, &args.remote, shell).await?;
            done(&job, "added", shell)?;
        }
        CronCommand::Edit(args) => {
            let mut patch = args.job.patch()?;
            if args.enable || args.disable {
                patch.insert("enabled".to_owned(), json!(args.enable));
            }
            if args.clear_agent {
                patch.insert("agentId".to_owned(), Value::Null);
            }
            let params = json!({ "id": args.id, "patch": patch });
            let job = ask("cron.update", params, &args.remote, shell).await?;
            done(&job, "changed", shell)?;
        }
        CronCommand::Run {
            id, due, remote, ..
        } => {
            let mode = if *due { "due" } else { "force" };
            let ran = ask("cron.run", json!({ "id": id, "mode": mode }), remote, shell).await?;
            shell.terminal.show(&ran, |terminal| {
                match ran.get("ran").and_then(Value::as_bool) {
                    Some(true) => terminal.paint(Tone::Good, "ran"),
                    _ => format!("did not run: {}", string(&ran, "reason")),
                }
            })?;
        }
        CronCommand::Runs { id, limit, remote } => {
            let params = json!({ "id": id, "limit": limit });
            let listed = ask("cron.runs", params, remote, shell).await?;
            shell.terminal.show(&listed, |terminal| {
                runs(&listed, render::now_ms(), terminal)
            })?;
        }
        CronCommand::Rm(args) => {
            let removed = ask("cron.remove", json!({ "id": args.id }), &args.remote, shell).await?;
            shell
                .terminal
                .show(&removed, |_| match removed.get("removed") {
                    Some(Value::Bool(true)) => "removed".to_owned(),
                    _ => format!("there is no job {}", args.id),
                })?;
        }
        CronCommand::Enable(args) => switch(args, true, shell).await?,
        CronCommand::Disable(args) => switch(args, false, shell).await?,
    }
    Ok(())
}

async fn switch(args: &OneArgs, enabled: bool, shell: &Shell) -> CommandResult {
    let params = json!({ "id": args.id, "patch": { "enabled": enabled } });
    let job = ask("cron.update", params, &args.remote, shell).await?;
    done(&job, if enabled { "enabled" } else { "disabled" }, shell)
}

fn done(job: &Value, what: &str, shell: &Shell) -> CommandResult {
    shell.terminal.show(job, |terminal| {
        let name = terminal.paint(Tone::Strong, &string(job, "name"));
        format!("{name} {what} ({})", string(job, "id"))
    })?;
    Ok(())
}

fn summary(status: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let enabled = status
        .get("enabled")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let state = match enabled {
        true => terminal.paint(Tone::Good, "on"),
        false => terminal.paint(Tone::Warn, "off"),
    };
    let next = status.get("nextWakeAtMs").and_then(Value::as_i64);
    format!(
        "Jobs: {state}, {} in {}\nNext: {}",
        status.get("jobs").and_then(Value::as_u64).unwrap_or(0),
        string(status, "storePath"),
        next.map_or_else(|| "none".to_owned(), |next| until(next, now_ms)),
    )
}

fn until(at_ms: i64, now_ms: i64) -> String {
    match u64::try_from(at_ms - now_ms) {
        Ok(ms) => format!("in {}", render::duration(ms)),
        Err(_) => "due".to_owned(),
    }
}

fn jobs(listed: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let rows = listed.get("jobs").and_then(Value::as_array);
    let mut table = Table::new(&["ID", "NAME", "SCHEDULE", "NEXT", "LAST", "STATUS", "AGENT"]);
    let mut count = 0;
    for job in rows.into_iter().flatten() {
        count += 1;
        let state = job.get("state").unwrap_or(&Value::Null);
        let at = |name: &str| state.get(name).and_then(Value::as_i64);
        let (tone, status) = match (job.get("enabled"), string(state, "lastStatus").as_str()) {
            (Some(Value::Bool(false)), _) => (Tone::Muted, "disabled".to_owned()),
            (_, "ok") => (Tone::Good, "ok".to_owned()),
            (_, "") => (Tone::Plain, "idle".to_owned()),
            (_, other) => (Tone::Bad, other.to_owned()),
        };
        table.row(vec![
            (Tone::Muted, string(job, "id")),
            (Tone::Strong, string(job, "name")),
            (
                Tone::Plain,
                schedule(job.get("schedule").unwrap_or(&Value::Null)),
            ),
            (
                Tone::Plain,
                at("nextRunAtMs").map_or_else(|| "-".to_owned(), |at| until(at, now_ms)),
            ),
            (
                Tone::Plain,
                at("lastRunAtMs").map_or_else(|| "-".to_owned(), |at| render::ago(at, now_ms)),
            ),
            (tone, status),
            (Tone::Plain, string(job, "agentId")),
        ]);
    }
    match count {
        0 => "No jobs. Make one: openclaw cron add --name tea --every 1h --system-event \"tea?\""
            .to_owned(),
        _ => table.render(terminal),
    }
}

fn schedule(schedule: &Value) -> String {
    match string(schedule, "kind").as_str() {
        "at" => format!("at {}", string(schedule, "at")),
        "every" => {
            let every = schedule.get("everyMs").and_then(Value::as_u64).unwrap_or(0);
            format!("every {}", render::duration(every))
        }
        _ => {
            let (expr, zone) = (string(schedule, "expr"), string(schedule, "tz"));
            format!("{expr} {zone}").trim().to_owned()
        }
    }
}

fn runs(listed: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let rows = listed.get("entries").and_then(Value::as_array);
    let mut table = Table::new(&["WHEN", "STATUS", "TOOK", "ANSWER"]);
    let mut count = 0;
    for run in rows.into_iter().flatten() {
        count += 1;
        let tone = if string(run, "status") == "ok" {
            Tone::Good
        } else {
            Tone::Bad
        };
        let at = run.get("runAtMs").and_then(Value::as_i64);
        let took = run.get("durationMs").and_then(Value::as_u64).unwrap_or(0);
        let said = [string(run, "error"), string(run, "summary")].concat();
        table.row(vec![
            (
                Tone::Plain,
                at.map_or_else(|| "-".to_owned(), |at| render::ago(at, now_ms)),
            ),
            (tone, string(run, "status")),
            (Tone::Plain, render::duration(took)),
            (Tone::Muted, render::clean(&said)),
        ]);
    }
    match count {
        0 => "It has not run yet.".to_owned(),
        _ => table.render(terminal),
    }
}
