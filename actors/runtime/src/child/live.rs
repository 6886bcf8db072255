//! A program that one listens to and talks with while it runs.

use std::io;
use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use super::ChildError;
use super::Face;
use super::Job;
use super::guard;
use super::leash::Leash;
use super::relay;

/// What a program said last may come after its end is known, but not long after.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program that runs. It is killed, with all that is below it, when this is dropped.
#[derive(Debug)]
pub struct Live {
    leash: Leash,
    face: Face,
    is_guarded: bool,
}

/// Why a program did not take its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// It reads nothing, or is over.
    #[error("its input is closed")]
    Closed,
    /// It is slower than what it is given; this many bytes were taken.
    #[error("it does not read fast enough: {0} bytes were taken")]
    Full(usize),
}

impl Job {
    /// Starts it to be listened to: what it says on its output and its errors, in the order in which it says it, goes to
    /// `hear`, and its exit code to `ended`, both on threads of their own. The job's deadline and bound are not looked
    /// at. Takes a few milliseconds: not for a handler.
    pub fn start_live(
        &self,
        face: Face,
        mut hear: impl FnMut(&[u8]) + Send + 'static,
        ended: impl FnOnce(io::Result<i32>) + Send + 'static,
    ) -> Result<Live, ChildError> {
        let is_guarded = guard::is_there();
        if face == Face::Terminal && !is_guarded {
            return Err(ChildError::Start(io::ErrorKind::Unsupported.into()));
        }
        let (mut output, said) = io::pipe().map_err(ChildError::Start)?;
        let mut command = self.command(face);
        let stdin = if is_guarded || face == Face::Fed {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        command
            .stdin(stdin)
            .stdout(said.try_clone().map_err(ChildError::Start)?)
            .stderr(said);
        let mut process = command.spawn().map_err(ChildError::Start)?;
        // It holds the pipe's other end open.
        drop(command);
        let leash = Leash::new(&mut process, is_guarded);
        let (silent, silence) = mpsc::sync_channel::<()>(1);
        let reader = std::thread::Builder::new().name("child-output".to_owned());
        let reader = reader.spawn(move || {
            let mut bytes = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = read(&mut output, &mut bytes) {
                hear(bytes.get(..count).unwrap_or_default());
            }
            drop(silent);
        });
        let own = leash.clone();
        let waiter = std::thread::Builder::new().name("child".to_owned());
        let waiter = waiter.spawn(move || {
            let status = own.wait(&mut process);
            // Whatever escaped may hold the output open for ever.
            let _all_or_late = silence.recv_timeout(LAST_WORDS);
            ended(status.map(guard::code));
        });
        let begun = leash
            .never_wait()
            .and(reader.map(drop))
            .and(waiter.map(drop));
        if let Err(error) = begun {
            leash.cut();
            return Err(ChildError::Start(error));
        }
        Ok(Live {
            leash,
            face,
            is_guarded,
        })
    }
}

fn read(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

impl Live {
    /// Gives it input. Doesn't wait: what there is no room for is not taken.
    pub fn feed(&self, bytes: &[u8]) -> Result<(), FeedError> {
        if self.face == Face::Silent {
            return Err(FeedError::Closed);
        }
        let mut taken = 0;
        let mut give = |wire: &[u8], count: usize| match self.leash.give(wire) {
            Ok(()) => {
                taken += count;
                Ok(())
            }
            Err(error) if is_full(&error) => Err(FeedError::Full(taken)),
            Err(_) => Err(FeedError::Closed),
        };
        if self.is_guarded {
            let parts = bytes.chunks(relay::PART);
            return relay::frames(bytes)
                .zip(parts)
                .try_for_each(|(frame, part)| give(&frame, part.len()));
        }
        bytes
            .chunks(relay::PART)
            .try_for_each(|part| give(part, part.len()))
    }

    /// Says that no more input comes.
    pub fn end_input(&self) {
        if self.is_guarded {
            let _closed_already = self.leash.give(&relay::end());
        } else {
            self.leash.close();
        }
    }

    /// Says how large its terminal is.
    pub fn resize(&self, columns: u16, rows: u16) {
        if self.face == Face::Terminal {
            let _over_already = self.leash.give(&relay::size(columns, rows));
        }
    }

    /// Ends it, with all that is below it.
    pub fn cut(&self) {
        self.leash.cut();
    }

    /// Tells whether it has ended, however.
    pub fn is_over(&self) -> bool {
        self.leash.is_gone()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.leash.cut();
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::WriteZero
    )
}
