//! What became of each run: one line in `cron/runs/<job>.jsonl`.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

/// A longer file is cut to its last lines.
const LARGEST: u64 = 2_000_000;
const LINES: usize = 2000;

fn file(folder: &Path, job: &str) -> PathBuf {
    // An id out of a file that people edit must not lead out of the folder.
    let name: String = job
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    folder.join(format!("{}.jsonl", name.trim_start_matches('.')))
}

/// Adds a line.
pub(super) fn append(folder: &Path, job: &str, entry: &Value) -> io::Result<()> {
    let path = file(folder, job);
    crate::config::store::make_folder(&path)?;
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&path)?;
    open.write_all(format!("{entry}\n").as_bytes())?;
    open.sync_data()?;
    if open.metadata()?.len() <= LARGEST {
        return Ok(());
    }
    let text = fs::read_to_string(&path)?;
    let lines: Vec<&str> = text.lines().collect();
    let kept = lines
        .get(lines.len().saturating_sub(LINES)..)
        .unwrap_or_default();
    crate::config::store::replace(&path, &format!("{}\n", kept.join("\n")))
}

/// The last lines, the oldest first; a line that can't be read is passed over.
pub fn read(folder: &Path, job: &str, limit: usize) -> io::Result<Vec<Value>> {
    let text = match fs::read_to_string(file(folder, job)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let entries: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let from = entries.len().saturating_sub(limit);
    Ok(entries.into_iter().skip(from).collect())
}
