//! What a tool gave back, as far as it is needed to put it into words.

use openclaw_protocol::message::ToolResultMessage;
use openclaw_protocol::message::plain_text;

/// The result of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) tool: String,
    pub(super) text: String,
    pub(super) failed: bool,
}

impl Found {
    pub(super) fn read(result: &ToolResultMessage) -> Self {
        Self {
            tool: result.tool_name.clone(),
            text: plain_text(&result.content),
            failed: result.is_error,
        }
    }
}
