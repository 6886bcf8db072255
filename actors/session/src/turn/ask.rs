//! The call of a model, seen from the turn.

use openclaw_protocol::ToolSpec;

use super::*;

impl Turn {
    pub(super) fn call(&mut self, ctx: &mut Context<Self>) {
        let Some(prepared) = self.prepared.clone() else {
            return;
        };
        let Next::Ask { system, tools } = &prepared.next else {
            return;
        };
        self.epoch += 1;
        let epoch = self.epoch;
        let mut messages = Vec::with_capacity(prepared.history.len() + 1 + self.plan.said().len());
        messages.extend(prepared.history.iter().cloned());
        messages.push(prepared.user.clone());
        messages.extend(self.plan.said().iter().cloned().map(Arc::new));
        let messages: Arc<[Arc<openclaw_protocol::Message>]> = messages.into();
        let tools = offered(tools, &self.args.row.body.client_tools);
        let chain = prepared.chosen.chain();
        let requests = chain.map(|candidate| openclaw_provider::ModelRequest {
            model: candidate.model.clone(),
            system: Arc::clone(system),
            messages: Arc::clone(&messages),
            tools: Arc::clone(&tools),
            max_tokens: candidate.max_tokens,
            session: self.args.row.session.clone(),
            params: step::params(candidate, prepared.thinking.as_deref()),
        });
        let requests = requests.collect();
        let task = Task::new(format!("call/{epoch}"))
            .kind("call")
            .deadline(self.left());
        let deps = &self.args.deps;
        let feed = self.args.feed.clone();
        let future = call::run(deps.models.clone(), prepared.chosen.clone(), requests, feed);
        let id = ctx.task(task, future, move |ended| {
            TurnMail::CallEnded(epoch, Box::new(ended))
        });
        self.call = Some(id);
    }

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
            notice: notice::call_ended(&model, &how),
            message,
        };
        self.feed(Event::CallFailed(failure), ctx);
        Ok(())
    }
}

/// The gateway's tools with the client's, which stand in for those of the same name.
fn offered(tools: &Arc<[ToolSpec]>, client: &[ToolSpec]) -> Arc<[ToolSpec]> {
    if client.is_empty() {
        return Arc::clone(tools);
    }
    let is_replaced = |tool: &&ToolSpec| client.iter().any(|own| own.name == tool.name);
    let kept = tools.iter().filter(|tool| !is_replaced(tool));
    kept.chain(client).cloned().collect()
}
