//! `write`: a whole file, new or in place of the one that is there.

use openclaw_protocol::ToolSpec;
use serde_json::json;

use super::Stop;
use super::bounds::Access;
use super::bounds::Bounds;
use super::place::Place;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "write",
        "Writes a file: makes it, with the folders on its way, or replaces all of what is in it.",
        json!({
            "path": { "type": "string", "description": "the file, relative to the workspace or absolute" },
            "content": { "type": "string", "description": "all that is to be in it" },
        }),
        &["path", "content"],
    )
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    _stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let asked = super::path(arguments)?;
    let content = arguments.exact(&["content", "contents", "file_text"]);
    let content = content.ok_or_else(|| ToolOutcome::error("write needs a content"))?;
    let spot = bounds.locate(asked, Access::Write)?;
    let place = Place::reach(&spot, true)?;
    place.stage(content.as_bytes(), None)?.commit()?;
    place.settle();
    Ok(ToolOutcome::text(format!(
        "wrote {} bytes to {}",
        content.len(),
        bounds.shown(&spot.path)
    )))
}
