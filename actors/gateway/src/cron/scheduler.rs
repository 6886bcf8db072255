//! The scheduler: the one owner of the jobs and their file.
//!
//! Owns: the jobs, their states, the timer of the next one. Started by: the root. Crashes when: a
//! handler panics. Survives: the file, and the rows of occurrences at work, which are found again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use openclaw_protocol::Config;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Restart;
use openclaw_runtime::Task;
use openclaw_runtime::Timer;
use serde_json::Value;
use serde_json::json;

use super::board::Shown;
use super::job::Job;
use super::run::CronRun;
use super::run::Report;
use super::run::RunArgs;
use super::runs;
use super::schedule::Schedule;
use super::store;
use super::store::Stamp;
use super::store::Stored;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::services::Services;
use crate::services::now_ms;

mod change;
mod due;

/// The longest sleep: the file may be changed by hand, and the clock by the system.
const LOOK: Duration = Duration::from_secs(30);

/// What a client wants of the jobs.
#[derive(Debug)]
pub enum Change {
    /// A new job.
    Add(Value),
    /// Other values for some fields.
    Update {
        /// Which job.
        id: String,
        /// The fields.
        patch: Value,
    },
    /// Takes a job away.
    Remove {
        /// Which job.
        id: String,
    },
    /// Runs a job now; answered when it is done.
    Run {
        /// Which job.
        id: String,
        /// Only if it is due.
        only_due: bool,
    },
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It could not be done now.
    #[error("{0}")]
    Unavailable(String),
}

pub(super) type Changed = Result<Value, CronError>;

/// Mail of the scheduler.
#[derive(Debug)]
pub enum CronMail {
    /// Something may be due, and the file may have changed.
    Due,
    /// The file was read; nothing when it is as it was.
    Read(Option<Result<StoredJobs, String>>),
    /// A client wants a change.
    Change(Change, Reply<Changed>),
    /// The file was written.
    Saved(Result<StoredStamp, String>),
    /// An occurrence ended.
    Ended {
        /// Which job.
        job: String,
        /// Which occurrence.
        due_ms: i64,
        /// How.
        report: Box<Report>,
    },
    /// A run was noted.
    Noted(Result<(), String>),
}

/// The file's content, for mail only.
#[derive(Debug)]
pub struct StoredJobs(Stored);
/// The file's stamp, for mail only.
#[derive(Debug)]
pub struct StoredStamp(Stamp);

impl Mail for CronMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Read(_) => "read",
            Self::Change(..) => "change",
            Self::Saved(_) => "saved",
            Self::Ended { .. } => "ended",
            Self::Noted(_) => "noted",
        }
    }
}

/// An occurrence at work.
struct Running {
    due_ms: i64,
    child: ChildId,
    waiting: Vec<Reply<Changed>>,
}

/// The scheduler.
pub struct Scheduler {
    services: Arc<Services>,
    jobs: Vec<Job>,
    stamp: Stamp,
    is_loaded: bool,
    problem: Option<String>,
    running: BTreeMap<String, Running>,
    timer: Option<Timer>,
    is_reading: bool,
    is_saving: bool,
    /// Something changed since the write at work began.
    is_dirty: bool,
    /// Answers that wait for the write at work, and for the next.
    saving: Vec<(Reply<Changed>, Value)>,
    unsaved: Vec<(Reply<Changed>, Value)>,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler")
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

/// Where the scheduler stands in the tree.
pub fn path() -> ActorPath {
    ActorPath::from("cron")
}

impl Scheduler {
    /// The scheduler's place under the root.
    pub fn spec(services: Arc<Services>) -> ChildSpec {
        ChildSpec::actor::<Self>("cron", services)
            .intensity(5, Duration::from_secs(60))
            .backoff(
                Duration::from_millis(200),
                Duration::from_secs(30),
                Duration::from_secs(60),
            )
            .park(Duration::from_secs(60))
    }

    fn file(&self) -> PathBuf {
        store::store_path(&self.services.configuration(), &self.services.paths)
    }

    fn show(&self) {
        self.services.cron.show(Shown {
            is_enabled: is_enabled(&self.services),
            jobs: self.jobs.clone(),
            problem: self.problem.clone(),
        });
    }

    fn emit(&self, job: &str, action: &str, more: Value) {
        let mut payload = json!({ "jobId": job, "action": action });
        if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
            payload.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.services.hub.broadcast(&Broadcast {
            payload,
            is_stale_soon: true,
            ..Broadcast::to(Audience::Readers, "cron")
        });
    }

    fn job(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    // === the file ===

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.is_reading || self.is_saving {
            return;
        }
        self.is_reading = true;
        let (path, known) = (self.file(), self.is_loaded.then_some(self.stamp));
        let reading = async move {
            let read = move || match known {
                Some(known) if store::stamp(&path) == known => None,
                _ => Some(store::read(&path)),
            };
            let failed = |error| Some(Err(format!("reading was cut off: {error}")));
            tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(failed)
        };
        ctx.task(Task::new("read").kind("read"), reading, |read| {
            CronMail::Read(read.map(|read| read.map(StoredJobs)))
        });
    }

    fn on_read(&mut self, read: Option<Result<StoredJobs, String>>, ctx: &mut Context<Self>) {
        self.is_reading = false;
        match read {
            None => {}
            Some(Err(problem)) => {
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(%problem, "the jobs can't be read");
                }
                self.problem = Some(problem);
            }
            Some(Ok(StoredJobs(stored))) => {
                self.problem = None;
                self.take_up(stored);
            }
        }
        self.run_due(ctx);
    }

    /// The file wins, but what became of the jobs is known better here.
    fn take_up(&mut self, stored: Stored) {
        let known = std::mem::replace(&mut self.jobs, stored.jobs);
        self.stamp = stored.stamp;
        self.is_loaded = true;
        for job in &mut self.jobs {
            let known = known.iter().find(|known| known.id == job.id);
            if let Some(known) = known.filter(|known| known.schedule == job.schedule) {
                job.state = known.state.clone();
            }
        }
    }

    fn save(&mut self, ctx: &mut Context<Self>) {
        self.show();
        if self.is_saving {
            self.is_dirty = true;
            return;
        }
        self.is_saving = true;
        self.saving = std::mem::take(&mut self.unsaved);
        let (path, jobs) = (self.file(), self.jobs.clone());
        let writing = async move {
            let write = move || store::write(&path, &jobs).map_err(|error| error.to_string());
            let failed = |error| Err(format!("writing was cut off: {error}"));
            tokio::task::spawn_blocking(write)
                .await
                .unwrap_or_else(failed)
        };
        ctx.task(Task::new("write").kind("write"), writing, |written| {
            CronMail::Saved(written.map(StoredStamp))
        });
    }

    fn on_saved(&mut self, saved: Result<StoredStamp, String>, ctx: &mut Context<Self>) {
        self.is_saving = false;
        let waiting = std::mem::take(&mut self.saving);
        match saved {
            Ok(StoredStamp(stamp)) => {
                self.stamp = stamp;
                for (reply, answer) in waiting {
                    reply.send(Ok(answer));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the jobs can't be written");
                for (reply, _) in waiting {
                    reply.send(Err(CronError::Unavailable(format!("not written: {error}"))));
                }
            }
        }
        if std::mem::take(&mut self.is_dirty) {
            self.save(ctx);
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        let next = self.jobs.iter().filter(|job| job.enabled);
        let next = next.filter(|job| !self.running.contains_key(&job.id));
        let next = next.filter_map(|job| job.state.next_run_at_ms).min();
        let until = next.map_or(i64::MAX, |next| next.saturating_sub(now_ms()).max(0));
        let until = Duration::from_millis(u64::try_from(until).unwrap_or(0)).min(LOOK);
        // What is due but has no room waits for an end, not for the clock.
        let pause = until.max(Duration::from_millis(if until.is_zero() {
            1000
        } else {
            1
        }));
        self.timer = Some(ctx.after(pause, CronMail::Due));
    }
}

/// Whether jobs fire.
fn is_enabled(services: &Services) -> bool {
    let skip = services
        .loaded()
        .environment
        .get("OPENCLAW_SKIP_CRON")
        .map(str::to_owned);
    let is_skipped = skip.is_some_and(|skip| !skip.is_empty() && skip != "0");
    let configured = setting(&services.configuration(), "enabled").and_then(|on| on.as_bool());
    !is_skipped && configured.unwrap_or(true)
}

fn setting(config: &Config, name: &str) -> Option<Value> {
    config.tree.value().get("cron")?.get(name).cloned()
}

/// When a job is due next, counted from now.
fn next_of(job: &Job, after_ms: i64) -> Option<i64> {
    let next = Schedule::read(&job.schedule)
        .and_then(|schedule| schedule.next_after(after_ms, &TimeZone::system()));
    next.unwrap_or_else(|error| {
        tracing::warn!(job = %job.id, %error, "a job has no usable schedule");
        None
    })
}

impl Actor for Scheduler {
    const KIND: &'static str = "cron";
    type Mail = CronMail;
    type Args = Arc<Services>;

    fn init(services: Arc<Services>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            services,
            jobs: Vec::new(),
            stamp: Stamp::default(),
            is_loaded: false,
            problem: None,
            running: BTreeMap::new(),
            timer: None,
            is_reading: false,
            is_saving: false,
            is_dirty: false,
            saving: Vec::new(),
            unsaved: Vec::new(),
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.look(ctx);
        Ok(())
    }

    fn handle(&mut self, mail: CronMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            CronMail::Due => {
                self.look(ctx);
                self.run_due(ctx);
            }
            CronMail::Read(read) => self.on_read(read, ctx),
            CronMail::Change(change, reply) => self.on_change(change, reply, ctx),
            CronMail::Saved(saved) => self.on_saved(saved, ctx),
            CronMail::Ended {
                job,
                due_ms,
                report,
            } => self.on_ended(&job, due_ms, *report, ctx),
            CronMail::Noted(Ok(())) => {}
            CronMail::Noted(Err(error)) => tracing::warn!(%error, "a run could not be noted"),
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let of = |(_, running): &(&String, &Running)| running.child == exit.id;
        let Some((job, due_ms)) = self
            .running
            .iter()
            .find(of)
            .map(|(job, r)| (job.clone(), r.due_ms))
        else {
            // A task of the file: its flag would stay up for ever.
            return if exit.exit.is_clean() {
                Ok(())
            } else {
                Err(ExitError::child(exit))
            };
        };
        let report = Report {
            status: "error",
            error: Some(format!("the run ended: {}", exit.exit)),
            ..Report::default()
        };
        self.on_ended(&job, due_ms, report, ctx);
        Ok(())
    }
}

/// The spec of an occurrence.
fn occurrence(args: RunArgs) -> ChildSpec {
    let id = format!("{}/{}", args.job.id.replace('/', "%2f"), args.due_ms);
    ChildSpec::actor::<CronRun>(id, args).restart(Restart::Temporary)
}

fn note(ctx: &mut Context<Scheduler>, folder: PathBuf, job: String, entry: Value) {
    let noting = async move {
        let note = move || runs::append(&folder, &job, &entry).map_err(|error| error.to_string());
        let failed = |error| Err(format!("noting was cut off: {error}"));
        tokio::task::spawn_blocking(note)
            .await
            .unwrap_or_else(failed)
    };
    ctx.task(Task::new("note").kind("note"), noting, CronMail::Noted);
}
