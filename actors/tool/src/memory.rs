//! An agent's notes: Markdown files in its workspace that people read and edit too.
//!
//! `MEMORY.md` is what is curated; `memory/YYYY-MM-DD.md` is the day's. Notes go to the day's file;
//! search reads both. The files are the truth: the index and the vectors beside them can be made again
//! at any time.

mod cut;
mod file;
mod get;
mod index;
mod library;
mod note;
mod rank;
mod room;
mod rooms;
mod search;
mod vector;
mod words;

use openclaw_protocol::SessionKey;

use crate::SessionKind;

pub use self::cut::Chunking;
pub use self::get::MemoryGet;
pub use self::library::Asked;
pub use self::library::EmbedFor;
pub use self::library::Embedded;
pub use self::library::Found;
pub use self::library::Hit;
pub use self::library::Memory;
pub use self::library::MemoryError;
pub use self::library::MemorySettings;
pub use self::library::NoVectors;
pub use self::library::SettingsNow;
pub use self::library::Vectors;
pub use self::note::MemoryNote;
pub use self::rank::Ranking;
pub use self::search::MemorySearch;

#[cfg(test)]
mod tests;

/// Whether others than the agent's own people may listen: there what is curated is not told.
fn is_shared(session: &SessionKey) -> bool {
    matches!(
        SessionKind::of(session),
        SessionKind::Group | SessionKind::Channel
    )
}

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
