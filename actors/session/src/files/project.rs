//! One round of writing: rows to files, on a blocking thread.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use openclaw_ledger::Ledger;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Reply;
use serde_json::Value;

use super::heal;
use super::jsonl;
use super::jsonl::Care;
use super::jsonl::Mark;
use super::store;
use crate::deps::Deps;
use crate::event::now_ms;

/// How far each transcript has been brought; by session id.
pub(crate) type Known = HashMap<String, Mark>;

/// Marks kept; more sessions than this are rarely busy at a time, and a lost mark costs one read.
const MARKS: usize = 4096;

/// What one round has to do.
pub(crate) struct Job {
    pub(crate) agent: Arc<str>,
    pub(crate) dir: PathBuf,
    pub(crate) keys: BTreeSet<SessionKey>,
    pub(crate) all: bool,
    pub(crate) care: Care,
    pub(crate) archive: Vec<(SessionKey, String, Reply<Vec<String>>)>,
    pub(crate) known: Known,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) known: Known,
    pub(crate) error: Option<String>,
    /// Long files of which only the end was looked at.
    pub(crate) trusted: BTreeSet<SessionKey>,
    /// What is still to be written after an error.
    pub(crate) left: BTreeSet<SessionKey>,
}

/// Lines of another program, to become rows.
struct Foreign {
    key: SessionKey,
    session_id: String,
    lines: Vec<Value>,
}

/// Does one round.
pub(crate) async fn run(deps: Arc<Deps>, job: Job) -> Written {
    let ledger = deps.ledger.clone();
    let round = tokio::task::spawn_blocking(move || round(&ledger, job)).await;
    let (mut written, foreign) = match round {
        Ok(round) => round,
        Err(error) => {
            return Written {
                error: Some(error.to_string()),
                ..Written::default()
            };
        }
    };
    for Foreign {
        key,
        session_id,
        lines,
    } in foreign
    {
        tracing::info!(session = %key, lines = lines.len(), "another program continued this transcript");
        let stored = deps
            .ledger
            .append_transcript(&key, &session_id, lines, None)
            .await;
        if let Err(error) = stored {
            written.error = Some(error.to_string());
            written.left.insert(key);
        }
    }
    written
}

fn round(ledger: &Ledger, mut job: Job) -> (Written, Vec<Foreign>) {
    let mut known = std::mem::take(&mut job.known);
    if known.len() > MARKS {
        known.clear();
    }
    if job.all {
        let keys = ledger.session_entries(&job.agent);
        job.keys.extend(keys.into_iter().map(|(key, _)| key));
    }
    let mut foreign = Vec::new();
    let mut trusted = BTreeSet::new();
    let mut error = None;
    let keys = job.keys.clone();
    let mut write = || -> io::Result<()> {
        if job.keys.is_empty() && job.archive.is_empty() {
            return Ok(());
        }
        store::make_dir(&job.dir)?;
        for (key, session_id, reply) in job.archive.drain(..) {
            let path = transcript(&job.dir, ledger.session_entry(&key).as_ref(), &session_id);
            let to = path.map(|path| move_aside(&path)).transpose()?.flatten();
            known.remove(&session_id);
            reply.send(to.into_iter().collect());
        }
        let mut store = store::read(&job.dir)?;
        let mut is_changed = false;
        if job.all {
            for name in heal::heal(&job.dir, &store, ledger, &job.agent)? {
                is_changed |= store.set(&name, None);
            }
        }
        for key in &job.keys {
            let entry = ledger.session_entry(key);
            if let Some((session_id, path)) = file_of(&job.dir, entry.as_ref()) {
                let rows = |after: u64| ledger.transcript(&session_id, after + 1);
                let last = ledger.transcript_len(&session_id);
                let mark = known.get(&session_id).copied();
                let done = jsonl::bring(&path, mark, last, job.care, &rows)?;
                if done.is_trusted {
                    trusted.insert(key.clone());
                }
                match done.mark {
                    Some(mark) => known.insert(session_id.clone(), mark),
                    None => known.remove(&session_id),
                };
                if !done.foreign.is_empty() {
                    foreign.push(Foreign {
                        key: key.clone(),
                        session_id,
                        lines: done.foreign,
                    });
                }
            }
            is_changed |= store.set(key.as_str(), entry.as_ref());
        }
        if is_changed {
            store.write(&job.dir)?;
        }
        Ok(())
    };
    if let Err(failure) = write() {
        error = Some(format!("{}: {failure}", job.dir.display()));
    }
    let left = if error.is_some() {
        keys
    } else {
        BTreeSet::new()
    };
    let written = Written {
        known,
        error,
        trusted,
        left,
    };
    (written, foreign)
}

fn file_of(dir: &Path, entry: Option<&Value>) -> Option<(String, PathBuf)> {
    let session_id = entry?.get("sessionId")?.as_str()?.to_owned();
    let path = transcript(dir, entry, &session_id)?;
    Some((session_id, path))
}

/// The file of a transcript: the one its entry names if that is in this folder, else by its id.
pub(crate) fn transcript(dir: &Path, entry: Option<&Value>, session_id: &str) -> Option<PathBuf> {
    let is_plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if !is_plain(session_id) {
        tracing::warn!(
            session_id,
            "a session id that can't be a file name is left out"
        );
        return None;
    }
    let named = entry
        .and_then(|entry| entry.get("sessionFile"))
        .and_then(Value::as_str)
        .and_then(|file| Path::new(file).file_name()?.to_str())
        .filter(|name| is_plain(name) && name.starts_with(session_id) && name.ends_with(".jsonl"));
    Some(match named {
        Some(name) => dir.join(name),
        None => dir.join(format!("{session_id}.jsonl")),
    })
}

fn move_aside(path: &Path) -> io::Result<Option<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let to = path.with_file_name(format!("{name}.deleted.{}", now_ms()));
    match std::fs::rename(path, &to) {
        Ok(()) => Ok(Some(to.to_string_lossy().into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
