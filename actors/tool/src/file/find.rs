//! `find`: files by name.

use std::ops::ControlFlow;
use std::path::Path;

use globset::GlobBuilder;
use globset::GlobMatcher;
use openclaw_protocol::ToolSpec;
use rustix::fs::FileType;
use serde_json::json;

use super::OUTPUT;
use super::Stop;
use super::bounds::Access;
use super::bounds::Bounds;
use super::walk;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

const USUAL: usize = 1000;
const MOST: usize = 10_000;

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "find",
        "Finds files and folders by a pattern such as *.rs or src/**/*.md. Leaves out what .gitignore leaves out.",
        json!({
            "pattern": { "type": "string", "description": "without a slash it is held against names, else against paths below the folder" },
            "path": { "type": "string", "description": "the folder to look in; the workspace if none is given" },
            "limit": { "type": "integer", "description": "how many at most" },
        }),
        &["pattern"],
    )
}

/// A pattern of names or of paths.
pub(super) struct Pattern {
    glob: GlobMatcher,
    is_of_paths: bool,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, ToolOutcome> {
        let text = text.trim().trim_start_matches("./");
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        let glob = glob
            .map_err(|error| ToolOutcome::error(format!("the pattern can't be read: {error}")))?;
        Ok(Self {
            glob: glob.compile_matcher(),
            is_of_paths: text.contains('/'),
        })
    }

    /// Whether it fits a path below the folder that is searched.
    pub(super) fn fits(&self, below: &Path) -> bool {
        if self.is_of_paths {
            return self.glob.is_match(below);
        }
        below
            .file_name()
            .is_some_and(|name| self.glob.is_match(name))
    }
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let pattern = arguments.text("pattern");
    let pattern =
        Pattern::new(&pattern.ok_or_else(|| ToolOutcome::error("find needs a pattern"))?)?;
    let asked = super::path(arguments).unwrap_or(".");
    let limit = arguments.count("limit", USUAL, MOST);
    let start = bounds.locate(asked, Access::Read)?;
    let (mut text, mut count, mut is_cut) = (String::new(), 0, false);
    walk::walk(bounds, &start, stop, &mut |found| {
        let below = found.path.strip_prefix(&start.path).unwrap_or(found.path);
        if !pattern.fits(below) {
            return ControlFlow::Continue(());
        }
        let sign = if found.kind == FileType::Directory {
            "/"
        } else {
            ""
        };
        let line = format!("{}{sign}\n", bounds.shown(found.path));
        if count == limit || text.len() + line.len() > OUTPUT {
            is_cut = true;
            return ControlFlow::Break(());
        }
        text.push_str(&line);
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(ToolOutcome::text(match (count, is_cut) {
        (0, _) => "nothing fits the pattern".to_owned(),
        (_, true) => {
            format!("{text}[The first {count}; there are more. Use a narrower pattern or path.]")
        }
        (_, false) => text.trim_end().to_owned(),
    }))
}
