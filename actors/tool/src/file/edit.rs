//! `edit`: replaces pieces of a text file.

use openclaw_protocol::ToolSpec;
use serde_json::Value;
use serde_json::json;

use super::Stop;
use super::WHOLE;
use super::bounds::Access;
use super::bounds::Bounds;
use super::error::FileError;
use super::place::Place;
use super::replace::Edit;
use super::replace::replace;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

const OLD: [&str; 5] = ["oldText", "old_string", "old_text", "oldString", "old"];
const NEW: [&str; 5] = ["newText", "new_string", "new_text", "newString", "new"];

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "edit",
        "Replaces pieces of a text file. The old text must stand in the file exactly so, and once.",
        json!({
            "path": { "type": "string", "description": "the file, relative to the workspace or absolute" },
            "oldText": { "type": "string", "description": "what stands there, exactly" },
            "newText": { "type": "string", "description": "what shall stand there instead" },
            "replaceAll": { "type": "boolean", "description": "replace it wherever it stands" },
            "edits": {
                "type": "array",
                "description": "several pieces at once, in place of oldText and newText; all are made or none",
                "items": {
                    "type": "object",
                    "properties": { "oldText": { "type": "string" }, "newText": { "type": "string" } },
                    "required": ["oldText", "newText"],
                },
            },
        }),
        &["path"],
    )
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    _stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let asked = super::path(arguments)?;
    let edits = edits(arguments)?;
    let all = arguments.flag(&["replaceAll", "replace_all"]);
    let spot = bounds.locate(asked, Access::Write)?;
    let place = Place::reach(&spot, false)?;
    let text =
        String::from_utf8(place.read(WHOLE)?).map_err(|_| FileError::NotText(asked.to_owned()))?;
    let (made, count) = replace(&text, &edits, all)
        .map_err(|error| ToolOutcome::error(format!("{asked}: {error}")))?;
    place.stage(made.as_bytes(), None)?.commit()?;
    place.settle();
    let shown = bounds.shown(&spot.path);
    Ok(ToolOutcome::text(match count {
        1 => format!("replaced the text in {shown}"),
        count => format!("replaced {count} pieces of {shown}"),
    }))
}

fn edits(arguments: &Arguments) -> Result<Vec<Edit>, ToolOutcome> {
    let wanted = || ToolOutcome::error("edit needs oldText and newText, or a list of edits");
    let several = match arguments.get("edits") {
        // Small models write a list as text.
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        other => other.cloned(),
    };
    if let Some(Value::Array(list)) = several {
        let edit = |value: &Value| one(&|names| text_of(value, names));
        let edits: Option<Vec<Edit>> = list.iter().map(edit).collect();
        return edits.filter(|edits| !edits.is_empty()).ok_or_else(wanted);
    }
    let edit = one(&|names| arguments.exact(names).map(str::to_owned));
    Ok(vec![edit.ok_or_else(wanted)?])
}

fn one(text: &dyn Fn(&[&str]) -> Option<String>) -> Option<Edit> {
    Some(Edit {
        old: text(&OLD)?,
        new: text(&NEW)?,
    })
}

fn text_of(value: &Value, names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| value.get(name));
    found.and_then(Value::as_str).map(str::to_owned)
}
