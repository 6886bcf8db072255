//! The file of the ledger: private to its owner, opened by one process, ours before it is touched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use crate::error::LedgerError;
use crate::migrate;
use crate::room::{DISK_FULL, Reserved, Room};

/// Page cache of redb. Its default of 1 GiB is meant for servers; the working set here is the open
/// rows and the tail of each table, and the idle gateway should stay small.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Files below this are not worth the walk that finds out how full they are.
const COMPACT_FROM: u64 = 256 * 1024 * 1024;

/// First bytes of a redb file.
const REDB_MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// An open database and the lock that keeps other gateways out.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) db: Database,
    pub(crate) room: Arc<Room>,
    lock: Option<File>,
}

impl OpenFile {
    /// Opens or creates the ledger at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let fail = |error: io::Error| LedgerError::Open {
            path: path.into(),
            detail: error.to_string(),
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            private_folder(folder).map_err(fail)?;
        }
        let lock = lock(path)?;
        let mut file = private_file(path).map_err(fail)?;
        check_magic(&mut file, path)?;
        if let (Some(folder), 0) = (folder, file.metadata().map_err(fail)?.len()) {
            // The name of a new file is durable only with its folder.
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(fail)?;
        }
        // Looking first leaves a foreign or newer file as it is. One that was not closed in order cannot
        // be looked at without repair; it is judged below.
        if let Ok(found) = Builder::new().set_cache_size(0).open_read_only(path) {
            migrate::check(&found, path)?;
        }
        let room = Arc::new(Room::of(path));
        let backend = FileBackend::new(file).map_err(|error| opening(path, &error))?;
        let mut open = Self::with_room(backend, path, &room)?;
        if let Err(error) = open.compact(path, COMPACT_FROM) {
            // A failed compaction has changed no row, but redb trusts this handle no more.
            tracing::warn!(path = %path.display(), error, "the ledger stays larger than it needs to be");
            drop(open);
            let file = private_file(path).map_err(fail)?;
            let backend = FileBackend::new(file).map_err(|error| opening(path, &error))?;
            open = Self::with_room(backend, path, &room)?;
        }
        open.lock = Some(lock);
        Ok(open)
    }

    /// Opens a ledger on a storage that a test brings.
    #[cfg(test)]
    pub(crate) fn with_backend(
        backend: impl StorageBackend,
        path: &Path,
    ) -> Result<Self, LedgerError> {
        let room = Room::with(path, Box::new(|| None));
        Self::with_room(backend, path, &Arc::new(room))
    }

    /// Opens a ledger on any storage.
    pub(crate) fn with_room(
        backend: impl StorageBackend,
        path: &Path,
        room: &Arc<Room>,
    ) -> Result<Self, LedgerError> {
        let opened = Self::open_on(Reserved::new(backend, Arc::clone(room)), path);
        let db = opened.map_err(|error| match error {
            LedgerError::Open { path, detail } if room.is_hopeless() => LedgerError::Open {
                path,
                detail: format!("{DISK_FULL}: {detail}"),
            },
            error => error,
        })?;
        Ok(Self {
            db,
            room: Arc::clone(room),
            lock: None,
        })
    }

    fn open_on(backend: impl StorageBackend, path: &Path) -> Result<Database, LedgerError> {
        let db = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(|error| opening(path, &error))?;
        migrate::prepare(&db, path)?;
        Ok(db)
    }

    /// Gives space back when most of a large file is free; at the start only, as it needs the database
    /// alone.
    pub(crate) fn compact(&mut self, path: &Path, from_bytes: u64) -> Result<(), String> {
        let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
        if length < from_bytes {
            return Ok(());
        }
        let transaction = self.db.begin_write().map_err(|error| error.to_string())?;
        let stats = transaction.stats().map_err(|error| error.to_string())?;
        transaction.abort().map_err(|error| error.to_string())?;
        let used = stats.allocated_pages() * stats.page_size() as u64;
        if used * 2 > length {
            return Ok(());
        }
        tracing::info!(path = %path.display(), length, used, "compacting the ledger");
        self.db
            .compact()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Closes in order and lets the next gateway in.
    pub(crate) fn close(self) -> Result<(), String> {
        let Self { db, lock, .. } = self;
        let closed = db.close().map_err(|error| error.to_string());
        drop(lock);
        closed
    }
}

fn opening(path: &Path, error: &DatabaseError) -> LedgerError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => LedgerError::AlreadyOpen {
            path: path.into(),
            pid: None,
        },
        error => LedgerError::Open {
            path: path.into(),
            detail: error.to_string(),
        },
    }
}

/// A file with anything but a redb header is somebody else's.
fn check_magic(file: &mut File, path: &Path) -> Result<(), LedgerError> {
    let fail = |error: io::Error| LedgerError::Open {
        path: path.into(),
        detail: error.to_string(),
    };
    let mut head = Vec::with_capacity(REDB_MAGIC.len());
    Read::by_ref(file)
        .take(REDB_MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(fail)?;
    file.rewind().map_err(fail)?;
    if head.is_empty() || head == REDB_MAGIC {
        return Ok(());
    }
    if unfinished(file).map_err(fail)? {
        tracing::warn!(path = %path.display(), "starting an unfinished ledger file afresh");
        return file.set_len(0).map_err(fail);
    }
    Err(LedgerError::Foreign {
        path: path.into(),
        detail: "not a redb database".into(),
    })
}

/// Whether redb was killed while it created the file: it writes its magic last, so there is nothing but
/// a header without it.
fn unfinished(file: &mut File) -> io::Result<bool> {
    /// Where redb's header ends.
    const HEADER: usize = 320;
    /// A new file is some 70 KiB long.
    const LONGEST: u64 = 1024 * 1024;
    if file.metadata()?.len() > LONGEST {
        return Ok(false);
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    file.rewind()?;
    let zero =
        |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
    Ok(zero(content.get(..REDB_MAGIC.len())) && zero(content.get(HEADER..)))
}

fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// One gateway per state folder; the lock goes with the process, however it ends.
fn lock(path: &Path) -> Result<File, LedgerError> {
    let lock_path = lock_path(path);
    let fail = |error: io::Error| LedgerError::Open {
        path: lock_path.clone(),
        detail: error.to_string(),
    };
    let mut file = private_file(&lock_path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _read = file.read_to_string(&mut pid);
            return Err(LedgerError::AlreadyOpen {
                path: path.into(),
                pid: pid.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    if let Err(error) = sign(&mut file) {
        // Who holds it is for people; the lock itself needs no room.
        tracing::warn!(path = %lock_path.display(), %error, "the lock could not be signed");
    }
    Ok(file)
}

/// Writes the process id over what stands there: that needs no room on the disk.
fn sign(file: &mut File) -> io::Result<()> {
    let pid = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(pid.as_bytes())?;
    file.set_len(pid.len() as u64)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    restrict(path, 0o600)?;
    Ok(file)
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    restrict(path, 0o700)
}

/// Takes away what the owner alone should have.
#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let now = fs::metadata(path)?.permissions().mode() & 0o777;
    if now & !mode != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(now & mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
