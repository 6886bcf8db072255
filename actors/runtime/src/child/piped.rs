//! A program that is talked to in tasks: what it reads and says are streams that wait.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use tokio::io::AsyncWrite;
use tokio::process::ChildStderr;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::sync::oneshot;

use super::ChildError;
use super::CutOnDrop;
use super::Face;
use super::Job;
use super::guard;
use super::leash::Leash;
use super::relay;

/// A program with its three streams. It is killed, with all that is below it, when this and its input are dropped.
#[derive(Debug)]
pub struct Piped {
    /// What is said to it.
    pub input: Option<Input>,
    /// What it says.
    pub output: Option<ChildStdout>,
    /// What it says of its errors.
    pub errors: Option<ChildStderr>,
    end: oneshot::Receiver<io::Result<i32>>,
    code: Option<i32>,
    _leash: CutOnDrop,
}

/// What a program reads. Shutting it down tells the program that no more comes, and leaves it the time to end by itself;
/// dropping it ends a guarded program.
#[derive(Debug)]
pub struct Input {
    /// None once it was shut down, where nothing stands between.
    pipe: Option<ChildStdin>,
    is_guarded: bool,
    /// Of a frame, what the guard has not got yet.
    rest: Vec<u8>,
    has_ended: bool,
}

impl Job {
    /// Starts it to be talked to; its deadline and the bound of its output are the caller's to keep. Takes a few
    /// milliseconds: not for a handler, but within a runtime.
    pub fn start_piped(&self) -> Result<Piped, ChildError> {
        let is_guarded = guard::is_there();
        let mut process = self
            .command(Face::Fed)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(ChildError::Start)?;
        let streams = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let leash = Leash::new(&mut process, is_guarded);
        let over = leash.clone();
        let (ended, end) = oneshot::channel();
        let waiter = std::thread::Builder::new().name("child".to_owned());
        let waiting = waiter.spawn(move || {
            let status = over.wait(&mut process);
            // Nobody waits any more for one that was dropped.
            drop(ended.send(status.map(guard::code)));
        });
        // Whatever fails from here on, it ends.
        let leash = CutOnDrop(leash);
        waiting.map_err(ChildError::Start)?;
        let (pipe, output, errors) = streams;
        let pipe = pipe.map(ChildStdin::from_std).transpose();
        let output = output.map(ChildStdout::from_std).transpose();
        let errors = errors.map(ChildStderr::from_std).transpose();
        let input = pipe.map_err(ChildError::Start)?.map(|pipe| Input {
            pipe: Some(pipe),
            is_guarded,
            rest: Vec::new(),
            has_ended: false,
        });
        Ok(Piped {
            input,
            output: output.map_err(ChildError::Start)?,
            errors: errors.map_err(ChildError::Start)?,
            end,
            code: None,
            _leash: leash,
        })
    }
}

impl Piped {
    /// Waits for its end: its exit code, or 128 and the number of the signal that ended it.
    pub async fn end(&mut self) -> Result<i32, ChildError> {
        if let Some(code) = self.code {
            return Ok(code);
        }
        let gone = |_| ChildError::Read(io::ErrorKind::BrokenPipe.into());
        let code = (&mut self.end).await.map_err(gone)?;
        let code = code.map_err(ChildError::Read)?;
        self.code = Some(code);
        Ok(code)
    }
}

impl Input {
    fn pipe(&mut self) -> io::Result<Pin<&mut ChildStdin>> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Pin::new(pipe))
    }

    /// Gives the guard what is left of a frame; the next one must not begin before.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            let written = match self.pipe()?.poll_write(cx, &rest) {
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => Err(error),
                Poll::Ready(Ok(count)) => Ok(Some(count)),
                Poll::Pending => Ok(None),
            };
            self.rest = rest;
            let Some(count) = written? else {
                return Poll::Pending;
            };
            self.rest.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Input {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        if !own.is_guarded {
            return own.pipe()?.poll_write(cx, bytes);
        }
        ready!(own.poll_rest(cx))?;
        let (frame, count) = relay::first_frame(bytes);
        own.rest = frame;
        // What does not go now goes with the next call; the bytes are taken.
        let _later = own.poll_rest(cx)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        ready!(own.poll_rest(cx))?;
        own.pipe()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        ready!(own.poll_rest(cx))?;
        if !own.is_guarded {
            drop(own.pipe.take());
            return Poll::Ready(Ok(()));
        }
        if !own.has_ended {
            own.has_ended = true;
            own.rest = relay::end();
        }
        own.poll_rest(cx)
    }
}
