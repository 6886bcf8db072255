//! What a resumed turn makes of the steps that an earlier attempt left.

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::message::AssistantMessage;
use openclaw_protocol::message::ToolResultMessage;

use super::Claim;
use super::Plan;
use super::ToolUse;
use super::Waiting;
use super::tool_uses;

/// One step of an earlier attempt: an intent, perhaps with its result.
#[derive(Debug, Clone)]
pub(crate) struct PastStep {
    /// The step's number.
    pub(crate) k: u32,
    /// The call's id in the message that asked.
    pub(crate) call_id: String,
    /// The message that asked, with the first call of each message.
    pub(crate) message: Option<AssistantMessage>,
    /// Whether running it again does no harm.
    pub(crate) idempotent: bool,
    /// What came out, when that was stored.
    pub(crate) result: Option<ToolResultMessage>,
}

impl Plan {
    /// Rebuilds what was said and what is still to do.
    ///
    /// A step with a result is skipped. One without is run again only when that does no harm;
    /// else the model is told that its outcome is unknown.
    pub(super) fn resume(&mut self, claim: &Claim) {
        let mut joined = claim.joined.iter().peekable();
        for step in &claim.steps {
            while let Some((k, message)) = joined.next_if(|(k, _)| *k < step.k) {
                self.join(*k, message.clone());
            }
            self.next_k = self.next_k.max(step.k + 1);
            if let Some(message) = &step.message {
                self.close_open_calls(claim.now_ms);
                self.queue = tool_uses(message)
                    .into_iter()
                    .map(|call| Waiting { call, stored: None })
                    .collect();
                self.said.push(Message::Assistant(message.clone()));
            }
            let place = self.queue.iter().position(|w| w.call.id == step.call_id);
            let Some(place) = place else {
                continue; // not asked by any message that is known: nothing to answer
            };
            match (&step.result, step.idempotent) {
                (Some(result), _) => {
                    self.queue.remove(place);
                    self.said.push(Message::ToolResult(result.clone()));
                }
                (None, true) => {
                    if let Some(waiting) = self.queue.get_mut(place) {
                        waiting.stored = Some(step.k);
                    }
                }
                (None, false) => {
                    if let Some(waiting) = self.queue.remove(place) {
                        let result = unknown_result(&waiting.call, true, claim.now_ms);
                        self.said.push(Message::ToolResult(result));
                    }
                }
            }
        }
        for (k, message) in joined {
            self.join(*k, message.clone());
        }
    }

    /// Takes in what people said meanwhile. Calls that have not begun are not made: the model may want others now.
    pub(super) fn join(&mut self, k: u32, message: Message) {
        self.next_k = self.next_k.max(k + 1);
        for waiting in std::mem::take(&mut self.queue) {
            let result = overtaken_result(&waiting.call, message.timestamp());
            self.said.push(Message::ToolResult(result));
        }
        self.said.push(message);
    }
}

/// The result of a call that a person's words overtook.
fn overtaken_result(call: &ToolUse, now_ms: i64) -> ToolResultMessage {
    let mut result = unknown_result(call, false, now_ms);
    result.content = vec![Content::text("not run: a new message came first")];
    result
}

/// The result of a call that ended the turn: it is the client's to make, or it came beside one that is.
pub(super) fn left_result(call: &ToolUse, is_of_client: bool, now_ms: i64) -> ToolResultMessage {
    let mut result = unknown_result(call, false, now_ms);
    if is_of_client {
        let text = "handed to the client: what came out follows in its next message";
        result.content = vec![Content::text(text)];
        result.is_error = false;
    }
    result
}

/// The result of a call nobody knows the outcome of.
pub(super) fn unknown_result(call: &ToolUse, was_begun: bool, now_ms: i64) -> ToolResultMessage {
    let text = if was_begun {
        "interrupted, outcome unknown: the gateway stopped while this ran, and it was not run \
         again. Check what it did before you repeat it."
    } else {
        "not run: the turn ended first"
    };
    ToolResultMessage {
        tool_call_id: call.id.clone(),
        tool_name: call.name.clone(),
        content: vec![Content::text(text)],
        is_error: true,
        timestamp: now_ms,
        ..ToolResultMessage::default()
    }
}
