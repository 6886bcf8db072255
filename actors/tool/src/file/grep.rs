//! `grep`: lines of files by what they say.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;

use openclaw_protocol::ToolSpec;
use regex::Regex;
use regex::RegexBuilder;
use rustix::fs::FileType;
use serde_json::json;

use super::OUTPUT;
use super::Stop;
use super::WHOLE;
use super::bounds::Access;
use super::bounds::Bounds;
use super::error::FileError;
use super::find::Pattern;
use super::place;
use super::place::Place;
use super::walk;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

const USUAL: usize = 100;
const MOST: usize = 2000;
/// More lines around a hit than this are read with `read`.
const AROUND: usize = 20;
/// A longer line is no text for people.
const LINE: usize = 500;
/// A pattern may take so much memory once it is read.
const PATTERN: usize = 2 * 1024 * 1024;

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "grep",
        "Searches the text of files for a regular expression. Leaves out what .gitignore leaves out, and files that are no text.",
        json!({
            "pattern": { "type": "string", "description": "a regular expression" },
            "path": { "type": "string", "description": "a file or folder; the workspace if none is given" },
            "glob": { "type": "string", "description": "only files that fit, such as *.rs" },
            "ignoreCase": { "type": "boolean" },
            "literal": { "type": "boolean", "description": "the pattern is plain text" },
            "context": { "type": "integer", "description": "lines around each hit" },
            "limit": { "type": "integer", "description": "how many hits at most" },
        }),
        &["pattern"],
    )
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let pattern = arguments.exact(&["pattern", "query", "regex"]);
    let pattern = pattern.filter(|pattern| !pattern.is_empty());
    let pattern = pattern.ok_or_else(|| ToolOutcome::error("grep needs a pattern"))?;
    let pattern = if arguments.flag(&["literal"]) {
        regex::escape(pattern)
    } else {
        pattern.to_owned()
    };
    let regex = RegexBuilder::new(&pattern)
        .case_insensitive(arguments.flag(&["ignoreCase", "ignore_case", "-i"]))
        .size_limit(PATTERN)
        .build()
        .map_err(|error| ToolOutcome::error(format!("the pattern can't be read: {error}")))?;
    let glob = arguments
        .text("glob")
        .map(|glob| Pattern::new(&glob))
        .transpose()?;
    let asked = super::path(arguments).unwrap_or(".");
    let start = bounds.locate(asked, Access::Read)?;
    let mut search = Search {
        regex,
        around: match arguments.text("context") {
            Some(_) => arguments.count("context", 0, AROUND),
            None => 0,
        },
        limit: arguments.count("limit", USUAL, MOST),
        text: String::new(),
        hits: 0,
        passed_by: 0,
        is_cut: false,
    };
    match Place::reach(&start, false).and_then(|place| place.open()) {
        Ok(file) => drop(search.file(file, &bounds.shown(&start.path))),
        Err(FileError::Folder(_)) => walk::walk(bounds, &start, stop, &mut |found| {
            let below = found.path.strip_prefix(&start.path).unwrap_or(found.path);
            let is_wanted = glob.as_ref().is_none_or(|glob| glob.fits(below));
            if found.kind != FileType::RegularFile || !is_wanted {
                return ControlFlow::Continue(());
            }
            match place::open_in(found.folder, found.name, "") {
                Ok(file) => {
                    let before = search.hits;
                    let go_on = search.file(file, &bounds.shown(found.path));
                    if search.hits > before {
                        bounds.shows(found.path);
                    }
                    go_on
                }
                Err(_) => ControlFlow::Continue(()),
            }
        })?,
        Err(error) => return Err(error.into()),
    }
    Ok(ToolOutcome::text(search.told()))
}

struct Search {
    regex: Regex,
    around: usize,
    limit: usize,
    text: String,
    hits: usize,
    /// Files that are too large.
    passed_by: usize,
    is_cut: bool,
}

impl Search {
    fn file(&mut self, file: File, name: &str) -> ControlFlow<()> {
        if file.metadata().is_ok_and(|about| about.len() > WHOLE) {
            self.passed_by += 1;
            return ControlFlow::Continue(());
        }
        let mut bytes = Vec::new();
        // What can't be read is passed by, as what is no text is.
        if file.take(WHOLE).read_to_end(&mut bytes).is_err()
            || bytes.iter().take(8192).any(|byte| *byte == 0)
        {
            return ControlFlow::Continue(());
        }
        let text = String::from_utf8_lossy(&bytes);
        if !self.regex.is_match(&text) {
            return ControlFlow::Continue(());
        }
        let lines: Vec<&str> = text.lines().collect();
        let mut next = 0; // the first line that was not shown yet
        for (at, line) in lines.iter().enumerate() {
            if !self.regex.is_match(line) {
                continue;
            }
            if self.hits == self.limit {
                self.is_cut = true;
                return ControlFlow::Break(());
            }
            self.hits += 1;
            let from = at.saturating_sub(self.around).max(next);
            let to = (at + self.around + 1).min(lines.len());
            if self.around > 0 && from > next && !self.text.is_empty() {
                self.text.push_str("--\n");
            }
            for (n, line) in lines.iter().enumerate().take(to).skip(from) {
                let sign = if self.regex.is_match(line) { ':' } else { '-' };
                let cut = super::cut(line, LINE);
                let more = if cut.len() < line.len() { " …" } else { "" };
                let shown = format!("{name}{sign}{}{sign} {cut}{more}\n", n + 1);
                if self.text.len() + shown.len() > OUTPUT {
                    self.is_cut = true;
                    return ControlFlow::Break(());
                }
                self.text.push_str(&shown);
            }
            next = to.max(next);
        }
        ControlFlow::Continue(())
    }

    fn told(self) -> String {
        let mut text = self.text;
        if self.hits == 0 {
            text.push_str("no line fits the pattern");
        } else if self.is_cut {
            text.push_str(&format!(
                "[Cut after {} hits; there are more. Use a narrower pattern, path or glob.]",
                self.hits
            ));
        }
        if self.passed_by > 0 {
            text.push_str(&format!(
                "\n[{} files were too large to be searched.]",
                self.passed_by
            ));
        }
        text.trim_end().to_owned()
    }
}
