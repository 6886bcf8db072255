//! Watches the folders where notes lie.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use notify::RecursiveMode;
use notify::Watcher;

use crate::config::is_change;

/// A watch; ends when dropped.
pub(super) struct NotesWatch {
    /// The folders that were there.
    folders: BTreeSet<(PathBuf, bool)>,
    _watcher: notify::RecommendedWatcher,
}

/// The folders to watch for a workspace and what lies elsewhere: each with whether all below it counts.
/// What isn't there yet is found by the watch of its parent, and watched the next time.
pub(super) fn folders(workspace: &Path, elsewhere: &[PathBuf]) -> BTreeSet<(PathBuf, bool)> {
    let mut folders = BTreeSet::from([
        (workspace.to_owned(), false),
        (workspace.join("memory"), true),
    ]);
    for place in elsewhere.iter().map(|place| workspace.join(place)) {
        match place.parent() {
            Some(parent) if !place.is_dir() => folders.insert((parent.to_owned(), false)),
            _ => folders.insert((place, true)),
        };
    }
    folders.retain(|(folder, _)| folder.is_dir());
    folders
}

impl NotesWatch {
    /// Calls `touched` after each change of a Markdown file, or of a folder.
    pub(super) fn start(
        folders: BTreeSet<(PathBuf, bool)>,
        touched: impl Fn() + Send + 'static,
    ) -> notify::Result<Self> {
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let concerns = match &event {
                    Ok(event) => {
                        let may_hold = |path: &PathBuf| {
                            path.extension().is_none_or(|extension| extension == "md")
                        };
                        event.need_rescan()
                            || (is_change(event.kind) && event.paths.iter().any(may_hold))
                    }
                    // Something was missed; looking again is cheap.
                    Err(_) => true,
                };
                if concerns {
                    touched();
                }
            })?;
        for (folder, is_deep) in &folders {
            let mode = if *is_deep {
                RecursiveMode::Recursive
            } else {
                RecursiveMode::NonRecursive
            };
            watcher.watch(folder, mode)?;
        }
        Ok(Self {
            folders,
            _watcher: watcher,
        })
    }

    /// Tells whether these folders are watched already.
    pub(super) fn covers(&self, folders: &BTreeSet<(PathBuf, bool)>) -> bool {
        self.folders == *folders
    }
}
