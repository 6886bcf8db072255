//! `memory_search`: finds notes by words.

use std::path::Path;
use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::file;
use super::note;
use super::on_files;
use super::score;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

const USUAL_HITS: usize = 6;
const MOST_HITS: usize = 20;
/// Less than this of the question's words is chance.
const LEAST_SCORE: f64 = 0.25;
/// The longest piece of a note in an answer.
const SNIPPET: usize = 700;

/// Finds notes.
#[derive(Debug)]
pub struct MemorySearch {
    spec: ToolSpec,
}

impl Default for MemorySearch {
    fn default() -> Self {
        Self {
            spec: spec(
                "memory_search",
                "Finds notes from earlier conversations (MEMORY.md and memory/*.md) by words. Use it before answering questions about people, preferences, dates, decisions or earlier work. An empty query returns the latest notes.",
                json!({
                    "query": { "type": "string", "description": "the words to look for" },
                    "maxResults": { "type": "integer", "description": "how many hits, 6 unless told" },
                }),
                &["query"],
            ),
        }
    }
}

impl Tool for MemorySearch {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        Box::pin(on_files(move || {
            let arguments = match Arguments::new(&call.name, call.arguments) {
                Ok(arguments) => arguments,
                Err(outcome) => return outcome,
            };
            let query = arguments.text("query").unwrap_or_default();
            let most = arguments.count("maxResults", USUAL_HITS, MOST_HITS);
            ToolOutcome::json(&search(&call.workspace, &query, most))
        }))
    }
}

/// A note: a list item with what is indented under it, or a paragraph.
struct Note {
    path: String,
    line: usize,
    text: String,
    /// In `MEMORY.md`, where a person or an agent has chosen what to keep.
    curated: bool,
}

pub(super) fn search(workspace: &Path, query: &str, most: usize) -> Value {
    let mut notes = Vec::new();
    let mut unreadable = Vec::new();
    for file in file::all(workspace) {
        match file.read() {
            Ok(text) => cut(&file.name, &text, &mut notes),
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    let terms = score::terms(query);
    let mut hits: Vec<(f64, &Note)> = if terms.is_empty() {
        latest(&notes)
    } else {
        let words: Vec<Vec<String>> = notes.iter().map(|note| score::words(&note.text)).collect();
        let scores = score::scores(&terms, &words);
        scores
            .into_iter()
            .zip(&notes)
            .filter(|(score, _)| *score >= LEAST_SCORE)
            .collect()
    };
    if !terms.is_empty() {
        // Stable: files come newest first, so of two equal notes the newer one wins.
        hits.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(other.curated.cmp(&one.curated)));
    }
    let results: Vec<Value> = hits
        .into_iter()
        .take(most)
        .map(|(score, note)| {
            json!({
                "path": note.path, "line": note.line, "snippet": shorten(&note.text),
                "score": (score * 100.0).round() / 100.0,
            })
        })
        .collect();
    let mut answer = json!({ "results": results });
    if let (false, Value::Object(answer)) = (unreadable.is_empty(), &mut answer) {
        answer.insert("unreadable".into(), json!(unreadable));
    }
    answer
}

/// The latest notes first: the newest day's last line is the newest.
fn latest(notes: &[Note]) -> Vec<(f64, &Note)> {
    let mut sorted: Vec<&Note> = notes.iter().collect();
    sorted.sort_by(|a, b| {
        a.curated
            .cmp(&b.curated)
            .then_with(|| b.path.cmp(&a.path))
            .then_with(|| b.line.cmp(&a.line))
    });
    sorted.into_iter().map(|note| (1.0, note)).collect()
}

fn cut(path: &str, text: &str, notes: &mut Vec<Note>) {
    let curated = !path.contains('/');
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let line = note::without_mark(line).trim_end();
        let trimmed = line.trim_start();
        let is_item = ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark));
        // Headings name what follows; they are no notes by themselves.
        if trimmed.is_empty() || trimmed.starts_with('#') || trimmed.starts_with("<!--") {
            open = false;
            continue;
        }
        match notes.last_mut() {
            Some(note) if open && !is_item => {
                note.text.push('\n');
                note.text.push_str(trimmed);
            }
            _ => notes.push(Note {
                path: path.to_owned(),
                line: at + 1,
                text: trimmed.to_owned(),
                curated,
            }),
        }
        open = true;
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SNIPPET) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
