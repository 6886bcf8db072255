//! Keeps the number of sessions within bounds: `session.maintenance`.
//!
//! Owns: nothing; it looks at the entries now and then. Started by: the supervisor of the sessions. Crashes when: the
//! look panics. Survives: everything; the next look finds what this one left. In the mode `warn` it only says what it
//! would forget; in the mode `enforce` it has the sessions' own actors forget themselves, one after the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use openclaw_protocol::SessionKey;
use openclaw_protocol::config::Maintenance;
use openclaw_protocol::config::MaintenanceMode;
use openclaw_runtime::Actor;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use serde_json::Value;

use crate::deps::Deps;
use crate::entry;
use crate::event::now_ms;
use crate::sessions::Sessions;

/// Not at the start, when everybody has to do.
const FIRST: Duration = Duration::from_secs(300);
/// Sessions are counted in days.
const EVERY: Duration = Duration::from_secs(3600);
/// Forgetting waits for each session; this many at a time leave room for a look that ends.
const AT_A_TIME: usize = 200;
/// Longest one look may take.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Mail of the upkeep.
#[derive(Debug)]
pub(crate) enum UpkeepMail {
    /// It is time to look.
    Look,
    /// What was done, in words.
    Looked(String),
}

impl Mail for UpkeepMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Looked(_) => "looked",
        }
    }
}

/// Keeps the number of sessions within bounds.
pub(crate) struct Upkeep {
    deps: Arc<Deps>,
}

/// Its place under the supervisor of the sessions.
pub(crate) fn spec(deps: Arc<Deps>) -> ChildSpec {
    ChildSpec::actor::<Upkeep>("upkeep", deps).park(EVERY)
}

impl Actor for Upkeep {
    const KIND: &'static str = "session.upkeep";
    type Mail = UpkeepMail;
    type Args = Arc<Deps>;

    fn init(deps: Arc<Deps>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self { deps })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.after(FIRST, UpkeepMail::Look);
        Ok(())
    }

    fn handle(&mut self, mail: UpkeepMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            UpkeepMail::Look => {
                let task = Task::new("look").kind("upkeep").deadline(DEADLINE);
                ctx.task(task, look(self.deps.clone()), UpkeepMail::Looked);
            }
            UpkeepMail::Looked(note) => {
                ctx.note(note);
                ctx.after(EVERY, UpkeepMail::Look);
            }
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match exit.exit {
            Exit::Normal | Exit::Ordered => Ok(()),
            Exit::Killed(KillReason::Deadline) => {
                ctx.after(EVERY, UpkeepMail::Look);
                Ok(())
            }
            _ => Err(ExitError::child(exit)),
        }
    }
}

/// Looks at every agent's sessions and does what the configuration says.
pub(crate) async fn look(deps: Arc<Deps>) -> String {
    let config = (deps.config)();
    let policy = config.session.or_default().maintenance;
    let open: BTreeSet<SessionKey> = deps.ledger.open_sessions().into_iter().collect();
    let (mut over, mut gone) = (0, 0);
    for agent in config.agents.ids() {
        let entries = deps.ledger.session_entries(agent.as_str());
        let old = too_many(&entries, &policy, &open, now_ms());
        over += old.len();
        if policy.mode == MaintenanceMode::Warn {
            continue;
        }
        let sessions = Sessions::new(deps.clone());
        for key in old.iter().take(AT_A_TIME) {
            match sessions.delete(key, true).await {
                Ok(_) => gone += 1,
                Err(error) => {
                    tracing::warn!(session = %key, %error, "an old session is still here");
                }
            }
        }
        let dir = deps.folders.sessions(agent.as_str());
        let age = policy.prune_after();
        let job = move || forget_archives(&dir, age);
        drop(tokio::task::spawn_blocking(job).await);
    }
    match (policy.mode, over) {
        (_, 0) => "within bounds".to_owned(),
        (MaintenanceMode::Warn, over) => {
            let note = format!("{over} sessions are over the bounds of session.maintenance");
            tracing::warn!(
                "{note}; to have them forgotten: openclaw config set session.maintenance.mode enforce"
            );
            note
        }
        (MaintenanceMode::Enforce, over) => {
            tracing::info!(over, gone, "old sessions were forgotten");
            format!("{gone} of {over} old sessions were forgotten")
        }
    }
}

/// Which sessions are over the bounds, oldest first. Pure. An agent's main session and those with work are never.
fn too_many(
    entries: &[(SessionKey, Value)],
    policy: &Maintenance,
    open: &BTreeSet<SessionKey>,
    now_ms: i64,
) -> Vec<SessionKey> {
    let age_ms = i64::try_from(policy.prune_after().as_millis()).unwrap_or(i64::MAX);
    let at = |entry: &Value| entry.as_object().and_then(entry::updated_at).unwrap_or(0);
    let mut by_age: Vec<(i64, &SessionKey)> = entries
        .iter()
        .map(|(key, entry)| (at(entry), key))
        .collect();
    by_age.sort();
    let surplus = by_age.len().saturating_sub(policy.max_entries);
    by_age
        .into_iter()
        .enumerate()
        .filter(|(n, (at, _))| *n < surplus || now_ms.saturating_sub(*at) > age_ms)
        .map(|(_, (_, key))| key)
        .filter(|key| **key != SessionKey::main(&key.agent()) && !open.contains(*key))
        .cloned()
        .collect()
}

/// Removes the archives of forgotten transcripts that are older than sessions may get. Copies of damaged files stay.
fn forget_archives(dir: &Path, age: Duration) {
    let Ok(files) = std::fs::read_dir(dir) else {
        return;
    };
    for file in files.flatten() {
        let name = file.file_name();
        let is_archive = name.to_string_lossy().contains(".jsonl.deleted.");
        let modified = file.metadata().and_then(|meta| meta.modified());
        let is_old = modified.is_ok_and(|at| {
            SystemTime::now()
                .duration_since(at)
                .is_ok_and(|since| since > age)
        });
        if is_archive
            && is_old
            && let Err(error) = std::fs::remove_file(file.path())
        {
            tracing::debug!(file = %file.path().display(), %error, "an old archive stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn key(rest: &str) -> SessionKey {
        SessionKey::parse(&format!("agent:main:{rest}")).unwrap()
    }

    #[test]
    fn the_oldest_and_the_surplus_go_but_never_the_main_one_or_one_with_work() {
        let now = 100 * DAY;
        let entry = |age: i64| json!({"sessionId": "s", "updatedAt": now - age * DAY});
        let entries = vec![
            (key("main"), entry(90)),
            (key("telegram:direct:1"), entry(50)),
            (key("telegram:direct:2"), entry(40)),
            (key("telegram:direct:3"), entry(2)),
            (key("telegram:direct:4"), entry(1)),
        ];
        let mut policy = Maintenance::default();
        let open = BTreeSet::from([key("telegram:direct:2")]);
        assert_eq!(
            too_many(&entries, &policy, &open, now),
            [key("telegram:direct:1")]
        );
        policy.max_entries = 1;
        assert_eq!(
            too_many(&entries, &policy, &open, now),
            [key("telegram:direct:1"), key("telegram:direct:3")]
        );
    }
}
