//! The words that the engine's program is given. Pure.

use std::path::Path;

use sha2::Digest;
use sha2::Sha256;

use super::DockerSetting;
use super::sees;
use crate::exec::Launch;
use crate::sandbox::Access;

/// Where the workspace, or the folder in its place, is put.
#[derive(Debug)]
pub(super) struct Mount<'a> {
    pub(super) access: Access,
    pub(super) own: &'a Path,
    pub(super) workspace: &'a Path,
}

/// What a container says of itself, in one line.
const STATE: &str = "{{.State.Running}} {{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{index .Config.Labels \"openclaw.words\"}}";
/// What a container's name is at most.
const LONGEST: usize = 120;

/// The name of a sandbox's container.
pub(super) fn container(prefix: &str, sandbox: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = format!("{prefix}{sandbox}");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '-' });
    plain.take(LONGEST).collect()
}

/// Makes a container that sleeps.
pub(super) fn create(
    docker: &DockerSetting,
    name: &str,
    sandbox: &str,
    mount: &Mount<'_>,
) -> Vec<String> {
    let mut words = Vec::new();
    let mut give = |option: &str, value: &str| words.extend([option.to_owned(), value.to_owned()]);
    give("--network", &docker.network);
    give("--security-opt", "no-new-privileges");
    for cap in &docker.cap_drop {
        give("--cap-drop", cap);
    }
    for folder in &docker.tmpfs {
        give("--tmpfs", folder);
    }
    for (option, value) in [
        ("--user", &docker.user),
        ("--memory", &docker.memory),
        ("--memory-swap", &docker.memory_swap),
        ("--cpus", &docker.cpus),
    ] {
        if let Some(value) = value {
            give(option, value);
        }
    }
    give("--pids-limit", &docker.pids.to_string());
    if let Some(profile) = &docker.seccomp {
        give("--security-opt", &format!("seccomp={profile}"));
    }
    if let Some(profile) = &docker.apparmor {
        give("--security-opt", &format!("apparmor={profile}"));
    }
    for (name, limit) in &docker.ulimits {
        give("--ulimit", &format!("{name}={limit}"));
    }
    for (name, value) in &docker.env {
        give("--env", &format!("{name}={value}"));
    }
    for server in &docker.dns {
        give("--dns", server);
    }
    for host in &docker.hosts {
        give("--add-host", host);
    }
    give("--workdir", &docker.workdir);
    let (from, rights) = match mount.access {
        Access::Rw => (mount.workspace, "rw"),
        Access::Ro => (mount.workspace, "ro"),
        Access::None => (mount.own, "rw"),
    };
    let bind = format!("{}:{}:{rights}", from.display(), docker.workdir);
    give("--volume", &bind);
    for bind in &docker.binds {
        give("--volume", bind);
    }
    if docker.read_only {
        words.push("--read-only".to_owned());
    }
    words.extend(["--init".to_owned(), docker.image.clone()]);
    words.extend(["sleep", "infinity"].map(str::to_owned));
    // By its words a container is known again; what is said once after them belongs to them.
    let made_of = format!("{words:?} {:?}", docker.setup);
    let digest = Sha256::digest(made_of.as_bytes());
    let digest: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut create: Vec<String> = ["create", "--name", name].map(str::to_owned).to_vec();
    for label in [
        format!("openclaw.words={digest}"),
        format!("openclaw.sandbox={sandbox}"),
    ] {
        create.extend(["--label".to_owned(), label]);
    }
    create.extend(words);
    create
}

/// What a container that was made with these words says of itself while it runs.
pub(super) fn state(docker: &DockerSetting, create: &[String]) -> String {
    let label = create
        .iter()
        .find_map(|word| word.strip_prefix("openclaw.words="));
    let (network, label) = (&docker.network, label.unwrap_or_default());
    format!("true {network} {} false {label}", docker.read_only)
}

pub(super) fn inspect(name: &str) -> Vec<String> {
    ["container", "inspect", "--format", STATE, name]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn start(name: &str) -> Vec<String> {
    ["start", name].map(str::to_owned).to_vec()
}

pub(super) fn remove(name: &str) -> Vec<String> {
    ["rm", "--force", name].map(str::to_owned).to_vec()
}

pub(super) fn set_up(name: &str, command: &str) -> Vec<String> {
    ["exec", name, "/bin/sh", "-lc", command]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn probe(name: &str, code: i32) -> Vec<String> {
    let script = format!("exit {code}");
    ["exec", name, "/bin/sh", "-c", &script]
        .map(str::to_owned)
        .to_vec()
}

/// Executes a launch in the container: its own variables, in its folder if that is seen there.
pub(super) fn exec(
    engine: &Path,
    docker: &DockerSetting,
    name: &str,
    launch: &Launch,
    mount: &Mount<'_>,
) -> Vec<String> {
    let inside = |path: &Path| {
        let below = path.strip_prefix(mount.workspace).ok()?;
        let below = sees(mount.access).then_some(below)?;
        let path = Path::new(&docker.workdir).join(below);
        Some(path.to_string_lossy().trim_end_matches('/').to_owned())
    };
    let mut words = vec![engine.to_string_lossy().into_owned(), "exec".to_owned()];
    words.push("--interactive".to_owned());
    if launch.pty {
        words.push("--tty".to_owned());
    }
    let folder = inside(&launch.cwd).unwrap_or_else(|| docker.workdir.clone());
    words.extend(["--workdir".to_owned(), folder]);
    // The machine's own folders mean nothing in there.
    let is_of_machine = |name: &str| {
        ["HOME", "PATH", "SHELL", "TMPDIR", "USER", "LOGNAME"].contains(&name)
            || name.ends_with("_HOME")
            || name.ends_with("PATH")
    };
    for (variable, value) in launch.env.iter().filter(|(name, _)| !is_of_machine(name)) {
        words.extend(["--env".to_owned(), format!("{variable}={value}")]);
    }
    words.push(name.to_owned());
    match launch.script() {
        Some(script) => words.extend(["/bin/sh", "-c", script].map(str::to_owned)),
        None => {
            let program = launch.program();
            // Another system has its programs elsewhere.
            let by_name = program
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            words.extend(inside(program).or(by_name));
            words.extend(launch.argv.iter().skip(1).cloned());
        }
    }
    words
}
