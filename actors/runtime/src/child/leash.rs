//! What ties a program to its owner.

use std::io;
use std::io::Write;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;

/// A guard that was let go ends all that is below it within milliseconds; one that can't is ended itself after this.
const GUARD_ENDS: Duration = Duration::from_secs(1);

/// Held by everyone who may end the program.
#[derive(Debug, Clone)]
pub(super) struct Leash(Arc<Tie>);

#[derive(Debug)]
struct Tie {
    hold: Mutex<Hold>,
    over: Condvar,
    is_guarded: bool,
}

#[derive(Debug)]
struct Hold {
    /// The guard kills when this closes.
    pipe: Option<ChildStdin>,
    /// The process that was started, which leads its group; none once it was reaped.
    process: Option<Pid>,
    is_cut: bool,
}

impl Leash {
    pub(super) fn new(process: &mut Child, is_guarded: bool) -> Self {
        Self(Arc::new(Tie {
            hold: Mutex::new(Hold {
                pipe: process.stdin.take(),
                process: Some(Pid::from_child(process)),
                is_cut: false,
            }),
            over: Condvar::new(),
            is_guarded,
        }))
    }

    /// Ends the program with all its group, and through the guard with all that is below it.
    pub(super) fn cut(&self) {
        let mut hold = self.lock();
        drop(hold.pipe.take());
        let Some(process) = hold.process else {
            return;
        };
        if !self.0.is_guarded {
            return kill(process);
        }
        if std::mem::replace(&mut hold.is_cut, true) {
            return;
        }
        drop(hold);
        let own = self.clone();
        let fallback = std::thread::Builder::new().name("child-end".to_owned());
        if fallback.spawn(move || own.make_sure()).is_err() {
            kill(process);
        }
    }

    /// Ends the guard itself, if it doesn't do its work.
    fn make_sure(&self) {
        let is_there = |hold: &mut Hold| hold.process.is_some();
        let waited = self
            .0
            .over
            .wait_timeout_while(self.lock(), GUARD_ENDS, is_there);
        let (hold, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = hold.process {
            kill(process);
        }
    }

    /// Gives it bytes; as they are, or none of them if there is no room.
    pub(super) fn give(&self, bytes: &[u8]) -> io::Result<()> {
        let mut hold = self.lock();
        let pipe = hold.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        match pipe.write(bytes)? {
            all if all == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Has [`Leash::give`] refuse what there is no room for, instead of waiting.
    pub(super) fn never_wait(&self) -> io::Result<()> {
        match &self.lock().pipe {
            Some(pipe) => Ok(rustix::io::ioctl_fionbio(pipe, true)?),
            None => Ok(()),
        }
    }

    /// Closes the pipe of a program that has no guard.
    pub(super) fn close(&self) {
        drop(self.lock().pipe.take());
    }

    /// Waits for the program's end, and ends what it left behind.
    pub(super) fn wait(&self, process: &mut Child) -> io::Result<ExitStatus> {
        // Without reaping it: until then its number, and that of its group, is nobody else's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let group = Pid::from_child(process);
        while matches!(
            rustix::process::waitid(WaitId::Pid(group), options),
            Err(rustix::io::Errno::INTR)
        ) {}
        let mut hold = self.lock();
        kill(group);
        hold.process = None;
        self.0.over.notify_all();
        process.wait()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().process.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Hold> {
        self.0.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill(group: Pid) {
    let _gone_already = rustix::process::kill_process_group(group, Signal::KILL);
}
