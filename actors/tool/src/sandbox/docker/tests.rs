use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use openclaw_protocol::AgentId;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::sandbox::Scope;

/// An engine's program that refuses what the real one doesn't know, keeps containers as files, and runs what is executed
/// in one as it is.
const ENGINE: &str = r#"#!/bin/sh
S=@STATE@
echo "$*" >> "$S/log"
fail() { echo "$1" >> "$S/refused"; exit 125; }
kind=$1; shift
case $kind in
create)
  net=bridge ro=false label= name=
  while [ $# -gt 0 ]; do case $1 in
    --name) name=$2; shift 2;;
    --label) case $2 in openclaw.words=*) label=${2#*=};; openclaw.sandbox=?*) ;; *) fail "label $2";; esac; shift 2;;
    --network) net=$2; shift 2;;
    --security-opt) case $2 in no-new-privileges|seccomp=?*|apparmor=?*) ;; *) fail "security $2";; esac; shift 2;;
    --cap-drop|--tmpfs|--user|--memory|--memory-swap|--cpus|--pids-limit|--ulimit|--env|--dns|--add-host|--workdir|--volume)
      [ -n "$2" ] || fail "$1 empty"; shift 2;;
    --read-only) ro=true; shift;;
    --init) shift;;
    -*) fail "flag $1";;
    *) break;;
  esac; done
  [ $# = 3 ] && [ "$2 $3" = "sleep infinity" ] || fail "command $*"
  [ -e "$S/$name.c" ] && fail "name in use"
  echo "false $net $ro false $label" > "$S/$name.c";;
start) [ $# = 1 ] && [ -e "$S/$1.c" ] || fail "start $*"; sed -i 's/^[a-z]*/true/' "$S/$1.c";;
container)
  [ "$1 $2" = "inspect --format" ] && [ $# = 4 ] || fail "container $*"
  cat "$S/$4.c" 2>/dev/null || exit 1;;
rm) [ "$1" = --force ] && [ $# = 2 ] || fail "rm $*"; rm -f "$S/$2.c";;
exec)
  while [ $# -gt 0 ]; do case $1 in
    --interactive|--tty) shift;;
    --workdir|--env) [ -n "$2" ] || fail "$1 empty"; shift 2;;
    -*) fail "flag $1";;
    *) break;;
  esac; done
  case $(cat "$S/$1.c" 2>/dev/null) in true*) ;; *) fail "exec in $1";; esac
  shift; exec "$@";;
*) fail "command $kind";;
esac
"#;

struct Rig {
    dir: tempfile::TempDir,
    docker: Docker,
    session: SessionKey,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("docker");
        let state = dir.path().to_str().unwrap();
        std::fs::write(&program, ENGINE.replace("@STATE@", state)).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            docker: Docker::at(program),
            session: SessionKey::parse("agent:main:telegram:group:-1").unwrap(),
            dir,
        }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("sandboxes")
    }

    fn run(&self, set: Value) -> Result<Launch, String> {
        let folder = self.folder();
        let place = Place {
            folder: &folder,
            setting: Setting {
                scope: Scope::Agent,
                workspace_access: Access::Rw,
                ..Setting::default()
            },
            session: &self.session,
            workspace: Path::new("/work"),
        };
        self.docker
            .around(&launch("echo hi"), &place, &setting(set))
    }

    /// What the engine was asked since the last time, by its first words.
    fn asked(&self) -> Vec<String> {
        let log = self.dir.path().join("log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        drop(std::fs::remove_file(log));
        let first = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        text.lines().map(first).collect()
    }

    fn refused(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("refused")).unwrap_or_default()
    }
}

fn launch(script: &str) -> Launch {
    Launch {
        argv: ["/bin/bash", "-c", script].map(str::to_owned).to_vec(),
        cwd: "/work/sub".into(),
        env: BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin".to_owned()),
            ("HOME".to_owned(), "/home/a".to_owned()),
            ("MODE".to_owned(), "x y".to_owned()),
        ]),
        pty: false,
        walled: false,
    }
}

fn setting(docker: Value) -> DockerSetting {
    let tree = json!({ "agents": { "defaults": { "sandbox": { "docker": docker } } } });
    DockerSetting::of(&tree, &AgentId::main())
}

fn created(docker: Value, access: Access) -> String {
    let mount = words::Mount {
        access,
        own: Path::new("/own"),
        workspace: Path::new("/work"),
    };
    let words = words::create(&setting(docker), "c", "agent-main", &mount);
    // The digest of the rest.
    let words = words
        .iter()
        .filter(|word| !word.starts_with("openclaw.words="));
    words.cloned().collect::<Vec<_>>().join(" ")
}

/// All that can be set, and the words it becomes.
fn all() -> Value {
    json!({ "image": "own:1", "workdir": "/w", "readOnlyRoot": false, "tmpfs": ["/t"], "network": "lan", "user": "1000:1000",
        "capDrop": ["NET_RAW"], "env": { "LANG": "C.UTF-8" }, "setupCommand": "true", "pidsLimit": 9, "memory": "2g",
        "memorySwap": "3g", "cpus": 1.5, "ulimits": { "nofile": { "soft": 5, "hard": 9 }, "nproc": 7 },
        "seccompProfile": "/p.json", "apparmorProfile": "own", "dns": ["1.1.1.1"], "extraHosts": ["a:10.0.0.1"],
        "binds": ["/data:/data:ro"] })
}

#[test]
fn what_is_set_becomes_words() {
    assert_eq!(
        created(json!({}), Access::None),
        "create --name c --label --label openclaw.sandbox=agent-main --network none --security-opt no-new-privileges \
         --cap-drop ALL --tmpfs /tmp --tmpfs /var/tmp --tmpfs /run --memory 1g --pids-limit 256 --workdir /workspace \
         --volume /own:/workspace:rw --read-only --init openclaw-sandbox:bookworm-slim sleep infinity"
    );
    assert_eq!(
        created(all(), Access::Ro),
        "create --name c --label --label openclaw.sandbox=agent-main --network lan --security-opt no-new-privileges \
         --cap-drop NET_RAW --tmpfs /t --user 1000:1000 --memory 2g --memory-swap 3g --cpus 1.5 --pids-limit 9 \
         --security-opt seccomp=/p.json --security-opt apparmor=own --ulimit nofile=5:9 --ulimit nproc=7 \
         --env LANG=C.UTF-8 --dns 1.1.1.1 --add-host a:10.0.0.1 --workdir /w --volume /work:/w:ro \
         --volume /data:/data:ro --init own:1 sleep infinity"
    );
}

#[test]
fn what_would_take_the_walls_down_makes_no_container() {
    let rig = Rig::new();
    for set in [
        json!({ "network": "host" }),
        json!({ "network": "container:other" }),
        json!({ "seccompProfile": "unconfined" }),
        json!({ "apparmorProfile": "unconfined" }),
        json!({ "binds": ["/:/host"] }),
        json!({ "binds": ["/var/run/docker.sock:/s"] }),
        json!({ "binds": ["/var:/v"] }),
        json!({ "binds": ["/data/../etc:/e"] }),
        json!({ "binds": ["data:/d"] }),
        json!({ "image": "--privileged" }),
        json!({ "workdir": "w" }),
    ] {
        assert!(rig.run(set.clone()).is_err(), "{set}");
    }
    assert!(rig.asked().is_empty());
    assert!(
        setting(json!({ "binds": ["/srv/data:/data:rw"] }))
            .check()
            .is_ok()
    );
}

#[test]
fn a_container_is_made_once_and_anew_when_its_setting_changes() {
    let rig = Rig::new();
    let around = rig.run(all()).unwrap();
    let first = ["container", "create", "start", "exec", "container", "exec"];
    assert_eq!(
        rig.asked(),
        first,
        "made, started, set up, looked at, tried"
    );
    let done = Job::new(&around.argv[0], &around.argv[1..])
        .run_blocking()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&done.output), "hi\n");
    assert!(around.walled);
    let line = around.argv[1..].join(" ");
    assert_eq!(
        line,
        "exec --interactive --workdir /w/sub --env MODE=x y openclaw-sbx-agent-main /bin/sh -c echo hi"
    );
    drop(rig.asked());
    rig.run(all()).unwrap();
    assert_eq!(rig.asked(), ["container", "container", "exec"]);
    rig.run(json!({})).unwrap();
    let anew = ["container", "rm", "create", "start", "container", "exec"];
    assert_eq!(rig.asked(), anew);
    // As after a start of the machine.
    let container = rig.dir.path().join("openclaw-sbx-agent-main.c");
    let state = std::fs::read_to_string(&container).unwrap();
    std::fs::write(&container, state.replacen("true", "false", 1)).unwrap();
    rig.run(json!({})).unwrap();
    assert_eq!(rig.asked(), ["container", "start", "container", "exec"]);
    assert_eq!(containers(&rig.folder()).len(), 1);
    let gone = rig
        .docker
        .remove(&rig.folder(), |note| note.sandbox == "agent-main");
    assert_eq!(gone.unwrap().len(), 1);
    assert!(!container.exists() && containers(&rig.folder()).is_empty());
    assert_eq!(rig.refused(), "");
}

#[test]
fn a_container_that_is_not_as_it_was_made_runs_nothing() {
    let rig = Rig::new();
    let engine = |script: &str| {
        let program = rig.dir.path().join("docker");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    };
    for script in [
        // It says yes to everything, has another network, is privileged, doesn't answer from inside, fails.
        "exit 0",
        "case $1 in container) echo true host true false x;; exec) exit 42;; esac",
        "case $1 in container) echo true none true true x;; exec) exit 42;; esac",
        "exit 1",
        "exit 42",
    ] {
        engine(script);
        assert!(rig.run(json!({})).is_err(), "{script}");
    }
    assert!(containers(&rig.folder()).is_empty());
    let missing = Docker::by(None);
    assert!(missing.ask(&words::inspect("x"), SHORT).is_err());
    // A setup that fails leaves nothing that would be taken for whole.
    let rig = Rig::new();
    assert!(
        rig.run(json!({ "setupCommand": "exit 3" }))
            .unwrap_err()
            .contains("setupCommand")
    );
    assert!(!rig.dir.path().join("openclaw-sbx-agent-main.c").exists());
}

#[test]
fn containers_that_nobody_uses_or_that_are_old_are_removed() {
    let rig = Rig::new();
    rig.run(json!({})).unwrap();
    let notes = rig.folder().join(NOTES);
    for name in ["idle", "fresh"] {
        note(&notes, name, name, "image").unwrap();
        std::fs::write(rig.dir.path().join(format!("{name}.c")), "true").unwrap();
    }
    let now = SystemTime::now();
    let file = std::fs::File::options()
        .write(true)
        .open(notes.join("idle"))
        .unwrap();
    file.set_modified(now - Duration::from_secs(25 * 3600))
        .unwrap();
    let prune = |set: Value, used: &str, now| {
        *rig.docker.pruned.lock().unwrap() = None;
        let tree = json!({ "agents": { "defaults": { "sandbox": { "prune": set } } } });
        rig.docker.prune(
            &notes,
            &DockerSetting::of(&tree, &AgentId::main()),
            used,
            now,
        );
        let mut left: Vec<String> = containers(&rig.folder())
            .into_iter()
            .map(|note| note.sandbox)
            .collect();
        left.sort();
        left.join(" ")
    };
    assert_eq!(
        prune(json!({ "idleHours": 0, "maxAgeDays": 0 }), "", now),
        "agent-main fresh idle"
    );
    assert_eq!(prune(json!({}), "", now), "agent-main fresh");
    assert!(!rig.dir.path().join("idle.c").exists());
    let later = now + Duration::from_secs(8 * 24 * 3600);
    assert_eq!(
        prune(json!({ "idleHours": 0 }), "openclaw-sbx-agent-main", later),
        "agent-main"
    );
    assert_eq!(rig.refused(), "");
}

/// The vendor's own program reads the words before it looks for its engine.
#[test]
fn the_vendor_s_program_takes_the_words() {
    let Docker {
        program: Some(program),
        ..
    } = Docker::find()
    else {
        eprintln!("not run: docker is not installed");
        return;
    };
    let mount = words::Mount {
        access: Access::Rw,
        own: Path::new("/own"),
        workspace: Path::new("/work"),
    };
    let mut set = all();
    set["seccompProfile"] = Value::Null;
    let docker = setting(set);
    let create = words::create(&docker, "c", "agent-main", &mount);
    let exec = words::exec(&program, &docker, "c", &launch("true"), &mount);
    for words in [
        create,
        exec[1..].to_vec(),
        words::inspect("c"),
        words::start("c"),
        words::remove("c"),
        words::set_up("c", "true"),
        words::probe("c", HELD),
    ] {
        let mut asked = std::process::Command::new(&program);
        let asked = asked
            .args(&words)
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let said = asked.output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr);
        assert!(said.contains("/nowhere/docker.sock"), "{words:?}: {said}");
    }
}
