//! Which files are notes, and how they are reached without leaving the workspace.

use std::fs;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use super::index::Stamp;

/// A file of notes larger than this is not read: it is something else.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Folders under `memory/` are followed this deep.
const DEEPEST: usize = 4;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(
        "\"{0}\" is not one of the notes: use MEMORY.md, memory/<name>.md, or a path that memory_search gave"
    )]
    NotANote(String),
    #[error("there is no file {0}")]
    Missing(String),
    #[error("{path} could not be read: {source}")]
    Unreadable { path: String, source: io::Error },
}

/// A file of notes.
#[derive(Debug, Clone)]
pub(super) struct NoteFile {
    /// Relative to the workspace, with slashes; whole where it lies elsewhere.
    pub(super) name: String,
    path: PathBuf,
}

/// All files of notes: the curated one first, then the newest name first, then what lies elsewhere.
pub(super) fn all(workspace: &Path, elsewhere: &[PathBuf]) -> Vec<NoteFile> {
    let mut files = Vec::new();
    for name in ["MEMORY.md", "memory.md"] {
        // On a file system that ignores case both are one.
        if let (true, Ok(file)) = (files.is_empty(), inside(workspace, name)) {
            files.push(file);
        }
    }
    let memory = workspace.join("memory");
    files.extend(collected(workspace, &memory, "memory"));
    for place in elsewhere {
        let place = workspace.join(place);
        let whole = place.to_string_lossy().into_owned();
        if place.is_dir() {
            files.extend(collected(&place, &place, whole.trim_end_matches('/')));
        } else if whole.ends_with(".md") {
            files.extend(outside(&place, &whole));
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.path.clone()));
    files
}

/// The notes in a folder that do not lead out of the root, the newest name first.
fn collected(root: &Path, folder: &Path, name: &str) -> Vec<NoteFile> {
    let mut files = Vec::new();
    if let (Ok(root), Ok(folder)) = (root.canonicalize(), folder.canonicalize()) {
        collect(&folder, name, DEEPEST, &mut files);
        files.retain(|file| file.path.starts_with(&root));
    }
    files.sort_unstable_by(|a, b| b.name.cmp(&a.name));
    files
}

/// Only links are followed to where they lead: a folder's own files are where the folder is, and to ask of each takes
/// longer than all the rest of a search.
fn collect(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<NoteFile>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(file_name) = entry.file_name().into_string() else {
            continue;
        };
        let name = format!("{prefix}/{file_name}");
        let kind = entry.file_type().ok();
        let is_link = kind.is_none_or(|kind| kind.is_symlink());
        let path = entry.path();
        if kind.is_some_and(|kind| kind.is_dir()) && depth > 0 {
            collect(&path, &name, depth - 1, files);
        } else if file_name.ends_with(".md") {
            let path = if is_link {
                path.canonicalize()
            } else {
                Ok(path)
            };
            files.extend(path.map(|path| NoteFile { name, path }));
        }
    }
}

/// Finds a file of notes by the name that search gives it. Refuses what is not one, also behind a link
/// that leads out of where notes are.
pub(super) fn find(
    workspace: &Path,
    elsewhere: &[PathBuf],
    name: &str,
) -> Result<NoteFile, FileError> {
    let here = inside(workspace, name);
    let is_note = !matches!(here, Err(FileError::NotANote(_)));
    if is_note || !name.trim().ends_with(".md") {
        return here;
    }
    let mut places = elsewhere.iter().map(|place| workspace.join(place));
    let found = places.find_map(|place| outside(&place, name).ok());
    found.map_or(here, Ok)
}

fn inside(workspace: &Path, name: &str) -> Result<NoteFile, FileError> {
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
    under(workspace, workspace.join(asked), parts.join("/"))
}

/// A file at or under a place that somebody configured.
fn outside(place: &Path, name: &str) -> Result<NoteFile, FileError> {
    under(place, PathBuf::from(name.trim()), name.trim().to_owned())
}

fn under(root: &Path, path: PathBuf, name: String) -> Result<NoteFile, FileError> {
    let missing = |_| FileError::Missing(name.clone());
    let root = root.canonicalize().map_err(missing)?;
    let path = path.canonicalize().map_err(missing)?;
    if !path.starts_with(&root) {
        return Err(FileError::NotANote(name));
    }
    Ok(NoteFile { name, path })
}

impl NoteFile {
    /// Whether a person or an agent chose what stands in it. It is for the owner's ears only.
    pub(super) fn is_curated(name: &str) -> bool {
        matches!(name, "MEMORY.md" | "memory.md")
    }

    /// How the file is now, to know a change by.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let about = fs::metadata(&self.path).ok()?;
        Some(Stamp {
            modified: about.modified().ok(),
            len: about.len(),
        })
    }

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
