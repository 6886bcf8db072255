//! An agent's notes: Markdown files in its workspace that people read and edit too.
//!
//! `MEMORY.md` is what is curated; `memory/YYYY-MM-DD.md` is the day's. Notes go to the day's file;
//! search reads both.

mod file;
mod get;
mod note;
mod score;
mod search;

pub use self::get::MemoryGet;
pub use self::note::MemoryNote;
pub use self::search::MemorySearch;

#[cfg(test)]
mod tests;

/// Runs file work off the workers; a panic in it is the turn's to handle, as a failed tool.
async fn on_files<F>(work: F) -> crate::ToolOutcome
where
    F: FnOnce() -> crate::ToolOutcome + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => crate::ToolOutcome::error(format!("the notes could not be reached: {error}")),
    }
}
