//! Goes through a folder and what is below it: follows no link, and leaves out what `.gitignore` leaves out.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;

use ignore::gitignore::Gitignore;
use ignore::gitignore::GitignoreBuilder;
use rustix::fs::AtFlags;
use rustix::fs::Dir;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;

use super::Stop;
use super::bounds::Bounds;
use super::bounds::Spot;
use super::error::FileError;
use super::place;

/// Deeper than this nobody keeps files.
const DEEPEST: usize = 64;
/// A list of patterns larger than this is something else.
const PATTERNS: u64 = 1024 * 1024;

/// Something that a walk came upon.
pub(super) struct Found<'w> {
    /// The folder it is in.
    pub(super) folder: &'w OwnedFd,
    pub(super) name: &'w OsStr,
    /// Its whole path.
    pub(super) path: &'w Path,
    pub(super) kind: FileType,
}

/// One name in a folder.
pub(super) struct Name {
    pub(super) name: OsString,
    pub(super) kind: FileType,
}

/// The names in an open folder, in order.
pub(super) fn names(folder: &OwnedFd, asked: &str) -> Result<Vec<Name>, FileError> {
    let told = |errno: rustix::io::Errno| FileError::io(asked, errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed = rustix::fs::openat(folder, ".", flags, Mode::empty()).map_err(told)?;
    let mut names = Vec::new();
    for entry in Dir::new(listed).map_err(told)? {
        let entry = entry.map_err(told)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
                stat.map_or(FileType::Unknown, |stat| {
                    FileType::from_raw_mode(stat.st_mode)
                })
            }
            kind => kind,
        };
        names.push(Name {
            name: name.to_owned(),
            kind,
        });
    }
    names.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(names)
}

/// Visits everything below a folder, in order. What can't be opened is passed by.
pub(super) fn walk(
    bounds: &Bounds,
    start: &Spot,
    stop: &Stop,
    visit: &mut dyn FnMut(&Found<'_>) -> ControlFlow<()>,
) -> Result<(), FileError> {
    let folder = place::folder(start)?;
    let mut walk = Walk {
        bounds,
        stop,
        patterns: above(bounds, &start.path),
        visit,
    };
    let _all_or_enough = walk.through(&folder, &start.path, 0);
    Ok(())
}

struct Walk<'w> {
    bounds: &'w Bounds,
    stop: &'w Stop,
    patterns: Vec<Gitignore>,
    visit: &'w mut dyn FnMut(&Found<'_>) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn through(&mut self, folder: &OwnedFd, path: &Path, depth: usize) -> ControlFlow<()> {
        let Ok(names) = names(folder, "") else {
            return ControlFlow::Continue(());
        };
        let own = patterns(folder, path);
        let known = self.patterns.len();
        self.patterns.extend(own);
        for Name { name, kind } in names {
            if self.stop.is_set() {
                return ControlFlow::Break(());
            }
            let path = path.join(&name);
            let is_folder = kind == FileType::Directory;
            if name == ".git" || self.is_ignored(&path, is_folder) || !self.bounds.may_enter(&path)
            {
                continue;
            }
            (self.visit)(&Found {
                folder,
                name: &name,
                path: &path,
                kind,
            })?;
            if is_folder && depth < DEEPEST {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(below) = rustix::fs::openat(folder, &name, flags, Mode::empty()) {
                    self.through(&below, &path, depth + 1)?;
                }
            }
        }
        self.patterns.truncate(known);
        ControlFlow::Continue(())
    }

    /// The nearest list that says something of a path decides.
    fn is_ignored(&self, path: &Path, is_folder: bool) -> bool {
        let said = self
            .patterns
            .iter()
            .rev()
            .map(|list| list.matched(path, is_folder));
        said.into_iter()
            .find(|said| !said.is_none())
            .is_some_and(|said| said.is_ignore())
    }
}

/// The lists of the folders above, up to the one that holds the repository.
fn above(bounds: &Bounds, start: &Path) -> Vec<Gitignore> {
    let folders: Vec<&Path> = start.ancestors().collect();
    let Some(top) = folders
        .iter()
        .position(|folder| folder.join(".git").exists())
    else {
        return Vec::new();
    };
    let between = folders.get(1..=top).unwrap_or_default().iter().rev();
    let open = |folder: &&Path| {
        if !bounds.may_enter(folder) {
            return None;
        }
        let spot = Spot {
            asked: String::new(),
            path: PathBuf::from(folder),
        };
        patterns(&place::folder(&spot).ok()?, folder)
    };
    between.filter_map(open).collect()
}

fn patterns(folder: &OwnedFd, path: &Path) -> Option<Gitignore> {
    let file = place::open_in(folder, OsStr::new(".gitignore"), "").ok()?;
    let mut text = String::new();
    file.take(PATTERNS).read_to_string(&mut text).ok()?;
    let mut list = GitignoreBuilder::new(path);
    for line in text.lines() {
        // A pattern that can't be read hides nothing, as with git.
        let _unreadable = list.add_line(None, line);
    }
    list.build().ok()
}
