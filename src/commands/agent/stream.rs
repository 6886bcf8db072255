//! Prints a run's answer: piece by piece on a terminal, whole into a pipe.

use std::io;

use serde_json::Value;

use super::tool_line;
use crate::commands::health::string;
use crate::render::Terminal;

/// What of a run has been printed.
#[derive(Debug)]
pub(super) struct Stream {
    run_id: String,
    terminal: Terminal,
    live: bool,
    show_tools: bool,
    /// The message being printed, as far as it is printed.
    printed: String,
    /// Whether the cursor stands behind text.
    mid_line: bool,
    wrote: bool,
}

impl Stream {
    pub(super) fn new(run_id: String, terminal: Terminal, verbose: Option<&str>) -> Self {
        Self {
            run_id,
            terminal,
            live: terminal.interactive && !terminal.json,
            show_tools: verbose.is_some_and(|level| level != "off"),
            printed: String::new(),
            mid_line: false,
            wrote: false,
        }
    }

    /// Takes an `agent` event; those of other runs pass by.
    pub(super) fn event(&mut self, payload: &Value) -> io::Result<()> {
        if string(payload, "runId") != self.run_id {
            return Ok(());
        }
        let Some(data) = payload.get("data") else {
            return Ok(());
        };
        match string(payload, "stream").as_str() {
            "assistant" if self.live => self.text(&string(data, "text")),
            "tool" if self.show_tools && string(data, "phase") == "start" => {
                self.end()?;
                tool_line(&self.terminal, &string(data, "name"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Prints what is new in the text so far. The text starts over with each message of the run.
    fn text(&mut self, text: &str) -> io::Result<()> {
        let new = match text.strip_prefix(self.printed.as_str()) {
            Some(new) => new,
            None => {
                self.end()?;
                text
            }
        };
        if new.is_empty() {
            return Ok(());
        }
        let safe = printable(new);
        self.terminal.raw(&safe)?;
        self.mid_line = !safe.ends_with('\n');
        self.wrote = true;
        self.printed = text.to_owned();
        Ok(())
    }

    /// Ends the line that is being printed.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.printed.clear();
        if std::mem::take(&mut self.mid_line) {
            self.terminal.raw("\n")?;
        }
        Ok(())
    }

    /// Prints what the stream didn't: the whole answer into a pipe, the rest on a terminal.
    pub(super) fn finish(&mut self, result: &Value) -> io::Result<()> {
        let payloads = result.pointer("/result/payloads").and_then(Value::as_array);
        let texts: Vec<String> = payloads
            .into_iter()
            .flatten()
            .map(|payload| string(payload, "text"))
            .filter(|text| !text.is_empty())
            .collect();
        if !self.wrote {
            for text in &texts {
                self.terminal.raw(&format!("{}\n", printable(text)))?;
            }
        } else if let Some(last) = texts.last()
            && last.starts_with(self.printed.as_str())
            && !self.printed.is_empty()
        {
            self.text(last)?;
        }
        self.end()
    }
}

/// A model's text without what would steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\n' || *c == '\t')
        .collect()
}
