//! Walls of Landlock and seccomp: for machines on which bubblewrap is missing or may not make namespaces.
//!
//! They are put up by the process that becomes the program: this binary is started once more, restricts itself, tries
//! from inside whether that holds, and only then executes the program. Where anything of it fails, nothing is executed.
//!
//! What they can't do: the program sees that files and processes outside exist, though not what is in them, and `/tmp` is
//! not there at all.

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod launcher;

use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use openclaw_runtime::child::Job;
use serde::Deserialize;
use serde::Serialize;

use super::Access;
use super::SYSTEM;
use crate::exec::Launch;

/// The first word of a process that is about to restrict itself.
const WALLED: &str = "__walled";
/// The exit code of one that could not, so that nothing was executed.
const NOT_WALLED: u8 = 126;
/// How long the probe may take.
const PROBE: Duration = Duration::from_secs(5);
/// What the probe's program says if it was executed.
const HELD: i32 = 42;

/// What a program within the walls may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reach {
    /// To read and execute.
    read: Vec<PathBuf>,
    /// To write, too.
    write: Vec<PathBuf>,
    /// A folder that stands outside: it is tried before the program is executed.
    outside: PathBuf,
}

/// The binary that puts the walls up.
#[derive(Debug, Clone)]
pub struct Landlock {
    binary: Option<OsString>,
}

/// Walls that held when they were tried. Nothing but a successful probe makes one.
#[derive(Debug)]
pub(super) struct Proof {
    binary: String,
    outside: PathBuf,
}

/// Does a walled process's work and answers its exit code, if this process was started as one: to be called first thing
/// in `main`. It returns only when the program could not be executed.
pub fn walled() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next().as_deref() != Some(OsStr::new(WALLED)) {
        return None;
    }
    let why = become_walled(words);
    eprintln!("openclaw: not run, as no walls can be put up: {why}");
    Some(ExitCode::from(NOT_WALLED))
}

/// Becomes the program, or says why not.
fn become_walled(mut words: impl Iterator<Item = OsString>) -> String {
    let reach = words.next().unwrap_or_default();
    let reach = serde_json::from_str::<Reach>(&reach.to_string_lossy());
    match (reach, words.next()) {
        (Ok(reach), Some(program)) => enter(&reach, &program, words),
        (Err(error), _) => error.to_string(),
        (_, None) => "no program was named".to_owned(),
    }
}

#[cfg(target_os = "linux")]
fn enter(reach: &Reach, program: &OsStr, arguments: impl Iterator<Item = OsString>) -> String {
    launcher::enter(reach, program, arguments)
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &Reach, _: &OsStr, _: impl Iterator<Item = OsString>) -> String {
    "this system has no Landlock".to_owned()
}

impl Landlock {
    /// No such walls.
    pub fn none() -> Self {
        Self { binary: None }
    }

    /// Walls that this binary puts up, which calls [`walled`].
    pub fn by(binary: impl Into<OsString>) -> Self {
        Self {
            binary: Some(binary.into()),
        }
    }

    /// Tries the walls: a program is executed only behind walls that hold. Blocks.
    pub(super) fn probe(&self, outside: &Path) -> Result<Proof, String> {
        let Some(binary) = &self.binary else {
            return Err("Landlock is not used".to_owned());
        };
        std::fs::create_dir_all(outside)
            .map_err(|error| format!("{}: {error}", outside.display()))?;
        let proof = Proof {
            binary: binary.to_string_lossy().into_owned(),
            outside: outside.to_owned(),
        };
        let argv = proof.words(Vec::new(), Vec::new());
        let script = format!("exit {HELD}");
        let program = ["/bin/sh", "-c", &script].map(str::to_owned);
        let (first, rest) = argv.split_first().ok_or("no launcher")?;
        let job = Job::new(first, rest.iter().chain(&program))
            .environment([("PATH", "/usr/bin:/bin")])
            .within(PROBE);
        match job.run_blocking() {
            Ok(done) if done.code == HELD => Ok(proof),
            Ok(done) => Err(format!(
                "this kernel has no Landlock of Linux 6.12 or later (code {})",
                done.code
            )),
            Err(error) => Err(format!("Landlock: {error}")),
        }
    }
}

impl Proof {
    fn words(&self, read: Vec<PathBuf>, write: Vec<PathBuf>) -> Vec<String> {
        let system = SYSTEM.iter().map(PathBuf::from);
        let reach = Reach {
            read: system.chain(read).collect(),
            write,
            outside: self.outside.clone(),
        };
        // Paths that are no text can't be written so: then there is nothing to read, and nothing is executed.
        let reach = serde_json::to_string(&reach).unwrap_or_default();
        vec![self.binary.clone(), WALLED.to_owned(), reach]
    }

    /// The launch within the walls. The workspace is at its own path as far as it may be seen; `own` can be written.
    pub(super) fn around(
        &self,
        launch: &Launch,
        access: Access,
        own: &Path,
        workspace: &Path,
    ) -> Launch {
        let (mut read, mut write) = (Vec::new(), vec![own.to_owned()]);
        match access {
            Access::Rw => write.push(workspace.to_owned()),
            Access::Ro => read.push(workspace.to_owned()),
            Access::None => {}
        }
        let home = if access == Access::Rw { workspace } else { own };
        let is_seen = access != Access::None && launch.cwd.starts_with(workspace);
        let mut argv = self.words(read, write);
        argv.extend(launch.argv.iter().cloned());
        let mut env = launch.env.clone();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        env.insert("HOME".to_owned(), text(home));
        env.insert("TMPDIR".to_owned(), text(own));
        Launch {
            argv,
            cwd: if is_seen {
                launch.cwd.clone()
            } else {
                own.to_owned()
            },
            env,
            pty: launch.pty,
            walled: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_can_be_reached_is_what_the_setting_says() {
        let proof = Proof {
            binary: "/bin/openclaw".to_owned(),
            outside: "/state/sandboxes".into(),
        };
        let inner = Launch {
            argv: vec!["/bin/ls".to_owned(), "-l".to_owned()],
            cwd: "/w/sub".into(),
            env: BTreeMap::new(),
            pty: false,
            walled: false,
        };
        for (access, read, write, cwd, home) in [
            (Access::Rw, false, true, "/w/sub", "/w"),
            (Access::Ro, true, false, "/w/sub", "/own"),
            (Access::None, false, false, "/own", "/own"),
        ] {
            let around = proof.around(&inner, access, Path::new("/own"), Path::new("/w"));
            assert_eq!(around.argv[..2], ["/bin/openclaw", WALLED]);
            assert_eq!(around.argv[3..], inner.argv);
            let reach: Reach = serde_json::from_str(&around.argv[2]).unwrap();
            let workspace = PathBuf::from("/w");
            assert_eq!(reach.read.contains(&workspace), read);
            assert_eq!(reach.write.contains(&workspace), write);
            assert!(reach.write.contains(&PathBuf::from("/own")));
            assert_eq!(
                (around.cwd.to_str().unwrap(), around.env["HOME"].as_str()),
                (cwd, home)
            );
            assert!(around.walled);
        }
    }

    #[test]
    fn what_can_t_be_read_executes_nothing() {
        let reach = r#"{"read":[],"write":[],"outside":"/"}"#;
        for words in [
            vec![],
            vec!["x", "/bin/true"],
            vec!["{}", "/bin/true"],
            vec![reach],
        ] {
            let words = words.into_iter().map(OsString::from);
            assert!(!become_walled(words).is_empty());
        }
    }
}
