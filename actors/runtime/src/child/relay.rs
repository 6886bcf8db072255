//! What a guard passes on: the program's input, which comes in frames, and what a terminal shows.
//!
//! The guard's own standard input is the leash: while it is open, the owner lives. So what is for the program comes in
//! frames over it: a letter, two bytes of length, the bytes.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;

use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// The longest frame with its head. A pipe takes so much as a whole or not at all.
const FRAME: usize = 4096;
const HEAD: usize = 3;
/// What a frame carries at most.
pub(super) const PART: usize = FRAME - HEAD;

const BYTES: u8 = b'b';
const END: u8 = b'e';
const SIZE: u8 = b's';
/// What a terminal reads as the end of the input.
const END_IN_TERMINAL: u8 = 4;

/// What a program has as its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Nothing.
    Silent,
    /// A pipe.
    Fed,
    /// A terminal, for its output too.
    Terminal,
}

impl Face {
    /// The first word of the command line of a guard for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Silent => "__guard",
            Self::Fed => "__guard_fed",
            Self::Terminal => "__guard_tty",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Silent, Self::Fed, Self::Terminal];
        all.into_iter().find(|face| face.word() == word)
    }
}

/// The frame that carries the first of these bytes, and how many it carries.
pub(super) fn first_frame(bytes: &[u8]) -> (Vec<u8>, usize) {
    let count = bytes.len().min(PART);
    let part = bytes.get(..count).unwrap_or_default();
    (frame(BYTES, part), count)
}

/// The frames that carry these bytes.
pub(super) fn frames(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(PART).map(|part| frame(BYTES, part))
}

/// The frame that says that no more input comes.
pub(super) fn end() -> Vec<u8> {
    frame(END, &[])
}

/// The frame that says how large the terminal is.
pub(super) fn size(columns: u16, rows: u16) -> Vec<u8> {
    let ([c1, c2], [r1, r2]) = (columns.to_be_bytes(), rows.to_be_bytes());
    frame(SIZE, &[c1, c2, r1, r2])
}

fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut frame = vec![kind, high, low];
    frame.extend_from_slice(bytes);
    frame
}

/// Reads frames until the input ends or somebody has enough.
fn each_frame(
    mut input: impl Read,
    mut take: impl FnMut(u8, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let mut head = [0; HEAD];
        input.read_exact(&mut head)?;
        let [kind, high, low] = head;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        input.read_exact(&mut bytes)?;
        take(kind, &bytes)?;
    }
}

/// What tells that all of the output was passed on.
type Rest = Option<mpsc::Receiver<()>>;

/// Starts the program with a pipe as its input.
pub(super) fn fed(mut program: Command) -> io::Result<(Pid, Rest)> {
    let mut child = program.stdin(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take();
    std::thread::Builder::new().spawn(move || {
        each_frame(io::stdin().lock(), |kind, bytes| {
            let refused = match (kind, &mut pipe) {
                (BYTES, Some(to)) => to.write_all(bytes).is_err(),
                (END, _) => true,
                _ => false,
            };
            if refused {
                drop(pipe.take());
            }
            Ok(())
        })
    })?;
    Ok((Pid::from_child(&child), None))
}

/// Starts the program in a terminal of its own.
pub(super) fn in_terminal(mut program: Command) -> io::Result<(Pid, Rest)> {
    let (own, other) = terminal()?;
    let child = program
        .stdin(other.try_clone()?)
        .stdout(other.try_clone()?)
        .stderr(other)
        .spawn()?;
    // The other end must be open in the program alone, or its end would not be seen.
    drop(program);
    let mut from = own.try_clone()?;
    let mut to = own;
    std::thread::Builder::new().spawn(move || {
        each_frame(io::stdin().lock(), |kind, bytes| match (kind, bytes) {
            (BYTES, bytes) => to.write_all(bytes),
            (END, _) => to.write_all(&[END_IN_TERMINAL]),
            (SIZE, [c1, c2, r1, r2]) => {
                let number = |high, low| u16::from_be_bytes([high, low]);
                resize(&to, number(*c1, *c2), number(*r1, *r2))
            }
            _ => Ok(()),
        })
    })?;
    let (over, rest) = mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || {
        // Ends with an error when the last process has closed the other end.
        let _closed = io::copy(&mut from, &mut io::stdout().lock());
        let _nobody_waits = io::stdout().flush();
        drop(over);
    })?;
    Ok((Pid::from_child(&child), Some(rest)))
}

/// Both ends of a new terminal.
fn terminal() -> io::Result<(File, File)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let own: OwnedFd = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&own)?;
    rustix::pty::unlockpt(&own)?;
    let name = rustix::pty::ptsname(&own, Vec::new())?;
    let name = std::ffi::OsStr::from_bytes(name.to_bytes());
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let other = rustix::fs::open(name, flags, Mode::empty())?;
    let own = File::from(own);
    resize(&own, 120, 30)?;
    Ok((own, File::from(other)))
}

fn resize(terminal: &File, columns: u16, rows: u16) -> io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_framed_comes_out_as_it_was() {
        let bytes: Vec<u8> = (0..10_000_u32)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let mut wire: Vec<u8> = Vec::new();
        for frame in frames(&bytes) {
            assert!(frame.len() <= FRAME);
            wire.extend(frame);
        }
        wire.extend(size(80, 24));
        wire.extend(end());
        let (mut got, mut others) = (Vec::new(), Vec::new());
        let ended = each_frame(wire.as_slice(), |kind, bytes| {
            if kind == BYTES {
                got.extend_from_slice(bytes);
            } else {
                others.push((kind, bytes.to_vec()));
            }
            Ok(())
        });
        assert!(ended.is_err(), "the wire ended");
        assert_eq!(got, bytes);
        assert_eq!(others, [(SIZE, vec![0, 80, 0, 24]), (END, vec![])]);
    }
}
