//! Restricts this process for good, tries that it holds, and executes the program.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use landlock::ABI;
use landlock::Access as _;
use landlock::AccessFs;
use landlock::AccessNet;
use landlock::CompatLevel;
use landlock::Compatible;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetCreatedAttr;
use landlock::RulesetError;
use landlock::RulesetStatus;
use landlock::Scope;
use landlock::path_beneath_rules;

use super::Reach;
use super::filter;

/// The devices that every program may use.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];
/// What programs read of the machine and of themselves; of other processes nothing.
const FACTS: &[&str] = &[
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
];

/// Becomes the program within the walls, or says why not.
pub(super) fn enter(
    reach: &Reach,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> String {
    match restrict(reach) {
        Ok(true) => {}
        Ok(false) => return "the kernel enforces only a part of them".to_owned(),
        Err(error) => return error.to_string(),
    }
    if let Err(why) = filter::apply() {
        return why;
    }
    if let Some(hole) = hole(&reach.outside) {
        return format!("a hole was found: {hole}");
    }
    let error = Command::new(program).args(arguments).exec();
    format!("{}: {error}", program.to_string_lossy())
}

/// Puts the walls of Landlock up; whether all of them are in force. Below version 6 (Linux 6.12) a program could end the
/// gateway by a signal, so that isn't enough.
fn restrict(reach: &Reach) -> Result<bool, RulesetError> {
    let every = AccessFs::from_all(ABI::V6);
    let read = AccessFs::from_read(ABI::V6);
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(every)?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(&reach.read, read))?
        .add_rules(path_beneath_rules(FACTS, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(&reach.write, every))?
        .restrict_self()?;
    Ok(status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs)
}

/// What shouldn't work and does.
fn hole(outside: &Path) -> Option<&'static str> {
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let works = |tried: Result<(), io::Error>| !tried.is_err_and(|error| is_refused(&error));
    let write = |path: &Path| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).open(path).map(drop)
    };
    let tries = [
        ("reading outside", works(File::open(outside).map(drop))),
        ("writing outside", works(write(&outside.join("probe")))),
        (
            "writing to the system",
            works(write(Path::new("/usr/openclaw-probe"))),
        ),
        // Another user's may not even be there.
        (
            "reading other processes",
            File::open("/proc/1/cmdline").is_ok(),
        ),
        (
            "the network",
            works(UdpSocket::bind("127.0.0.1:0").map(drop)),
        ),
        ("sockets", works(UnixDatagram::unbound().map(drop))),
    ];
    tries
        .into_iter()
        .find_map(|(what, is_open)| is_open.then_some(what))
}
