//! Walls of bubblewrap (`bwrap`): namespaces of the kernel, made without rights of an administrator.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_runtime::child::Job;

use super::Access;
use super::SYSTEM;
use crate::exec::Launch;

/// How long the probe may take.
const PROBE: Duration = Duration::from_secs(5);
/// What the probe tries: to see what stands outside, and to write where nothing may be written.
const TRY: &str = "test ! -e \"$1\" && ! ( : > /usr/openclaw-probe ) 2>/dev/null && ! ( : > \"$1/probe\" ) 2>/dev/null && exit 42";
/// How the probe says that it found the walls to hold.
const HELD: i32 = 42;

/// The program that makes the walls, if it is there.
#[derive(Debug, Clone)]
pub struct Bubblewrap {
    program: Option<PathBuf>,
}

/// Walls that held when they were tried. Nothing but a successful probe makes one.
#[derive(Debug)]
pub struct Proof {
    program: PathBuf,
}

impl Bubblewrap {
    /// `bwrap` where systems keep their programs.
    pub fn find() -> Self {
        let places = ["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap"];
        let found = places
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.is_file());
        Self { program: found }
    }

    /// This program.
    pub fn at(program: PathBuf) -> Self {
        Self {
            program: Some(program),
        }
    }

    /// Tries the walls from inside: a program there may not see `outside`, nor write to the system. Blocks.
    pub fn probe(&self, outside: &Path) -> Result<Proof, String> {
        let Some(program) = &self.program else {
            return Err("bwrap is not installed (the package is called bubblewrap)".to_owned());
        };
        std::fs::create_dir_all(outside)
            .map_err(|error| format!("{}: {error}", outside.display()))?;
        let mut arguments = walls();
        let outside = outside.to_string_lossy().into_owned();
        let inner = ["--", "/bin/sh", "-c", TRY, "probe"].map(str::to_owned);
        arguments.extend(inner);
        arguments.push(outside);
        let job = Job::new(program, &arguments)
            .environment([("PATH", "/usr/bin:/bin")])
            .within(PROBE);
        match job.run_blocking() {
            Ok(done) if done.code == HELD => Ok(Proof {
                program: program.clone(),
            }),
            Ok(done) => Err(format!(
                "{} makes no walls here (code {})",
                program.display(),
                done.code
            )),
            Err(error) => Err(format!("{}: {error}", program.display())),
        }
    }
}

impl Proof {
    /// The launch within the walls. The workspace is seen at its own path: itself, or `own` in its place.
    pub(super) fn around(
        &self,
        launch: &Launch,
        access: Access,
        own: &Path,
        workspace: &Path,
    ) -> Launch {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut argv = vec![text(&self.program)];
        argv.extend(walls());
        let (bind, from) = match access {
            Access::Rw => ("--bind", workspace),
            Access::Ro => ("--ro-bind", workspace),
            Access::None => ("--bind", own),
        };
        argv.extend([bind.to_owned(), text(from), text(workspace)]);
        let cwd = match launch.cwd.starts_with(workspace) && access != Access::None {
            true => &launch.cwd,
            false => workspace,
        };
        argv.extend(["--chdir".to_owned(), text(cwd), "--".to_owned()]);
        argv.extend(launch.argv.iter().cloned());
        let mut env = launch.env.clone();
        // The person's home is not there.
        env.insert("HOME".to_owned(), text(workspace));
        env.insert("TMPDIR".to_owned(), "/tmp".to_owned());
        Launch {
            argv,
            cwd: own.to_owned(),
            env,
            pty: launch.pty,
            walled: true,
        }
    }
}

/// The walls that all sandboxes have: the system to read, no network, no other processes, nothing of anybody's files.
fn walls() -> Vec<String> {
    let mut walls: Vec<String> = [
        "--die-with-parent",
        "--new-session",
        "--unshare-all",
        "--cap-drop",
        "ALL",
    ]
    .map(str::to_owned)
    .to_vec();
    for path in SYSTEM {
        walls.extend(["--ro-bind-try", path, path].map(str::to_owned));
    }
    walls.extend(
        [
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "--hostname",
            "sandbox",
        ]
        .map(str::to_owned),
    );
    walls
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use openclaw_protocol::SessionKey;

    use super::super::Sandboxes;
    use super::super::Setting;
    use super::*;

    fn launch(script: &str, cwd: &Path) -> Launch {
        Launch {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: cwd.to_owned(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            pty: false,
            walled: false,
        }
    }

    fn setting(access: Access) -> Setting {
        Setting {
            workspace_access: access,
            ..Setting::default()
        }
    }

    /// A program in place of bwrap.
    fn fake(dir: &Path, script: &str) -> Bubblewrap {
        let path = dir.join("bwrap");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Bubblewrap::at(path)
    }

    #[test]
    fn nothing_runs_where_no_walls_hold() {
        let dir = tempfile::tempdir().unwrap();
        let session = SessionKey::parse("agent:main:telegram:group:1").unwrap();
        let program = launch("true", dir.path());
        for walls in [
            Bubblewrap { program: None },
            Bubblewrap::at(dir.path().join("missing")),
            // It fails, it makes no walls at all, it says yes without having tried.
            fake(dir.path(), "exit 1"),
            fake(
                dir.path(),
                "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"",
            ),
            fake(dir.path(), "exit 0"),
        ] {
            let sandboxes = Sandboxes::new(dir.path().join("sandboxes"), walls);
            let around = sandboxes.around(&program, setting(Access::Rw), &session, dir.path());
            assert!(around.is_err(), "{around:?}");
        }
    }

    #[test]
    fn the_workspace_is_what_the_setting_says() {
        let proof = Proof {
            program: "/usr/bin/bwrap".into(),
        };
        let inner = launch("ls; rm x", Path::new("/w/sub"));
        for (access, bound, chdir) in [
            (Access::Rw, "--bind /w /w", "--chdir /w/sub"),
            (Access::Ro, "--ro-bind /w /w", "--chdir /w/sub"),
            (Access::None, "--bind /own /w", "--chdir /w "),
        ] {
            let around = proof.around(&inner, access, Path::new("/own"), Path::new("/w"));
            let line = around.argv.join(" ");
            assert!(line.contains(bound) && line.contains(chdir), "{line}");
            assert!(around.argv.ends_with(&inner.argv), "{line}");
            assert!(line.contains("--unshare-all") && around.env["HOME"] == "/w");
        }
    }

    #[test]
    fn a_write_outside_the_sandbox_fails() {
        let dir = tempfile::tempdir().unwrap();
        let (workspace, outside) = (dir.path().join("w"), dir.path().join("secret"));
        std::fs::create_dir(&workspace).unwrap();
        std::fs::write(&outside, "before").unwrap();
        let sandboxes = Sandboxes::new(dir.path().join("sandboxes"), Bubblewrap::find());
        let session = SessionKey::parse("agent:main:main").unwrap();
        let script = format!(
            "echo in > kept; cat {0}; echo gone > {0}; echo x > /usr/x; true",
            outside.display()
        );
        let around = sandboxes.around(
            &launch(&script, &workspace),
            setting(Access::Rw),
            &session,
            &workspace,
        );
        let around = match around {
            Ok(around) => around,
            Err(why) => {
                eprintln!("not run: no walls can be made here: {why}");
                return;
            }
        };
        let (program, arguments) = around.argv.split_first().unwrap();
        let done = Job::new(program, arguments)
            .environment(&around.env)
            .folder(&around.cwd)
            .run_blocking()
            .unwrap();
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "before");
        assert_eq!(
            std::fs::read_to_string(workspace.join("kept")).unwrap(),
            "in\n"
        );
        assert!(!String::from_utf8_lossy(&done.output).contains("before"));
    }
}
