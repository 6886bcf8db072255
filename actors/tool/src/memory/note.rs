//! `memory_note`: writes a line into the day's notes, once for each call.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Zoned;
use jiff::civil::Date;
use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::json;

use super::on_files;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

/// A longer text is a document, not a note.
const LONGEST: usize = 8000;
/// How a line says which call wrote it. A comment: Markdown shows nothing of it, it moves with the
/// line when a person moves it, and it goes when the line goes.
const MARK: &str = " <!-- note:";

/// One writer at a time: two sessions of an agent may note at the same moment.
static WRITING: Mutex<()> = Mutex::new(());

/// Takes notes.
#[derive(Debug)]
pub struct MemoryNote {
    spec: ToolSpec,
}

impl Default for MemoryNote {
    fn default() -> Self {
        Self {
            spec: spec(
                "memory_note",
                "Writes a fact down in today's notes so that it can be found in later conversations. Use it when the person asks to remember something, or says something worth keeping.",
                json!({
                    "text": { "type": "string", "description": "the fact, in one or a few sentences that can be understood alone" },
                }),
                &["text"],
            ),
        }
    }
}

impl Tool for MemoryNote {
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
        Box::pin(on_files(move || write(call, &Zoned::now())))
    }
}

pub(super) fn write(call: ToolCall, now: &Zoned) -> ToolOutcome {
    let arguments = match Arguments::new(&call.name, call.arguments) {
        Ok(arguments) => arguments,
        Err(outcome) => return outcome,
    };
    let Some(text) = arguments.text("text") else {
        return ToolOutcome::error("memory_note needs a text to write down");
    };
    if text.len() > LONGEST {
        return ToolOutcome::error(format!(
            "a note has at most {LONGEST} bytes; write the gist of it"
        ));
    }
    match append(&call.workspace, &text, &call.key, now) {
        Ok((path, written)) => ToolOutcome::json(&json!({ "path": path, "written": written })),
        Err(error) => ToolOutcome::error(format!("the note could not be written: {error}")),
    }
}

/// Appends the note to the day's file unless its call has done so before. Returns the file's name
/// and whether something was written now.
fn append(workspace: &Path, text: &str, key: &str, now: &Zoned) -> io::Result<(String, bool)> {
    let mark = mark(key);
    let folder = folder(workspace)?;
    let today = now.date();
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    // A call that was cut off before midnight may come again after it.
    for day in [Some(today), today.yesterday().ok()].into_iter().flatten() {
        if read(&folder.join(file_name(day)))?.contains(&mark) {
            return Ok((format!("memory/{}", file_name(day)), false));
        }
    }
    let name = file_name(today);
    let path = folder.join(&name);
    let before = read(&path)?;
    let mut block = String::new();
    if before.is_empty() {
        block.push_str(&format!("# {today}\n\n"));
    } else if !before.ends_with('\n') {
        block.push('\n');
    }
    // One line a note: what follows in it is indented, so the list stays a list.
    let text = text.replace("-->", "→").replace("\r\n", "\n");
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    block.push_str(&format!("- {} {first}{mark}\n", now.strftime("%H:%M")));
    for line in lines {
        block.push_str(&format!("  {line}\n"));
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    // One write: a reader sees all of the note or nothing.
    file.write_all(block.as_bytes())?;
    file.sync_data()?;
    if before.is_empty() {
        File::open(&folder)?.sync_all()?;
    }
    Ok((format!("memory/{name}"), true))
}

/// The folder of the days; refuses a link that leads out of the workspace.
fn folder(workspace: &Path) -> io::Result<std::path::PathBuf> {
    fs::create_dir_all(workspace.join("memory"))?;
    let root = workspace.canonicalize()?;
    let folder = root.join("memory").canonicalize()?;
    if folder.starts_with(&root) {
        Ok(folder)
    } else {
        Err(io::Error::other("memory/ leads out of the workspace"))
    }
}

fn read(path: &Path) -> io::Result<String> {
    // A link could lead anywhere, and would be written through.
    if fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_symlink()) {
        return Err(io::Error::other("the day's file is a link"));
    }
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn file_name(day: Date) -> String {
    format!("{day}.md")
}

/// A short name for a call's key: FNV-1a, because it must stay the same over versions.
fn mark(key: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in key.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{MARK}{hash:016x} -->")
}

/// A line as people mean it.
pub(super) fn without_mark(line: &str) -> &str {
    match line.split_once(MARK) {
        Some((before, _)) => before,
        None => line,
    }
}
