//! One run of a program: what it is, what it said, and how it ended.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::child::ChildError;
use openclaw_runtime::child::Face;
use openclaw_runtime::child::FeedError;
use openclaw_runtime::child::Job;
use openclaw_runtime::child::Live;
use tokio::sync::watch;

use super::Launch;
use super::output::Output;
use super::secrets::Secrets;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code; 128 and the number of a signal.
    Exited(i32),
    /// It took longer than it may.
    Late,
    /// Somebody ended it: its turn, a call of `process`, the gateway.
    Ended,
    /// How is not known.
    Unknown,
}

/// What a run belongs to, and what it may take.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) agent: AgentId,
    pub(super) session: SessionKey,
    /// As the model wrote it.
    pub(super) command: String,
    pub(super) deadline: Duration,
    /// How long its end is remembered.
    pub(super) kept: Duration,
    /// Whether the session is told of its end.
    pub(super) notify: bool,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    pub(super) facts: Facts,
    started: Instant,
    live: OnceLock<Live>,
    /// What it was given and nobody reads.
    secrets: Secrets,
    state: Mutex<State>,
    end: watch::Sender<Option<End>>,
}

#[derive(Debug, Default)]
struct State {
    output: Output,
    /// Why it is being ended.
    why: Option<End>,
    ended: Option<Instant>,
    is_background: bool,
    /// Somebody has read of its end.
    is_known: bool,
}

impl Run {
    /// Starts the program. Takes a few milliseconds.
    pub(super) fn start(
        facts: Facts,
        launch: &Launch,
        fed: bool,
        secrets: Secrets,
    ) -> Result<Arc<Self>, ChildError> {
        let (program, arguments) = launch
            .argv
            .split_first()
            .ok_or_else(|| ChildError::Start(std::io::ErrorKind::InvalidInput.into()))?;
        let job = Job::new(program, arguments)
            .environment(&launch.env)
            .folder(&launch.cwd);
        let run = Arc::new(Self {
            facts,
            started: Instant::now(),
            live: OnceLock::new(),
            secrets,
            state: Mutex::default(),
            end: watch::Sender::new(None),
        });
        let face = match (launch.pty, fed) {
            (true, _) => Face::Terminal,
            (false, true) => Face::Fed,
            (false, false) => Face::Silent,
        };
        let (hearing, ending) = (Arc::clone(&run), Arc::clone(&run));
        let live = job.start_live(
            face,
            move |bytes| hearing.lock().output.hear(bytes),
            move |code| ending.on_ended(code.ok()),
        )?;
        drop(run.live.set(live));
        // Who ended it before it was known how to.
        if run.lock().why.is_some() {
            run.cut();
        }
        Ok(run)
    }

    fn on_ended(&self, code: Option<i32>) {
        let mut state = self.lock();
        let end = state.why.or(code.map(End::Exited)).unwrap_or(End::Unknown);
        state.ended = Some(Instant::now());
        drop(state);
        self.end.send_replace(Some(end));
    }

    /// Ends it, with all that is below it; the first reason counts.
    pub(super) fn stop(&self, why: End) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.why.get_or_insert(why);
        }
        drop(state);
        self.cut();
    }

    fn cut(&self) {
        if let Some(live) = self.live.get() {
            live.cut();
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        let known = end.wait_for(Option::is_some).await;
        known.ok().and_then(|end| *end).unwrap_or(End::Unknown)
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        *self.end.borrow()
    }

    pub(super) fn feed(&self, bytes: &[u8]) -> Result<(), FeedError> {
        self.live.get().ok_or(FeedError::Closed)?.feed(bytes)
    }

    pub(super) fn end_input(&self) {
        if let Some(live) = self.live.get() {
            live.end_input();
        }
    }

    /// What it said since this was last asked.
    pub(super) fn news(&self) -> String {
        let news = self.lock().output.news();
        self.secrets.hide(news)
    }

    /// All that is kept of what it said.
    pub(super) fn said(&self) -> String {
        let said = self.lock().output.all();
        self.secrets.hide(said)
    }

    /// How long it has run, or ran.
    pub(super) fn took(&self) -> Duration {
        let ended = self.lock().ended;
        ended
            .unwrap_or_else(Instant::now)
            .duration_since(self.started)
    }

    /// Whether its end is old enough to be forgotten.
    pub(super) fn is_stale(&self) -> bool {
        let state = self.lock();
        state
            .ended
            .is_some_and(|ended| ended.elapsed() >= self.facts.kept)
    }

    /// It goes on without its turn.
    pub(super) fn to_background(&self) {
        self.lock().is_background = true;
    }

    pub(super) fn is_background(&self) -> bool {
        self.lock().is_background
    }

    /// Its end was read, so nobody has to be told.
    pub(super) fn know(&self) {
        self.lock().is_known = true;
    }

    pub(super) fn is_known(&self) -> bool {
        self.lock().is_known
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// In words.
    pub(super) fn told(self, deadline: Duration) -> String {
        match self {
            Self::Exited(code) => match code {
                129..=192 => format!("exit code {code}, as after signal {}", code - 128),
                code => format!("exit code {code}"),
            },
            Self::Late => format!("ended after {} s, the time it may take", deadline.as_secs()),
            Self::Ended => "ended from outside".to_owned(),
            Self::Unknown => "ended; how is unknown".to_owned(),
        }
    }
}

/// Ends a run when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct StopOnDrop(pub(super) Option<Arc<Run>>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(run) = &self.0 {
            run.stop(End::Ended);
        }
    }
}
