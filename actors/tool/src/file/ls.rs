//! `ls`: what is in a folder.

use openclaw_protocol::ToolSpec;
use rustix::fs::FileType;
use serde_json::json;

use super::OUTPUT;
use super::Stop;
use super::bounds::Access;
use super::bounds::Bounds;
use super::place;
use super::walk;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

const USUAL: usize = 500;
const MOST: usize = 5000;

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "ls",
        "Lists a folder, hidden files too; folders end with a slash, links with @.",
        json!({
            "path": { "type": "string", "description": "the folder; the workspace if none is given" },
            "limit": { "type": "integer", "description": "how many names at most" },
        }),
        &[],
    )
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    _stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let asked = super::path(arguments).unwrap_or(".");
    let limit = arguments.count("limit", USUAL, MOST);
    let spot = bounds.locate(asked, Access::Read)?;
    let mut names = walk::names(&place::folder(&spot)?, asked)?;
    names.sort_by_cached_key(|name| name.name.to_string_lossy().to_lowercase());
    let mut text = String::new();
    let mut shown = 0;
    for name in names.iter().take(limit) {
        let sign = match name.kind {
            FileType::Directory => "/",
            FileType::Symlink => "@",
            _ => "",
        };
        let line = format!("{}{sign}\n", name.name.to_string_lossy());
        if text.len() + line.len() > OUTPUT {
            break;
        }
        text.push_str(&line);
        shown += 1;
    }
    if names.is_empty() {
        text.push_str("(empty)");
    } else if shown < names.len() {
        text.push_str(&format!(
            "[{shown} of {} names. Raise limit, or use find.]",
            names.len()
        ));
    }
    Ok(ToolOutcome::text(text.trim_end_matches('\n')))
}
