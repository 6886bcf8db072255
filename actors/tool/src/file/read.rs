//! `read`: a text file or some lines of it, or a picture.

use std::io;
use std::io::BufRead;
use std::io::BufReader;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openclaw_compute::picture::Fit;
use openclaw_compute::picture::Size;
use openclaw_protocol::Content;
use openclaw_protocol::ToolSpec;
use serde_json::json;

use super::OUTPUT;
use super::Stop;
use super::bounds::Access;
use super::bounds::Bounds;
use super::error::FileError;
use super::place::Place;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

/// More lines than this are read in several calls.
const LINES: usize = 2000;
/// The lines after the ones that are shown are only counted, up to so many bytes.
const COUNTED: u64 = 256 * 1024 * 1024;
/// A picture larger than this, or with a longer side, is made smaller: providers would refuse it.
const PICTURE: u64 = 3_750_000;
const SIDE: u32 = 2000;
/// How many pixels its longer side gets then; of more, providers make fewer themselves.
const MADE: u32 = 1568;
/// A picture file larger than this is not read at all.
const LOADED: u64 = 32_000_000;

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "read",
        "Reads a file: text (up to 2000 lines or 50 KB at a time; go on with offset) or a picture (png, jpeg, gif, webp).",
        json!({
            "path": { "type": "string", "description": "the file, relative to the workspace or absolute" },
            "offset": { "type": "integer", "description": "the first line, from 1" },
            "limit": { "type": "integer", "description": "how many lines" },
        }),
        &["path"],
    )
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let asked = super::path(arguments)?;
    let spot = bounds.locate(asked, Access::Read)?;
    let place = Place::reach(&spot, false)?;
    let told = |error| FileError::io(asked, error);
    let mut file = BufReader::with_capacity(64 * 1024, place.open()?);
    let head = file.fill_buf().map_err(told)?;
    if let Some(mime_type) = picture(head) {
        drop(file);
        return shown(asked, mime_type, place.read(LOADED)?, stop);
    }
    if head.contains(&0) {
        return Err(FileError::NotText(asked.to_owned()).into());
    }
    let from = arguments.count("offset", 1, usize::MAX);
    let limit = arguments.count("limit", LINES, LINES);
    let window = window(file, from, limit, stop).map_err(told)?;
    match window.shown(from) {
        Some(text) => Ok(ToolOutcome::text(text)),
        None => Err(ToolOutcome::error(format!(
            "{asked} has {} lines; offset {from} is beyond its end",
            window.lines
        ))),
    }
}

/// A picture as the model sees it, made smaller where it has to be.
fn shown(
    asked: &str,
    mime_type: &str,
    bytes: Vec<u8>,
    stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let size = openclaw_compute::picture::size(&bytes);
    let is_too_long = bytes.len() as u64 > PICTURE;
    let mut words = format!("{asked} ({mime_type})");
    let (mut mime_type, mut bytes) = (mime_type, bytes);
    if is_too_long || size.is_some_and(|size| size.longest() > SIDE) {
        let fit = Fit {
            bytes: usize::try_from(PICTURE).unwrap_or(usize::MAX),
            side: MADE,
        };
        match openclaw_compute::picture::smaller(&bytes, fit, &|| !stop.is_set()) {
            Ok(made) => {
                if let Some(Size { width, height }) = size {
                    words = format!("{words}, shown smaller than its {width} x {height} pixels");
                }
                (mime_type, bytes) = ("image/jpeg", made);
            }
            Err(error) if is_too_long => {
                let size = bytes.len();
                return Err(ToolOutcome::error(format!(
                    "{asked} has {size} bytes, more than the {PICTURE} of a picture that can be shown, and can't be made smaller: {error}"
                )));
            }
            // Wide, and small enough as a file: the provider may know what to do with it.
            Err(_) => {}
        }
    }
    Ok(ToolOutcome {
        content: vec![
            Content::text(words),
            Content::Image {
                data: STANDARD.encode(bytes),
                mime_type: mime_type.to_owned(),
                extra: Default::default(),
            },
        ],
        is_error: false,
        outside: None,
        held: None,
    })
}

/// What kind of picture begins like this.
fn picture(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// Some lines of a text.
#[derive(Debug, Default)]
struct Window {
    bytes: Vec<u8>,
    /// How many whole lines are in it.
    taken: usize,
    /// Whether its only line was cut.
    is_cut: bool,
    /// How many lines were seen.
    lines: usize,
    /// Whether all of the text was seen.
    is_all: bool,
}

fn window(mut text: impl BufRead, from: usize, limit: usize, stop: &Stop) -> io::Result<Window> {
    let mut window = Window::default();
    let mut line = 1;
    let (mut is_open, mut is_full) = (false, false);
    let mut begun = 0; // where the line at hand begins in the window
    let mut counted: u64 = 0;
    loop {
        if stop.is_set() || counted > COUNTED {
            break;
        }
        let chunk = text.fill_buf()?;
        let size = chunk.len();
        if size == 0 {
            window.is_all = true;
            break;
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let ends = part.ends_with(b"\n");
            is_open = !ends;
            window.lines = line;
            if line >= from && !is_full {
                window.bytes.extend_from_slice(part);
                if window.bytes.len() > OUTPUT {
                    is_full = true;
                    window.is_cut = window.taken == 0;
                    window
                        .bytes
                        .truncate(if window.is_cut { OUTPUT } else { begun });
                } else if ends {
                    window.taken += 1;
                    begun = window.bytes.len();
                    is_full = window.taken == limit;
                }
            }
            if ends {
                line += 1;
            }
        }
        if is_full {
            counted += size as u64;
        }
        text.consume(size);
    }
    if is_open && !is_full && line >= from {
        window.taken += 1;
    }
    Ok(window)
}

impl Window {
    /// What the model reads; none if there is no such line.
    fn shown(&self, from: usize) -> Option<String> {
        if from > self.lines.max(1) {
            return None;
        }
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.is_cut {
            text.push_str(&format!(
                "\n[Line {from} is longer than {} KB; this is its beginning. Use exec (cut, head -c) for the rest.]",
                OUTPUT / 1024
            ));
            return Some(text);
        }
        let last = from + self.taken.saturating_sub(1);
        if last < self.lines || !self.is_all {
            let all = if self.is_all {
                self.lines.to_string()
            } else {
                format!("more than {}", self.lines)
            };
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!(
                "[Lines {from}-{last} of {all}. Use offset={} to go on.]",
                last + 1
            ));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, from: usize, limit: usize) -> Option<String> {
        // A small buffer, so that lines lie across its ends.
        let text = BufReader::with_capacity(7, text.as_bytes());
        window(text, from, limit, &Stop::default())
            .unwrap()
            .shown(from)
    }

    #[test]
    fn some_lines_are_shown_and_how_to_go_on() {
        let text = "one\ntwo\nthree\nfour";
        assert_eq!(read(text, 1, 9).unwrap(), text);
        assert_eq!(
            read(text, 2, 2).unwrap(),
            "two\nthree\n[Lines 2-3 of 4. Use offset=4 to go on.]"
        );
        assert_eq!(read(text, 4, 1).unwrap(), "four");
        assert_eq!(read(text, 5, 1), None);
        assert_eq!(read("", 1, 1).unwrap(), "");
        assert_eq!(read("", 2, 1), None);
    }

    #[test]
    fn too_much_is_cut_at_a_line_or_in_the_only_one() {
        let long = "x".repeat(OUTPUT);
        let shown = read(&format!("a\n{long}\nb\n"), 1, 9).unwrap();
        assert_eq!(shown, "a\n[Lines 1-1 of 3. Use offset=2 to go on.]");
        let shown = read(&format!("a\n{long}y\nb\n"), 2, 9).unwrap();
        assert!(shown.starts_with(&long) && shown.contains("Line 2 is longer than 50 KB"));
    }

    proptest! {
        /// Reading on as the marker says shows every line once.
        #[test]
        fn going_on_shows_all_of_it(lines in proptest::collection::vec("[a-z]{0,9}", 1..30), limit in 1_usize..9) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let (mut from, mut whole) = (1, String::new());
            loop {
                let shown = read(&text, from, limit).unwrap();
                match shown.rsplit_once("[Lines ") {
                    None => { whole.push_str(&shown); break; }
                    Some((part, marker)) => {
                        whole.push_str(part);
                        let next = marker.split("offset=").nth(1).unwrap();
                        from = next.split(' ').next().unwrap().parse().unwrap();
                    }
                }
            }
            prop_assert_eq!(whole, text);
        }
    }
}
