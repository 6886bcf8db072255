//! The process between the gateway and a program.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::process::ExitCode;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::OnceLock;

use rustix::process::Signal;

/// The first word of a guard's command line.
const GUARD: &str = "__guard";
/// The first word of a process that is about to become the program.
const GUARDED: &str = "__guarded";
/// The exit code that says that there is no such program, as shells say it.
pub(super) const NOT_STARTED: u8 = 127;
/// The exit code of a guard that could not do its work.
const BROKEN: u8 = 126;

/// The binary that offers the guard.
static BINARY: OnceLock<OsString> = OnceLock::new();

/// Offers the guard: to be called first thing in `main`. Does the guard's work and answers its exit code, if this
/// process was started as one.
pub fn guard() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let own = words.next();
    let first = words.next();
    match first.as_deref().and_then(OsStr::to_str) {
        Some(GUARD) => Some(watch(words.collect())),
        Some(GUARDED) => Some(become_program(words.collect())),
        _ => {
            // The file may be replaced while this process runs; the kernel's own link still finds what it was.
            let binary = if cfg!(target_os = "linux") {
                Some("/proc/self/exe".into())
            } else {
                std::env::current_exe().ok().map(Into::into).or(own)
            };
            drop(binary.map(|binary| BINARY.set(binary)));
            None
        }
    }
}

pub(super) fn is_there() -> bool {
    BINARY.get().is_some()
}

/// The command that runs a program, guarded if there is a guard.
pub(super) fn command(program: &OsStr) -> Command {
    let Some(binary) = BINARY.get() else {
        return Command::new(program);
    };
    let mut command = Command::new(binary);
    command.arg0("openclaw").arg(GUARD).arg(program);
    command
}

/// The exit code; 128 and the number of a signal.
pub(super) fn code(status: ExitStatus) -> i32 {
    let signal = || status.signal().map_or(i32::from(BROKEN), |n| 128 + n);
    status.code().unwrap_or_else(signal)
}

/// Starts the program and waits for its end or for the owner's, whichever comes first.
fn watch(words: Vec<OsString>) -> ExitCode {
    let Ok(own) = std::env::current_exe() else {
        return ExitCode::from(BROKEN);
    };
    let leash = std::thread::Builder::new().spawn(|| {
        // Nothing is ever written: the end of it says that the owner is gone.
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        // The group is this process's own, which the owner made it the head of.
        let group = rustix::process::getpid();
        let _not_ours_to_kill = rustix::process::kill_process_group(group, Signal::KILL);
    });
    if leash.is_err() {
        return ExitCode::from(BROKEN);
    }
    let mut program = Command::new(own);
    program.arg0("openclaw").arg(GUARDED).args(words);
    let ended = program.stdin(Stdio::null()).status();
    let code = ended
        .ok()
        .and_then(|status| u8::try_from(code(status)).ok());
    ExitCode::from(code.unwrap_or(BROKEN))
}

/// Turns this process into the program, which dies when the guard does.
fn become_program(words: Vec<OsString>) -> ExitCode {
    let guard = rustix::process::getppid();
    #[cfg(target_os = "linux")]
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        return ExitCode::from(BROKEN);
    }
    // The guard may have died before the kernel was told to watch it.
    if rustix::process::getppid() != guard {
        return ExitCode::from(BROKEN);
    }
    let mut words = words.into_iter();
    let Some(program) = words.next() else {
        return ExitCode::from(BROKEN);
    };
    let _never_started = Command::new(program).args(words).exec();
    ExitCode::from(NOT_STARTED)
}
