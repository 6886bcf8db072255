//! What is known of runs: the ones at work and those that ended lately. Pure; time is passed in.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use openclaw_protocol::Content;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_session::SessionEvent;
use openclaw_session::What;
use openclaw_session::event::Phase;
use tokio::sync::watch;

/// How long an ended run can be asked about.
pub(super) const KEPT_MS: i64 = 10 * 60 * 1000;

/// Runs kept at most; the oldest ended ones go first.
const RUNS: usize = 2_000;

/// An end of so many bytes is long.
const LONG: usize = 64 * 1024;

/// The bytes of long ends that are kept: whoever asks later reads the history.
const LONG_BYTES: usize = 16 * 1024 * 1024;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// It answered.
    Answered {
        /// The answer's text; `None` for a silent answer.
        text: Option<String>,
        /// Calls that are the client's to make.
        calls: Vec<Content>,
        /// Tokens of the whole run.
        usage: Option<Usage>,
        /// Why the last answer ended.
        stop_reason: StopReason,
        /// `provider/model`.
        model: String,
    },
    /// It failed.
    Failed {
        /// What failed, for people.
        message: String,
    },
    /// Somebody ended it.
    Aborted {
        /// `rpc`, `stop`, `timeout`, …
        reason: &'static str,
        /// What had been said.
        partial: Option<String>,
    },
}

/// One run, as anyone may ask about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunView {
    /// Its session, once known.
    pub session: Option<SessionKey>,
    /// The session's id, once known.
    pub session_id: Option<Arc<str>>,
    /// When it began.
    pub started_at_ms: Option<i64>,
    /// When it ended.
    pub ended_at_ms: Option<i64>,
    /// How it ended.
    pub end: Option<Arc<RunEnd>>,
}

/// The hub's own knowledge of a run.
#[derive(Debug)]
pub(super) struct Run {
    view: watch::Sender<RunView>,
    /// The text so far, for those who follow it without a connection.
    said: watch::Sender<Arc<str>>,
    /// The connection that asked for it: it hears of it at once, others a little later.
    pub(super) asker: Option<u64>,
    /// Connections that want its tool events.
    pub(super) tool_listeners: Vec<u64>,
    /// Earlier messages of the run, which protocol 4 shows before the current one.
    earlier: String,
    /// The current message, as protocol 3 shows it.
    current: Arc<str>,
    /// Whether a tool ran since: the next text is a new message.
    tool_between: bool,
    /// When protocol 3 got its last delta, and whether it lacks one.
    early_delta_at: Option<i64>,
    pub(super) early_is_behind: bool,
    /// The number of the last `agent` event.
    pub(super) agent_seq: u64,
    touched_at_ms: i64,
}

/// How the text of a run grew.
#[derive(Debug)]
pub(super) struct Grown {
    /// All of it.
    pub(super) whole: Arc<str>,
    /// Where what is new begins; `None` when what was said before is replaced, as when a call is tried again.
    pub(super) from: Option<usize>,
}

/// What stands between two messages of a run.
const BETWEEN: &str = "\n\n";

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: HashMap<RunId, Run>,
    /// Those that ended, in that order; some may be gone already.
    ended: VecDeque<RunId>,
    /// Long ends, oldest first, and their bytes.
    long: VecDeque<(RunId, usize)>,
    long_bytes: usize,
}

fn calls(message: Option<&openclaw_protocol::Message>) -> Vec<Content> {
    let content = message
        .map(openclaw_protocol::Message::content)
        .unwrap_or_default();
    let calls = content
        .iter()
        .filter(|part| matches!(part, Content::ToolCall { .. }));
    calls.cloned().collect()
}

impl Run {
    fn new(now_ms: i64) -> Self {
        Self {
            view: watch::Sender::new(RunView::default()),
            said: watch::Sender::new(Arc::from("")),
            asker: None,
            tool_listeners: Vec::new(),
            earlier: String::new(),
            current: Arc::from(""),
            tool_between: false,
            early_delta_at: None,
            early_is_behind: false,
            agent_seq: 0,
            touched_at_ms: now_ms,
        }
    }

    /// Takes the current message's text.
    pub(super) fn grow(&mut self, text: &Arc<str>) -> Grown {
        let begins_anew = std::mem::take(&mut self.tool_between) && !self.current.is_empty();
        let from = if begins_anew {
            self.earlier.push_str(&self.current);
            self.earlier.push_str(BETWEEN);
            Some(self.earlier.len() - BETWEEN.len())
        } else {
            let goes_on = text.starts_with(&*self.current);
            goes_on.then(|| self.earlier.len() + self.current.len())
        };
        self.current = Arc::clone(text);
        let whole = if self.earlier.is_empty() {
            Arc::clone(text)
        } else {
            Arc::from([self.earlier.as_str(), text].concat())
        };
        if self.said.receiver_count() > 0 {
            self.said.send_replace(Arc::clone(&whole));
        }
        Grown { whole, from }
    }

    /// Follows the text as it grows.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<str>> {
        self.said.subscribe()
    }

    /// The current message.
    pub(super) fn current(&self) -> &Arc<str> {
        &self.current
    }

    /// Tells whether protocol 3 gets a delta now, and remembers it.
    pub(super) fn early_delta_is_due(&mut self, at_ms: i64, pause_ms: i64) -> bool {
        let is_due = self
            .early_delta_at
            .is_none_or(|last| at_ms - last >= pause_ms);
        if is_due {
            self.early_delta_at = Some(at_ms);
        }
        self.early_is_behind = !is_due;
        is_due
    }

    fn observe(&mut self, event: &SessionEvent) {
        self.touched_at_ms = event.at_ms;
        self.tool_between |= matches!(event.what, What::Tool(_));
        let end = match &event.what {
            What::Final {
                message,
                usage,
                stop_reason,
                model,
            } => Some(RunEnd::Answered {
                text: message
                    .as_ref()
                    .map(openclaw_protocol::Message::text)
                    .filter(|text| !text.is_empty()),
                calls: calls(message.as_ref()),
                usage: *usage,
                stop_reason: stop_reason.clone(),
                model: model.clone(),
            }),
            What::Failed { message } => Some(RunEnd::Failed {
                message: message.clone(),
            }),
            What::Aborted { reason, partial } => Some(RunEnd::Aborted {
                reason,
                partial: partial.as_ref().map(openclaw_protocol::Message::text),
            }),
            _ => None,
        };
        let started = match &event.what {
            What::Lifecycle(Phase::Start { started_at_ms }) => Some(*started_at_ms),
            _ => None,
        };
        let is_news = started.is_some() || end.is_some();
        self.view.send_if_modified(|view| {
            view.session.get_or_insert_with(|| event.session.clone());
            if event.session_id.is_some() {
                view.session_id.clone_from(&event.session_id);
            }
            view.started_at_ms = view.started_at_ms.or(started);
            if let Some(end) = end {
                view.ended_at_ms = Some(event.at_ms);
                view.end = Some(Arc::new(end));
            }
            is_news
        });
        if event.what.is_terminal() {
            self.earlier = String::new();
            self.current = Arc::from("");
            self.said.send_replace(Arc::from(""));
        }
    }

    /// The bytes of its end.
    fn weight(&self) -> usize {
        match self.view.borrow().end.as_deref() {
            Some(RunEnd::Answered { text, .. }) => text.as_ref().map_or(0, String::len),
            Some(RunEnd::Aborted { partial, .. }) => partial.as_ref().map_or(0, String::len),
            Some(RunEnd::Failed { message }) => message.len(),
            None => 0,
        }
    }

    fn is_over(&self) -> bool {
        self.view.borrow().end.is_some()
    }
}

impl Runs {
    /// The run, made when it isn't known yet.
    pub(super) fn entry(&mut self, run_id: &RunId, now_ms: i64) -> &mut Run {
        if self.runs.len() >= RUNS && !self.runs.contains_key(run_id) {
            self.make_room();
        }
        self.runs
            .entry(run_id.clone())
            .or_insert_with(|| Run::new(now_ms))
    }

    /// Takes note of what happened to a run, which is known by now.
    pub(super) fn observe(&mut self, event: &SessionEvent) {
        let Some(run) = self.runs.get_mut(&event.run_id) else {
            return;
        };
        run.observe(event);
        if !event.what.is_terminal() {
            return;
        }
        let weight = run.weight();
        self.ended.push_back(event.run_id.clone());
        if self.ended.len() > 2 * RUNS {
            let runs = &self.runs;
            self.ended.retain(|run_id| runs.contains_key(run_id));
        }
        if weight < LONG {
            return;
        }
        self.long.push_back((event.run_id.clone(), weight));
        self.long_bytes += weight;
        while self.long_bytes > LONG_BYTES && self.long.len() > 1 {
            let Some((run_id, weight)) = self.long.pop_front() else {
                return;
            };
            self.long_bytes -= weight;
            self.runs.remove(&run_id);
        }
    }

    pub(super) fn get(&self, run_id: &RunId) -> Option<RunView> {
        self.runs.get(run_id).map(|run| run.view.borrow().clone())
    }

    /// A view that changes as the run goes on.
    pub(super) fn watch(&mut self, run_id: &RunId, now_ms: i64) -> watch::Receiver<RunView> {
        self.entry(run_id, now_ms).view.subscribe()
    }

    /// Names a run's session, and who asked for it, before its first event.
    pub(super) fn expect(
        &mut self,
        run_id: &RunId,
        session: &SessionKey,
        connection: u64,
        now_ms: i64,
    ) {
        let run = self.entry(run_id, now_ms);
        run.asker = Some(connection);
        run.view.send_if_modified(|view| {
            view.session.get_or_insert_with(|| session.clone());
            false
        });
    }

    /// Forgets a run that was announced and did nothing yet.
    pub(super) fn forget(&mut self, run_id: &RunId) {
        let is_silent = |run: &Run| {
            let view = run.view.borrow();
            view.started_at_ms.is_none() && view.end.is_none()
        };
        if self.runs.get(run_id).is_some_and(is_silent) {
            self.runs.remove(run_id);
        }
    }

    /// Runs of a session that have not ended.
    pub(super) fn active(&self, session: &SessionKey) -> Vec<RunId> {
        let is_active = |run: &Run| {
            let view = run.view.borrow();
            view.end.is_none() && view.session.as_ref() == Some(session)
        };
        let active = self.runs.iter().filter(|(_, run)| is_active(run));
        active.map(|(run_id, _)| run_id.clone()).collect()
    }

    /// Forgets runs that ended long ago, and questions about runs that never came.
    pub(super) fn prune(&mut self, now_ms: i64) {
        let Self {
            runs,
            ended,
            long,
            long_bytes,
        } = self;
        runs.retain(|_, run| {
            let is_asked_for = run.view.receiver_count() > 0;
            let is_old = now_ms - run.touched_at_ms > KEPT_MS;
            let is_done = run.is_over() || run.view.borrow().session.is_none();
            is_asked_for || !is_old || !is_done
        });
        ended.retain(|run_id| runs.contains_key(run_id));
        long.retain(|(run_id, weight)| {
            let is_kept = runs.contains_key(run_id);
            *long_bytes -= if is_kept { 0 } else { *weight };
            is_kept
        });
    }

    fn make_room(&mut self) {
        while let Some(run_id) = self.ended.pop_front() {
            // The same run may have begun again since.
            if self.runs.get(&run_id).is_some_and(Run::is_over) {
                self.runs.remove(&run_id);
                return;
            }
        }
    }
}
