//! How a command fails: what kind of failure, what mends it, and the exit code. The only table of codes is here.

use std::error::Error;
use std::fmt;
use std::io;

use serde_json::Value;
use serde_json::json;

/// What kind of failure it is; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command worked; the answer is no: not healthy, not running, not found.
    No,
    /// The words of the command make no sense.
    Usage,
    /// The gateway can't be reached.
    Connect,
    /// The gateway answered with an error, or ended by itself.
    Daemon,
    /// A file can't be read or written.
    Io,
    /// Somebody else has the port or the state folder.
    Taken,
    /// The gateway refused the credentials or the permission.
    Refused,
    /// The configuration can't be used.
    Config,
    /// Whoever read the output has seen enough.
    BrokenPipe,
    /// A fixed code that a part of the gateway asked for.
    Code(u8),
}

/// Every code a person or a service manager can meet, with its meaning. `docs/cli.md` prints this table.
pub(crate) const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done"),
    (
        1,
        "the command worked and the answer is no: not healthy, not running, nothing found, a key missing",
    ),
    (
        2,
        "`models status --check`: a credential expires within a day",
    ),
    (64, "the words of the command make no sense"),
    (69, "the gateway can't be reached"),
    (70, "the gateway answered with an error, or ended by itself"),
    (
        71,
        "the gateway ended because too many handlers never returned",
    ),
    (
        74,
        "a file can't be read or written; the ledger's disk failed",
    ),
    (
        75,
        "somebody else has the port or the state folder: a second gateway",
    ),
    (77, "the gateway refused the credentials or the permission"),
    (78, "the configuration can't be used"),
    (
        130,
        "ended at once by a second Ctrl-C or SIGTERM while shutting down",
    ),
];

impl Kind {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::No => 1,
            Self::Usage => 64,
            Self::Connect => 69,
            Self::Daemon => 70,
            Self::Io => 74,
            Self::Taken => 75,
            Self::Refused => 77,
            Self::Config => 78,
            Self::Code(code) => code,
        }
    }

    /// The word for it in JSON.
    fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Usage => "usage",
            Self::Connect => "connect",
            Self::Daemon | Self::Code(_) => "daemon",
            Self::Io => "io",
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Config => "config",
            Self::BrokenPipe => "broken-pipe",
        }
    }
}

/// Why a command failed. Reads as "what failed: why", with hints that mend it.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    reported: bool,
}

pub(crate) type CommandResult<T = ()> = Result<T, CommandError>;

impl CommandError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
            reported: false,
        }
    }

    /// A failure whose output already says everything: only the code is left.
    pub(crate) fn reported(kind: Kind) -> Self {
        Self {
            reported: true,
            ..Self::new(kind, "")
        }
    }

    /// Adds what mends it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether there is nothing left to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.reported || self.kind == Kind::BrokenPipe
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The failure as the JSON document that `--json` promises.
    pub(crate) fn envelope(&self) -> Value {
        json!({
            "ok": false,
            "error": {
                "type": self.kind.word(),
                "message": self.message,
                "hints": self.hints,
                "exitCode": self.kind.code(),
            },
        })
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<io::Error> for CommandError {
    /// For writes to the terminal; errors of files are worded where they happen.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Kind::BrokenPipe, "the reader of the output is gone");
        }
        Self::new(Kind::Io, format!("writing the output: {error}"))
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let deeper_text = deeper.to_string();
        // Many libraries repeat their cause in their own text.
        if !text.contains(&deeper_text) {
            text.push_str(": ");
            text.push_str(&deeper_text);
        }
        source = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code_in_the_table() {
        use Kind::*;
        for kind in [
            No, Usage, Connect, Daemon, Io, Taken, Refused, Config, BrokenPipe,
        ] {
            assert!(
                EXIT_CODES.iter().any(|(code, _)| *code == kind.code()),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_reader_who_leaves_is_no_failure() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.kind().code(), 0);
        assert!(error.is_silent());
    }

    #[test]
    fn the_envelope_names_kind_message_and_remedy() {
        let error = CommandError::new(Kind::Connect, "no gateway").hint("openclaw up");
        assert_eq!(
            error.envelope(),
            json!({ "ok": false, "error": { "type": "connect", "message": "no gateway", "hints": ["openclaw up"], "exitCode": 69 } })
        );
    }
}
