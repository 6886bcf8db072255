//! What goes into a plan and what comes out of it.

use std::time::Duration;

use openclaw_protocol::Message;
use openclaw_protocol::message::AssistantMessage;
use openclaw_protocol::message::ToolResultMessage;

use super::PastStep;

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The claim of the row is durable.
    Claimed(Claim),
    /// Context, prompt and model are at hand. `early` allows the call before the claim is durable.
    Prepared { early: bool },
    /// The context could not be loaded or no model can be asked; `notice` is for the user.
    Unprepared { notice: String },
    /// The gateway answers by itself (a command).
    Answered(AssistantMessage),
    /// The model answered.
    CallDone(AssistantMessage),
    /// The call failed.
    CallFailed(CallFailure),
    /// The pause before the next try is over.
    PauseOver,
    /// A tool's intent is durable.
    IntentStored(u32),
    /// A tool ended.
    ToolDone(u32, ToolResultMessage),
    /// A tool's result is durable.
    ResultStored(u32),
    /// Messages that came meanwhile are durable as this step: the model sees them next.
    Joined { k: u32, message: Message },
    /// Somebody wants the turn to end now.
    Abort {
        reason: &'static str,
        partial: Option<AssistantMessage>,
        now_ms: i64,
    },
    /// The turn's time is up.
    Deadline {
        notice: String,
        partial: Option<AssistantMessage>,
        now_ms: i64,
    },
    /// The turn's end is durable.
    Committed,
}

/// What the claim told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claim {
    /// The row crashed the turn too often; it goes to the dead letters.
    pub(crate) exhausted: bool,
    /// What earlier attempts of this turn did.
    pub(crate) steps: Vec<PastStep>,
    /// Messages that joined them, by the numbers of their steps.
    pub(crate) joined: Vec<(u32, Message)>,
    /// When it was claimed.
    pub(crate) now_ms: i64,
}

/// Why a call gave no answer.
#[derive(Debug, Clone)]
pub(crate) struct CallFailure {
    /// Whether the same call may succeed in a moment.
    pub(crate) retryable: bool,
    /// How long the provider wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// The request was longer than what the model reads.
    pub(crate) is_too_long: bool,
    /// What the user is told when it stays so.
    pub(crate) notice: String,
    /// What had arrived; an assistant message with stop reason `error`.
    pub(crate) message: AssistantMessage,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Ask the model, with [`super::Plan::said`] after the context.
    Call,
    /// Report [`Event::PauseOver`] after a while.
    Pause(Duration),
    /// Make a tool's intent durable.
    StoreIntent { k: u32, call: ToolUse },
    /// Run a tool.
    RunTool { k: u32, call: ToolUse },
    /// Make a tool's result durable.
    StoreResult { k: u32, result: ToolResultMessage },
    /// End whatever runs: call, tool, pause.
    Cancel,
    /// Make the turn's end durable.
    Commit(Outcome),
    /// Tell the world; nothing follows.
    Finish(Outcome),
}

/// One call of a tool that the model asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolUse {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: serde_json::Value,
    /// The message that asked, with the first of its calls: a resumed turn needs it.
    pub(crate) message: Option<Box<AssistantMessage>>,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed { notice: String },
    Aborted { reason: &'static str },
    Dead { notice: String },
}
