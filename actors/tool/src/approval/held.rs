//! A call that is held back because of words from outside: a person is asked, and it is made if they say yes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::Decision;
use super::Desk;
use super::Request;
use super::bound;
use crate::SessionKind;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::policy::Word;
use crate::policy::outside_word;

/// Makes a call, after a person's yes where its conversation holds words from outside and it reaches further.
pub async fn perform(tool: Arc<dyn Tool>, call: ToolCall, desk: Arc<dyn Desk>) -> ToolOutcome {
    if call.held().is_none() {
        return tool.run(call).await;
    }
    let why = match outside_word(&call.name, &call.arguments, tool.reads_only()) {
        Word::Free => return tool.run(call).await,
        Word::Held(why) => why.to_owned(),
        Word::Own => {
            let outcome = tool.run(call.clone()).await;
            match outcome.held {
                None => return outcome,
                Some(why) => why,
            }
        }
    };
    match allowed(&*desk, call, &why).await {
        Ok(call) => tool.run(call).await,
        Err(why) => ToolOutcome::error(why),
    }
}

/// How long a call may wait for a person besides its own time.
pub fn longest_wait(call: &ToolCall) -> Duration {
    match call.held() {
        // The answer has to be written down too.
        Some(outside) if outside.may_ask => super::WAIT + Duration::from_secs(5),
        _ => Duration::ZERO,
    }
}

/// The call with a person's yes, or what the model reads instead.
async fn allowed(desk: &dyn Desk, mut call: ToolCall, why: &str) -> Result<ToolCall, String> {
    let Some(outside) = call.outside.as_mut() else {
        return Ok(call);
    };
    let (name, from) = (call.name.clone(), outside.from.clone());
    let held = format!("{why}, and this conversation holds words from outside ({from})");
    if !outside.may_ask {
        return Err(format!(
            "\"{name}\" was not done: {held}. Tell the person what you wanted to do; /new begins without those words. \
             See: openclaw sandbox explain"
        ));
    }
    outside.is_allowed = true;
    let request = Request {
        id: bound(&call, &json!([call.name, call.arguments])),
        facts: facts(&call, &held),
        reply: call.caller.reply.clone(),
        is_private: matches!(call.caller.session, SessionKind::Main | SessionKind::Direct),
        wait: super::WAIT,
    };
    let id = request.id.clone();
    match desk.ask(request).await? {
        Some(Decision::AllowOnce | Decision::AllowAlways) => Ok(call),
        Some(Decision::Deny) => Err(format!(
            "a person refused \"{name}\" ({id}); don't try it in another form"
        )),
        None => Err(format!(
            "\"{name}\" was not done: {held}, and nobody allowed it in time ({id}). Say what you wanted to do and why"
        )),
    }
}

fn facts(call: &ToolCall, why: &str) -> Value {
    let reply = call.caller.reply.as_ref();
    json!({
        "command": shown(call),
        "tool": call.name,
        "arguments": call.arguments,
        "cwd": call.workspace,
        "host": "gateway",
        "security": Value::Null,
        "ask": Value::Null,
        "agentId": call.agent,
        "resolvedPath": Value::Null,
        "sessionKey": call.session,
        "warningText": why,
        "canBeListed": false,
        "turnSourceChannel": reply.map(|reply| &reply.channel),
        "turnSourceTo": reply.map(|reply| &reply.to),
        "turnSourceAccountId": reply.map(|reply| &reply.account),
    })
}

/// The call as a person reads it: JSON, in which nothing is hidden.
fn shown(call: &ToolCall) -> String {
    let written = call.arguments.to_string();
    let mut shown = format!("{} ", call.name);
    for letter in written.chars() {
        match super::decide::is_unseen(letter) {
            true => shown.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
            false => shown.push(letter),
        }
    }
    shown
}
