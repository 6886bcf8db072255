//! Small JSON files of the `credentials` folder: read whole, replaced whole, under one lock.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What went wrong with a file of the pairing store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("lock {}: {source}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "read {}: not valid ({source}); mend the file, or move it away and approve again",
        path.display()
    )]
    Invalid {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("make a pairing code: the system gives no random numbers")]
    NoChance,
}

/// The folder, locked until dropped. The kernel releases the lock of a dead holder.
#[derive(Debug)]
pub(super) struct Locked {
    dir: PathBuf,
    _lock: File,
}

impl Locked {
    pub(super) fn new(dir: &Path, lock_name: &str) -> Result<Self, StoreError> {
        let path = dir.join(lock_name);
        let open = || -> io::Result<File> {
            create_private_dir(dir)?;
            let file = private(&mut File::options())
                .create(true)
                .truncate(false)
                .open(&path)?;
            file.lock()?;
            Ok(file)
        };
        match open() {
            Ok(lock) => Ok(Self {
                dir: dir.to_owned(),
                _lock: lock,
            }),
            Err(source) => Err(StoreError::Lock { path, source }),
        }
    }

    /// The file's content; none when there is no file.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let path = self.dir.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(source) => Err(StoreError::Invalid { path, source }),
        }
    }

    /// Replaces the file: it is the old one or the new one at every moment.
    pub(super) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let temporary = self.dir.join(format!(".{name}.new"));
        let replace = || -> io::Result<()> {
            let mut bytes = serde_json::to_vec_pretty(value)?;
            bytes.push(b'\n');
            let mut file = private(&mut File::options())
                .create(true)
                .truncate(true)
                .open(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        replace().map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })
    }
}

/// Readable by the owner alone from its first moment.
#[cfg(unix)]
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.write(true).mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options.write(true)
}

#[cfg(unix)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

#[cfg(not(unix))]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}
