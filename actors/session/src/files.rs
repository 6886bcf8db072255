//! The files of one agent's sessions: `sessions.json` and the transcripts, as projections of rows.
//!
//! Owns: the files in `agents/<agent>/sessions`; nobody else writes there.
//! Started by: the supervisor `sessions/files`, or at the first change of an agent's session.
//! Crashes: when the projection panics; a restart compares all files with their rows.
//! Survives: the rows. A torn or missing file is completed from them, a damaged one kept aside.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::SessionKey;
use openclaw_protocol::config::Config;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Strategy;
use openclaw_runtime::Task;
use tokio::time::Instant;

use crate::deps::Deps;

mod heal;
pub(crate) mod import;
pub(crate) mod jsonl;
pub(crate) mod project;
pub(crate) mod store;

use self::jsonl::Care;
use self::project::Job;
use self::project::Known;
use self::project::Written;

/// Changes are gathered for so long: a burst of turns becomes one write of `sessions.json`.
const GATHER: Duration = Duration::from_millis(250);
/// After a write it rests so many times as long as the write took: the more sessions there are, the longer it takes, and
/// the disk and the processors are for the turns.
const RESTS: u32 = 5;
/// The longest such rest.
const LONGEST: Duration = Duration::from_secs(5);
/// A write that failed (disk full, permissions) is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// Long files are read to the end one by one, with so much rest before each.
const REST: Duration = Duration::from_secs(2);
/// How long an archive may take.
const ARCHIVE: Duration = Duration::from_secs(10);

/// Mail of an owner of files.
pub(crate) enum FilesMail {
    /// A session's rows changed.
    Touched(SessionKey),
    /// Move a session's transcript aside.
    Archive {
        key: SessionKey,
        session_id: String,
        reply: Reply<Vec<String>>,
    },
    /// Write what is known to be missing, now, and say when it is done.
    Settle(Reply<()>),
    Flush,
    /// Read one long file to its end.
    Check,
    Written(Box<Written>),
}

impl Mail for FilesMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Touched(_) => "touched",
            Self::Archive { .. } => "archive",
            Self::Settle(_) => "settle",
            Self::Flush => "flush",
            Self::Check => "check",
            Self::Written(_) => "written",
        }
    }

    fn nudge_key(&self) -> u64 {
        match self {
            Self::Touched(key) => {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                hasher.finish()
            }
            _ => 0,
        }
    }
}

/// What an owner is made from.
#[derive(Clone)]
pub(crate) struct FilesArgs {
    deps: Arc<Deps>,
    agent: Arc<str>,
}

/// The owner of one agent's session files.
pub(crate) struct Files {
    args: FilesArgs,
    dirty: BTreeSet<SessionKey>,
    /// All sessions are compared with their files, not only the dirty ones.
    all: bool,
    archive: Vec<(SessionKey, String, Reply<Vec<String>>)>,
    settle: Vec<Reply<()>>,
    /// Long files of which only the end was looked at.
    unread: BTreeSet<SessionKey>,
    known: Known,
    is_writing: bool,
    is_planned: bool,
    /// When the last write began.
    began: Instant,
}

impl Files {
    fn plan(&mut self, after: Duration, ctx: &mut Context<Self>) {
        if !self.is_planned && !self.is_writing {
            self.is_planned = true;
            ctx.after(after, FilesMail::Flush);
        }
    }

    fn has_work(&self) -> bool {
        self.all || !self.dirty.is_empty() || !self.archive.is_empty()
    }

    fn flush(&mut self, ctx: &mut Context<Self>) {
        if self.is_writing {
            return;
        }
        if !self.has_work() {
            self.settled();
            return;
        }
        let job = self.job();
        self.write(job, ctx);
    }

    fn write(&mut self, job: Job, ctx: &mut Context<Self>) {
        self.is_writing = true;
        self.began = Instant::now();
        let deps = self.args.deps.clone();
        ctx.task(
            Task::new("write").kind("write"),
            project::run(deps, job),
            |written| FilesMail::Written(Box::new(written)),
        );
    }

    fn job(&mut self) -> Job {
        Job {
            agent: self.args.agent.clone(),
            dir: self.args.deps.folders.sessions(&self.args.agent),
            keys: std::mem::take(&mut self.dirty),
            all: std::mem::take(&mut self.all),
            care: Care::Usual,
            archive: std::mem::take(&mut self.archive),
            known: std::mem::take(&mut self.known),
        }
    }

    /// Reads a long file when nothing else is to be done.
    fn check(&mut self, ctx: &mut Context<Self>) {
        if self.is_writing || self.is_planned || self.has_work() {
            return; // the end of that work plans the next look
        }
        if let Some(key) = self.unread.pop_first() {
            let job = Job {
                keys: BTreeSet::from([key]),
                care: Care::Thorough,
                ..self.job()
            };
            self.write(job, ctx);
        }
    }

    fn on_written(&mut self, written: Written, ctx: &mut Context<Self>) {
        self.is_writing = false;
        self.known = written.known;
        self.unread.extend(written.trusted);
        if let Some(error) = written.error {
            tracing::warn!(
                agent = %self.args.agent, error,
                "session files could not be written; the ledger has everything, the files follow \
                 when the disk takes them (`df -h`, `ls -ld`)"
            );
            ctx.health(Health::Degraded);
            ctx.note(format!("files wait: {error}"));
            self.dirty.extend(written.left);
            self.settled();
            self.plan(AGAIN, ctx);
            return;
        }
        ctx.health(Health::Ok);
        ctx.note("in step");
        if self.has_work() {
            let pause = if self.settle.is_empty() && self.archive.is_empty() {
                (self.began.elapsed() * RESTS).clamp(GATHER, LONGEST)
            } else {
                Duration::ZERO
            };
            self.plan(pause, ctx);
        } else {
            self.settled();
            if !self.unread.is_empty() {
                ctx.after(REST, FilesMail::Check);
            }
        }
    }

    fn settled(&mut self) {
        for reply in self.settle.drain(..) {
            reply.send(());
        }
    }
}

impl Actor for Files {
    const KIND: &'static str = "session.files";
    type Mail = FilesMail;
    type Args = FilesArgs;

    fn init(args: FilesArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            args,
            dirty: BTreeSet::new(),
            all: true,
            archive: Vec::new(),
            settle: Vec::new(),
            unread: BTreeSet::new(),
            known: Known::default(),
            is_writing: false,
            is_planned: false,
            began: Instant::now(),
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.plan(GATHER, ctx);
        Ok(())
    }

    fn handle(&mut self, mail: FilesMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            FilesMail::Touched(key) => {
                self.dirty.insert(key);
                self.plan(GATHER, ctx);
            }
            FilesMail::Archive {
                key,
                session_id,
                reply,
            } => {
                self.archive.push((key, session_id, reply));
                self.flush(ctx);
            }
            FilesMail::Settle(reply) => {
                self.settle.push(reply);
                self.flush(ctx);
            }
            FilesMail::Flush => {
                self.is_planned = false;
                self.flush(ctx);
            }
            FilesMail::Check => self.check(ctx),
            FilesMail::Written(written) => self.on_written(*written, ctx),
        }
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        if !self.has_work() {
            return None;
        }
        // What is not written now is written at the next start; this only saves that work.
        let (deps, job) = (self.args.deps.clone(), self.job());
        Some(Box::pin(async move {
            drop(project::run(deps, job).await);
        }))
    }
}

/// The supervisor of the owners, with one for each configured agent.
pub(crate) fn supervisor_spec(deps: &Arc<Deps>, config: &Config) -> ChildSpec {
    let children = config
        .agents
        .ids()
        .iter()
        .map(|agent| spec(deps.clone(), agent.as_str()))
        .collect();
    ChildSpec::supervisor("files", Strategy::OneForOne, children)
        .shutdown(Shutdown::Within(Duration::from_secs(5)))
}

/// Says that a session's rows changed.
pub(crate) fn touch(deps: &Arc<Deps>, key: &SessionKey) {
    if !address(deps, key.agent_str()).nudge(FilesMail::Touched(key.clone())) {
        // An owner that starts compares all of its sessions.
        start(deps, key.agent_str());
    }
}

/// Moves a session's transcript aside; returns where it went.
pub(crate) async fn archive(deps: &Arc<Deps>, key: &SessionKey, session_id: &str) -> Vec<String> {
    start(deps, key.agent_str());
    let question = |reply| FilesMail::Archive {
        key: key.clone(),
        session_id: session_id.to_owned(),
        reply,
    };
    let asked = address(deps, key.agent_str()).ask(ARCHIVE, question).await;
    asked.unwrap_or_else(|error| {
        tracing::warn!(session = %key, %error, "the transcript was not archived");
        Vec::new()
    })
}

/// Waits until the files of an agent agree with the rows of now.
pub(crate) async fn settle(deps: &Arc<Deps>, agent: &str, within: Duration) -> bool {
    address(deps, agent)
        .ask(within, FilesMail::Settle)
        .await
        .is_ok()
}

fn start(deps: &Arc<Deps>, agent: &str) {
    deps.directory
        .supervisor(&ActorPath::new("sessions/files"))
        .ensure(spec(deps.clone(), agent));
}

fn spec(deps: Arc<Deps>, agent: &str) -> ChildSpec {
    let args = FilesArgs {
        deps,
        agent: agent.into(),
    };
    ChildSpec::actor::<Files>(ChildId::new(agent), args)
        .park(Duration::from_secs(60))
        .shutdown(Shutdown::Within(Duration::from_secs(3)))
        .max_handle(Duration::from_secs(2))
}

fn address(deps: &Deps, agent: &str) -> Address<FilesMail> {
    let path = ActorPath::new(format!("sessions/files/{agent}"));
    deps.directory.address(&path)
}
