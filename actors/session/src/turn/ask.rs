//! The call of a model, seen from the turn.

use openclaw_protocol::ToolSpec;
use openclaw_protocol::Tools;

use super::*;

impl Turn {
    pub(super) fn left(&self) -> Duration {
        self.budget
            .saturating_sub(self.begun.elapsed())
            .max(Duration::from_millis(1))
    }

    pub(super) fn on_call_ended(
        &mut self,
        epoch: u32,
        ended: Result<AssistantMessage, CallFailure>,
        ctx: &mut Context<Self>,
    ) {
        if epoch != self.epoch {
            return;
        }
        self.call = None;
        let event = match ended {
            Ok(message) => Event::CallDone(message),
            Err(failure) if failure.is_too_long && self.on_overflow(ctx) => return,
            Err(failure) => Event::CallFailed(failure),
        };
        self.feed(event, ctx);
    }

    /// What had been said when the turn was cut off.
    pub(super) fn partial(&self) -> Option<AssistantMessage> {
        let text = self.args.feed.text();
        self.call.as_ref()?;
        let chosen = &self.prepared.as_ref()?.chosen;
        (!text.trim().is_empty()).then(|| AssistantMessage {
            content: vec![Content::text(&*text)],
            api: chosen.api.clone(),
            provider: chosen.model.provider.clone(),
            model: chosen.model.model.clone(),
            timestamp: now_ms(),
            ..AssistantMessage::default()
        })
    }

    /// The call ended without an answer of its own: killed, or by a bug.
    pub(super) fn on_call_lost(
        &mut self,
        exit: ChildExit,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        let how = match &exit.exit {
            Exit::Killed(KillReason::Deadline) => {
                self.on_deadline(ctx);
                return Ok(());
            }
            Exit::Panicked(_) | Exit::Failed(_) => return Err(ExitError::child(exit)),
            other => other.to_string(),
        };
        let message = self.partial().unwrap_or_default();
        self.call = None;
        let model = self.prepared.as_ref().map(|p| p.chosen.model.clone());
        let model = model.unwrap_or_else(|| openclaw_protocol::ModelRef::new("unknown", "model"));
        let failure = CallFailure {
            retryable: true,
            retry_after: None,
            is_too_long: false,
            notice: notice::call_ended(&model, &how),
            message,
        };
        self.feed(Event::CallFailed(failure), ctx);
        Ok(())
    }
}

/// The gateway's tools with the client's, which stand in for those of the same name.
pub(super) fn offered(tools: &Tools, client: &[ToolSpec]) -> Tools {
    if client.is_empty() {
        return tools.clone();
    }
    let is_replaced = |tool: &&ToolSpec| client.iter().any(|own| own.name == tool.name);
    let kept = tools.iter().filter(|tool| !is_replaced(tool));
    kept.chain(client).cloned().collect()
}
