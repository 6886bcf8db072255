//! The configuration in force.
//!
//! Owns: the configuration in force and the watch on its files. Started by: the root, as a
//! permanent child. Crashes when: never by a file's content, which is read in a task. Survives: the
//! last good configuration, as it stands in the watch channel that outlives the actor.

mod watch;

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::AuditEntry;
use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::ReloadMode;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::Takeup;
use openclaw_protocol::config::diff;
use openclaw_runtime::Actor;
use openclaw_runtime::ChildExit;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Task;
use openclaw_runtime::Timer;
use tokio::sync::watch::Sender;

use self::watch::FileWatch;
pub(crate) use self::watch::is_change;
use super::Environment;
use super::LoadedConfig;
use super::load;
use crate::paths::Paths;

#[cfg(test)]
mod tests;

/// A file system that doesn't answer must not hold the reading for ever.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// How often the files are looked at where they can't be watched: a person's patience.
const POLL: Duration = Duration::from_secs(30);

/// What the actor is told.
#[derive(Debug)]
pub enum ConfigMail {
    /// A watched file changed.
    Touched,
    /// The files were quiet for a while.
    Settled,
    /// The files were read.
    Read(Box<LoadedConfig>),
    /// Somebody wants the files read now, and to know what came of it.
    Reload(Reply<Reloaded>),
    /// A change was written down, or not.
    Noted(Result<u64, LedgerError>),
}

impl Mail for ConfigMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Touched => "touched",
            Self::Settled => "settled",
            Self::Read(_) => "read",
            Self::Reload(_) => "reload",
            Self::Noted(_) => "noted",
        }
    }
}

/// What came of a reload.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// Whether the content of the files is in force now.
    pub is_taken: bool,
    /// What changed, and what it needs.
    pub change: ConfigChange,
}

/// A change that was taken up.
#[derive(Debug, Clone)]
pub struct ConfigChange {
    /// The configuration now in force.
    pub loaded: Arc<LoadedConfig>,
    /// What differs.
    pub paths: Vec<Path>,
    /// The most that any of it needs.
    pub takeup: Takeup,
}

/// What the actor is made from.
#[derive(Clone)]
pub struct ConfigArgs {
    /// Where the files are.
    pub paths: Paths,
    /// The process's own variables.
    pub env: Environment,
    /// Holds the configuration in force; begins with what the process started with.
    pub current: Sender<Arc<LoadedConfig>>,
    /// Where is written down that something changed.
    pub ledger: Ledger,
    /// Called for each change, after it is in force; must not wait.
    pub on_change: Arc<dyn Fn(&ConfigChange) + Send + Sync>,
}

impl std::fmt::Debug for ConfigArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigArgs")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

/// The configuration in force.
pub struct ConfigActor {
    args: ConfigArgs,
    watch: Option<FileWatch>,
    settling: Option<Timer>,
    reading: Reading,
    waiting: Vec<Reply<Reloaded>>,
}

/// Whether the files are being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    No,
    Yes,
    /// And they changed meanwhile.
    Again,
}

impl std::fmt::Debug for ConfigActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigActor")
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}

/// What to do with files that were read.
#[derive(Debug)]
enum Verdict {
    /// They say what is in force.
    Same,
    /// They are taken up.
    Take,
    /// They are worse than what is in force, which stays.
    Keep(Vec<Issue>),
}

/// Decides about files that were read. Mistakes that were there before are no reason to refuse
/// what was mended beside them.
fn judge(now: &LoadedConfig, new: &LoadedConfig) -> Verdict {
    let is_known = |issue: &Issue| {
        let mut known = now.issues.iter();
        !now.is_last_good && known.any(|old| old.path == issue.path && old.message == issue.message)
    };
    let worse: Vec<Issue> = new
        .issues
        .iter()
        .filter(|issue| issue.severity == Severity::Error && !is_known(issue))
        .cloned()
        .collect();
    let had_content = now.is_last_good || (now.exists && !now.is_blank());
    // An editor that writes in place leaves an empty file for a moment, or for good when the disk is full.
    let loss = match new {
        new if !new.exists => Some("the file is gone; what was in force stays"),
        new if new.is_blank() => Some("the file is empty; what was in force stays"),
        _ => None,
    };
    if let Some(message) = loss.filter(|_| had_content) {
        return Verdict::Keep(vec![Issue::new(Severity::Error, "", message)]);
    }
    if !worse.is_empty() {
        return Verdict::Keep(worse);
    }
    let is_same = new.config.tree == now.config.tree
        && new.environment == now.environment
        && new.hash == now.hash
        && !now.is_last_good;
    if is_same {
        Verdict::Same
    } else {
        Verdict::Take
    }
}

impl ConfigActor {
    fn now(&self) -> Arc<LoadedConfig> {
        self.args.current.borrow().clone()
    }

    fn is_watching(&self) -> bool {
        self.now().config.gateway.reload.mode != ReloadMode::Off
    }

    /// Reads the files in a task; once more if they change meanwhile.
    fn read(&mut self, ctx: &mut Context<Self>) {
        if self.reading != Reading::No {
            self.reading = Reading::Again;
            return;
        }
        self.reading = Reading::Yes;
        let (args, before) = (self.args.clone(), self.now());
        let read = async move {
            let job = move || load::reload(&args.paths, &args.env, &before);
            match tokio::task::spawn_blocking(job).await {
                Ok(loaded) => Box::new(loaded),
                // The panic goes on in the task, whose parent learns of it.
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => std::future::pending().await,
                },
            }
        };
        let task = Task::new("read")
            .kind("config.read")
            .deadline(READ_DEADLINE);
        drop(ctx.task(task, read, ConfigMail::Read));
    }

    /// Puts what was read in force, or says why not.
    fn on_read(&mut self, new: LoadedConfig) -> Reloaded {
        let now = self.now();
        match judge(&now, &new) {
            Verdict::Same => self.outcome(true, now, Vec::new()),
            Verdict::Take => {
                let paths = diff::changed_paths(now.config.tree.value(), new.config.tree.value());
                let loaded = Arc::new(new);
                self.args.current.send_replace(loaded.clone());
                let outcome = self.outcome(true, loaded, paths);
                let changed: Vec<String> = outcome
                    .change
                    .paths
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                tracing::info!(?changed, needs = ?outcome.change.takeup, "configuration taken up");
                (self.args.on_change)(&outcome.change);
                outcome
            }
            Verdict::Keep(worse) => {
                for issue in &worse {
                    tracing::error!(path = issue.path, "configuration not taken up: {issue}");
                }
                // The text and its mistakes are shown; what works goes on working.
                let mut kept = new;
                kept.issues.retain(|issue| !worse.contains(issue));
                kept.issues.splice(0..0, worse);
                kept.config = now.config.clone();
                kept.environment = now.environment.clone();
                kept.is_last_good = true;
                let kept = Arc::new(kept);
                self.args.current.send_replace(kept.clone());
                self.outcome(false, kept, Vec::new())
            }
        }
    }

    /// Writes down which places changed, never what stands there.
    fn write_down(&self, change: &ConfigChange, ctx: &mut Context<Self>) {
        let places: Vec<String> = change.paths.iter().map(ToString::to_string).collect();
        let entry = AuditEntry {
            kind: "config".to_owned(),
            what: places.join(", "),
            actor: "configuration files".to_owned(),
            arguments: Some(change.loaded.hash.clone()),
            outcome: Some("taken up".to_owned()),
            ..AuditEntry::default()
        };
        let ledger = self.args.ledger.clone();
        let note = async move { ledger.audit(entry).await };
        drop(ctx.task(Task::new("note"), note, ConfigMail::Noted));
    }

    fn outcome(&self, is_taken: bool, loaded: Arc<LoadedConfig>, paths: Vec<Path>) -> Reloaded {
        let takeup = paths.iter().map(diff::takeup).max().unwrap_or(Takeup::None);
        Reloaded {
            is_taken,
            change: ConfigChange {
                loaded,
                paths,
                takeup,
            },
        }
    }

    /// Watches what the configuration in force was read from.
    fn watch(&mut self, ctx: &mut Context<Self>) {
        if !self.is_watching() {
            self.watch = None;
            if let Some(settling) = self.settling.take() {
                settling.cancel();
            }
            return;
        }
        let files = watch::files(&self.args.paths, &self.now());
        if self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.covers(&files))
        {
            return;
        }
        let address = ctx.address();
        match FileWatch::start(files, move || {
            address.nudge(ConfigMail::Touched);
        }) {
            Ok(watch) => {
                // A folder that isn't there can't be watched: look for it now and then.
                if watch.is_partial() {
                    self.settling = Some(ctx.after(POLL, ConfigMail::Settled));
                }
                self.watch = Some(watch);
            }
            Err(error) => {
                tracing::warn!(%error, "the configuration can't be watched; looking at it every 30 s");
                self.watch = None;
                self.settling = Some(ctx.after(POLL, ConfigMail::Settled));
            }
        }
    }

    fn describe(&self, ctx: &Context<Self>) {
        let now = self.now();
        let errors = now
            .issues
            .iter()
            .filter(|issue| issue.severity == Severity::Error);
        let errors = errors.count();
        let hash = now.hash.get(..8).unwrap_or_default().to_owned();
        ctx.note(match (now.is_last_good, errors) {
            (true, _) => format!("last good in force, {hash} not taken up"),
            (false, 0) => format!("{hash} in force"),
            (false, errors) => format!("{hash} in force, {errors} parts disabled"),
        });
        ctx.health(if errors == 0 {
            Health::Ok
        } else {
            Health::Degraded
        });
    }
}

impl Actor for ConfigActor {
    const KIND: &'static str = "config";
    type Mail = ConfigMail;
    type Args = ConfigArgs;

    fn init(args: ConfigArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            args,
            watch: None,
            settling: None,
            reading: Reading::No,
            waiting: Vec::new(),
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.watch(ctx);
        self.describe(ctx);
        // What changed before the watch began.
        if self.is_watching() {
            self.read(ctx);
        }
        Ok(())
    }

    fn handle(&mut self, mail: ConfigMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            ConfigMail::Touched => {
                let quiet = self.now().config.gateway.reload.debounce_ms;
                let timer = ctx.after(Duration::from_millis(quiet), ConfigMail::Settled);
                if let Some(earlier) = self.settling.replace(timer) {
                    earlier.cancel();
                }
            }
            ConfigMail::Settled => {
                self.settling = None;
                self.read(ctx);
            }
            ConfigMail::Reload(reply) => {
                self.waiting.push(reply);
                self.read(ctx);
            }
            ConfigMail::Noted(Ok(_)) => {}
            ConfigMail::Noted(Err(error)) => {
                tracing::warn!(%error, "a change of the configuration is not in the audit chain");
            }
            ConfigMail::Read(loaded) => {
                let outcome = self.on_read(*loaded);
                if outcome.is_taken && !outcome.change.paths.is_empty() {
                    self.write_down(&outcome.change, ctx);
                }
                let is_again = self.reading == Reading::Again;
                self.reading = Reading::No;
                if is_again {
                    self.read(ctx);
                } else {
                    for reply in self.waiting.drain(..) {
                        reply.send(outcome.clone());
                    }
                }
                self.watch(ctx);
                self.describe(ctx);
            }
        }
        Ok(())
    }

    /// A file that can't even be read to its end must not take down what runs.
    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        tracing::error!(exit = ?exit.exit, "the configuration was not read; what was in force stays");
        self.reading = Reading::No;
        // Who waits is told by the end of its reply.
        self.waiting.clear();
        ctx.note("the last reading failed; what was in force stays");
        ctx.health(Health::Degraded);
        Ok(())
    }
}
