//! A transcript file brought in step with its rows.
//!
//! The rows are the truth and the file follows: lines are appended, a torn tail is completed. A file
//! that differs otherwise (a damaged line, another order) is copied aside before it is written anew,
//! and lines that another program added are handed back to be stored as rows.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;

use openclaw_runtime::fault;
use serde_json::Value;

use super::store;

/// How far a file has been brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The number of the last row in it.
    pub row: u64,
    pub bytes: u64,
}

/// What was done to a file.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub mark: Option<Mark>,
    /// Lines after all rows that another program added.
    pub foreign: Vec<Value>,
}

/// Files longer than this are taken to be in step when their last line is the last row: reading all
/// of every transcript at each start would cost more than it finds.
const LONG: u64 = 256 * 1024;
/// How much of a long file's end is looked at.
const TAIL: u64 = 64 * 1024;

/// Brings a file in step. `rows` lists the rows with a number above the given one.
pub(crate) fn bring(
    path: &Path,
    mark: Option<Mark>,
    last: u64,
    rows: &dyn Fn(u64) -> Vec<(u64, Value)>,
) -> io::Result<Done> {
    let mark = match mark {
        Some(mark) => Some(mark),
        None => mark_by_tail(path, last, rows)?,
    };
    if let Some(mark) = mark
        && fs::metadata(path).is_ok_and(|meta| meta.len() == mark.bytes)
    {
        return append(path, mark, &rows(mark.row));
    }
    let all = rows(0);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return rewrite(path, &all, None),
        Err(error) => return Err(error),
    };
    compare(path, &bytes, &all)
}

/// The mark of a long file that ends with the last row.
fn mark_by_tail(
    path: &Path,
    last: u64,
    rows: &dyn Fn(u64) -> Vec<(u64, Value)>,
) -> io::Result<Option<Mark>> {
    let bytes = match fs::metadata(path) {
        Ok(meta) if meta.len() > LONG && last > 0 => meta.len(),
        _ => return Ok(None),
    };
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(bytes - TAIL))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let Some(tail) = tail.strip_suffix(b"\n") else {
        return Ok(None);
    };
    let line = tail.rsplit(|byte| *byte == b'\n').next();
    let line = line.and_then(|line| serde_json::from_slice::<Value>(line).ok());
    let row = rows(last - 1).into_iter().next();
    Ok(match (line, row) {
        (Some(line), Some((row, value))) if is_same(&line, &value) => Some(Mark { row, bytes }),
        _ => None,
    })
}

fn compare(path: &Path, bytes: &[u8], all: &[(u64, Value)]) -> io::Result<Done> {
    let whole = whole_lines(bytes);
    let mut lines = Vec::new();
    let mut is_damaged = false;
    for line in bytes
        .get(..whole)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
    {
        match serde_json::from_slice::<Value>(line) {
            Ok(value) if value.is_object() => lines.push(value),
            _ => is_damaged = true,
        }
    }
    let same = lines
        .iter()
        .zip(all)
        .take_while(|(line, (_, row))| is_same(line, row))
        .count();
    let foreign: Vec<Value> = lines.get(same..).unwrap_or_default().to_vec();
    let is_prefix = same == lines.len() || same == all.len();
    if is_damaged || !is_prefix {
        // Lines that have no row yet are handed back even from a file that is written anew.
        let has_row = |line: &Value| all.iter().any(|(_, row)| is_same(line, row));
        let foreign = foreign.into_iter().filter(|line| !has_row(line)).collect();
        let mut done = rewrite(path, all, Some(bytes))?;
        done.foreign = foreign;
        return Ok(done);
    }
    let torn = bytes.get(whole..).unwrap_or_default();
    if !torn.is_empty() {
        // The rest of a write that was cut off. Its row is here unless somebody else wrote it.
        let next = all.get(same).map(|(_, row)| line_of(row));
        if !next.is_some_and(|next| next.starts_with(torn)) {
            let aside = store::aside(path);
            store::write_atomic(&aside, bytes)?;
            tracing::warn!(
                file = %path.display(), kept = %aside.display(),
                "the last line of a transcript is torn and unknown; a copy is kept"
            );
        }
        let file = fs::OpenOptions::new().write(true).open(path)?;
        file.set_len(whole as u64)?;
    }
    let row = same
        .checked_sub(1)
        .and_then(|last| all.get(last))
        .map_or(0, |(n, _)| *n);
    let mark = Mark {
        row,
        bytes: whole as u64,
    };
    let missing = all.get(same..).unwrap_or_default();
    let mut done = append(path, mark, missing)?;
    if !foreign.is_empty() {
        done.mark = None; // compared again once they are rows
        done.foreign = foreign;
    }
    Ok(done)
}

fn append(path: &Path, mark: Mark, rows: &[(u64, Value)]) -> io::Result<Done> {
    let Some((last, _)) = rows.last() else {
        return Ok(Done {
            mark: Some(mark),
            foreign: Vec::new(),
        });
    };
    fault::point!("transcript.before_append").map_err(io::Error::other)?;
    let mut text = Vec::new();
    for (_, row) in rows {
        text.extend(line_of(row));
    }
    let mut file = store::private(fs::OpenOptions::new().append(true).create(true)).open(path)?;
    file.write_all(&text)?;
    fault::point!("transcript.after_append").map_err(io::Error::other)?;
    Ok(Done {
        mark: Some(Mark {
            row: *last,
            bytes: mark.bytes + text.len() as u64,
        }),
        foreign: Vec::new(),
    })
}

fn rewrite(path: &Path, all: &[(u64, Value)], old: Option<&[u8]>) -> io::Result<Done> {
    let Some((last, _)) = all.last() else {
        return Ok(Done::default()); // no rows: a file that is here belongs to somebody else
    };
    if let Some(old) = old {
        let aside = store::aside(path);
        store::write_atomic(&aside, old)?;
        tracing::warn!(
            file = %path.display(), kept = %aside.display(),
            "a transcript differs from the ledger; a copy is kept and the file is made anew"
        );
    }
    fault::point!("transcript.before_append").map_err(io::Error::other)?;
    let mut text = Vec::new();
    for (_, row) in all {
        text.extend(line_of(row));
    }
    store::write_atomic(path, &text)?;
    fault::point!("transcript.after_append").map_err(io::Error::other)?;
    Ok(Done {
        mark: Some(Mark {
            row: *last,
            bytes: text.len() as u64,
        }),
        foreign: Vec::new(),
    })
}

/// How many bytes belong to lines that end.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// Whether a line is a row's: by id where there is one, else by value.
fn is_same(line: &Value, row: &Value) -> bool {
    let field = |value: &Value, name: &str| value.get(name).cloned();
    match (field(line, "id"), field(row, "id")) {
        (Some(a), Some(b)) => a == b && field(line, "type") == field(row, "type"),
        _ => line == row,
    }
}

fn line_of(row: &Value) -> Vec<u8> {
    let mut line = row.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(n: u64) -> Vec<(u64, Value)> {
        (1..=n)
            .map(|n| {
                (
                    n,
                    json!({"type": "message", "id": format!("{n:08x}"), "n": n}),
                )
            })
            .collect()
    }

    fn text(n: u64) -> String {
        rows(n).iter().map(|(_, row)| format!("{row}\n")).collect()
    }

    fn bring_to(path: &Path, mark: Option<Mark>, n: u64) -> Done {
        bring(path, mark, n, &|from| {
            rows(n).into_iter().filter(|(k, _)| *k > from).collect()
        })
        .unwrap()
    }

    fn backups(dir: &Path) -> usize {
        fs::read_dir(dir)
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().contains(".bak-")
            })
            .count()
    }

    #[test]
    fn lines_are_appended_and_a_missing_file_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        let done = bring_to(&path, None, 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), text(3));
        let done = bring_to(&path, done.mark, 5);
        assert_eq!(fs::read_to_string(&path).unwrap(), text(5));
        assert_eq!(done.mark.unwrap().row, 5);
        assert_eq!(backups(dir.path()), 0);
    }

    #[test]
    fn every_torn_tail_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        let whole = text(3);
        for cut in 0..whole.len() {
            fs::write(&path, &whole.as_bytes()[..cut]).unwrap();
            let done = bring_to(&path, None, 3);
            assert_eq!(fs::read_to_string(&path).unwrap(), whole, "cut at {cut}");
            assert_eq!(done.mark.unwrap().bytes, whole.len() as u64);
        }
        assert_eq!(backups(dir.path()), 0);
    }

    #[test]
    fn a_long_file_is_known_by_its_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        bring_to(&path, None, 6000);
        assert!(fs::metadata(&path).unwrap().len() > LONG);
        let rows_read = std::cell::Cell::new(0);
        let rows_of = |from: u64| {
            let found: Vec<_> = rows(6000).into_iter().filter(|(k, _)| *k > from).collect();
            rows_read.set(rows_read.get() + found.len());
            found
        };
        let done = bring(&path, None, 6000, &rows_of).unwrap();
        assert_eq!(done.mark.unwrap().row, 6000);
        assert_eq!(rows_read.get(), 1);
        bring_to(&path, None, 6001);
        assert_eq!(fs::read_to_string(&path).unwrap(), text(6001));
    }

    #[test]
    fn a_damaged_line_is_mended_and_a_copy_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        let damaged = text(3).replace("\"n\":2}", "\"n\":");
        fs::write(&path, &damaged).unwrap();
        bring_to(&path, None, 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), text(3));
        assert_eq!(backups(dir.path()), 1);
    }

    #[test]
    fn lines_of_another_program_are_handed_back_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        fs::write(&path, text(5)).unwrap();
        let done = bring_to(&path, None, 3);
        assert_eq!(done.foreign.len(), 2);
        assert_eq!(done.mark, None);
        assert_eq!(fs::read_to_string(&path).unwrap(), text(5));
        assert_eq!(bring_to(&path, None, 5).foreign.len(), 0);
    }

    #[test]
    fn a_file_without_rows_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        fs::write(&path, "{\"type\":\"session\",\"id\":\"x\"}\n").unwrap();
        let done = bring_to(&path, None, 0);
        assert_eq!(done.foreign.len(), 1);
        assert_eq!(fs::read(&path).unwrap().len(), 28);
    }
}
