//! Which files are notes, and how they are reached without leaving the workspace.

use std::fs;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// A file of notes larger than this is not read: it is something else.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Folders under `memory/` are followed this deep.
const DEEPEST: usize = 4;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("\"{0}\" is not one of the notes: use MEMORY.md or memory/<name>.md")]
    NotANote(String),
    #[error("there is no file {0}")]
    Missing(String),
    #[error("{path} could not be read: {source}")]
    Unreadable { path: String, source: io::Error },
}

/// A file of notes.
#[derive(Debug, Clone)]
pub(super) struct NoteFile {
    /// Relative to the workspace, with slashes.
    pub(super) name: String,
    path: PathBuf,
}

/// All files of notes, the curated one first, then the newest name first.
pub(super) fn all(workspace: &Path) -> Vec<NoteFile> {
    let mut files = Vec::new();
    for name in ["MEMORY.md", "memory.md"] {
        // On a file system that ignores case both are one.
        if let (true, Ok(file)) = (files.is_empty(), find(workspace, name)) {
            files.push(file);
        }
    }
    let mut names = Vec::new();
    collect(&workspace.join("memory"), "memory", DEEPEST, &mut names);
    names.sort_unstable_by(|a, b| b.cmp(a));
    files.extend(names.iter().filter_map(|name| find(workspace, name).ok()));
    files
}

fn collect(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(file_name) = entry.file_name().into_string() else {
            continue;
        };
        let name = format!("{prefix}/{file_name}");
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && depth > 0 {
            collect(&entry.path(), &name, depth - 1, names);
        } else if file_name.ends_with(".md") {
            names.push(name);
        }
    }
}

/// Finds a file of notes by name. Refuses what is not one, also behind a link that leads out of
/// the workspace.
pub(super) fn find(workspace: &Path, name: &str) -> Result<NoteFile, FileError> {
    let asked = Path::new(name.trim().trim_start_matches("./"));
    let parts: Vec<&str> = asked
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| FileError::NotANote(name.to_owned()))?;
    let is_note = match parts.as_slice() {
        ["MEMORY.md" | "memory.md"] => true,
        ["memory", .., last] => last.ends_with(".md"),
        _ => false,
    };
    if !is_note {
        return Err(FileError::NotANote(name.to_owned()));
    }
    let name = parts.join("/");
    let missing = |_| FileError::Missing(name.clone());
    let root = workspace.canonicalize().map_err(missing)?;
    let path = root.join(&name).canonicalize().map_err(missing)?;
    if !path.starts_with(&root) {
        return Err(FileError::NotANote(name));
    }
    Ok(NoteFile { name, path })
}

impl NoteFile {
    /// Reads the text; what isn't UTF-8 in it is replaced.
    pub(super) fn read(&self) -> Result<String, FileError> {
        let unreadable = |source| FileError::Unreadable {
            path: self.name.clone(),
            source,
        };
        let about = fs::metadata(&self.path).map_err(unreadable)?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(unreadable(io::Error::other(
                "it is too large, or not a file",
            )));
        }
        let bytes = fs::read(&self.path).map_err(unreadable)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
