//! Lines for the terminal: pretty, compact, or JSON.

use std::io;
use std::io::IsTerminal;
use std::io::Write;

use openclaw_protocol::config::telemetry::ConsoleStyle;
use tracing::Level;

use super::record::Host;
use super::record::Record;
use crate::render::Terminal;
use crate::render::Tone;
use crate::render::clean;

/// How lines look on standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    style: ConsoleStyle,
    terminal: Terminal,
    /// A service manager's journal writes the time itself.
    shows_time: bool,
}

impl Console {
    pub(crate) fn new(style: Option<ConsoleStyle>, terminal: Terminal, in_journal: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self {
            style: style.unwrap_or(ConsoleStyle::Pretty),
            terminal: Terminal {
                colours: terminal.colours && is_terminal,
                ..terminal
            },
            shows_time: !in_journal,
        }
    }

    pub(super) fn line(&self, record: &Record, host: &Host) -> String {
        if self.style == ConsoleStyle::Json {
            return record.line(host);
        }
        let paint = |tone, text: &str| self.terminal.paint(tone, text);
        let mut line = String::new();
        if self.shows_time {
            let local = record.at.to_zoned(host.zone.clone());
            line.push_str(&paint(
                Tone::Muted,
                &local.strftime("%H:%M:%S%.3f ").to_string(),
            ));
        }
        let (tone, word) = match record.level {
            Level::ERROR => (Tone::Bad, "error"),
            Level::WARN => (Tone::Warn, "warn "),
            Level::INFO => (Tone::Good, "info "),
            Level::DEBUG => (Tone::Muted, "debug"),
            Level::TRACE => (Tone::Muted, "trace"),
        };
        line.push_str(&paint(tone, word));
        line.push(' ');
        if self.style == ConsoleStyle::Pretty {
            line.push_str(&paint(Tone::Accent, &record.subsystem));
            line.push(' ');
        }
        line.push_str(&clean(&record.message));
        for (name, value) in &record.fields {
            let value = match value.as_str() {
                Some(text) => clean(text),
                None => value.to_string(),
            };
            line.push_str(&paint(Tone::Muted, &format!(" {name}={value}")));
        }
        line
    }

    /// A terminal that is gone loses lines, nothing else.
    pub(super) fn write(&self, line: &str) {
        drop(writeln!(io::stderr().lock(), "{line}"));
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::Map;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_line_without_escapes() {
        let console = Console {
            style: ConsoleStyle::Pretty,
            terminal: Terminal::plain(),
            shows_time: true,
        };
        let record = Record {
            at: "2026-02-14T08:00:00.5Z".parse().unwrap(),
            level: Level::INFO,
            subsystem: "gateway".into(),
            message: "a\nb\x1b[2J".into(),
            fields: Map::from_iter([("n".to_owned(), json!(3))]),
            place: None,
            target: "t",
            trace: None,
            to_file: true,
            to_console: true,
        };
        let host = Host {
            name: "pi".into(),
            zone: TimeZone::UTC,
        };
        assert_eq!(
            console.line(&record, &host),
            "08:00:00.500 info  gateway a b[2J n=3"
        );
    }
}
