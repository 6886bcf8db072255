//! Watches files by their folders: editors write beside and rename, so a watch on the file itself
//! would be lost with its first change. Sleeps in the kernel until something happens.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

use notify::EventKind;
use notify::RecursiveMode;
use notify::Watcher;
use notify::event::AccessKind;
use notify::event::AccessMode;

use crate::config::LoadedConfig;
use crate::paths::Paths;

/// The files a configuration is made of, there or not, and where links lead to.
pub(super) fn files(paths: &Paths, loaded: &LoadedConfig) -> BTreeSet<PathBuf> {
    let named = [paths.config_path.clone(), paths.dotenv()];
    let named = named.into_iter().chain(loaded.includes.iter().cloned());
    named
        .flat_map(|file| {
            let real = file.canonicalize().ok();
            [Some(std::path::absolute(&file).unwrap_or(file)), real]
        })
        .flatten()
        .collect()
}

/// A watch; ends when dropped.
pub(super) struct FileWatch {
    files: BTreeSet<PathBuf>,
    is_partial: bool,
    _watcher: notify::RecommendedWatcher,
}

impl FileWatch {
    /// Calls `touched` after each change of one of the files.
    pub(super) fn start(
        files: BTreeSet<PathBuf>,
        touched: impl Fn() + Send + 'static,
    ) -> notify::Result<Self> {
        let names: BTreeSet<OsString> = files
            .iter()
            .filter_map(|file| file.file_name().map(OsString::from))
            .collect();
        // A link's target may be exchanged under another name, as mounted secrets are.
        let is_linked = files.iter().any(|file| file.is_symlink());
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let concerns = match &event {
                    Ok(event) if event.need_rescan() => true,
                    Ok(event) => {
                        let named = |path: &PathBuf| {
                            path.file_name().is_some_and(|name| names.contains(name))
                        };
                        is_change(event.kind) && (is_linked || event.paths.iter().any(named))
                    }
                    // Something was missed; reading again is cheap.
                    Err(_) => true,
                };
                if concerns {
                    touched();
                }
            })?;
        let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        let mut is_partial = false;
        for folder in folders {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Err(error) if !folder.exists() => {
                    is_partial = true;
                    tracing::debug!(folder = %folder.display(), %error, "not watched");
                }
                outcome => outcome?,
            }
        }
        Ok(Self {
            files,
            is_partial,
            _watcher: watcher,
        })
    }

    /// Tells whether some folder isn't there to be watched.
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Tells whether these files are watched already.
    pub(super) fn covers(&self, files: &BTreeSet<PathBuf>) -> bool {
        self.files == *files && !self.is_partial
    }
}

/// Reading a file is no change; closing it after writing is.
pub(crate) fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
