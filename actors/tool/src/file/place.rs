//! Reaches what was located and nothing else: each folder on the way is opened by itself and may not be a link, so that
//! a link that was put there in between is refused.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Component;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::bounds::Spot;
use super::error::FileError;

/// To stand in a folder takes no right to list it.
#[cfg(target_os = "linux")]
const STEP: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const STEP: OFlags = OFlags::RDONLY;

/// A name in an open folder.
#[derive(Debug)]
pub(super) struct Place {
    parent: OwnedFd,
    name: OsString,
    asked: String,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    pub(super) kind: FileType,
    pub(super) size: u64,
    pub(super) mode: Mode,
}

/// A file that was written beside its place and waits to take it. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct Staged<'p> {
    place: &'p Place,
    name: OsString,
    is_there: bool,
}

/// Opens a folder on a path without links.
pub(super) fn folder(spot: &Spot) -> Result<OwnedFd, FileError> {
    walk(&spot.path, &spot.asked, false)
}

fn walk(path: &Path, asked: &str, make: bool) -> Result<OwnedFd, FileError> {
    let flags = STEP | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let told = |errno| refused(asked, errno);
    let mut at = rustix::fs::open("/", flags, Mode::empty()).map_err(told)?;
    for part in path.components() {
        let name = match part {
            Component::RootDir => continue,
            Component::Normal(name) => name,
            _ => return Err(FileError::Malformed(asked.to_owned())),
        };
        at = match rustix::fs::openat(&at, name, flags, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(told(errno)),
                }
                rustix::fs::openat(&at, name, flags, Mode::empty())
            }
            opened => opened,
        }
        .map_err(|errno| match errno {
            Errno::NOTDIR if is_link(&at, name) => FileError::Swapped(asked.to_owned()),
            errno => refused(asked, errno),
        })?;
    }
    Ok(at)
}

fn is_link(folder: &OwnedFd, name: &OsStr) -> bool {
    let about = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    about.is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Symlink)
}

fn refused(asked: &str, errno: Errno) -> FileError {
    match errno {
        Errno::LOOP => FileError::Swapped(asked.to_owned()),
        errno => FileError::io(asked, errno.into()),
    }
}

/// Opens a file in a folder to read it; neither a link nor something that blocks.
pub(super) fn open_in(folder: &OwnedFd, name: &OsStr, asked: &str) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty());
    let file = File::from(file.map_err(|errno| refused(asked, errno))?);
    let about = file
        .metadata()
        .map_err(|error| FileError::io(asked, error))?;
    if about.is_dir() {
        return Err(FileError::Folder(asked.to_owned()));
    }
    if !about.is_file() {
        return Err(FileError::NotAFile(asked.to_owned()));
    }
    Ok(file)
}

impl Place {
    /// Goes to the folder of a located path; makes the folders that are missing, if told so.
    pub(super) fn reach(spot: &Spot, make: bool) -> Result<Self, FileError> {
        let (Some(parent), Some(name)) = (spot.path.parent(), spot.path.file_name()) else {
            return Err(FileError::Folder(spot.asked.clone()));
        };
        Ok(Self {
            parent: walk(parent, &spot.asked, make)?,
            name: name.to_owned(),
            asked: spot.asked.clone(),
        })
    }

    /// What is there now, if anything.
    pub(super) fn about(&self) -> Result<Option<About>, FileError> {
        match rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(About {
                kind: FileType::from_raw_mode(stat.st_mode),
                size: u64::try_from(stat.st_size).unwrap_or_default(),
                mode: Mode::from_raw_mode(stat.st_mode),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(&self.asked, errno)),
        }
    }

    /// All of the file, up to a size.
    pub(super) fn read(&self, most: u64) -> Result<Vec<u8>, FileError> {
        let file = open_in(&self.parent, &self.name, &self.asked)?;
        let told = |error| FileError::io(&self.asked, error);
        let size = file.metadata().map_err(told)?.len();
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(told)?;
        if bytes.len() as u64 > most {
            return Err(FileError::TooLarge {
                path: self.asked.clone(),
                size: size.max(most + 1),
                most,
            });
        }
        Ok(bytes)
    }

    /// Opens the file to read it piece by piece.
    pub(super) fn open(&self) -> Result<File, FileError> {
        open_in(&self.parent, &self.name, &self.asked)
    }

    /// Writes the bytes beside the place, with the rights of the file that is there, else with these.
    pub(super) fn stage(
        &self,
        bytes: &[u8],
        rights: Option<Mode>,
    ) -> Result<Staged<'_>, FileError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let about = self.about()?;
        match about.map(|about| about.kind) {
            None | Some(FileType::RegularFile) => {}
            Some(FileType::Directory) => return Err(FileError::Folder(self.asked.clone())),
            Some(FileType::Symlink) => return Err(FileError::Swapped(self.asked.clone())),
            Some(_) => return Err(FileError::NotAFile(self.asked.clone())),
        }
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!(".openclaw-{}-{number}.tmp", std::process::id());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let file = rustix::fs::openat(&self.parent, name.as_str(), flags, mode);
        let mut file = File::from(file.map_err(|errno| refused(&self.asked, errno))?);
        let staged = Staged {
            place: self,
            name: name.into(),
            is_there: true,
        };
        let written = file.write_all(bytes).and_then(|()| {
            if let Some(mode) = about.map(|about| about.mode).or(rights) {
                rustix::fs::fchmod(&file, mode & Mode::from_raw_mode(0o777))?;
            }
            file.sync_all()
        });
        written.map_err(|error| FileError::io(&self.asked, error))?;
        Ok(staged)
    }

    /// Takes the file away.
    pub(super) fn remove(&self) -> Result<(), FileError> {
        rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty())
            .map_err(|errno| refused(&self.asked, errno))
    }

    /// Makes the folder's names durable, as far as the folder can be opened.
    pub(super) fn settle(&self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(folder) = rustix::fs::openat(&self.parent, ".", flags, Mode::empty()) {
            let _as_far_as_it_goes = rustix::fs::fsync(&folder);
        }
    }
}

impl Staged<'_> {
    /// Takes the place of the file, at once.
    pub(super) fn commit(mut self) -> Result<(), FileError> {
        let parent = &self.place.parent;
        rustix::fs::renameat(parent, &self.name, parent, &self.place.name)
            .map_err(|errno| refused(&self.place.asked, errno))?;
        self.is_there = false;
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if self.is_there {
            let parent = &self.place.parent;
            let _gone = rustix::fs::unlinkat(parent, &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    fn spot(path: PathBuf) -> Spot {
        Spot {
            asked: "x".to_owned(),
            path,
        }
    }

    #[test]
    fn a_link_that_was_put_there_in_between_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (inside, outside) = (root.join("inside"), root.join("outside"));
        fs::create_dir_all(inside.join("sub")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("file"), "secret").unwrap();
        let file = spot(inside.join("file"));
        let deep = spot(inside.join("sub/file"));
        // What was located is swapped before it is opened.
        symlink(outside.join("file"), inside.join("file")).unwrap();
        fs::remove_dir(inside.join("sub")).unwrap();
        symlink(&outside, inside.join("sub")).unwrap();
        let place = Place::reach(&file, false).unwrap();
        assert!(matches!(place.read(100), Err(FileError::Swapped(_))));
        assert!(matches!(
            place.stage(b"x", None),
            Err(FileError::Swapped(_))
        ));
        assert!(matches!(
            Place::reach(&deep, true),
            Err(FileError::Swapped(_))
        ));
        assert!(matches!(
            folder(&spot(inside.join("sub"))),
            Err(FileError::Swapped(_))
        ));
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "secret");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn a_file_keeps_its_rights_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let path = root.join("a/b/run.sh");
        let place = Place::reach(&spot(path.clone()), true).unwrap();
        place.stage(b"one", None).unwrap().commit().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        place.stage(b"two", None).unwrap().commit().unwrap();
        drop(place.stage(b"never", None).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o750
        );
        assert_eq!(fs::read_dir(root.join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        let pipe = root.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let at = |name: &str| Place::reach(&spot(root.join(name)), false).unwrap();
        assert!(matches!(at("folder").read(9), Err(FileError::Folder(_))));
        assert!(matches!(
            at("folder").stage(b"", None),
            Err(FileError::Folder(_))
        ));
        assert!(matches!(at("pipe").read(9), Err(FileError::NotAFile(_))));
        assert!(matches!(
            at("pipe").stage(b"", None),
            Err(FileError::NotAFile(_))
        ));
        assert!(matches!(at("gone").read(9), Err(FileError::Missing(_))));
    }
}
