//! The gate before a program is started: decides, asks a person where that is needed, and waits for the answer.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::Decision;
use super::Desk;
use super::Request;
use super::WAIT;
use super::bound;
use super::decide::Disk;
use super::decide::Question;
use super::decide::Used;
use super::decide::Word;
use super::decide::weigh;
use super::rules::Ask;
use super::rules::Rules;
use super::rules::Security;
use super::way_out;
use crate::SessionKind;
use crate::ToolCall;
use crate::exec::Gate;
use crate::exec::Launch;
use crate::sandbox::Access;
use crate::sandbox::Backend;
use crate::sandbox::DockerSetting;
use crate::sandbox::Sandboxes;
use crate::sandbox::Setting;

/// Decides on launches. Cheap to clone.
#[derive(Clone)]
pub struct ExecGate {
    desk: Arc<dyn Desk>,
    home: Option<Arc<Path>>,
    sandboxes: Sandboxes,
    wait: Duration,
}

impl ExecGate {
    /// A gate that asks at this desk, and starts what a sandboxed session runs within these walls. `home` is what `~`
    /// stands for in the approvals file.
    pub fn new(desk: Arc<dyn Desk>, home: Option<&Path>, sandboxes: Sandboxes) -> Self {
        Self {
            desk,
            home: home.map(Arc::from),
            sandboxes,
            wait: WAIT,
        }
    }

    /// Waits so long for an answer.
    #[must_use]
    pub fn waiting(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    async fn pass(self, launch: Launch, call: ToolCall) -> Result<Launch, String> {
        let mut rules = self.rules(&call).await?;
        let setting = Setting::of(self.desk.config().value(), &call.agent);
        let walls = match setting.covers(&call.session) {
            true => way_out::walls(setting, &call, &mut rules)?,
            false => None,
        };
        // What can't write to the workspace leaves nothing behind.
        let is_held =
            call.held().is_some() && walls.is_none_or(|walls| walls.workspace_access == Access::Rw);
        if walls.is_some() && rules.security == Security::Deny {
            // Walls stand in for a person's word, but not for a switch that is off.
            return Err("running programs is switched off here".to_owned());
        }
        if walls.is_some() && !is_held {
            return self.start(launch, walls, call).await;
        }
        if is_held {
            // A person's word for this very command, and no earlier one.
            rules.ask = Ask::Always;
        }
        let (desk, agent, workspace) = (
            Arc::clone(&self.desk),
            call.agent.clone(),
            call.workspace.clone(),
        );
        let ((word, used), launch) = blocking(move || {
            if rules.allows_skills {
                rules.skill_programs = desk.skill_programs(&agent, &workspace);
            }
            (weigh(&rules, &launch, &RealDisk), launch)
        })
        .await?;
        let mut question = match word {
            Word::Run => {
                if !used.is_empty() {
                    self.desk.used(&call.agent, used, &shown(&launch));
                }
                return Ok(launch);
            }
            Word::Refuse(why) => return Err(why),
            Word::Ask(question) => question,
        };
        if let Some(outside) = call.held() {
            question.why = format!(
                "this conversation holds words from outside ({})",
                outside.from
            );
            question.listable.clear();
            question.is_listed = false;
            if !outside.may_ask {
                return Err(format!(
                    "{}. Tell the person what you wanted to run; /new begins without those words",
                    question.why
                ));
            }
        }
        let programs = question.programs.clone();
        let before = blocking(move || stamps(&programs)).await?;
        let request = Request {
            id: name(&launch, &call),
            facts: facts(&launch, &call, &question),
            reply: call.caller.reply.clone(),
            is_private: matches!(call.caller.session, SessionKind::Main | SessionKind::Direct),
            wait: self.wait,
        };
        let id = request.id.clone();
        let decision = self.desk.ask(request).await?;
        // The world may have changed while a person thought: the rules, and the programs themselves.
        let rules = self.rules(&call).await?;
        if rules.security == Security::Deny {
            return Err("running programs was switched off meanwhile".to_owned());
        }
        let programs = question.programs.clone();
        if blocking(move || stamps(&programs)).await? != before {
            return Err("the program was changed after it was asked about; ask again".to_owned());
        }
        match decision {
            Some(Decision::AllowOnce) => self.start(launch, walls, call).await,
            Some(Decision::AllowAlways) => {
                if !question.listable.is_empty() {
                    let programs = question.listable;
                    let used = programs.iter().map(|program| Used {
                        pattern: program.clone(),
                        program: program.into(),
                    });
                    let used = used.collect();
                    self.desk.allow(&call.agent, programs).await?;
                    self.desk.used(&call.agent, used, &shown(&launch));
                }
                self.start(launch, walls, call).await
            }
            Some(Decision::Deny) => Err(format!(
                "a person refused this command ({id}); don't try it in another form"
            )),
            None if question.is_listed && rules.fallback != Security::Deny => Ok(launch),
            None => Err(format!(
                "nobody allowed this command in time ({id}), so it was not run; say what you wanted to do and why"
            )),
        }
    }

    /// What is started: the launch itself, or the same within walls.
    async fn start(
        &self,
        launch: Launch,
        walls: Option<Setting>,
        call: ToolCall,
    ) -> Result<Launch, String> {
        let Some(setting) = walls else {
            return Ok(launch);
        };
        let sandboxes = self.sandboxes.clone();
        let docker = (setting.backend == Backend::Docker)
            .then(|| DockerSetting::of(self.desk.config().value(), &call.agent));
        let around = move || {
            let (session, workspace) = (&call.session, &call.workspace);
            match &docker {
                Some(docker) => sandboxes.contain(&launch, setting, docker, session, workspace),
                None => sandboxes.around(&launch, setting, session, workspace),
            }
        };
        let around = blocking(around).await?;
        around.map_err(|why| format!("this session is sandboxed, and no sandbox works here: {why}"))
    }

    async fn rules(&self, call: &ToolCall) -> Result<Rules, String> {
        let file = self.desk.file().await?;
        Ok(Rules::of(
            self.desk.config().value(),
            file.as_ref(),
            &call.agent,
            self.home.as_deref(),
        ))
    }
}

impl Gate for ExecGate {
    fn check(
        &self,
        launch: &Launch,
        call: &ToolCall,
    ) -> BoxFuture<'static, Result<Launch, String>> {
        Box::pin(self.clone().pass(launch.clone(), call.clone()))
    }
}

impl fmt::Debug for ExecGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecGate").finish_non_exhaustive()
    }
}

/// The disk as it is.
struct RealDisk;

impl Disk for RealDisk {
    fn is_program(&self, path: &Path) -> bool {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        std::fs::canonicalize(path).ok()
    }
}

/// What tells that a file is still the same: nobody can set the time of its last change.
#[derive(PartialEq)]
struct Stamp {
    device: u64,
    file: u64,
    size: u64,
    changed: (i64, i64),
}

fn stamps(programs: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some(Stamp {
            device: found.dev(),
            file: found.ino(),
            size: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    };
    programs.iter().map(stamp).collect()
}

/// What an answer is bound to.
fn name(launch: &Launch, call: &ToolCall) -> String {
    let what = json!([launch.argv, launch.cwd, launch.env, launch.pty]);
    bound(call, &what)
}

fn facts(launch: &Launch, call: &ToolCall, question: &Question) -> Value {
    let reply = call.caller.reply.as_ref();
    let resolved = question.programs.first();
    json!({
        "command": shown(launch),
        "commandArgv": launch.argv,
        "cwd": launch.cwd,
        "host": "gateway",
        "security": Value::Null,
        "ask": Value::Null,
        "agentId": call.agent,
        "resolvedPath": resolved,
        "sessionKey": call.session,
        "warningText": question.why,
        "canBeListed": !question.listable.is_empty(),
        "turnSourceChannel": reply.map(|reply| &reply.channel),
        "turnSourceTo": reply.map(|reply| &reply.to),
        "turnSourceAccountId": reply.map(|reply| &reply.account),
    })
}

/// The command as a person reads it: a script as it is, an argument list with what would mislead escaped.
fn shown(launch: &Launch) -> String {
    let plain = |word: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.clone(),
            false => format!("{word:?}"),
        }
    };
    match launch.script() {
        Some(script)
            if script
                .chars()
                .all(|c| c == '\n' || c == '\t' || !c.is_control())
                && script.is_ascii() =>
        {
            script.to_owned()
        }
        _ => launch.argv.iter().map(plain).collect::<Vec<_>>().join(" "),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| format!("the command could not be looked at: {error}"))
}
