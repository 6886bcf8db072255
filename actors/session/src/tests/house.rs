//! A small house for tests: ledger in memory, models that follow a script, events that are kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use openclaw_channel::TypingBoard;
use openclaw_ledger::InboxFilter;
use openclaw_ledger::InboxRow;
use openclaw_ledger::InboxState;
use openclaw_ledger::Ledger;
use openclaw_ledger::NewInbound;
use openclaw_ledger::OutboxFilter;
use openclaw_protocol::Inbound;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Route;
use openclaw_protocol::Sender;
use openclaw_protocol::SessionKey;
use openclaw_protocol::StopReason;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::Usage;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_protocol::config::Section;
use openclaw_protocol::config::models::ModelCost;
use openclaw_provider::Model;
use openclaw_provider::ModelError;
use openclaw_provider::ModelEvent;
use openclaw_provider::ModelRequest;
use openclaw_provider::ModelStream;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::TraceContext;
use openclaw_runtime::memory::Budget;
use openclaw_tool::Tool;
use openclaw_tool::ToolCall;
use openclaw_tool::ToolOutcome;
use openclaw_tool::Toolbox;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::approve::Said;

use crate::Deps;
use crate::Events;
use crate::Folders;
use crate::Intake;
use crate::Models;
use crate::SessionEvent;
use crate::Sessions;
use crate::Shared;
use crate::What;
use crate::context::size;
use crate::conversation::keep;
use crate::event::Phase;
use crate::models::Chosen;
use crate::models::Leased;
use crate::router_spec;
use crate::sessions_spec;
use openclaw_provider::NoLease;
use openclaw_provider::Want;

/// What the model does when it is asked the next time.
#[derive(Clone)]
pub(super) enum Script {
    /// Say this, word by word, with a pause before each.
    Say(&'static str, Duration),
    /// Ask for tools.
    Call(Vec<(&'static str, &'static str)>),
    /// Say this and then nothing any more.
    Hang(&'static str),
    Fail(ModelError),
    /// Ask for one tool, each time with other arguments.
    Tool(&'static str),
    /// A bug.
    Panic,
}

pub(super) fn say(text: &'static str) -> Script {
    Script::Say(text, Duration::ZERO)
}

#[derive(Default)]
pub(super) struct Scripted {
    scripts: Mutex<VecDeque<Script>>,
    pub(super) fallbacks: Mutex<Vec<&'static str>>,
    pub(super) permits: Arc<()>,
    /// The model's window; none is known unless a test says so.
    pub(super) window: Mutex<Option<u64>>,
    /// What the model does when the script has ended.
    pub(super) always: Mutex<Option<Script>>,
    /// The model counts what it reads; else it says always the same.
    pub(super) counts: std::sync::atomic::AtomicBool,
    calls: std::sync::atomic::AtomicUsize,
}

pub(super) struct Told {
    log: Mutex<Vec<SessionEvent>>,
    count: watch::Sender<usize>,
}

impl Events for Told {
    fn publish(&self, event: SessionEvent) {
        let mut log = self.log.lock().unwrap();
        log.push(event);
        self.count.send_replace(log.len());
    }
}

struct Actor {
    reference: ModelRef,
    script: Script,
    /// Which call it is.
    number: usize,
    /// It counts what it reads; else it says always the same.
    counts: bool,
}

impl Model for Actor {
    fn reference(&self) -> &ModelRef {
        &self.reference
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let written = request.max_tokens.unwrap_or(2).min(2);
        let read = match self.counts {
            true => {
                let messages = request.messages.iter().map(Arc::as_ref);
                size::head(&request.system, &request.tools) + size::messages(messages)
            }
            false => 10,
        };
        let number = self.number;
        let done = move |stop| {
            Ok(ModelEvent::Done {
                usage: usage(read, u64::from(written)),
                stop,
            })
        };
        let script = self.script.clone();
        Box::pin(futures_util::stream::unfold(0usize, move |n| {
            let script = script.clone();
            async move {
                let event = match script {
                    Script::Say(text, pause) => {
                        tokio::time::sleep(pause).await;
                        match text.split_inclusive(' ').nth(n) {
                            Some(word) => Ok(ModelEvent::Text(word.to_owned())),
                            None => done(StopReason::Stop),
                        }
                    }
                    Script::Call(calls) => match calls.get(n) {
                        Some((id, name)) => Ok(ModelEvent::ToolCall {
                            id: (*id).to_owned(),
                            name: (*name).to_owned(),
                            arguments: json!({"id": id}),
                            signature: None,
                        }),
                        None => done(StopReason::ToolUse),
                    },
                    Script::Tool(name) if n == 0 => Ok(ModelEvent::ToolCall {
                        id: "t".to_owned(),
                        name: name.to_owned(),
                        arguments: json!({ "n": number }),
                        signature: None,
                    }),
                    Script::Tool(_) => done(StopReason::ToolUse),
                    Script::Hang(text) if n == 0 => Ok(ModelEvent::Text(text.to_owned())),
                    Script::Hang(_) => std::future::pending().await,
                    Script::Fail(error) => Err(error),
                    Script::Panic => panic!("a bug in the model's client"),
                };
                Some((event, n + 1))
            }
        }))
    }
}

impl Models for Scripted {
    fn choose(&self, _agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError> {
        let model = wanted.unwrap_or("fake/one").parse().unwrap();
        let fallbacks = self.fallbacks.lock().unwrap().clone();
        Ok(Chosen {
            context_window: *self.window.lock().unwrap(),
            cost: ModelCost {
                input: 1.0,
                output: 10.0,
                ..ModelCost::default()
            },
            fallbacks: fallbacks
                .iter()
                .map(|name| Chosen::plain(name.parse().unwrap(), "openai-completions"))
                .collect(),
            ..Chosen::plain(model, "openai-completions")
        })
    }

    fn lease(&self, want: Want) -> BoxFuture<'static, Result<Leased, NoLease>> {
        if !want.tried.is_empty() {
            return Box::pin(async { Err(NoLease::Spent) }); // there is one account
        }
        let script = self.scripts.lock().unwrap().pop_front();
        let always = self.always.lock().unwrap().clone();
        let client = Arc::new(Recorder {
            inner: Actor {
                reference: want.model.clone(),
                script: script.unwrap_or_else(|| always.unwrap_or_else(|| say("ok"))),
                counts: self.counts.load(std::sync::atomic::Ordering::SeqCst),
                number: self.calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
            },
        });
        let permit = self.permits.clone();
        Box::pin(async move {
            Ok(Leased {
                client,
                account: "none".to_owned(),
                report: Box::new(move |_| drop(permit)),
            })
        })
    }
}

/// What each call is said to have used.
fn usage(input: u64, output: u64) -> Usage {
    let mut usage = Usage {
        input,
        output,
        total_tokens: input + output,
        ..Usage::default()
    };
    usage.cost.input = input as f64 / 1_000_000.0;
    usage.cost.output = output as f64 * 10.0 / 1_000_000.0;
    usage.cost.total = usage.cost.input + usage.cost.output;
    usage
}

struct Recorder {
    inner: Actor,
}

impl Model for Recorder {
    fn reference(&self) -> &ModelRef {
        self.inner.reference()
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        ASKED.with(|asked| asked.borrow_mut().push(request.clone()));
        self.inner.stream(request)
    }
}

thread_local! {
    /// What models were asked in this test: each test has its own thread.
    pub(super) static ASKED: std::cell::RefCell<Vec<ModelRequest>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The messages of the last request, as `role: text`.
pub(super) fn last_request() -> Vec<String> {
    ASKED.with(|asked| {
        let asked = asked.borrow();
        let messages = &asked.last().unwrap().messages;
        messages
            .iter()
            .map(|m| format!("{}: {}", m.role(), m.text()))
            .collect()
    })
}

/// A tool that counts its runs.
pub(super) struct Counting {
    spec: ToolSpec,
    pub(super) idempotent: bool,
    pub(super) runs: Arc<Mutex<Vec<String>>>,
    /// The traces that its runs belonged to.
    pub(super) traces: Arc<Mutex<Vec<TraceContext>>>,
    /// How long it takes.
    pub(super) takes: Duration,
}

impl Counting {
    pub(super) fn new(name: &str, idempotent: bool, takes: Duration) -> Self {
        Self {
            spec: ToolSpec {
                name: name.to_owned(),
                description: "counts".to_owned(),
                parameters: json!({"type": "object"}),
            },
            idempotent,
            runs: Arc::default(),
            traces: Arc::default(),
            takes,
        }
    }
}

impl Tool for Counting {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        self.idempotent
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        self.runs.lock().unwrap().push(call.key);
        let mut traces = self.traces.lock().unwrap();
        traces.extend(TraceContext::current());
        let takes = self.takes;
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            ToolOutcome::text("counted")
        })
    }
}

/// The house.
pub(super) struct House {
    pub(super) deps: Arc<Deps>,
    pub(super) models: Arc<Scripted>,
    pub(super) told: Arc<Told>,
    pub(super) intake: Intake,
    pub(super) sessions: Sessions,
    pub(super) root: Root,
    pub(super) dir: Arc<tempfile::TempDir>,
    config: Arc<Mutex<Arc<Config>>>,
    next: std::cell::Cell<u32>,
}

/// What a house is built from.
pub(super) struct Plan {
    pub(super) ledger: Ledger,
    pub(super) dir: Arc<tempfile::TempDir>,
    pub(super) toolbox: Toolbox,
    pub(super) config: Config,
    pub(super) desk: Said,
    pub(super) kept: &'static Budget,
}

impl Default for Plan {
    fn default() -> Self {
        let mut config = Config::default();
        if let Section::Valid(defaults) = &mut config.agents.defaults {
            defaults.user_timezone = Some("UTC".to_owned());
        }
        Self {
            ledger: Ledger::memory(),
            dir: Arc::new(tempfile::tempdir().unwrap()),
            toolbox: Toolbox::empty(),
            config,
            desk: Said::default(),
            kept: &keep::KEPT,
        }
    }
}

impl Plan {
    pub(super) async fn build(self, scripts: impl IntoIterator<Item = Script>) -> House {
        let models = Arc::new(Scripted::default());
        models.scripts.lock().unwrap().extend(scripts);
        let told = Arc::new(Told {
            log: Mutex::default(),
            count: watch::channel(0).0,
        });
        let directory = Directory::new();
        let config = Arc::new(Mutex::new(Arc::new(self.config)));
        let in_force = config.clone();
        let state_dir = self.dir.path().to_owned();
        let workspace = state_dir.join("workspace");
        let deps = Arc::new(Deps {
            ledger: self.ledger,
            directory: directory.clone(),
            models: models.clone(),
            toolbox: self.toolbox,
            events: told.clone(),
            config: Arc::new(move || in_force.lock().unwrap().clone()),
            folders: Folders {
                state_dir,
                workspace: Arc::new(move |_, _, _| workspace.clone()),
            },
            typing: TypingBoard::default(),
            desk: Arc::new(self.desk),
            shared: Shared::new().kept_within(self.kept),
        });
        let children = vec![router_spec(deps.clone()), sessions_spec(deps.clone())];
        let root = Root::start(directory.clone(), "gateway", children).await;
        House {
            intake: Intake::new(deps.ledger.clone(), directory),
            sessions: Sessions::new(deps.clone()),
            deps,
            models,
            told,
            root,
            dir: self.dir,
            config,
            next: std::cell::Cell::new(0),
        }
    }
}

/// Allows so many turns at a time.
pub(super) fn limit(config: &mut Config, turns: usize) {
    if let Section::Valid(defaults) = &mut config.agents.defaults {
        defaults.max_concurrent = turns;
    }
}

/// The trace that messages come in with.
pub(super) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(super) fn key() -> SessionKey {
    SessionKey::parse("agent:main:telegram:direct:42").unwrap()
}

pub(super) fn person(id: &str) -> Sender {
    Sender {
        id: id.to_owned(),
        ..Sender::default()
    }
}

pub(super) fn route() -> Route {
    Route {
        channel: "telegram".to_owned(),
        account: "home".to_owned(),
        to: "42".to_owned(),
        ..Route::default()
    }
}

impl House {
    pub(super) async fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        Plan::default().build(scripts).await
    }

    /// Stores a message from Telegram and returns its run.
    pub(super) async fn hear(&self, text: &str) -> String {
        let n = self.next.get() + 1;
        self.next.set(n);
        let run = format!("run-{n}");
        self.hear_as(&key(), &run, text).await;
        run
    }

    pub(super) async fn hear_as(&self, key: &SessionKey, run: &str, text: &str) {
        self.take(key, None, run, text, false).await;
    }

    pub(super) async fn hear_from(&self, sender: Option<Sender>, run: &str, text: &str) {
        self.take(&key(), sender, run, text, false).await;
    }

    /// Stores a button that somebody pressed.
    pub(super) async fn press(&self, sender: Option<Sender>, run: &str, command: &str) {
        self.take(&key(), sender, run, command, true).await;
    }

    async fn take(
        &self,
        key: &SessionKey,
        sender: Option<Sender>,
        run: &str,
        text: &str,
        is_press: bool,
    ) {
        let mut row = self.row(key, run, text);
        row.body.sender = sender;
        row.body.is_press = is_press;
        self.intake.accept(row, None).await.unwrap();
    }

    /// A message from Telegram.
    pub(super) fn row(&self, key: &SessionKey, run: &str, text: &str) -> NewInbound {
        NewInbound {
            session: key.clone(),
            source: "telegram/home".to_owned(),
            source_id: run.to_owned(),
            run_id: run.into(),
            body: Inbound {
                text: text.to_owned(),
                deliver: true,
                timestamp_ms: 1_771_147_800_000,
                ..Inbound::default()
            },
            reply: Some(route()),
            received_at_ms: 1_771_147_800_000,
            traceparent: Some(TRACE.to_owned()),
        }
    }

    /// Takes up another limit of turns at a time, as a reload does.
    pub(super) fn allow(&self, turns: usize) {
        let mut config = Config::clone(&self.config.lock().unwrap());
        limit(&mut config, turns);
        *self.config.lock().unwrap() = Arc::new(config);
        self.deps.follow_config();
    }

    /// Waits until something was told that the question answers.
    pub(super) async fn until<T>(&self, question: impl Fn(&SessionEvent) -> Option<T>) -> T {
        let mut count = self.told.count.subscribe();
        let waiting = async {
            loop {
                count.borrow_and_update();
                let found = self.told.log.lock().unwrap().iter().find_map(&question);
                if let Some(found) = found {
                    return found;
                }
                count.changed().await.unwrap();
            }
        };
        let limit = Duration::from_secs(3600);
        match tokio::time::timeout(limit, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("nothing such was told: {:#?}", self.outline()),
        }
    }

    /// Waits for a run's end and says how it ended.
    pub(super) async fn end_of(&self, run: &str) -> What {
        self.until(|event| {
            (event.run_id.as_str() == run && event.what.is_terminal()).then(|| event.what.clone())
        })
        .await
    }

    /// The text of a run that ended well.
    pub(super) async fn answer_to(&self, run: &str) -> String {
        match self.end_of(run).await {
            What::Final { message, .. } => message.map(|m| m.text()).unwrap_or_default(),
            other => panic!("{run} ended as {other:?}"),
        }
    }

    /// All events in short words.
    pub(super) fn outline(&self) -> Vec<String> {
        let log = self.told.log.lock().unwrap();
        log.iter()
            .map(|event| {
                let what = match &event.what {
                    What::Lifecycle(Phase::Start { .. }) => "start".to_owned(),
                    What::Lifecycle(Phase::End { aborted }) => format!("end aborted={aborted}"),
                    What::Lifecycle(Phase::Error(_)) => "error".to_owned(),
                    What::Assistant { text, .. } => format!("text {text}"),
                    What::Thinking { text, .. } => format!("thinking {text}"),
                    What::Tool(_) => "tool".to_owned(),
                    What::Final { .. } => "final".to_owned(),
                    What::Failed { message } => format!("failed {message}"),
                    What::Aborted { reason, .. } => format!("aborted {reason}"),
                };
                format!("{} {} {what}", event.run_id, event.seq)
            })
            .collect()
    }

    pub(super) fn rows(&self, state: InboxState) -> Vec<InboxRow> {
        self.deps.ledger.inbox(&InboxFilter {
            state: Some(state),
            ..InboxFilter::default()
        })
    }

    /// What waits in the outbox, oldest first.
    pub(super) fn outbox(&self) -> Vec<String> {
        let rows = self.deps.ledger.outbox(&OutboxFilter::default());
        rows.into_iter().map(|row| row.payload.text).collect()
    }

    /// The messages of the session's transcript as `role: text`.
    /// The last message of the transcript, which is a model's.
    pub(super) fn last_answer(&self) -> openclaw_protocol::message::AssistantMessage {
        let entry = self.deps.ledger.session_entry(&key()).unwrap();
        let id = entry["sessionId"].as_str().unwrap().to_owned();
        let (_, line) = self.deps.ledger.transcript(&id, 0).pop().unwrap();
        match serde_json::from_value(line["message"].clone()).unwrap() {
            openclaw_protocol::Message::Assistant(message) => message,
            other => panic!("not an answer: {other:?}"),
        }
    }

    pub(super) fn transcript(&self) -> Vec<String> {
        let entry = self.deps.ledger.session_entry(&key()).unwrap();
        let id = entry["sessionId"].as_str().unwrap().to_owned();
        let rows = self.deps.ledger.transcript(&id, 0);
        let lines: Vec<Value> = rows.into_iter().map(|(_, line)| line).collect();
        crate::context::records(lines)
            .into_iter()
            .map(|(_, message)| {
                let message: openclaw_protocol::Message = serde_json::from_value(message).unwrap();
                format!("{}: {}", message.role(), message.text())
            })
            .collect()
    }
}
