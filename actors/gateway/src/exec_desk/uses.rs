//! When entries of the list of programs were used, written back to `exec-approvals.json`.
//!
//! Owns: what was used and isn't written yet. Started by: the root. Crashes when: never by itself. Survives: what was
//! noted, as it is shared; what a kill takes along is lost, and nothing stands on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use openclaw_tool::approval::Used;
use serde_json::Value;
use serde_json::json;

use super::read;
use crate::state_file::StateFile;

const PLACE: &str = "uses";
/// Uses are gathered for so long: the file is for people, and an agent runs many programs a minute.
const GATHER: Duration = Duration::from_secs(30);
/// A longer command is cut.
const SHOWN: usize = 500;
/// A write may take so long.
const WRITE: Duration = Duration::from_secs(30);

/// What was used and isn't written down yet: the last use of each entry. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Uses(Arc<Mutex<Noted>>);

/// By agent, and the entry as it is written.
type Noted = BTreeMap<(AgentId, String), Use>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    program: PathBuf,
    command: String,
    at_ms: i64,
}

impl Uses {
    /// Notes a use.
    pub fn note(&self, agent: &AgentId, used: Vec<Used>, command: &str, at_ms: i64) {
        let command: String = command.chars().take(SHOWN).collect();
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for used in used {
            let last = Use {
                program: used.program,
                command: command.clone(),
                at_ms,
            };
            noted.insert((agent.clone(), used.pattern), last);
        }
    }

    fn take(&self) -> Noted {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_empty(&self) -> bool {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.is_empty()
    }
}

/// Says that there is something to write down.
pub(super) fn nudge(directory: &Directory) -> bool {
    let address = directory.address::<UsesMail>(&ActorPath::from(PLACE));
    address.nudge(UsesMail::Used)
}

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum UsesMail {
    /// Something was used.
    Used,
    /// It was gathered for long enough.
    Write,
    /// It is written down, or not.
    Written(Result<(), String>),
}

impl Mail for UsesMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Write => "write",
            Self::Written(_) => "written",
        }
    }
}

/// Writes uses down, many at a time.
#[derive(Debug)]
pub(crate) struct UseKeeper {
    uses: Uses,
    file: StateFile,
    gather: Duration,
    is_planned: bool,
}

impl UseKeeper {
    /// Its place under the root.
    pub(crate) fn spec(uses: &Uses, file: &StateFile) -> ChildSpec {
        ChildSpec::actor::<Self>(PLACE, (uses.clone(), file.clone(), GATHER))
            .park(Duration::from_secs(60))
    }

    fn plan(&mut self, ctx: &mut Context<Self>) {
        if !self.is_planned && !self.uses.is_empty() {
            self.is_planned = true;
            ctx.after(self.gather, UsesMail::Write);
        }
    }
}

impl Actor for UseKeeper {
    const KIND: &'static str = "uses";
    type Mail = UsesMail;
    type Args = (Uses, StateFile, Duration);

    fn init((uses, file, gather): Self::Args, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            uses,
            file,
            gather,
            is_planned: false,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.plan(ctx);
        Ok(())
    }

    fn handle(&mut self, mail: UsesMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            UsesMail::Used => self.plan(ctx),
            UsesMail::Write => {
                let write = write(self.file.clone(), self.uses.take());
                let task = Task::new("write").kind("write").deadline(WRITE);
                let _id = ctx.task(task, write, UsesMail::Written);
            }
            UsesMail::Written(written) => {
                if let Err(error) = written {
                    tracing::warn!(%error, "the times of use of the list of programs were not written");
                }
                self.is_planned = false;
                self.plan(ctx);
            }
        }
        Ok(())
    }

    fn child_exited(
        &mut self,
        exit: openclaw_runtime::ChildExit,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        if !exit.exit.is_clean() {
            tracing::warn!(exit = %exit.exit, "the times of use of the list of programs were not written");
            self.is_planned = false;
            self.plan(ctx);
        }
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        let noted = self.uses.take();
        if noted.is_empty() {
            return None;
        }
        let file = self.file.clone();
        Some(Box::pin(async move { drop(write(file, noted).await) }))
    }
}

/// Writes uses into the file, if it is there; what else stands in it stays.
async fn write(file: StateFile, noted: Noted) -> Result<(), String> {
    let _turn = file.turn().await;
    let Some(mut rules) = read(&file).await? else {
        return Ok(());
    };
    let is_changed = noted
        .iter()
        .fold(false, |is, (of, last)| record(&mut rules, of, last) || is);
    if !is_changed {
        return Ok(());
    }
    let written = file.replace(&rules).await;
    written.map(drop).map_err(|error| error.to_string())
}

/// Records a use with its entry; the agent's own comes before that for all. An entry that somebody took away meanwhile, or
/// wrote as a bare pattern, is left as it is.
fn record(rules: &mut Value, (agent, pattern): &(AgentId, String), last: &Use) -> bool {
    let is_main = agent.as_str() == AgentId::MAIN;
    let names = [agent.as_str(), if is_main { "default" } else { "*" }, "*"];
    let Some(agents) = rules.get_mut("agents").and_then(Value::as_object_mut) else {
        return false;
    };
    for name in names {
        let list = agents
            .get_mut(name)
            .and_then(|entry| entry.get_mut("allowlist"));
        let list = list.and_then(Value::as_array_mut).into_iter().flatten();
        let mut entries = list.filter_map(Value::as_object_mut);
        let found = entries
            .find(|entry| entry.get("pattern").and_then(Value::as_str) == Some(pattern.as_str()));
        if let Some(entry) = found {
            entry.insert("lastUsedAt".to_owned(), json!(last.at_ms));
            entry.insert("lastUsedCommand".to_owned(), json!(last.command));
            entry.insert("lastResolvedPath".to_owned(), json!(last.program));
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use openclaw_runtime::Root;

    use super::*;

    fn used(pattern: &str, program: &str) -> Vec<Used> {
        vec![Used {
            pattern: pattern.to_owned(),
            program: program.into(),
        }]
    }

    #[tokio::test]
    async fn a_use_is_written_beside_what_stands_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::new(dir.path().join("exec-approvals.json"));
        let before = json!({ "version": 1, "own": 1, "agents": {
            "default": { "allowlist": ["/opt/*", { "id": "a", "pattern": "~/bin/*", "note": "mine", "lastUsedAt": 1 }] },
            "*": { "allowlist": [{ "pattern": "/usr/bin/ls" }, { "pattern": "~/bin/*" }] },
        } });
        file.replace(&before).await.unwrap();
        let uses = Uses::default();
        let main = AgentId::main();
        uses.note(&main, used("~/bin/*", "/home/a/bin/x"), "x --now", 5);
        uses.note(&main, used("~/bin/*", "/home/a/bin/y"), &"y".repeat(900), 7);
        uses.note(
            &"ops".parse().unwrap(),
            used("/usr/bin/ls", "/usr/bin/ls"),
            "ls",
            6,
        );
        uses.note(&main, used("/gone", "/gone"), "gone", 6);
        uses.note(&main, used("/opt/*", "/opt/x"), "x", 6);
        write(file.clone(), uses.take()).await.unwrap();
        let mut after = before;
        let own = &mut after["agents"]["default"]["allowlist"][1];
        own["lastUsedAt"] = json!(7);
        own["lastUsedCommand"] = json!("y".repeat(SHOWN));
        own["lastResolvedPath"] = json!("/home/a/bin/y");
        let all = &mut after["agents"]["*"]["allowlist"][0];
        all["lastUsedAt"] = json!(6);
        all["lastUsedCommand"] = json!("ls");
        all["lastResolvedPath"] = json!("/usr/bin/ls");
        assert_eq!(read(&file).await.unwrap().unwrap(), after);
    }

    #[tokio::test]
    async fn many_uses_are_one_write_and_the_end_writes_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::new(dir.path().join("exec-approvals.json"));
        let list = json!({ "agents": { "*": { "allowlist": [{ "pattern": "/bin/a" }] } } });
        file.replace(&list).await.unwrap();
        let (uses, directory) = (Uses::default(), Directory::new());
        let start = async |gather| {
            let args = (uses.clone(), file.clone(), gather);
            let children = vec![ChildSpec::actor::<UseKeeper>(PLACE, args)];
            Root::start(directory.clone(), "gateway", children).await
        };
        let at = async || {
            let rules = read(&file).await.unwrap().unwrap();
            rules["agents"]["*"]["allowlist"][0]["lastUsedAt"].clone()
        };
        let root = start(Duration::from_secs(3600)).await;
        for at_ms in 1..=100 {
            uses.note(&AgentId::main(), used("/bin/a", "/bin/a"), "a", at_ms);
            nudge(&directory);
        }
        assert_eq!(at().await, Value::Null, "they are gathered");
        let _report = root.shutdown(Duration::from_secs(10)).await;
        assert_eq!(at().await, json!(100));

        let root = start(Duration::from_millis(1)).await;
        uses.note(&AgentId::main(), used("/bin/a", "/bin/a"), "a", 200);
        nudge(&directory);
        let written = async {
            while at().await != json!(200) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written)
            .await
            .unwrap();
        let _report = root.shutdown(Duration::from_secs(10)).await;
    }
}
