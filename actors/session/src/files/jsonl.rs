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
    /// Only the end of a long file was looked at.
    pub is_trusted: bool,
}

/// How much of a file that nobody has read yet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// All of a short file, the end of a long one.
    Usual,
    /// All of it.
    Thorough,
}

/// Files longer than this are taken to be in step when their last line is the last row, until there is time to read
/// them: reading all of every transcript at each start would hold up what is urgent.
const LONG: u64 = 256 * 1024;
/// How much of a long file's end is looked at.
const TAIL: u64 = 64 * 1024;

/// Brings a file in step. `rows` lists the rows with a number above the given one.
pub(crate) fn bring(
    path: &Path,
    mark: Option<Mark>,
    last: u64,
    care: Care,
    rows: &dyn Fn(u64) -> Vec<(u64, Value)>,
) -> io::Result<Done> {
    let known = mark.filter(|_| care == Care::Usual);
    let mark = match (known, care) {
        (None, Care::Usual) => mark_by_tail(path, last, rows)?,
        _ => known,
    };
    if let Some(mark) = mark
        && fs::metadata(path).is_ok_and(|meta| meta.len() == mark.bytes)
    {
        let mut done = append(path, mark, &rows(mark.row))?;
        done.is_trusted = known.is_none();
        return Ok(done);
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
    let row = rows(last - 1).into_iter().next();
    Ok(match (line, row) {
        (Some(line), Some((row, value))) if is_same(line, &value) => Some(Mark { row, bytes }),
        _ => None,
    })
}

fn compare(path: &Path, bytes: &[u8], all: &[(u64, Value)]) -> io::Result<Done> {
    let whole = whole_lines(bytes);
    let lines: Vec<&[u8]> = bytes
        .get(..whole)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
        .collect();
    let same = lines
        .iter()
        .zip(all)
        .take_while(|(line, (_, row))| is_same(line, row))
        .count();
    let has_all = same == all.len();
    let behind = lines.get(all.len()..).unwrap_or_default();
    let foreign: Vec<Value> = behind.iter().filter_map(|line| object(line)).collect();
    let is_whole = foreign.len() == behind.len();
    if !is_whole || !(has_all || same == lines.len()) {
        let mut done = rewrite(path, all, Some(bytes))?;
        done.foreign = if has_all {
            foreign
        } else {
            chained(foreign, all)
        };
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
            ..Done::default()
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
        ..Done::default()
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
        ..Done::default()
    })
}

/// How many bytes belong to lines that end.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// Whether a line is a row's. Its id alone would not do: what is damaged may well keep its id.
fn is_same(line: &[u8], row: &Value) -> bool {
    let own = line_of(row);
    own.strip_suffix(b"\n") == Some(line) || object(line).is_some_and(|value| value == *row)
}

fn object(line: &[u8]) -> Option<Value> {
    let value = serde_json::from_slice::<Value>(line).ok()?;
    value.is_object().then_some(value)
}

/// Of the lines behind the rows of a damaged file, those that go on from the last row: a line whose id was damaged
/// looks like another program's, but it does not.
fn chained(lines: Vec<Value>, all: &[(u64, Value)]) -> Vec<Value> {
    let id = |value: &Value| value.get("id").and_then(Value::as_str).map(str::to_owned);
    let mut leaf = all.last().and_then(|(_, row)| id(row));
    let mut taken = Vec::new();
    for line in lines {
        let parent = line.get("parentId").and_then(Value::as_str);
        let is_row = all.iter().any(|(_, row)| id(row) == id(&line));
        if leaf.is_some() && parent == leaf.as_deref() && !is_row && id(&line).is_some() {
            leaf = id(&line);
            taken.push(line);
        }
    }
    taken
}

fn line_of(row: &Value) -> Vec<u8> {
    let mut line = row.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
        bring(path, mark, n, Care::Usual, &|from| {
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
        let done = bring(&path, None, 6000, Care::Usual, &rows_of).unwrap();
        assert_eq!(done.mark.unwrap().row, 6000);
        assert_eq!(rows_read.get(), 1);
        assert!(done.is_trusted);
        // Damage in its middle is found when there is time to read it.
        let damaged = text(6000).replace("\"n\":3000}", "\"n\":3001}");
        fs::write(&path, damaged).unwrap();
        bring(&path, None, 6000, Care::Thorough, &rows_of).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text(6000));
        assert_eq!(backups(dir.path()), 1);
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

    /// A conversation's lines as they are chained, with texts long enough to be hit.
    fn chain(n: u64) -> Vec<(u64, Value)> {
        let id = |n: u64| format!("{:08x}", n.wrapping_mul(0x9e37_79b1) & 0xffff_ffff);
        (1..=n)
            .map(|n| {
                let parent = (n > 1).then(|| id(n - 1));
                let row = json!({"type": "message", "id": id(n), "parentId": parent,
                    "message": {"role": "user", "content": format!("number {n} of a talk"), "timestamp": n}});
                (n, row)
            })
            .collect()
    }

    #[derive(Debug, Clone)]
    enum Harm {
        Flip(prop::sample::Index, u8),
        Cut(prop::sample::Index),
        Hole(prop::sample::Index, usize),
        Noise(prop::sample::Index, Vec<u8>),
    }

    fn any_harm() -> impl Strategy<Value = Harm> {
        let place = any::<prop::sample::Index>;
        prop_oneof![
            6 => (place(), 0u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
            2 => place().prop_map(Harm::Cut),
            1 => (place(), 1usize..200).prop_map(|(at, n)| Harm::Hole(at, n)),
            1 => (place(), prop::collection::vec(any::<u8>(), 1..40))
                .prop_map(|(at, noise)| Harm::Noise(at, noise)),
        ]
    }

    fn harm(bytes: &mut Vec<u8>, harm: &Harm) {
        match harm {
            _ if bytes.is_empty() => {}
            Harm::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Harm::Hole(at, n) => {
                let at = at.index(bytes.len());
                let end = (at + n).min(bytes.len());
                bytes.drain(at..end);
            }
            Harm::Noise(at, noise) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, noise.iter().copied());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn whatever_happens_to_a_transcript_it_is_whole_again_and_nothing_is_thrown_away(
            n in 1u64..12,
            harms in prop::collection::vec(any_harm(), 1..4),
        ) {
            let rows = chain(n);
            let whole: Vec<u8> = rows.iter().flat_map(|(_, row)| line_of(row)).collect();
            let mut hurt = whole.clone();
            for one in &harms {
                harm(&mut hurt, one);
            }
            // In memory where there is such a place: the writes are durable, which is not what this is about.
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let path = dir.path().join("s.jsonl");
            fs::write(&path, &hurt).unwrap();
            let rows_of = |from: u64| {
                rows.iter().filter(|(k, _)| *k > from).cloned().collect::<Vec<_>>()
            };
            let done = bring(&path, None, n, Care::Usual, &rows_of).unwrap();
            // No damaged line is taken for another program's.
            prop_assert_eq!(done.foreign, Vec::<Value>::new());
            // A line that reads the same may stay as it is: a digit of an escape, a blank.
            let healed = fs::read(&path).unwrap();
            let values: Vec<Value> = healed
                .split(|byte| *byte == b'\n')
                .filter_map(object)
                .collect();
            let expected: Vec<Value> = rows.iter().map(|(_, row)| row.clone()).collect();
            prop_assert_eq!(values, expected);
            // What was there is either still there, a part of what is there, or kept beside.
            let is_kept = healed.starts_with(&hurt) || backups(dir.path()) == 1;
            prop_assert!(is_kept);
        }
    }
}
