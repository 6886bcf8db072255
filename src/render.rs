//! What people see: tables, times, colours. Colours only on a terminal that wants them; one JSON document with `--json`.

use std::fmt::Write as _;
use std::io;
use std::io::IsTerminal;
use std::io::Write;

use openclaw_gateway::config::Environment;
use serde_json::Value;

use crate::cli::Globals;

#[cfg(test)]
mod tests;

/// Where output goes, and how it may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    pub(crate) colours: bool,
    pub(crate) interactive: bool,
    pub(crate) json: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Muted,
    Accent,
    Good,
    Warn,
    Bad,
}

impl Tone {
    /// The select-graphic-rendition parameters.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Muted => "38;2;139;127;119",
            Self::Accent => "38;2;255;90;45",
            Self::Good => "38;2;47;191;113",
            Self::Warn => "38;2;255;176;32",
            Self::Bad => "38;2;226;61;45",
        }
    }
}

impl Terminal {
    pub(crate) fn new(globals: &Globals, environment: &Environment) -> Self {
        let interactive = io::stdout().is_terminal();
        let refused = globals.no_color
            || environment.get("NO_COLOR").is_some()
            || environment.get("TERM") == Some("dumb");
        let forced = environment
            .get("FORCE_COLOR")
            .is_some_and(|value| value != "0");
        Self {
            colours: !refused && !globals.json && (interactive || forced),
            interactive,
            json: globals.json,
        }
    }

    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            colours: false,
            interactive: false,
            json: false,
        }
    }

    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colours || tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{}m{text}\x1b[0m", tone.code())
    }

    /// Prints a line; with `--json` only the document is printed, see [`Terminal::document`].
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        self.raw(&format!("{text}\n"))
    }

    /// Prints text as it is.
    pub(crate) fn raw(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Prints the JSON document.
    pub(crate) fn document(&self, value: &Value) -> io::Result<()> {
        self.raw(&format!("{value:#}\n"))
    }

    /// Prints one JSON value a line: for streams.
    pub(crate) fn json_line(&self, value: &Value) -> io::Result<()> {
        self.raw(&format!("{value}\n"))
    }

    /// Prints the document with `--json`, else the text.
    pub(crate) fn show(&self, value: &Value, text: impl FnOnce(&Self) -> String) -> io::Result<()> {
        if self.json {
            return self.document(value);
        }
        let text = text(self);
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        self.raw(&format!("{text}{end}"))
    }

    /// Says something on standard error.
    pub(crate) fn note(&self, tone: Tone, text: &str) {
        let painted = if io::stderr().is_terminal() {
            self.paint(tone, text)
        } else {
            text.to_owned()
        };
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(io::stderr(), "{painted}"));
    }
}

/// A table that lines up, whatever colours are in it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self {
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<(Tone, String)>) {
        self.rows.push(cells);
    }

    pub(crate) fn render(&self, terminal: &Terminal) -> String {
        let columns = self.head.len();
        let mut widths: Vec<usize> = self.head.iter().map(|name| width(name)).collect();
        for row in &self.rows {
            for (slot, (_, text)) in widths.iter_mut().zip(row) {
                *slot = (*slot).max(width(&clean(text)));
            }
        }
        let mut out = String::new();
        let mut emit = |cells: Vec<(Tone, String)>| {
            let mut line = String::new();
            for (index, ((tone, text), wanted)) in cells.iter().zip(&widths).enumerate() {
                let text = clean(text);
                let padding = wanted.saturating_sub(width(&text));
                line.push_str(&terminal.paint(*tone, &text));
                if index + 1 < columns {
                    line.push_str(&" ".repeat(padding + 2));
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        };
        if self.head.iter().any(|name| !name.is_empty()) {
            emit(
                self.head
                    .iter()
                    .map(|name| (Tone::Muted, name.clone()))
                    .collect(),
            );
        }
        for row in &self.rows {
            emit(row.clone());
        }
        out
    }
}

/// Text from elsewhere, safe to print: no escape sequences, no line breaks.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_direction_mark(*c))
        .collect()
}

/// Marks that reorder the text around them, and so can disguise it.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns a text takes: two for wide characters (CJK, emoji), none for joiners.
pub(crate) fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\u{0300}'..='\u{036f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{1f300}'..='\u{1faff}' => 2,
            _ => 1,
        })
        .sum()
}

/// A span of time as people say it: `3d 4h`, `2m 13s`, `0.4 s`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let mut text = String::new();
    let written = match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => write!(text, "{}.{} s", seconds, ms % 1000 / 100),
        (0, 0, 0) => write!(text, "{seconds} s"),
        (0, 0, _) => write!(text, "{minutes}m {}s", seconds % 60),
        (0, _, _) => write!(text, "{hours}h {minutes}m"),
        _ => write!(text, "{days}d {hours}h"),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    text
}

/// How long ago a time is.
pub(crate) fn ago(at_ms: i64, now_ms: i64) -> String {
    match u64::try_from(now_ms.saturating_sub(at_ms)) {
        Ok(ms) if ms < 1000 => "now".to_owned(),
        Ok(ms) => format!("{} ago", duration(ms)),
        Err(_) => "in the future".to_owned(),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
