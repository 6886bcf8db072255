//! The log file: one a day in a folder that all gateways of a host share, or a fixed one. Pruned, and never too large.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

#[cfg(test)]
mod tests;

/// Older daily files are removed.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// A file that grows larger becomes `….1.log` and a new one begins: at most twice this on the disk, which a memory card
/// of a Raspberry Pi has room for.
const MAX_BYTES: u64 = 100 * 1024 * 1024;
/// After a failure the file is tried again: a full disk may be emptied.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One file a day in this folder.
    Daily(PathBuf),
    /// This file.
    Fixed(PathBuf),
}

impl Target {
    /// The file of today.
    pub(crate) fn today(&self) -> PathBuf {
        match self {
            Self::Fixed(path) => path.clone(),
            Self::Daily(folder) => daily(folder, jiff::Zoned::now().date()),
        }
    }
}

/// The file, opened with the first line.
#[derive(Debug)]
pub(super) struct LogFile {
    target: Target,
    open: Option<Open>,
    failed_at: Option<Timestamp>,
    max_bytes: u64,
}

#[derive(Debug)]
struct Open {
    file: BufWriter<File>,
    path: PathBuf,
    date: Date,
    size: u64,
}

impl LogFile {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            open: None,
            failed_at: None,
            max_bytes: MAX_BYTES,
        }
    }

    /// Where lines of today go.
    pub(super) fn path(&self) -> PathBuf {
        self.target.today()
    }

    /// Writes a line. What can't be written is lost: the log must not stop the gateway.
    pub(super) fn write(&mut self, line: &str, at: Timestamp, zone: &TimeZone) {
        let rests = self
            .failed_at
            .is_some_and(|failed| at.duration_since(failed).unsigned_abs() < RETRY_AFTER);
        if rests {
            return;
        }
        let written = self.try_write(line, at.to_zoned(zone.clone()).date());
        match written {
            Ok(()) => self.failed_at = None,
            Err(error) => {
                let problem = format!(
                    "openclaw: the log file {} can't be written: {error}",
                    self.path().display()
                );
                drop(writeln!(io::stderr(), "{problem}"));
                self.failed_at = Some(at);
                self.open = None;
            }
        }
    }

    fn try_write(&mut self, line: &str, date: Date) -> io::Result<()> {
        let stale = self.open.as_ref().is_some_and(|open| {
            (open.date != date && matches!(self.target, Target::Daily(_)))
                || open.size >= self.max_bytes
        });
        if stale && let Some(mut open) = self.open.take() {
            open.file.flush()?;
            if open.size >= self.max_bytes {
                fs::rename(&open.path, open.path.with_extension("1.log"))?;
            }
        }
        let open = match &mut self.open {
            Some(open) => open,
            slot => slot.insert(open(&self.target, date)?),
        };
        open.file.write_all(line.as_bytes())?;
        open.file.write_all(b"\n")?;
        open.size += u64::try_from(line.len()).unwrap_or(0) + 1;
        Ok(())
    }

    /// Puts out what is buffered.
    pub(super) fn flush(&mut self) {
        if let Some(open) = &mut self.open
            && open.file.flush().is_err()
        {
            self.open = None;
        }
    }
}

fn open(target: &Target, date: Date) -> io::Result<Open> {
    let path = match target {
        Target::Daily(folder) => {
            private_folder(folder)?;
            prune(folder, SystemTime::now());
            daily(folder, date)
        }
        Target::Fixed(path) => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            path.clone()
        }
    };
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The folder may be everybody's: a link laid there must not lead our lines elsewhere.
        options
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    let file = options.open(&path)?;
    let size = file.metadata()?.len();
    Ok(Open {
        file: BufWriter::new(file),
        path,
        date,
        size,
    })
}

fn daily(folder: &Path, date: Date) -> PathBuf {
    folder.join(format!("openclaw-{date}.log"))
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Removes daily files that are too old. What can't be removed stays.
fn prune(folder: &Path, now: SystemTime) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with("openclaw-") && name.ends_with(".log");
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| now.duration_since(modified).ok());
        if ours && age.is_some_and(|age| age > KEEP) {
            drop(fs::remove_file(entry.path()));
        }
    }
}
