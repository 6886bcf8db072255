//! Before a conversation is summed up its agent takes notes of what should outlast it.
//!
//! At most once for each summary: that it was begun is written down before it is. It says nothing to anybody, may use
//! nothing but the memory's tools, and whatever goes wrong here keeps no turn from going on.

use std::path::PathBuf;
use std::sync::Arc;

use openclaw_ledger::LedgerError;
use openclaw_ledger::Purpose;
use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::Prompt;
use openclaw_protocol::SessionKey;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::Tools;
use openclaw_protocol::message::AssistantMessage;
use openclaw_protocol::message::ToolResultMessage;
use openclaw_provider::ModelRequest;
use openclaw_tool::Caller;
use openclaw_tool::ToolCall;
use openclaw_tool::ToolOutcome;
use serde_json::Value;
use serde_json::json;

use super::silent;
use crate::call;
use crate::call::Question;
use crate::context::fit;
use crate::context::size;
use crate::deps::Deps;
use crate::entry::Entry;
use crate::event::now_ms;
use crate::models::Chosen;
use crate::tab::Tab;

/// The tool without which there is nothing to take notes with.
const NOTE: &str = "memory_note";
/// Tools that may be used.
const MEMORY: &str = "memory_";
/// How often the model may come back with tools.
const ROUNDS: u32 = 4;

const PROMPT: &str = "[From the gateway, not from a person] This conversation will be summed up soon. Write what \
    should outlast it into your memory now, with memory_note: facts, decisions, promises, preferences, open ends. \
    Don't repeat what stands there already. Then answer with exactly NO_REPLY.";

/// Who takes notes of what.
pub(crate) struct Wish {
    pub(crate) key: SessionKey,
    pub(crate) turn: u64,
    pub(crate) chosen: Arc<Chosen>,
    pub(crate) system: Prompt,
    pub(crate) tools: Tools,
    /// The conversation so far.
    pub(crate) messages: Vec<Arc<Message>>,
    pub(crate) limit: u64,
    pub(crate) workspace: PathBuf,
    /// Who the turn acts for.
    pub(crate) caller: Caller,
    /// The configured words.
    pub(crate) prompt: Option<String>,
    pub(crate) system_prompt: Option<String>,
    /// How often the conversation has been summed up.
    pub(crate) count: u64,
    pub(crate) tab: Tab,
}

/// Whether notes can be taken with these tools, and were not yet taken since the last summary.
pub(crate) fn may_be_taken(entry: Option<&Entry>, tools: &[ToolSpec]) -> bool {
    let count = entry.map_or(0, |entry| super::number(entry, "compactionCount"));
    let taken = entry.and_then(|entry| entry.get("memoryFlushCompactionCount"));
    let is_taken = taken.and_then(Value::as_u64) == Some(count);
    tools.iter().any(|tool| tool.name == NOTE) && !is_taken
}

/// Has the agent take its notes.
pub(crate) async fn take(deps: &Arc<Deps>, wish: Wish) -> Result<(), LedgerError> {
    let begun = json!({
        "memoryFlushAt": now_ms(), "memoryFlushCompactionCount": wish.count,
    });
    deps.ledger.patch_session_entry(&wish.key, begun).await?;
    let prompt = [
        wish.prompt.as_deref().unwrap_or(PROMPT),
        wish.system_prompt.as_deref().unwrap_or_default(),
    ];
    let prompt = prompt.join("\n\n");
    let mut messages = wish.messages.clone();
    messages.push(Arc::new(Message::user(prompt.trim(), now_ms())));
    let asked = messages.len() - 1;
    for round in 0..ROUNDS {
        let fitting = fit::fit(&messages, asked, wish.limit);
        let Some(answer) = ask(deps, &wish, fitting).await else {
            return Ok(());
        };
        let calls: Vec<(String, String, Value)> = answer
            .content
            .iter()
            .filter_map(|part| match part {
                Content::ToolCall {
                    id,
                    name,
                    arguments,
                    ..
                } => Some((id.clone(), name.clone(), arguments.clone())),
                _ => None,
            })
            .collect();
        if calls.is_empty() {
            return Ok(());
        }
        messages.push(Arc::new(Message::Assistant(answer)));
        for (at, (id, name, arguments)) in calls.into_iter().enumerate() {
            let place = format!("{}/{}/notes/{round}/{at}", wish.key, wish.turn);
            let outcome = run(deps, &wish, place, name.clone(), arguments).await;
            let result = Message::ToolResult(ToolResultMessage {
                tool_call_id: id,
                tool_name: name,
                content: outcome.content,
                is_error: outcome.is_error,
                timestamp: now_ms(),
                ..ToolResultMessage::default()
            });
            messages.push(Arc::new(result));
        }
    }
    Ok(())
}

async fn ask(
    deps: &Arc<Deps>,
    wish: &Wish,
    messages: Vec<Arc<Message>>,
) -> Option<AssistantMessage> {
    let head = size::head(&wish.system, &wish.tools);
    let input = head + size::messages(messages.iter().map(Arc::as_ref));
    let messages: Arc<[Arc<Message>]> = messages.into();
    let requests = wish.chosen.chain().map(|candidate| ModelRequest {
        model: candidate.model.clone(),
        system: wish.system.clone(),
        messages: messages.clone(),
        tools: wish.tools.clone(),
        max_tokens: candidate.max_tokens,
        session: wish.key.clone(),
        params: super::quiet(candidate),
    });
    let question = Question {
        chain: wish.chosen.clone(),
        requests: requests.collect(),
        tab: wish.tab.clone(),
        purpose: Purpose::Notes,
        input,
    };
    match call::run(deps.models.clone(), question, silent(&wish.key)).await {
        Ok(answer) => Some(answer),
        Err(failure) => {
            tracing::warn!(session = %wish.key, reason = failure.notice, "no notes were taken");
            None
        }
    }
}

async fn run(
    deps: &Arc<Deps>,
    wish: &Wish,
    key: String,
    name: String,
    arguments: Value,
) -> ToolOutcome {
    let tool = deps.toolbox.get(&name).filter(|_| name.starts_with(MEMORY));
    let Some(tool) = tool else {
        return ToolOutcome::error("only the tools of the memory may be used now");
    };
    let call = ToolCall {
        name,
        arguments,
        key,
        workspace: wish.workspace.clone(),
        agent: wish.key.agent(),
        session: wish.key.clone(),
        caller: wish.caller.clone(),
        outside: None,
    };
    if let Some(why) = deps.policy().refusal(&call) {
        return ToolOutcome::error(why);
    }
    let ended = tokio::time::timeout(tool.deadline(), tool.run(call)).await;
    ended.unwrap_or_else(|_| ToolOutcome::error("it took too long"))
}
