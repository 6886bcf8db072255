//! Writes the configuration: whole or not at all, readable by its owner only, with backups.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use super::source;

#[cfg(test)]
mod tests;

/// How many earlier contents are kept: `.bak`, `.bak.1` … `.bak.4`, the newest first.
const BACKUPS: usize = 5;

/// Whether what is in the file now is worth a place among the backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Good,
    Broken,
}

/// Keeps others from changing the file meanwhile; released when dropped.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "held until it is dropped")] File);

/// Waits until nobody else changes the file.
pub(super) fn lock(path: &Path) -> io::Result<Lock> {
    let real = real(path);
    make_folder(&real)?;
    let file = options().truncate(false).open(beside(&real, "lock"))?;
    file.lock()?;
    Ok(Lock(file))
}

/// Replaces the file's text. Answers whether anything was written.
pub(super) fn write(path: &Path, text: &str, before: Before) -> io::Result<bool> {
    let path = real(path);
    let current = match fs::read_to_string(&path) {
        Ok(current) if current == text => return Ok(false),
        Ok(current) => Some(current),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Not text: no backup, but what was there must not be lost for it.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            fs::copy(&path, beside(&path, "broken"))?;
            None
        }
        Err(error) => return Err(error),
    };
    make_folder(&path)?;
    if let Some(current) = current {
        back_up(&path, &current, before)?;
    }
    replace(&path, text)?;
    Ok(true)
}

/// The newest backup that can be read.
pub(super) fn newest_good_backup(path: &Path) -> Option<PathBuf> {
    let path = real(path);
    (0..BACKUPS)
        .map(|index| backup(&path, index))
        .find(|backup| {
            let text = fs::read_to_string(backup).ok();
            text.is_some_and(|text| {
                !text.trim().is_empty() && source::parse(&text).is_ok_and(|tree| tree.is_object())
            })
        })
}

/// A tree as the file has it.
pub(super) fn render(tree: &Value) -> String {
    // A tree of JSON values always serialises.
    let mut text = serde_json::to_string_pretty(tree).unwrap_or_default();
    text.push('\n');
    text
}

/// Puts the current text in front of the backups. Good backups are never pushed out by a text that
/// is broken or that is there already.
fn back_up(path: &Path, current: &str, before: Before) -> io::Result<()> {
    let is_empty_ring = !backup(path, 0).exists();
    let is_tree = source::parse(current).is_ok_and(|tree| tree.is_object());
    if !is_tree || (before == Before::Broken && !is_empty_ring) {
        return replace(&beside(path, "broken"), current);
    }
    let same = |text: String| text == current;
    if fs::read_to_string(backup(path, 0)).is_ok_and(same) {
        return Ok(());
    }
    for index in (0..BACKUPS - 1).rev() {
        match fs::rename(backup(path, index), backup(path, index + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    replace(&backup(path, 0), current)
}

/// Writes a file beside and moves it into place, so that a reader or a power cut sees the old or
/// the new text and nothing between.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let suffix = uuid::Uuid::new_v4().simple().to_string();
    let suffix = suffix.get(..8).unwrap_or_default();
    let temporary = beside(path, &format!("{}.{suffix}.tmp", std::process::id()));
    let written = (|| {
        let mut file = options().create_new(true).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        drop(fs::remove_file(&temporary));
        return written;
    }
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The file behind a link, so that the link stays.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn backup(path: &Path, index: usize) -> PathBuf {
    match index {
        0 => beside(path, "bak"),
        index => beside(path, &format!("bak.{index}")),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
