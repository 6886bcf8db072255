//! `exec`: runs a program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::json;

use super::Gate;
use super::Launch;
use super::Programs;
use super::environment;
use super::launch;
use super::output;
use super::outside;
use super::run::End;
use super::run::Facts;
use super::run::Run;
use super::run::StopOnDrop;
use super::secrets::Secrets;
use super::secrets::SecretsOf;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

/// A turn waits at most so long before the run goes on in the background.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
/// Nobody runs a program longer through a chat.
const LONGEST_RUN: u64 = 24 * 60 * 60;
/// The wait for a person's word, and the run.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// What a model reads of a program's words at once; `process log` has the rest.
pub(super) const SHOWN: usize = 30_000;

/// What the configuration says of programs, for one agent.
#[derive(Debug, Clone)]
pub struct ExecRules {
    /// The environment that every program gets.
    pub env: BTreeMap<String, String>,
    /// The shell for lines that need one.
    pub shell: PathBuf,
    /// After so long a run goes on in the background.
    pub background: Duration,
    /// How long a run may take if the call doesn't say.
    pub timeout: Duration,
    /// How long the end of a run is remembered.
    pub kept: Duration,
    /// Whether a session is told when a run in its background ends.
    pub notify: bool,
}

/// The rules in force for an agent.
pub type ExecRulesNow = Arc<dyn Fn(&AgentId) -> ExecRules + Send + Sync>;

/// Runs programs.
pub struct Exec {
    spec: ToolSpec,
    house: Arc<House>,
}

struct House {
    programs: Programs,
    gate: Arc<dyn Gate>,
    rules: ExecRulesNow,
    secrets: SecretsOf,
}

/// What a call asks for.
#[derive(Debug)]
struct Wish {
    launch: Launch,
    facts: Facts,
    wait: Duration,
}

impl Exec {
    /// Runs what this gate lets through.
    pub fn new(
        programs: Programs,
        gate: Arc<dyn Gate>,
        rules: ExecRulesNow,
        secrets: SecretsOf,
    ) -> Self {
        Self {
            spec: arguments::spec(
                "exec",
                "Runs a command. One that takes long goes on in the background under a session id, for process to follow. What a command leaves running in its own background is ended with it: use background for that.",
                json!({
                    "command": { "type": "string", "description": "the command line" },
                    "workdir": { "type": "string", "description": "the folder; the workspace if none is given" },
                    "env": { "type": "object", "additionalProperties": { "type": "string" }, "description": "more variables" },
                    "timeout": { "type": "number", "description": "it is ended after so many seconds (usually 1800)" },
                    "yieldMs": { "type": "number", "description": "go on in the background after so many milliseconds (usually 10000)" },
                    "background": { "type": "boolean", "description": "go on in the background at once; its input can be written to with process" },
                    "pty": { "type": "boolean", "description": "give it a terminal" },
                    "elevated": { "type": "boolean", "description": "in a sandboxed session that is elevated: false stays inside" },
                }),
                &["command"],
            ),
            house: Arc::new(House {
                programs,
                gate,
                rules,
                secrets,
            }),
        }
    }
}

impl Tool for Exec {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let house = Arc::clone(&self.house);
        Box::pin(async move {
            let command = call
                .arguments
                .get("command")
                .or_else(|| call.arguments.get("cmd"));
            let command = command
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default();
            let brought = outside::brings(command).then(|| "a program".to_owned());
            match house.run(call).await {
                Ok(outcome) | Err(outcome) => outcome.from_outside(brought),
            }
        })
    }
}

impl House {
    async fn run(&self, call: ToolCall) -> Result<ToolOutcome, ToolOutcome> {
        let rules = (self.rules)(&call.agent);
        let wish = wish(&call, &rules, self.programs.name()).map_err(ToolOutcome::error)?;
        let launch = self.gate.check(&wish.launch, &call).await;
        let launch = launch.map_err(|why| ToolOutcome::error(format!("not run: {why}")))?;
        if !self.programs.has_room(&call.agent) {
            return Err(ToolOutcome::error(
                "too many programs run already; end some with process kill",
            ));
        }
        let (facts, wait) = (wish.facts, wish.wait);
        // Only what is in the background at once can be written to: others would wait for an input that never comes.
        let is_fed = wait.is_zero();
        let secrets = Arc::clone(&self.secrets);
        let started = tokio::task::spawn_blocking(move || {
            let mut launch = launch;
            let mut given = Secrets::default();
            // After the decision, so that no question, answer or record of it holds them. Walls keep them out.
            if !launch.walled {
                given = secrets(&facts.agent, &call.workspace);
                given.fill(&mut launch.env);
            }
            let run = Run::start(facts, &launch, is_fed, given)?;
            // If nobody waits any more, the run ends with this.
            Ok(StopOnDrop(Some(run)))
        });
        let started = started.await.unwrap_or_else(|error| {
            let error = std::io::Error::other(error);
            Err(openclaw_runtime::child::ChildError::Start(error))
        });
        let mut held = started.map_err(|error| ToolOutcome::error(format!("not run: {error}")))?;
        let Some(run) = held.0.clone() else {
            return Err(ToolOutcome::error("not run"));
        };
        self.programs.own(&run).map_err(ToolOutcome::error)?;
        let ended = tokio::time::timeout(wait, run.ended()).await;
        if let Ok(end) = ended {
            let (outcome, is_whole) = report(&run, end);
            if is_whole {
                self.programs.forget(&run.facts.id);
            }
            return Ok(outcome);
        }
        run.to_background();
        // From here on it is its owner's alone.
        held.0 = None;
        let said = run.news();
        let id = &run.facts.id;
        let how =
            format!("Still running (session {id}). Use process to go on: poll, log, write, kill.");
        let said = output::shortened(&said, SHOWN).unwrap_or(said);
        Ok(ToolOutcome::text(match said.trim_end() {
            "" => how,
            said => format!("{said}\n\n{how}"),
        }))
    }
}

/// What the model reads of a run that ended while its turn waited, and whether that is all there is.
fn report(run: &Run, end: End) -> (ToolOutcome, bool) {
    run.know();
    let said = run.said();
    let short = output::shortened(&said, SHOWN);
    let is_whole = short.is_none();
    let mut text = short.unwrap_or(said).trim_end().to_owned();
    if text.is_empty() {
        text.push_str("(no output)");
    }
    if !is_whole {
        text.push_str(&format!(
            "\n[cut: process log has more (session {})]",
            run.facts.id
        ));
    }
    if end == End::Exited(0) {
        return (ToolOutcome::text(text), is_whole);
    }
    text.push_str(&format!("\n\n[{}]", end.told(run.facts.deadline)));
    (ToolOutcome::error(text), is_whole)
}

fn wish(call: &ToolCall, rules: &ExecRules, id: String) -> Result<Wish, String> {
    let arguments = Arguments::new("exec", call.arguments.clone());
    let Ok(arguments) = arguments else {
        return Err("the arguments of exec are not a JSON object".to_owned());
    };
    let command = arguments
        .exact(&["command", "cmd"])
        .map(str::trim)
        .unwrap_or_default();
    if command.is_empty() || command.contains('\0') {
        return Err("exec needs a command".to_owned());
    }
    if arguments.text("host").as_deref() == Some("node") {
        return Err(
            "exec runs programs on the gateway only; use nodes to run one on a node".to_owned(),
        );
    }
    let cwd = folder(&call.workspace, arguments.exact(&["workdir", "cwd"]))?;
    let env = environment::with(rules.env.clone(), arguments.get("env"))?;
    let search = environment::search(&env);
    let argv = launch::argv(command, &rules.shell, &search, &cwd, is_program);
    let seconds = |name| {
        arguments
            .text(name)
            .and_then(|text| text.parse::<f64>().ok())
    };
    let timeout = seconds("timeout").or_else(|| seconds("timeoutSec"));
    let timeout = timeout.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    #[allow(clippy::cast_precision_loss)] // a day has few seconds
    let deadline = timeout.map_or(rules.timeout, |seconds| {
        Duration::from_secs_f64(seconds.min(LONGEST_RUN as f64))
    });
    let wait = match seconds("yieldMs").or_else(|| seconds("yield_ms")) {
        _ if arguments.flag(&["background"]) => Duration::ZERO,
        Some(ms) if ms.is_finite() && ms >= 0.0 => {
            Duration::from_secs_f64((ms / 1000.0).min(LONGEST_WAIT.as_secs_f64()))
        }
        _ => rules.background,
    };
    let wait = match wait {
        Duration::ZERO => wait,
        wait => wait.clamp(SHORTEST_WAIT, LONGEST_WAIT),
    };
    Ok(Wish {
        launch: Launch {
            argv,
            cwd,
            env,
            pty: arguments.flag(&["pty", "tty"]),
            walled: false,
        },
        facts: Facts {
            id,
            agent: call.agent.clone(),
            session: call.session.clone(),
            command: command.to_owned(),
            deadline,
            kept: rules.kept,
            notify: rules.notify,
        },
        wait,
    })
}

fn folder(workspace: &Path, asked: Option<&str>) -> Result<PathBuf, String> {
    let asked = asked.map(str::trim).unwrap_or_default();
    let folder = workspace.join(asked);
    match folder.canonicalize() {
        Ok(folder) if folder.is_dir() => Ok(folder),
        _ => Err(format!("there is no folder {}", folder.display())),
    }
}

/// Whether a path is a file that may be executed.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let about = std::fs::metadata(path);
    about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").finish_non_exhaustive()
    }
}
