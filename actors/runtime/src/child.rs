//! Programs that the gateway starts: each has a deadline and a bound on what it may say, and dies with its owner.
//!
//! Between the gateway and the program stands a guard, a second process of the same binary. It holds the end of a pipe
//! that only the gateway has open; when that closes, the gateway is gone, however it ended, and the guard kills the whole
//! process group. If the guard itself is killed, the program dies with it, and the gateway ends what it leaves behind.
//!
//! A binary offers the guard by calling [`guard`] first thing in its `main`. Without that (in a test's process) programs
//! are started directly: they still die with their owner, but not with the process.
//!
//! A [`Job`] is run to its end, or started to be talked with: from anywhere without waiting ([`Live`]), or in tasks that
//! wait ([`Piped`]).

mod guard;
mod leash;
mod live;
mod piped;
mod relay;

use std::ffi::OsStr;
use std::ffi::OsString;
use std::io;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use self::guard::NOT_STARTED;
pub use self::guard::guard;
pub use self::guard::guard_by;
pub use self::guard::is_there as is_guarded;
use self::leash::Leash;
pub use self::live::FeedError;
pub use self::live::Live;
pub use self::piped::Input;
pub use self::piped::Piped;
pub use self::relay::Face;

#[cfg(test)]
mod tests;

/// How long a program may take when nobody says otherwise.
const DEADLINE: Duration = Duration::from_secs(10);
/// What it may say when nobody says otherwise.
const OUTPUT: usize = 1024 * 1024;

/// A program to run.
#[derive(Debug)]
pub struct Job {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Option<Vec<(OsString, OsString)>>,
    folder: Option<PathBuf>,
    deadline: Duration,
    output: usize,
    has_errors: bool,
}

/// How a program ended, and what it said on its standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: i32,
    /// What it said.
    pub output: Vec<u8>,
}

/// Why a program did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("could not be started: {0}")]
    Start(io::Error),
    /// It took too long, and was killed.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// It said too much, and was killed.
    #[error("said more than {0} bytes")]
    TooMuch(usize),
    /// What it said could not be read.
    #[error("could not be read: {0}")]
    Read(io::Error),
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    leash: Leash,
    end: mpsc::Receiver<io::Result<(ExitStatus, Vec<u8>)>>,
    output: usize,
}

impl Done {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.code == 0
    }
}

impl Job {
    /// A program with its arguments, in the environment of this process.
    pub fn new<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter();
        Self {
            program: program.as_ref().to_owned(),
            arguments: arguments.map(|word| word.as_ref().to_owned()).collect(),
            environment: None,
            folder: None,
            deadline: DEADLINE,
            output: OUTPUT,
            has_errors: false,
        }
    }

    /// Gives it this environment and nothing of this process's.
    #[must_use]
    pub fn environment<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        let owned = variables.map(|(n, v)| (n.as_ref().to_owned(), v.as_ref().to_owned()));
        self.environment = Some(owned.collect());
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many bytes it may say.
    #[must_use]
    pub fn at_most(mut self, output: usize) -> Self {
        self.output = output;
        self
    }

    /// Lets its errors through to this process's own.
    #[must_use]
    pub fn with_errors(mut self) -> Self {
        self.has_errors = true;
        self
    }

    /// Starts it. Takes a few milliseconds: not for a handler.
    pub fn start(&self) -> Result<Running, ChildError> {
        self.spawn(self.command(Face::Silent))
    }

    fn command(&self, face: Face) -> Command {
        let mut command = guard::command(&self.program, face);
        command.args(&self.arguments);
        if let Some(variables) = &self.environment {
            command
                .env_clear()
                .envs(variables.iter().map(|(n, v)| (n, v)));
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.process_group(0);
        command
    }

    fn spawn(&self, mut command: Command) -> Result<Running, ChildError> {
        let stderr = if self.has_errors {
            Stdio::inherit()
        } else {
            Stdio::null()
        };
        let stdin = if guard::is_there() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut process = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(ChildError::Start)?;
        let leash = Leash::new(&mut process, guard::is_there());
        let stdout = process.stdout.take();
        let (ended, end) = mpsc::sync_channel(1);
        let most = u64::try_from(self.output).unwrap_or(u64::MAX);
        let over = leash.clone();
        let reader = std::thread::Builder::new().name("child-output".to_owned());
        let reader = reader.spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.map_or(Ok(0), |out| {
                out.take(most.saturating_add(1)).read_to_end(&mut bytes)
            });
            if read.is_err() || bytes.len() as u64 > most {
                over.cut();
            }
            read.map(|_| bytes)
        });
        let over = leash.clone();
        let waiter = std::thread::Builder::new().name("child".to_owned());
        let reading = reader.and_then(|reader| {
            waiter.spawn(move || {
                let status = over.wait(&mut process);
                // A program that made itself a group of its own may hold the output open: then this thread stays with it.
                let read = reader
                    .join()
                    .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
                // Nobody waits any more for one that took too long.
                drop(ended.send(status.and_then(|status| Ok((status, read?)))));
            })
        });
        if let Err(error) = reading {
            leash.cut();
            return Err(ChildError::Start(error));
        }
        Ok(Running {
            leash,
            end,
            output: self.output,
        })
    }

    /// Runs it to its end. Blocks: for threads that may.
    pub fn run_blocking(self) -> Result<Done, ChildError> {
        self.start()?.wait(self.deadline)
    }

    /// Runs it to its end. It is killed when the future is dropped.
    pub async fn run(self) -> Result<Done, ChildError> {
        let deadline = self.deadline;
        let running = blocking(move || self.start()).await?;
        let _leash = CutOnDrop(running.leash.clone());
        blocking(move || running.wait(deadline)).await
    }
}

impl Running {
    /// Waits for its end, so long.
    pub fn wait(self, deadline: Duration) -> Result<Done, ChildError> {
        let Ok(end) = self.end.recv_timeout(deadline) else {
            return Err(ChildError::Late(deadline));
        };
        let (status, output) = end.map_err(ChildError::Read)?;
        if output.len() > self.output {
            return Err(ChildError::TooMuch(self.output));
        }
        let code = guard::code(status);
        if guard::is_there() && code == i32::from(NOT_STARTED) {
            return Err(ChildError::Start(io::ErrorKind::NotFound.into()));
        }
        Ok(Done { code, output })
    }

    /// Tells whether it has ended, however.
    pub fn is_over(&self) -> bool {
        self.leash.is_gone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.leash.cut();
    }
}

#[derive(Debug)]
struct CutOnDrop(Leash);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChildError> + Send + 'static,
) -> Result<T, ChildError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ChildError::Start(io::Error::other(error))))
}
