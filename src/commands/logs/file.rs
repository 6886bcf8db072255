//! The log file itself, for when no gateway answers.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;

use crate::error::CommandResult;
use crate::shell::Shell;

/// The configured file, else the newest daily one.
pub(super) fn newest(shell: &Shell) -> CommandResult<Option<PathBuf>> {
    let paths = shell.paths()?;
    if let Some(file) = &shell.config()?.config.logging.file {
        let file = paths.expand(file);
        return Ok(file.is_file().then_some(file));
    }
    let daily = fs::read_dir(paths.log_dir()).into_iter().flatten();
    Ok(daily
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("openclaw-") && name.ends_with(".log")
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .max()
        .map(|(_, path)| path))
}

/// The last lines.
pub(super) fn tail(path: &Path, limit: usize, max_bytes: u64) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(max_bytes);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().collect();
    if from > 0 && !lines.is_empty() {
        // The first line is cut.
        lines.remove(0);
    }
    let skip = lines.len().saturating_sub(limit);
    Ok(lines.into_iter().skip(skip).map(str::to_owned).collect())
}
