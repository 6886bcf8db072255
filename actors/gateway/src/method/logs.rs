//! `logs.tail`: the JSON log from a byte offset on.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;

use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

const LINES: u64 = 500;
const BYTES: u64 = 250_000;

pub(super) fn tail(call: Call) -> Outcome {
    Outcome::later(async move {
        let Some(file) = call.services.log_file() else {
            let message = "this gateway writes no log file: set logging.file";
            return Err(ErrorShape::unavailable(message));
        };
        let wanted = Wanted {
            cursor: call.number("cursor"),
            limit: call.number("limit").unwrap_or(LINES),
            max_bytes: call.number("maxBytes").unwrap_or(BYTES),
        };
        // A quarter of a megabyte of a file that is in memory anyway: shorter than a change of threads.
        read(&file, &wanted).map_err(|error| {
            let message = format!("can't read the log {}: {error}", file.display());
            ErrorShape::unavailable(message)
        })
    })
}

struct Wanted {
    cursor: Option<u64>,
    limit: u64,
    max_bytes: u64,
}

fn read(path: &Path, wanted: &Wanted) -> io::Result<Value> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // Not written to yet, as just after midnight.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(json!({ "file": path, "cursor": 0, "size": 0, "lines": [] }));
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let newest = size.saturating_sub(wanted.max_bytes);
    let (start, is_reset) = match wanted.cursor {
        Some(cursor) if cursor <= size && cursor >= newest => (cursor, false),
        Some(_) => (newest, true),
        None => (newest, false),
    };
    let mut bytes = Vec::new();
    // One byte more, to see whether the start is the start of a line.
    let from = start.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    file.take(size - from).read_to_end(&mut bytes)?;
    let mut text = bytes.as_slice();
    if start > 0 {
        let is_line_start = text.first() == Some(&b'\n');
        text = text.get(1..).unwrap_or_default();
        if !is_line_start {
            let next = text
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(text.len(), |at| at + 1);
            text = text.get(next..).unwrap_or_default();
        }
    }
    // A line that is still being written is read next time.
    let complete = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let unread = text.len() - complete;
    let text = text.get(..complete).unwrap_or_default();
    let lines: Vec<String> = text
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let lines: Vec<&String> = lines.iter().filter(|line| !line.is_empty()).collect();
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let skipped = lines.len().saturating_sub(limit);
    let kept: Vec<&String> = lines.into_iter().skip(skipped).collect();
    let mut answer = json!({
        "file": path,
        "cursor": size - unread as u64,
        "size": size,
        "lines": kept,
    });
    if let Value::Object(answer) = &mut answer {
        if skipped > 0 || (start > 0 && wanted.cursor.is_none()) {
            answer.insert("truncated".to_owned(), json!(true));
        }
        if is_reset {
            answer.insert("reset".to_owned(), json!(true));
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(text: &str, cursor: Option<u64>, limit: u64, max_bytes: u64) -> Value {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, text).unwrap();
        read(
            &path,
            &Wanted {
                cursor,
                limit,
                max_bytes,
            },
        )
        .unwrap()
    }

    #[test]
    fn the_end_is_read_in_whole_lines() {
        let answer = tail("one\ntwo\nthree\nhal", None, 500, 1000);
        assert_eq!(answer["lines"], json!(["one", "two", "three"]));
        assert_eq!(
            (&answer["cursor"], &answer["size"]),
            (&json!(14), &json!(17))
        );
        assert_eq!(answer.get("truncated"), None);
        let answer = tail("one\ntwo\nthree\n", None, 500, 8);
        assert_eq!(answer["lines"], json!(["three"]));
        assert_eq!(answer["truncated"], true);
        let answer = tail("one\ntwo\nthree\n", None, 1, 1000);
        assert_eq!(answer["lines"], json!(["three"]));
    }

    #[test]
    fn a_cursor_goes_on_and_a_lost_one_starts_near_the_end() {
        let answer = tail("one\ntwo\nthree\n", Some(4), 500, 1000);
        assert_eq!(answer["lines"], json!(["two", "three"]));
        assert_eq!(answer.get("reset"), None);
        let answer = tail("one\ntwo\nthree\n", Some(14), 500, 1000);
        assert_eq!(answer["lines"], json!([]));
        // The file is shorter than it was: it was rotated.
        let answer = tail("one\n", Some(400), 500, 1000);
        assert_eq!(
            (&answer["lines"], &answer["reset"]),
            (&json!(["one"]), &json!(true))
        );
        // Too far behind.
        let answer = tail("one\ntwo\nthree\n", Some(0), 500, 8);
        assert_eq!(
            (&answer["lines"], &answer["reset"]),
            (&json!(["three"]), &json!(true))
        );
    }

    #[test]
    fn a_missing_file_is_an_empty_log() {
        let path = Path::new("/nonexistent/log");
        let wanted = Wanted {
            cursor: Some(5),
            limit: 1,
            max_bytes: 1,
        };
        assert_eq!(read(path, &wanted).unwrap()["lines"], json!([]));
    }
}
