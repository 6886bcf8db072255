//! One gateway a state folder: the lock file that says who it is, and the way to end it.
//!
//! A running gateway holds `gateway.lock` in its state folder under an exclusive file lock, which the kernel drops
//! when the process ends, however it ends. Its content says who holds it. So a lock that can be taken is stale,
//! whatever is written in it, and a lock that can't be taken belongs to a live gateway whose pid is in the file.

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use serde::Deserialize;
use serde::Serialize;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;

#[cfg(test)]
mod tests;

/// How long an ordered shutdown may take before `gateway stop` gives up waiting: the gateway's own 5 s and a margin.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// How long somebody who only looks at the lock can hold it: a read of a small file, on a busy machine.
const LOOK: Duration = Duration::from_millis(500);

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) started_at_ms: i64,
    pub(crate) version: String,
    /// The kernel's start time of the process, against pids that were given out again.
    pub(crate) birth: Option<u64>,
}

/// The lock, while it is held.
#[derive(Debug)]
pub(crate) struct Instance {
    file: File,
    started_at_ms: i64,
}

/// What `stop` did.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) holder: Holder,
    pub(crate) took: Duration,
}

impl Instance {
    /// Takes the lock; fails when another gateway runs on the same state folder.
    pub(crate) fn claim(path: &Path, port: u16) -> CommandResult<Self> {
        let file = open(path).map_err(|error| unusable(path, &error))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
            }
            // Whoever only looks at the lock holds it for an instant too; then its writer is no longer alive.
            let holder = read(&file).filter(|holder| holder.birth == birth(holder.pid));
            if holder.is_some() || since.elapsed() > LOOK {
                return Err(taken(holder.as_ref(), port));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let started_at_ms = crate::render::now_ms();
        let instance = Self {
            file,
            started_at_ms,
        };
        instance
            .announce(port)
            .map_err(|error| unusable(path, &error))?;
        Ok(instance)
    }

    /// Writes who holds the lock and where it listens.
    pub(crate) fn announce(&self, port: u16) -> io::Result<()> {
        let pid = std::process::id();
        let holder = Holder {
            pid,
            port,
            started_at_ms: self.started_at_ms,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            birth: birth(pid),
        };
        // Over what stands there: on a full disk that needs no room.
        let text = serde_json::to_vec(&holder)?;
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)
    }
}

/// Who runs on this state folder. `None` = nobody.
pub(crate) fn holder(path: &Path) -> Option<Holder> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => read(&file),
    }
}

/// Ends the gateway that holds the lock: asks by SIGTERM and waits until the lock is free.
pub(crate) fn stop(path: &Path) -> CommandResult<Option<Stopped>> {
    let Some(holder) = holder(path) else {
        return Ok(None);
    };
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw);
    let (Some(pid), true) = (pid, holder.birth == birth(holder.pid)) else {
        return Err(CommandError::new(
            Kind::Io,
            format!(
                "{} is held, but process {} is not the one that wrote it; nothing was signalled",
                path.display(),
                holder.pid
            ),
        )
        .hint(format!("see who holds it: fuser {}", path.display())));
    };
    let since = Instant::now();
    rustix::process::kill_process(pid, Signal::TERM).map_err(|error| {
        CommandError::new(
            Kind::Refused,
            format!("can't signal the gateway (pid {}): {error}", holder.pid),
        )
        .hint("run the command as the user the gateway runs as")
    })?;
    loop {
        if self::holder(path).is_none_or(|now| now.pid != holder.pid) {
            return Ok(Some(Stopped {
                took: since.elapsed(),
                holder,
            }));
        }
        if since.elapsed() > STOP_WITHIN {
            return Err(CommandError::new(
                Kind::No,
                format!(
                    "the gateway (pid {}) was asked to stop, but is still there after {} s",
                    holder.pid,
                    STOP_WITHIN.as_secs()
                ),
            )
            .hint(format!(
                "end it at once; nothing is lost: kill -9 {}",
                holder.pid
            )));
        }
        // A plain process waits here, no runtime is at hand.
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The failure of a second gateway.
pub(crate) fn taken(holder: Option<&Holder>, port: u16) -> CommandError {
    let port = holder.map_or(port, |holder| holder.port);
    let error = CommandError::new(
        Kind::Taken,
        format!("another gateway instance is already listening on ws://127.0.0.1:{port}"),
    );
    match holder {
        Some(holder) => error.hint(format!(
            "it is process {}; end it: openclaw gateway stop   (or replace it: openclaw gateway run --force)",
            holder.pid
        )),
        None => error.hint("see it: openclaw gateway status"),
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn unusable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(
        Kind::Io,
        format!("can't use the lock {}: {error}", path.display()),
    )
    .hint("choose a folder that can be written: OPENCLAW_STATE_DIR=…")
}

/// When the kernel started a process; `None` where it doesn't say.
fn birth(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the fields are counted from behind it. Field 22 is the start time.
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}
