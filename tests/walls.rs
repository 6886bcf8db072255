//! The walls of Landlock and seccomp, put up by the real binary around real programs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use openclaw_protocol::SessionKey;
use openclaw_runtime::child::{Done, Job};
use openclaw_support::skip::skipped;
use openclaw_tool::exec::Launch;
use openclaw_tool::sandbox::{Access, Backend, Bubblewrap, Landlock, Sandboxes, Setting};

const BINARY: &str = env!("CARGO_BIN_EXE_openclaw");

fn sandboxes(dir: &Path) -> Sandboxes {
    openclaw_runtime::child::guard_by(BINARY);
    let none = Bubblewrap::at("/nowhere/bwrap".into());
    Sandboxes::new(dir.join("sandboxes"), none).or(Landlock::by(BINARY))
}

/// Runs a script of a session within the walls; none, with the reason said, where this kernel makes none.
fn run(dir: &Path, workspace: &Path, access: Access, script: &str) -> Option<Done> {
    let launch = Launch {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        cwd: workspace.to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        pty: false,
        walled: false,
    };
    let setting = Setting {
        workspace_access: access,
        backend: Backend::Any,
        ..Setting::default()
    };
    let session = SessionKey::parse("agent:main:main").unwrap();
    let around = match sandboxes(dir).around(&launch, setting, &session, workspace) {
        Ok(around) => around,
        Err(why) => {
            skipped(&format!("no walls of Landlock can be put up here: {why}"));
            return None;
        }
    };
    let (program, arguments) = around.argv.split_first().unwrap();
    let job = Job::new(program, arguments)
        .environment(&around.env)
        .folder(&around.cwd)
        .within(Duration::from_secs(30));
    Some(job.run_blocking().unwrap())
}

fn said(done: &Done) -> String {
    String::from_utf8_lossy(&done.output).into_owned()
}

#[test]
fn a_walled_program_reaches_its_workspace_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (workspace, secret) = (dir.path().join("w"), dir.path().join("secret"));
    std::fs::create_dir(&workspace).unwrap();
    std::fs::write(&secret, "before").unwrap();
    let changed = std::fs::metadata(&secret).unwrap().modified().unwrap();
    let rights = std::fs::metadata(&secret).unwrap().permissions();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (own, secret_at) = (std::process::id(), secret.display());
    // Each line says its name if it works; none of them may.
    let script = format!(
        "exec 2>/dev/null
        cat {secret_at} && echo read
        (echo x >> {secret_at}) && echo write
        ls {} && echo list
        ln -s {secret_at} link && cat link && echo link
        chmod 777 {secret_at} && echo chmod
        touch -d 2001-01-01 {secret_at} && echo touch
        rm -f {secret_at} && echo remove
        mv {secret_at} taken && echo move
        kill -CONT {own} && echo kill
        cat /proc/{own}/cmdline && echo process
        cat /proc/{own}/environ && echo environ
        echo x > /usr/x && echo system
        echo x > /tmp/openclaw-walls && echo tmp
        cat /etc/shadow && echo shadow
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' && echo network
        unshare -Ur true && echo namespace
        prlimit --pid {own} --nofile=1:1 && echo limits
        echo in > kept && mkdir sub && cat kept && date > sub/now && (ls | wc -l) > count && sleep 0 & wait
        echo end",
        dir.path().display()
    );
    let Some(done) = run(dir.path(), &workspace, Access::Rw, &script) else {
        return;
    };
    assert_eq!(said(&done), "in\nend\n");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "before");
    let after = std::fs::metadata(&secret).unwrap();
    assert_eq!(
        (after.modified().unwrap(), after.permissions()),
        (changed, rights)
    );
    assert!(listener.accept().is_err(), "somebody connected");
    assert_eq!(
        std::fs::read_to_string(workspace.join("kept")).unwrap(),
        "in\n"
    );
}

#[test]
fn walls_show_as_much_of_the_workspace_as_is_set() {
    let script =
        "cat given 2>/dev/null || echo unseen; (echo x > made) 2>/dev/null && echo written; exit 3";
    for (access, shows) in [
        (Access::Rw, "here\nwritten\n"),
        (Access::Ro, "here\n"),
        (Access::None, "unseen\nwritten\n"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let workspace = dir.path().join("w");
        std::fs::create_dir(&workspace).unwrap();
        std::fs::write(workspace.join("given"), "here\n").unwrap();
        let Some(done) = run(dir.path(), &workspace, access, script) else {
            return;
        };
        assert_eq!((said(&done).as_str(), done.code), (shows, 3), "{access:?}");
        assert_eq!(workspace.join("made").exists(), access == Access::Rw);
    }
}

#[test]
fn behind_walls_with_a_hole_nothing_is_executed() {
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let folder = dir.path().display();
    // What shall be outside is within reach; or what shall be reached can't be read.
    for reach in [
        format!(
            r#"{{"read":["/usr","/bin","/lib","/lib64"],"write":["{folder}"],"outside":"{folder}"}}"#
        ),
        r#"{"read":[]}"#.to_owned(),
        String::new(),
    ] {
        let ended = Command::new(BINARY)
            .args(["__walled", &reach, "/bin/sh", "-c", "echo x > \"$0\""])
            .arg(&made)
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(126), "{reach}");
        assert!(!ended.stderr.is_empty() && !made.exists(), "{reach}");
    }
}
