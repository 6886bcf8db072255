//! The process between the gateway and a program.

use std::collections::HashMap;
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
use std::time::Duration;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitOptions;
use rustix::process::WaitStatus;

use super::relay;
use super::relay::Face;

/// The first word of a process that is about to become the program.
const GUARDED: &str = "__guarded";
/// The same, for a program that gets a terminal.
const GUARDED_TTY: &str = "__guarded_tty";
/// The exit code that says that there is no such program, as shells say it.
pub(super) const NOT_STARTED: u8 = 127;
/// The exit code of a guard that could not do its work.
const BROKEN: u8 = 126;
/// How often a guard looks again for what forks faster than it is ended.
const ROUNDS: usize = 200;

/// The binary that offers the guard.
static BINARY: OnceLock<OsString> = OnceLock::new();

/// Offers the guard: to be called first thing in `main`. Does the guard's work and answers its exit code, if this
/// process was started as one.
pub fn guard() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let own = words.next();
    let first = words.next();
    let first = first.as_deref().and_then(OsStr::to_str);
    if let Some(face) = first.and_then(Face::of_word) {
        return Some(watch(words.collect(), face));
    }
    match first {
        Some(GUARDED) => Some(become_program(words.collect(), false)),
        Some(GUARDED_TTY) => Some(become_program(words.collect(), true)),
        _ => {
            // The file may be replaced while this process runs; the kernel's own link still finds what it was.
            let binary = if cfg!(target_os = "linux") {
                Some("/proc/self/exe".into())
            } else {
                std::env::current_exe().ok().map(Into::into).or(own)
            };
            if let Some(binary) = binary {
                guard_by(binary);
            }
            None
        }
    }
}

/// Has programs guarded by another binary that calls [`guard`]; what was named first stays.
pub fn guard_by(binary: impl Into<OsString>) {
    drop(BINARY.set(binary.into()));
}

/// Whether programs are guarded: only then they can have a terminal, and end with the process whatever ends it.
pub fn is_there() -> bool {
    BINARY.get().is_some()
}

/// The command that runs a program, guarded if there is a guard.
pub(super) fn command(program: &OsStr, face: Face) -> Command {
    let Some(binary) = BINARY.get() else {
        return Command::new(program);
    };
    let mut command = Command::new(binary);
    command.arg0("openclaw").arg(face.word()).arg(program);
    command
}

/// The exit code; 128 and the number of a signal.
pub(super) fn code(status: ExitStatus) -> i32 {
    let signal = || status.signal().map_or(i32::from(BROKEN), |n| 128 + n);
    status.code().unwrap_or_else(signal)
}

/// Starts the program and waits for its end or for the owner's, whichever comes first.
fn watch(words: Vec<OsString>, face: Face) -> ExitCode {
    // What leaves the program's group, or loses its parent, stays a child of this process.
    #[cfg(target_os = "linux")]
    let _older_kernels = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let leash = std::thread::Builder::new().spawn(|| {
        owner_is_gone();
        end_all_below();
        // The group is this process's own, which the owner made it the head of.
        let group = rustix::process::getpid();
        let _not_ours_to_kill = rustix::process::kill_process_group(group, Signal::KILL);
    });
    let (Ok(_), Ok(own)) = (leash, std::env::current_exe()) else {
        return ExitCode::from(BROKEN);
    };
    let mut program = Command::new(own);
    let word = if face == Face::Terminal {
        GUARDED_TTY
    } else {
        GUARDED
    };
    program.arg0("openclaw").arg(word).args(words);
    let started = match face {
        Face::Silent => {
            let child = program.stdin(Stdio::null()).spawn();
            child.map(|child| (Pid::from_child(&child), None))
        }
        Face::Fed => relay::fed(program),
        Face::Terminal => relay::in_terminal(program),
    };
    let Ok((program, rest)) = started else {
        return ExitCode::from(BROKEN);
    };
    let code = end_of(program);
    end_all_below();
    if let Some(rest) = rest {
        // What the program said last is still on its way.
        let _all_or_late = rest.recv_timeout(Duration::from_secs(1));
    }
    ExitCode::from(code)
}

/// Waits until the other end of the standard input is closed; what stands in it is left to others.
fn owner_is_gone() {
    let stdin = io::stdin();
    loop {
        let mut ends = [PollFd::new(&stdin, PollFlags::empty())];
        match rustix::event::poll(&mut ends, None) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) => {}
            _ => return,
        }
    }
}

/// Waits for the program, and lets go what else ended.
fn end_of(program: Pid) -> u8 {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((process, status))) if process == program => return code_of(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return BROKEN,
        }
    }
}

fn code_of(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|number| 128 + number);
    let code = status.exit_status().or(signal);
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(BROKEN)
}

/// Kills every process below this one, also those that made themselves a group or a session of their own.
fn end_all_below() {
    for _ in 0..ROUNDS {
        let below = below(rustix::process::getpid());
        if below.is_empty() {
            return;
        }
        for process in below {
            let _gone_already = rustix::process::kill_process(process, Signal::KILL);
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The processes below one that are not dead yet; none where the system doesn't tell.
fn below(own: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let parent = number.and_then(|number: i32| parent(number));
        if let (Some(number), Some(parent)) = (number, parent) {
            children.entry(parent).or_default().push(number);
        }
    }
    let mut found = children.remove(&own.as_raw_pid()).unwrap_or_default();
    let mut at = 0;
    while let Some(process) = found.get(at) {
        let more = children.remove(process).unwrap_or_default();
        found.extend(more);
        at += 1;
    }
    found.into_iter().filter_map(Pid::from_raw).collect()
}

/// The parent of a process that is not dead.
fn parent(process: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(parent)
}

/// Turns this process into the program, which dies when the guard does.
fn become_program(words: Vec<OsString>, in_terminal: bool) -> ExitCode {
    let guard = rustix::process::getppid();
    #[cfg(target_os = "linux")]
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        return ExitCode::from(BROKEN);
    }
    // The guard may have died before the kernel was told to watch it.
    if rustix::process::getppid() != guard {
        return ExitCode::from(BROKEN);
    }
    if in_terminal {
        let taken =
            rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(io::stdin()));
        if taken.is_err() {
            return ExitCode::from(BROKEN);
        }
    }
    let mut words = words.into_iter();
    let Some(program) = words.next() else {
        return ExitCode::from(BROKEN);
    };
    let _never_started = Command::new(program).args(words).exec();
    ExitCode::from(NOT_STARTED)
}
