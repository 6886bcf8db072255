//! The tools of a turn: intent before, result after.

use openclaw_runtime::fault;
use openclaw_tool::Caller;
use openclaw_tool::Tool;
use openclaw_tool::ToolCall;
use openclaw_tool::approval;
use openclaw_tool::approval::Desk;
use openclaw_tool::policy::Outside;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::caller;
use crate::elevated;
use crate::models::Chosen;
use crate::outside;
use crate::plan::Claim;
use crate::plan::PastStep;

/// A tool's result longer than this is cut before a model sees it: with several results the
/// context would be full after one turn.
const RESULT_CHARS: usize = 100_000;

impl Turn {
    pub(super) fn store_intent(&mut self, k: u32, call: ToolUse, ctx: &mut Context<Self>) {
        let tool = self.args.deps.toolbox.get(&call.name);
        let intent = StepIntent {
            kind: "tool".to_owned(),
            name: call.name,
            arguments: json!({
                "callId": call.id,
                "arguments": call.arguments,
                "message": call.message,
            }),
            // What doesn't exist has no effect either.
            idempotent: tool.is_none_or(|tool| tool.idempotent()),
        };
        let (ledger, session) = (self.args.deps.ledger.clone(), self.args.row.session.clone());
        let turn = TurnNo(self.args.row.seq);
        ctx.task(
            Task::new(format!("intent/{k}")).kind("intent"),
            async move { ledger.step_intent(&session, turn, k, intent).await },
            move |stored| TurnMail::IntentStored(k, stored),
        );
    }

    pub(super) fn run_tool(&mut self, k: u32, call: ToolUse, ctx: &mut Context<Self>) {
        self.args.feed.publish(What::Tool(ToolEvent::Start {
            id: call.id.clone(),
            name: call.name.clone(),
            args: call.arguments.clone(),
        }));
        let row = &self.args.row;
        let Some(tool) = self.args.deps.toolbox.get(&call.name) else {
            let outcome = self.args.deps.toolbox.unknown(&call.name);
            let result = result(&call, outcome.content, true);
            self.on_tool_ended_now(k, result, ctx);
            return;
        };
        let request = ToolCall {
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            key: format!("{}/{}/{k}", row.session, row.seq),
            workspace: self
                .prepared
                .as_ref()
                .map(|p| p.cwd.clone())
                .unwrap_or_default(),
            agent: row.session.agent(),
            session: row.session.clone(),
            caller: self.caller(),
            outside: self.outside(&call.name),
        };
        // Asked for at the beginning of the turn, and again now: the rules may have changed, and a model may call what
        // it was not told of.
        if let Some(why) = self.args.deps.policy().refusal(&request) {
            let result = result(&call, vec![Content::text(why)], true);
            self.on_tool_ended_now(k, result, ctx);
            return;
        }
        let task = Task::new(format!("tool/{k}"))
            .kind("tool")
            .deadline((tool.deadline() + approval::longest_wait(&request)).min(self.left()));
        let (desk, asked) = (self.args.deps.desk.clone(), call.clone());
        let id = ctx.task(task, run(tool, request, asked, desk), move |result| {
            TurnMail::ToolEnded(k, Box::new(result))
        });
        self.tool = Some((id, k, call));
    }

    /// What a call has to know of words from outside that the conversation holds by now.
    fn outside(&self, tool: &str) -> Option<Outside> {
        let prepared = self.prepared.as_ref()?;
        let own = || std::iter::once(&*prepared.user).chain(self.plan.said());
        let from = prepared.outside.clone().or_else(|| outside::first(own()));
        let all = self.history.iter().map(Arc::as_ref).chain(own());
        outside::told(&(self.args.deps.config)(), from, tool, all)
    }

    /// Who this turn acts for, by the configuration as it is now.
    pub(super) fn caller(&self) -> Caller {
        let model = self
            .prepared
            .as_ref()
            .map(|prepared| &prepared.chosen.model);
        let (config, row) = ((self.args.deps.config)(), &self.args.row);
        let wish = self.prepared.as_ref();
        let wish = wish.and_then(|prepared| prepared.elevated.as_deref());
        Caller {
            elevated: elevated::level(&config, row, wish),
            ..caller::caller(&config, row, model)
        }
    }

    pub(super) fn on_tool_ended(
        &mut self,
        k: u32,
        result: ToolResultMessage,
        ctx: &mut Context<Self>,
    ) {
        if self.tool.as_ref().is_none_or(|(_, now, _)| *now != k) {
            return; // cancelled in the meantime
        }
        self.tool = None;
        self.on_tool_ended_now(k, result, ctx);
    }

    fn on_tool_ended_now(&mut self, k: u32, result: ToolResultMessage, ctx: &mut Context<Self>) {
        self.args.feed.publish(What::Tool(ToolEvent::Result {
            id: result.tool_call_id.clone(),
            name: result.tool_name.clone(),
            result: serde_json::to_value(&result.content).unwrap_or_default(),
            is_error: result.is_error,
        }));
        self.feed(Event::ToolDone(k, result), ctx);
    }

    /// A tool that ended without a result of its own: the model is told, the turn goes on.
    pub(super) fn on_tool_lost(&mut self, exit: &ChildExit, ctx: &mut Context<Self>) {
        let Some((_, k, call)) = self.tool.take() else {
            return;
        };
        let text = match &exit.exit {
            Exit::Killed(KillReason::Deadline) => {
                "the tool took too long and was ended; what it did so far is unknown".to_owned()
            }
            Exit::Panicked(crash) => format!(
                "the tool crashed ({crash}); what it did so far is unknown. See: openclaw \
                 supervisor crash {crash}"
            ),
            other => format!("the tool was ended ({other}); what it did so far is unknown"),
        };
        let result = result(&call, vec![Content::text(text)], true);
        self.on_tool_ended_now(k, result, ctx);
    }

    pub(super) fn store_result(
        &mut self,
        k: u32,
        result: ToolResultMessage,
        ctx: &mut Context<Self>,
    ) {
        let (ledger, session) = (self.args.deps.ledger.clone(), self.args.row.session.clone());
        let turn = TurnNo(self.args.row.seq);
        let result = serde_json::to_value(result).unwrap_or_default();
        ctx.task(
            Task::new(format!("result/{k}")).kind("result"),
            async move { ledger.step_result(&session, turn, k, result).await },
            move |stored| TurnMail::ResultStored(k, stored),
        );
    }
}

async fn run(
    tool: Arc<dyn Tool>,
    request: ToolCall,
    asked: ToolUse,
    desk: Arc<dyn Desk>,
) -> ToolResultMessage {
    if let Err(error) = fault::point_async!("tool.before_run").await {
        return result(&asked, vec![Content::text(error.to_string())], true);
    }
    let outcome = approval::perform(tool, request, desk).await;
    if let Err(error) = fault::point_async!("tool.after_run").await {
        return result(&asked, vec![Content::text(error.to_string())], true);
    }
    let mut content = outcome.content;
    for part in &mut content {
        if let Content::Text { text, .. } = part
            && let Some((cut, _)) = text.char_indices().nth(RESULT_CHARS)
        {
            text.truncate(cut);
            text.push_str("\n[… cut here: the result is longer than what fits …]");
        }
    }
    let mut result = result(&asked, content, outcome.is_error);
    if let Some(from) = outcome.outside {
        result
            .extra
            .insert(outside::OUTSIDE.to_owned(), json!(from));
    }
    result
}

fn result(call: &ToolUse, content: Vec<Content>, is_error: bool) -> ToolResultMessage {
    ToolResultMessage {
        tool_call_id: call.id.clone(),
        tool_name: call.name.clone(),
        content,
        is_error,
        timestamp: now_ms(),
        ..ToolResultMessage::default()
    }
}

/// What the plan has to know of a claim.
pub(super) fn claim(start: &TurnStart) -> Claim {
    let steps = start
        .steps
        .iter()
        .filter(|step| step.intent.kind == "tool")
        .map(|step| {
            let facts = &step.intent.arguments;
            let read = |name: &str| facts.get(name).cloned().unwrap_or(Value::Null);
            PastStep {
                k: step.k,
                call_id: read("callId").as_str().unwrap_or_default().to_owned(),
                message: serde_json::from_value(read("message")).ok().flatten(),
                idempotent: step.intent.idempotent,
                result: step
                    .result
                    .clone()
                    .and_then(|result| serde_json::from_value(result).ok()),
            }
        })
        .collect();
    Claim {
        exhausted: start.exhausted,
        steps,
        joined: joined::past(start),
        now_ms: now_ms(),
    }
}

/// The parameters of a call: the model's own, and the thinking level.
pub(super) fn params(chosen: &Chosen, thinking: Option<&str>) -> Value {
    let mut params = match &chosen.params {
        Value::Object(params) => params.clone(),
        _ => serde_json::Map::new(),
    };
    // What a person said counts before the model's own setting, and that before the usual.
    let usual = if chosen.reasoning { "low" } else { "off" };
    match thinking {
        Some(level) => drop(params.insert("thinking".to_owned(), json!(level))),
        None if params.contains_key("thinking") => {}
        None => drop(params.insert("thinking".to_owned(), json!(usual))),
    }
    Value::Object(params)
}
