//! A turn that does the same again and again is ended: it would only cost money.

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use serde_json::Value;

/// How often the same call may bring the same result.
const REPEATS: usize = 3;

/// The tool whose last call has now brought the same result to the same question too often.
pub(super) fn found(said: &[Message]) -> Option<String> {
    let last = said.len().checked_sub(1)?;
    let (tool, asked, brought) = round(said, last)?;
    let same = (0..=last).filter(|at| round(said, *at) == Some((tool, asked, brought)));
    (same.count() >= REPEATS).then(|| tool.to_owned())
}

/// The tool, the arguments and the result that stands at a place.
fn round(said: &[Message], at: usize) -> Option<(&str, &Value, &[Content])> {
    let Message::ToolResult(result) = said.get(at)? else {
        return None;
    };
    // Ids may come again in later answers: the nearest before is the one.
    let before = said.get(..at)?.iter().rev();
    let arguments = before.into_iter().find_map(|message| match message {
        Message::Assistant(answer) => answer.content.iter().find_map(|part| match part {
            Content::ToolCall { id, arguments, .. } if *id == result.tool_call_id => {
                Some(arguments)
            }
            _ => None,
        }),
        _ => None,
    })?;
    Some((&result.tool_name, arguments, &result.content))
}

/// What the person is told.
pub(super) fn notice(tool: &str) -> String {
    format!(
        "I stopped: the model called {tool} {REPEATS} times with the same arguments and got the same result. \
         Ask again in other words, or choose another model: /model"
    )
}
