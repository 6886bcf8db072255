//! Room on the disk: watched, so that the ledger stops taking work in before a write can fail.
//!
//! redb refuses every write after a failed one, so "disk full" would end the process in the middle of its work.
//! Two things keep it from that. While little is free, what brings new work is refused (and stays with whoever
//! sent it); what finishes work goes on, mostly in pages that the file already has. And a file of reserved blocks
//! lies beside the ledger: a write that finds the disk full gives them up and is tried again.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use redb::{BackendError, StorageBackend};

/// Begins every error that says the disk is full.
pub(crate) const DISK_FULL: &str = "the disk is full";

/// Reserved on a disk of a usual size: the turns in hand and their answers, many times over.
const MOST: u64 = 16 * 1024 * 1024;
/// Reserved on a very small one.
const LEAST: u64 = 256 * 1024;
/// Part of the disk that is reserved between the two.
const PART: u64 = 64;

/// Bytes that may still be written, and the size of the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

/// Looks how much space there is; none where the system does not say.
pub(crate) type Gauge = Box<dyn Fn() -> Option<Space> + Send + Sync>;

/// The room that a ledger has.
pub(crate) struct Room {
    gauge: Gauge,
    reserve: PathBuf,
    full: AtomicBool,
    /// A write found no room although the reserve was given up.
    hopeless: AtomicBool,
    free: AtomicU64,
}

impl Room {
    /// The room of the ledger at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Self::with(path, Box::new(move || space(&folder)))
    }

    pub(crate) fn with(path: &Path, gauge: Gauge) -> Self {
        let room = Self {
            gauge,
            reserve: path.with_extension("reserve"),
            full: AtomicBool::new(false),
            hopeless: AtomicBool::new(false),
            free: AtomicU64::new(u64::MAX),
        };
        if let Some(space) = room.measure() {
            room.full.store(space.free < wanted(space), Relaxed);
        }
        room
    }

    /// Whether new work is refused.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    pub(crate) fn is_hopeless(&self) -> bool {
        self.hopeless.load(Relaxed)
    }

    /// Bytes free when last looked.
    pub(crate) fn free(&self) -> Option<u64> {
        Some(self.free.load(Relaxed)).filter(|free| *free != u64::MAX)
    }

    /// Looks again, and sees to the reserve: it is laid down while there is plenty. Touches the disk.
    pub(crate) fn look(&self) {
        let Some(space) = self.measure() else {
            return;
        };
        let wanted = wanted(space);
        // Twice, so that the two states do not alternate at the edge.
        let plenty = wanted * 2;
        if space.free >= plenty + wanted && !self.has_reserve(wanted) {
            if let Err(error) = lay_down(&self.reserve, wanted) {
                tracing::warn!(path = %self.reserve.display(), %error, "no space could be reserved");
            }
        } else if space.free < wanted {
            self.set_full(space.free, wanted);
            return;
        }
        if space.free >= plenty && self.full.swap(false, Relaxed) {
            tracing::info!(free = space.free, "there is room on the disk again");
        }
    }

    /// Gives the reserve up; true if there was one.
    fn give_up(&self) -> bool {
        let given = fs::remove_file(&self.reserve).is_ok();
        let space = self.measure().unwrap_or(Space { free: 0, total: 0 });
        self.set_full(space.free, wanted(space));
        if !given {
            self.hopeless.store(true, Relaxed);
        }
        given
    }

    fn set_full(&self, free: u64, wanted: u64) {
        if !self.full.swap(true, Relaxed) {
            tracing::error!(
                free,
                wanted,
                "{DISK_FULL}: new messages are refused until there is room; those in hand are finished"
            );
        }
    }

    fn measure(&self) -> Option<Space> {
        let space = (self.gauge)()?;
        self.free.store(space.free, Relaxed);
        Some(space)
    }

    fn has_reserve(&self, wanted: u64) -> bool {
        fs::metadata(&self.reserve).is_ok_and(|file| file.len() >= wanted)
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("reserve", &self.reserve)
            .field("full", &self.full)
            .finish_non_exhaustive()
    }
}

/// What is reserved on a disk, and has to be free besides.
fn wanted(space: Space) -> u64 {
    (space.total / PART).clamp(LEAST, MOST)
}

#[cfg(unix)]
fn space(folder: &Path) -> Option<Space> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

#[cfg(not(unix))]
fn space(_folder: &Path) -> Option<Space> {
    None
}

/// Makes a file whose blocks are really there.
fn lay_down(path: &Path, bytes: u64) -> io::Result<()> {
    let file = File::create(path)?;
    let laid = fill(&file, bytes);
    if laid.is_err() {
        // A part of it would be space that nobody gets back.
        drop(fs::remove_file(path));
    }
    laid
}

#[cfg(target_os = "linux")]
fn fill(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP) => write_through(file, bytes),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn fill(file: &File, bytes: u64) -> io::Result<()> {
    write_through(file, bytes)
}

/// Writes what no file system stores as a hole or packs smaller.
fn write_through(mut file: &File, bytes: u64) -> io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = bytes;
    while left > 0 {
        let mut block = Vec::with_capacity(64 * 1024);
        while block.len() < 64 * 1024 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        io::Write::write_all(&mut file, &block)?;
        left = left.saturating_sub(block.len() as u64);
    }
    file.sync_all()
}

/// Whether an error says that there is no room.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// A storage that gives the reserve up before a write fails for want of room.
#[derive(Debug)]
pub(crate) struct Reserved<B> {
    inner: B,
    room: std::sync::Arc<Room>,
}

impl<B> Reserved<B> {
    pub(crate) fn new(inner: B, room: std::sync::Arc<Room>) -> Self {
        Self { inner, room }
    }

    fn with_room(&self, mut write: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        match write() {
            Err(error) if is_no_room(&error) && self.room.give_up() => {
                let again = write();
                if again.as_ref().is_err_and(is_no_room) {
                    self.room.hopeless.store(true, Relaxed);
                }
                again
            }
            done => done,
        }
    }
}

impl<B: StorageBackend> StorageBackend for Reserved<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with_room(|| self.inner.set_len(len))
    }

    // A failed sync is not tried again: the system has dropped what it could not write.
    fn sync_data(&self) -> io::Result<()> {
        let synced = self.inner.sync_data();
        if synced.as_ref().is_err_and(is_no_room) {
            self.room.hopeless.store(true, Relaxed);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with_room(|| self.inner.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
