//! The house around the port: ledger, router, sessions and a scripted model, as the gateway has them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use openclaw_channel::TypingBoard;
use openclaw_channel::status::StatusBoard;
use openclaw_gateway::agent_tool::Door;
use openclaw_gateway::agent_tool::with_house;
use openclaw_gateway::config;
use openclaw_gateway::config::Environment;
use openclaw_gateway::config::LoadedConfig;
use openclaw_gateway::exec_desk::HouseDesk;
use openclaw_gateway::gateway::Asset;
use openclaw_gateway::gateway::Overrides;
use openclaw_gateway::hub::Hub;
use openclaw_gateway::ingress;
use openclaw_gateway::paths::Paths;
use openclaw_gateway::services::Parts;
use openclaw_gateway::services::Phase;
use openclaw_gateway::services::Services;
use openclaw_ledger::Ledger;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_provider::Catalogue;
use openclaw_provider::Model;
use openclaw_provider::ModelError;
use openclaw_provider::ModelEvent;
use openclaw_provider::ModelRequest;
use openclaw_provider::ModelStream;
use openclaw_provider::NoLease;
use openclaw_provider::Want;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::Strategy;
use openclaw_session::Deps;
use openclaw_session::Events;
use openclaw_session::Folders;
use openclaw_session::Intake;
use openclaw_session::Models;
use openclaw_session::Sessions;
use openclaw_session::Shared;
use openclaw_session::models::Chosen;
use openclaw_session::models::Leased;
use openclaw_session::router_spec;
use openclaw_session::sessions_spec;
use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_tool::Toolbox;
use openclaw_tool::approval::Desk;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::watch;

pub(crate) const TOKEN: &str = "test-token-0123456789abcdef";

/// What the model does next.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// Says these pieces.
    Say(&'static [&'static str]),
    /// Says this, then nothing until it is let go.
    Hang(&'static str),
    /// Fails.
    Fail,
}

/// A model that follows a script; without one it echoes.
#[derive(Clone, Default)]
pub(crate) struct Script {
    lines: Arc<Mutex<VecDeque<Line>>>,
    /// Lets a hanging answer go on.
    pub(crate) go: Arc<Notify>,
    calls: Arc<std::sync::atomic::AtomicUsize>,
}

impl Script {
    pub(crate) fn then(&self, line: Line) {
        self.lines.lock().unwrap().push_back(line);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(std::sync::atomic::Ordering::SeqCst)
    }
}

struct Player {
    script: Script,
    reference: ModelRef,
}

impl Model for Player {
    fn reference(&self) -> &ModelRef {
        &self.reference
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        self.script
            .calls
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let line = self.script.lines.lock().unwrap().pop_front();
        let text = |text: &str| Ok(ModelEvent::Text(text.to_owned()));
        let usage = Usage {
            input: 10,
            output: 2,
            total_tokens: 12,
            ..Usage::default()
        };
        let done = Ok(ModelEvent::Done {
            usage,
            stop: StopReason::Stop,
        });
        match line {
            None => {
                let said = request.messages.last().map(|message| message.text());
                let said = said.unwrap_or_default();
                let last = said.lines().last().unwrap_or_default().to_owned();
                stream::iter([text(&format!("echo: {last}")), done]).boxed()
            }
            Some(Line::Say(pieces)) => {
                let pieces = pieces.iter().map(|piece| text(piece));
                stream::iter(pieces.chain([done]).collect::<Vec<_>>()).boxed()
            }
            Some(Line::Hang(first)) => {
                let go = Arc::clone(&self.script.go);
                let rest = stream::once(async move {
                    go.notified().await;
                    done
                });
                stream::iter([text(first)]).chain(rest).boxed()
            }
            Some(Line::Fail) => {
                let kind = openclaw_provider::ModelErrorKind::Refusal;
                stream::iter([Err(ModelError::new(kind, "the model refused"))]).boxed()
            }
        }
    }
}

struct Cast(Script);

impl Models for Cast {
    fn choose(&self, _: &ResolvedAgent, _: Option<&str>) -> Result<Chosen, ModelError> {
        let model = ModelRef::new("script", "one");
        Ok(Chosen {
            context_window: Some(100_000),
            ..Chosen::plain(model, "openai-completions")
        })
    }

    fn lease(&self, want: Want) -> BoxFuture<'static, Result<Leased, NoLease>> {
        if !want.tried.is_empty() {
            return Box::pin(async { Err(NoLease::Spent) }); // there is one account
        }
        let client = Arc::new(Player {
            script: self.0.clone(),
            reference: want.model,
        });
        Box::pin(async move {
            Ok(Leased {
                client,
                account: "none".to_owned(),
                report: Box::new(|_| {}),
            })
        })
    }
}

/// What turns work with, in place of the script and no tools.
pub(crate) struct Arms {
    pub(crate) models: Arc<dyn Models>,
    pub(crate) toolbox: Toolbox,
    pub(crate) desk: Arc<dyn Desk>,
}

/// Makes them, from the tools that need the house.
pub(crate) type Arm = Box<dyn FnOnce(&Paths, HouseDesk, Toolbox) -> Arms>;

/// A running port.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) services: Arc<Services>,
    pub(crate) script: Script,
    pub(crate) ledger: Ledger,
    config: watch::Sender<Arc<LoadedConfig>>,
    root: Root,
    dir: tempfile::TempDir,
    _calm: Calm,
}

/// Fails the test when a handler or a poll kept its thread: sockets and timers would have waited behind it.
struct Calm(Directory);

impl Drop for Calm {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let stalls = self.0.stalls();
            assert!(stalls.is_empty(), "{stalls:?}");
        }
    }
}

fn assets(path: &str) -> Option<Asset> {
    let (bytes, media_type): (&[u8], _) = match path {
        "index.html" => (
            b"<!doctype html><title>page</title>",
            "text/html; charset=utf-8",
        ),
        "app.js" => (b"export {};", "text/javascript; charset=utf-8"),
        _ => return None,
    };
    Some(Asset {
        bytes: bytes.into(),
        media_type,
    })
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::with(json!({})).await
    }

    /// With more settings in the file.
    pub(crate) async fn with(settings: Value) -> Self {
        Self::on(settings, Ledger::memory()).await
    }

    /// With little patience for callers that don't say who they are.
    pub(crate) async fn impatient(handshake: Duration) -> Self {
        let ms = handshake.as_millis().to_string();
        let vars = json!({ "env": { "vars": { "OPENCLAW_HANDSHAKE_TIMEOUT_MS": ms } } });
        Self::with(vars).await
    }

    /// Over a ledger that an earlier house left.
    pub(crate) async fn on(settings: Value, ledger: Ledger) -> Self {
        Self::armed(settings, ledger, tempfile::tempdir().unwrap(), None).await
    }

    /// With tools and a model for its turns, over what an earlier house left.
    pub(crate) async fn armed(
        settings: Value,
        ledger: Ledger,
        dir: tempfile::TempDir,
        arm: Option<Arm>,
    ) -> Self {
        let paths = Paths::under(dir.path());
        let loaded = write(&paths, settings);
        let (config, now) = watch::channel(Arc::new(loaded));
        let (directory, hub, script) = (Directory::new(), Hub::new(), Script::default());
        let current = now.clone();
        let events: Arc<dyn Events> = Arc::new(hub.clone());
        let door = Door::default();
        let toolbox = Toolbox::empty().with(Arc::new(openclaw_tool::CurrentTime::default()));
        let toolbox = with_house(toolbox, &door);
        let workspace = paths.clone();
        let desk = {
            let current = now.clone();
            HouseDesk {
                approvals: openclaw_gateway::approval::ApprovalDesk::open(ledger.clone(), 0),
                rules: openclaw_gateway::state_file::StateFile::new(
                    paths.state_dir.join("exec-approvals.json"),
                ),
                config: Arc::new(move || Arc::clone(&current.borrow().config)),
                hub: hub.clone(),
                ledger: ledger.clone(),
                directory: directory.clone(),
                uses: openclaw_gateway::exec_desk::Uses::default(),
                skills: Arc::new(openclaw_session::skill::NoSkills),
            }
        };
        let arms = arm.map(|arm| arm(&paths, desk.clone(), toolbox.clone()));
        let arms = arms.unwrap_or_else(|| Arms {
            models: Arc::new(Cast(script.clone())),
            toolbox: Toolbox::empty(),
            desk: Arc::new(desk.clone()),
        });
        let deps = Arc::new(Deps {
            ledger: ledger.clone(),
            directory: directory.clone(),
            models: arms.models,
            toolbox: arms.toolbox,
            events,
            config: Arc::new(move || Arc::clone(&current.borrow().config)),
            folders: Folders {
                state_dir: paths.state_dir.clone(),
                workspace: Arc::new(move |agent, is_default, configured| {
                    workspace.workspace(agent, is_default, configured)
                }),
            },
            typing: TypingBoard::default(),
            desk: arms.desk,
            shared: Shared::new(),
        });
        let catalogue = Arc::new(Catalogue::build(&openclaw_provider::catalogue::Inputs {
            config: &now.borrow().config.clone(),
            env: &|_| None,
            profiles: &openclaw_provider::profile::Profiles::default(),
            now_ms: 0,
            local: &[],
        }));
        let providers = openclaw_provider::specs(&catalogue);
        let log = dir.path().join("gateway.log");
        let services = Services::new(Parts {
            directory: directory.clone(),
            ledger: ledger.clone(),
            config: now,
            overrides: Overrides {
                port: Some(0),
                ..Overrides::default()
            },
            approvals: desk.approvals.clone(),
            exec_rules: desk.rules.clone(),
            paths,
            environment: Environment::default(),
            intake: Intake::new(ledger.clone(), directory.clone()),
            sessions: Sessions::new(Arc::clone(&deps)),
            catalogue: Arc::new(move || Arc::clone(&catalogue)),
            toolbox,
            skills: Arc::new(openclaw_session::skill::NoSkills),
            memory: openclaw_tool::Memory::default(),
            hub,
            accounts: StatusBoard::default(),
            assets,
            version: "0.0.0-test".to_owned(),
            log_file: Arc::new(move || Some(log.clone())),
        });
        door.open(&services);
        let listening = Arc::new(watch::Sender::new(None));
        let specs = vec![
            router_spec(Arc::clone(&deps)),
            sessions_spec(deps),
            openclaw_gateway::cron::Scheduler::spec(Arc::clone(&services)),
            openclaw_gateway::node::spec(),
            ingress::spec(&services, &listening),
            ChildSpec::supervisor("providers", Strategy::OneForOne, providers),
        ];
        directory.watch_closely(true);
        let calm = Calm(directory.clone());
        let root = Root::start(directory, "gateway", specs).await;
        let mut bound = listening.subscribe();
        let bound = bound.wait_for(Option::is_some);
        let bound = tokio::time::timeout(Duration::from_secs(10), bound).await;
        let address = bound.expect("it listens").unwrap().unwrap();
        services.set_phase(Phase::Open);
        Self {
            address,
            services,
            script,
            ledger,
            config,
            root,
            dir,
            _calm: calm,
        }
    }

    /// Writes other settings and takes them up.
    pub(crate) fn reconfigure(&self, settings: Value) {
        let loaded = write(&Paths::under(self.dir.path()), settings);
        self.config.send_replace(Arc::new(loaded));
    }

    /// Connects with the token; versions `min` to `max`.
    pub(crate) async fn client(&self, min: u32, max: u32) -> Client {
        let hello = Hello::new(min, max).token(TOKEN);
        Client::connect(self.address, hello)
            .await
            .expect("admitted")
    }

    /// Where its files are.
    pub(crate) fn state_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Ends it; the ledger stays.
    pub(crate) async fn stop(self) -> Ledger {
        self.leave().await.0
    }

    /// The same with its files.
    pub(crate) async fn leave(self) -> (Ledger, tempfile::TempDir) {
        self.root.shutdown(Duration::from_secs(5)).await;
        (self.ledger, self.dir)
    }
}

fn write(paths: &Paths, settings: Value) -> LoadedConfig {
    let mut whole = json!({ "gateway": { "auth": { "mode": "token", "token": TOKEN } } });
    merge(&mut whole, settings);
    std::fs::write(&paths.config_path, whole.to_string()).unwrap();
    config::load(paths, &Environment::default())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
