//! An agent's workspace: seeded once, read for each prompt, never rewritten by the gateway.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_runtime::child::Job;

/// The files a new workspace begins with.
const SEEDS: [(&str, &str); 7] = [
    ("AGENTS.md", include_str!("../seed/AGENTS.md")),
    ("SOUL.md", include_str!("../seed/SOUL.md")),
    ("TOOLS.md", include_str!("../seed/TOOLS.md")),
    ("IDENTITY.md", include_str!("../seed/IDENTITY.md")),
    ("USER.md", include_str!("../seed/USER.md")),
    ("HEARTBEAT.md", include_str!("../seed/HEARTBEAT.md")),
    ("BOOTSTRAP.md", include_str!("../seed/BOOTSTRAP.md")),
];

/// Makes the workspace if it doesn't exist; an existing one is left exactly as it is.
///
/// Returns whether it was made. With `empty` only the folder is made.
pub(crate) fn seed(folder: &Path, empty: bool) -> io::Result<bool> {
    if folder.exists() {
        return Ok(false);
    }
    // Built beside its place and renamed, so that a crash leaves no half-seeded workspace behind.
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = folder.with_file_name(name);
    // Sessions of one agent that begin at the same time would take each other's half-made folder away.
    let _one = SEEDING.lock().unwrap_or_else(PoisonError::into_inner);
    if folder.exists() {
        return Ok(false);
    }
    if beside.exists() {
        std::fs::remove_dir_all(&beside)?;
    }
    std::fs::create_dir_all(&beside)?;
    if !empty {
        for (name, text) in SEEDS {
            std::fs::write(beside.join(name), text)?;
        }
        std::fs::create_dir_all(beside.join("memory"))?;
    }
    match std::fs::rename(&beside, folder) {
        Ok(()) => {}
        // Somebody else was faster: theirs stays.
        Err(_) if folder.exists() => {
            std::fs::remove_dir_all(&beside)?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    if !empty {
        version(folder);
    }
    Ok(true)
}

/// Held while a workspace is made.
static SEEDING: Mutex<()> = Mutex::new(());

/// Puts the workspace under git where git is installed; without it the workspace works as well.
fn version(folder: &Path) {
    let job = Job::new("git", ["init", "--quiet"]).folder(folder);
    if !job.run_blocking().is_ok_and(|done| done.is_success()) {
        tracing::debug!(workspace = %folder.display(), "git is not available; the workspace has no history");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_workspace_is_seeded_and_an_old_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("workspace");
        assert!(seed(&folder, false).unwrap());
        for (name, _) in SEEDS {
            assert!(folder.join(name).is_file(), "{name}");
        }
        std::fs::remove_file(folder.join("SOUL.md")).unwrap();
        assert!(!seed(&folder, false).unwrap());
        assert!(!folder.join("SOUL.md").exists());
    }

    #[test]
    fn a_heartbeat_file_begins_empty() {
        let (_, text) = SEEDS[5];
        assert!(
            text.lines()
                .all(|line| line.trim().is_empty() || line.starts_with('#'))
        );
    }
}
