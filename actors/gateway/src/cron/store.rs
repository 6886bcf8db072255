//! The jobs' file: read as people may have written it, replaced as a whole.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use openclaw_protocol::Config;
use serde_json::Value;
use serde_json::json;

use super::job::Job;
use crate::config::store;
use crate::paths::Paths;

/// What tells one state of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    changed: Option<SystemTime>,
    length: u64,
}

/// The file as it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) jobs: Vec<Job>,
    pub(super) stamp: Stamp,
}

/// Where the jobs are kept.
pub fn store_path(config: &Config, paths: &Paths) -> PathBuf {
    let configured = config
        .tree
        .value()
        .get("cron")
        .and_then(|cron| cron.get("store"));
    match configured
        .and_then(Value::as_str)
        .filter(|path| !path.trim().is_empty())
    {
        Some(path) => paths.expand(path),
        None => paths.state_dir.join("cron").join("jobs.json"),
    }
}

/// Where the runs are noted.
pub fn runs_folder(store: &Path) -> PathBuf {
    store.parent().unwrap_or(Path::new(".")).join("runs")
}

pub(super) fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).map_or_else(
        |_| Stamp::default(),
        |meta| Stamp {
            changed: meta.modified().ok(),
            length: meta.len(),
        },
    )
}

/// Reads the file. One job that can't be read makes the whole unusable: writing it back would lose it.
pub(super) fn read(path: &Path) -> Result<Stored, String> {
    let stamp = stamp(path);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::default()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let wrong = |why: String| format!("{}: {why}", path.display());
    let tree: Value = json5::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let listed = tree
        .get("jobs")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut jobs = Vec::new();
    for (index, job) in listed.into_iter().enumerate() {
        let job = Job::read(job).map_err(|error| wrong(format!("job {}: {error}", index + 1)))?;
        jobs.push(job);
    }
    Ok(Stored { jobs, stamp })
}

/// Replaces the file, and keeps a copy beside it.
pub(super) fn write(path: &Path, jobs: &[Job]) -> io::Result<Stamp> {
    let mut text = serde_json::to_string_pretty(&json!({ "version": 1, "jobs": jobs }))?;
    text.push('\n');
    store::make_folder(path)?;
    store::replace(path, &text)?;
    let mut copy = path.as_os_str().to_owned();
    copy.push(".bak");
    store::replace(Path::new(&copy), &text)?;
    Ok(stamp(path))
}
