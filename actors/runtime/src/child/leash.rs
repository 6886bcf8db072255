//! What ties a program to its owner.

use std::io;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;

/// Held by everyone who may end the program.
#[derive(Debug, Clone)]
pub(super) struct Leash(Arc<Mutex<Hold>>);

#[derive(Debug)]
struct Hold {
    /// The guard kills when this closes.
    _pipe: Option<ChildStdin>,
    /// The process that was started, which leads its group; none once it was reaped.
    process: Option<Pid>,
}

impl Leash {
    pub(super) fn new(process: &mut Child) -> Self {
        Self(Arc::new(Mutex::new(Hold {
            _pipe: process.stdin.take(),
            process: Some(Pid::from_child(process)),
        })))
    }

    /// Ends the program with all its group.
    pub(super) fn cut(&self) {
        if let Some(process) = self.lock().process {
            kill(process);
        }
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
        process.wait()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().process.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill(group: Pid) {
    let _gone_already = rustix::process::kill_process_group(group, Signal::KILL);
}
