//! Walls of containers: Docker, or a program that takes the same words.
//!
//! A sandbox is one container that sleeps; programs are executed in it. It is made anew when what is set for it changes,
//! and looked at before each run: one that isn't as it was made runs nothing.

mod setting;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use openclaw_protocol::SessionKey;
use openclaw_runtime::child::Job;
use serde::Deserialize;
use serde::Serialize;

pub use self::setting::DockerSetting;
use super::Access;
use super::Setting;
use super::name_of;
use crate::exec::Launch;

/// A command of the engine may take so long.
const SHORT: Duration = Duration::from_secs(20);
/// An image may have to be fetched first, and set up.
const LONG: Duration = Duration::from_secs(600);
/// Containers that nobody uses are looked for no more often than this.
const PRUNE_EACH: Duration = Duration::from_secs(300);
/// How the probe says that it ran.
const HELD: i32 = 42;

/// The program that makes containers, and the notes on those it made.
#[derive(Debug, Clone)]
pub struct Docker {
    program: Option<PathBuf>,
    pruned: Arc<Mutex<Option<SystemTime>>>,
}

/// What is noted of a container; the file's time is that of its last use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The container.
    pub container: String,
    /// Its sandbox, by the folder's name.
    pub sandbox: String,
    /// What it was made from.
    pub image: String,
    /// When it was made.
    pub created_at_ms: u64,
}

impl Docker {
    /// `docker` where systems keep their programs.
    pub fn find() -> Self {
        let places = ["/usr/bin/docker", "/usr/local/bin/docker", "/bin/docker"];
        let found = places.into_iter().map(PathBuf::from);
        Self::by(found.into_iter().find(|path| path.is_file()))
    }

    /// This program.
    pub fn at(program: PathBuf) -> Self {
        Self::by(Some(program))
    }

    fn by(program: Option<PathBuf>) -> Self {
        Self {
            program,
            pruned: Arc::default(),
        }
    }

    /// The launch within the container of its session's sandbox, which is made if it isn't there. Blocks.
    pub(super) fn around(
        &self,
        launch: &Launch,
        place: &Place<'_>,
        docker: &DockerSetting,
    ) -> Result<Launch, String> {
        docker.check()?;
        let sandbox = name_of(place.setting.scope, place.session);
        let name = words::container(&docker.prefix, &sandbox);
        let own = place.folder.join(&sandbox);
        make(&own)?;
        let mount = words::Mount {
            access: place.setting.workspace_access,
            own: &own,
            workspace: place.workspace,
        };
        let create = words::create(docker, &name, &sandbox, &mount);
        let notes = place.folder.join(NOTES);
        self.up(docker, &name, &create)?;
        make(&notes)?;
        note(&notes, &name, &sandbox, &docker.image)?;
        self.prune(&notes, docker, &name, SystemTime::now());
        let program = self.program.as_ref().ok_or(MISSING)?;
        Ok(Launch {
            argv: words::exec(program, docker, &name, launch, &mount),
            cwd: own,
            env: client_env(),
            pty: launch.pty,
            walled: true,
        })
    }

    /// Sees to it that the container runs, as it is set now, and answers from inside.
    fn up(&self, docker: &DockerSetting, name: &str, create: &[String]) -> Result<(), String> {
        let wanted = words::state(docker, create);
        let (code, state) = self.ask(&words::inspect(name), SHORT)?;
        let is_there = code == 0;
        let start = || self.must(&words::start(name), SHORT, "the container does not start");
        // It stands still after the machine was started anew.
        let sleeps = wanted.replacen("true", "false", 1);
        if is_there && state.trim() == sleeps {
            start()?;
        } else if !is_there || state.trim() != wanted {
            if is_there {
                self.must(
                    &words::remove(name),
                    SHORT,
                    "the container can't be removed",
                )?;
            }
            self.must(create, LONG, "no container can be made")?;
            start()?;
            if let Some(command) = &docker.setup {
                let set_up = self.must(
                    &words::set_up(name, command),
                    LONG,
                    "sandbox.docker.setupCommand failed",
                );
                if let Err(why) = set_up {
                    // Half set up it would be taken for whole the next time.
                    let _gone = self.ask(&words::remove(name), SHORT);
                    return Err(why);
                }
            }
        }
        let (_, state) = self.ask(&words::inspect(name), SHORT)?;
        if state.trim() != wanted {
            return Err(format!(
                "the container is not as it was to be made: {}",
                state.trim()
            ));
        }
        match self.ask(&words::probe(name, HELD), SHORT)? {
            (HELD, _) => Ok(()),
            (code, _) => Err(format!("the container does not answer (code {code})")),
        }
    }

    /// Removes containers that were not used for long, or are old; never the one in use.
    fn prune(&self, notes: &Path, docker: &DockerSetting, used: &str, now: SystemTime) {
        let mut pruned = self.pruned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_soon = pruned.is_some_and(|last| {
            let since = now.duration_since(last);
            since.is_ok_and(|since| since < PRUNE_EACH)
        });
        if is_soon {
            return;
        }
        *pruned = Some(now);
        drop(pruned);
        for (path, note) in noted(notes) {
            let last = std::fs::metadata(&path).and_then(|about| about.modified());
            let idle = last.ok().and_then(|last| now.duration_since(last).ok());
            let made = UNIX_EPOCH + Duration::from_millis(note.created_at_ms);
            let age = now.duration_since(made).unwrap_or_default();
            if note.container != used && docker.is_over(idle.unwrap_or_default(), age) {
                let _gone = self.forget(&path, &note);
            }
        }
    }

    /// Removes the containers of sandboxes; the next program finds new ones. Blocks.
    pub fn remove(
        &self,
        folder: &Path,
        is_meant: impl Fn(&Note) -> bool,
    ) -> Result<Vec<Note>, String> {
        let found = noted(&folder.join(NOTES)).into_iter();
        let mut gone = Vec::new();
        for (path, note) in found.filter(|(_, note)| is_meant(note)) {
            self.forget(&path, &note)?;
            gone.push(note);
        }
        Ok(gone)
    }

    fn forget(&self, path: &Path, note: &Note) -> Result<(), String> {
        // One that is gone already is removed as well: `rm --force` says so with success.
        self.must(
            &words::remove(&note.container),
            SHORT,
            "the container can't be removed",
        )?;
        std::fs::remove_file(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn must(&self, arguments: &[String], within: Duration, what: &str) -> Result<(), String> {
        match self.ask(arguments, within)? {
            (0, _) => Ok(()),
            (code, said) => Err(format!("{what} (code {code}): {}", said.trim())),
        }
    }

    fn ask(&self, arguments: &[String], within: Duration) -> Result<(i32, String), String> {
        let program = self.program.as_ref().ok_or(MISSING)?;
        let job = Job::new(program, arguments)
            .environment(client_env())
            .within(within);
        let done = job.run_blocking();
        let done = done.map_err(|error| format!("{}: {error}", program.display()))?;
        Ok((
            done.code,
            String::from_utf8_lossy(&done.output).into_owned(),
        ))
    }
}

/// Where a sandbox belongs.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) setting: Setting,
    pub(super) session: &'a SessionKey,
    pub(super) workspace: &'a Path,
}

/// The folder of notes; a name that no sandbox has.
const NOTES: &str = ".containers";
const MISSING: &str = "docker is not installed";

/// What is noted of containers.
pub fn containers(folder: &Path) -> Vec<Note> {
    let found = noted(&folder.join(NOTES)).into_iter();
    found.map(|(_, note)| note).collect()
}

fn noted(notes: &Path) -> Vec<(PathBuf, Note)> {
    let entries = std::fs::read_dir(notes).into_iter().flatten().flatten();
    let mut found: Vec<(PathBuf, Note)> = entries
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path()).ok()?;
            Some((entry.path(), serde_json::from_str(&text).ok()?))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Notes a use: the first one says when the container was made.
fn note(notes: &Path, name: &str, sandbox: &str, image: &str) -> Result<(), String> {
    let path = notes.join(name);
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let known = std::fs::read_to_string(&path).ok();
    let known = known.and_then(|text| serde_json::from_str::<Note>(&text).ok());
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let is_same = known.as_ref().is_some_and(|known| known.image == image);
    let note = Note {
        container: name.to_owned(),
        sandbox: sandbox.to_owned(),
        image: image.to_owned(),
        created_at_ms: match known {
            Some(known) if is_same => known.created_at_ms,
            _ => now_ms,
        },
    };
    let text = serde_json::to_string(&note).map_err(|error| error.to_string())?;
    std::fs::write(&path, text).map_err(told)
}

fn make(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// What the engine's own program needs to find its engine; nothing of it reaches the container.
fn client_env() -> std::collections::BTreeMap<String, String> {
    let passed = ["HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"];
    let passed = passed
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
    passed.chain([path]).collect()
}

/// What a container sees of the workspace.
fn sees(access: Access) -> bool {
    access != Access::None
}
