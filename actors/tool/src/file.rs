//! The agent's files: reading, writing, editing, patching, searching.
//!
//! A path is relative to the agent's workspace. Where it leads is decided before anything is opened ([`bounds`]), and
//! what is opened is what was decided on ([`place`]), whatever somebody swaps in between.

mod bounds;
mod edit;
mod error;
mod find;
mod grep;
mod guard;
mod ls;
mod patch;
mod place;
mod read;
mod replace;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;

use self::bounds::Bounds;
pub use self::bounds::FileRules;
pub use self::bounds::RulesNow;
use self::error::FileError;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;

/// What one answer holds at most, in bytes.
const OUTPUT: usize = 50 * 1024;
/// A file larger than this is not taken as a whole.
const WHOLE: u64 = 16 * 1024 * 1024;
/// A disk that hangs, or a search through everything.
const DEADLINE: Duration = Duration::from_secs(60);

type Work = fn(&Bounds, &Arguments, &Stop) -> Result<ToolOutcome, ToolOutcome>;

/// A tool on files.
pub struct FileTool {
    spec: ToolSpec,
    idempotent: bool,
    rules: RulesNow,
    work: Work,
}

/// All tools on files, under these rules.
pub fn tools(rules: &RulesNow) -> Vec<FileTool> {
    let tool = |spec, idempotent, work| FileTool {
        spec,
        idempotent,
        rules: Arc::clone(rules),
        work,
    };
    vec![
        tool(read::spec(), true, read::run),
        tool(ls::spec(), true, ls::run),
        tool(find::spec(), true, find::run),
        tool(grep::spec(), true, grep::run),
        tool(write::spec(), false, write::run),
        tool(edit::spec(), false, edit::run),
        tool(patch::spec(), false, patch::run),
    ]
}

impl Tool for FileTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        self.idempotent
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let (rules, work) = ((self.rules)(&call.agent), self.work);
        let name = self.spec.name.clone();
        Box::pin(async move {
            let stop = Stop::default();
            let _when_nobody_waits = StopOnDrop(stop.clone());
            let done = tokio::task::spawn_blocking(move || {
                let is_held = call.held().is_some();
                let bounds = Bounds::new(&call.workspace, rules).holding(is_held);
                let arguments = Arguments::new(&name, call.arguments)?;
                let done = work(&bounds, &arguments, &stop);
                let (held, outside) = bounds.noted();
                match held {
                    Some(why) => Ok(ToolOutcome::held(why)),
                    None => done.map(|done| done.from_outside(outside)),
                }
            });
            match done.await {
                Ok(Ok(outcome) | Err(outcome)) => outcome,
                Err(error) => {
                    ToolOutcome::error(format!("the files could not be reached: {error}"))
                }
            }
        })
    }
}

impl fmt::Debug for FileTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTool")
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}

impl From<FileError> for ToolOutcome {
    fn from(error: FileError) -> Self {
        Self::error(error.to_string())
    }
}

/// Says to work on a thread that nobody waits for it any more: a thread can't be killed.
#[derive(Debug, Clone, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Relaxed);
    }
}

/// The path of a call, under any of the names that models know it by.
fn path(arguments: &Arguments) -> Result<&str, ToolOutcome> {
    let path = arguments.exact(&["path", "file_path", "filePath"]);
    path.ok_or_else(|| FileError::NoPath.into())
}

/// A text cut to so many bytes, at a character.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
