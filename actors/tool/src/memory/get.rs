//! `memory_get`: reads a file of notes, or some lines of it.

use std::path::PathBuf;
use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::json;

use super::Memory;
use super::file;
use super::is_shared;
use super::note;
use super::on_files;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

/// More lines than this are asked for in several calls.
const MOST_LINES: usize = 500;

/// Reads notes.
#[derive(Debug)]
pub struct MemoryGet {
    spec: ToolSpec,
    memory: Memory,
}

impl MemoryGet {
    /// Reads where this memory looks for notes.
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            spec: spec(
                "memory_get",
                "Reads MEMORY.md or a file under memory/, or some lines of it. Use it after memory_search to read around a hit.",
                json!({
                    "path": { "type": "string", "description": "such as memory/2026-01-31.md" },
                    "from": { "type": "integer", "description": "the first line, from 1" },
                    "lines": { "type": "integer", "description": "how many lines" },
                }),
                &["path"],
            ),
        }
    }
}

impl Tool for MemoryGet {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let elsewhere = self.memory.settings(&call.agent).extra_paths;
        Box::pin(on_files(move || match read(call, &elsewhere) {
            Ok(outcome) | Err(outcome) => outcome,
        }))
    }
}

fn read(call: ToolCall, elsewhere: &[PathBuf]) -> Result<ToolOutcome, ToolOutcome> {
    let arguments = Arguments::new(&call.name, call.arguments)?;
    let path = arguments
        .text("path")
        .ok_or_else(|| ToolOutcome::error("memory_get needs a path such as MEMORY.md"))?;
    let from = arguments.count("from", 1, usize::MAX);
    let lines = arguments.count("lines", MOST_LINES, MOST_LINES);
    let refuse = |error: file::FileError| ToolOutcome::error(error.to_string());
    let found = file::find(&call.workspace, elsewhere, &path).map_err(refuse)?;
    if file::NoteFile::is_curated(&found.name) && is_shared(&call.session) {
        let text = "MEMORY.md is not read where others listen; the notes of the days are";
        return Err(ToolOutcome::error(text));
    }
    let text = found.read().map_err(refuse)?;
    let text: Vec<&str> = text
        .lines()
        .skip(from - 1)
        .take(lines)
        .map(note::without_mark)
        .collect();
    Ok(ToolOutcome::json(&json!({
        "path": found.name, "from": from, "text": text.join("\n"),
    })))
}
