//! The methods, with the rules of the Bot API.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::Shared;
use super::html;
use super::state::Sent;
use super::state::State;
use super::state::now_s;
use super::wire::Refusal;

type Outcome = Result<Value, Refusal>;

/// Units of text in one message.
const LONGEST: usize = 4096;

pub(crate) async fn run(shared: &Arc<Shared>, token: &str, method: &str, params: Value) -> Outcome {
    if !shared.lock().bots.contains_key(token) {
        let is_shaped = token
            .split_once(':')
            .is_some_and(|(id, key)| id.parse::<i64>().is_ok() && !key.is_empty());
        return Err(if is_shaped {
            Refusal::new(401, "Unauthorized")
        } else {
            Refusal::new(404, "Not Found")
        });
    }
    match method.to_lowercase().as_str() {
        "getme" => shared.change(|state| get_me(state, token)),
        "getupdates" => get_updates(shared, token, &params).await,
        "sendmessage" => shared.change(|state| send_message(state, token, &params)),
        "answercallbackquery" => shared.change(|state| answer_press(state, &params)),
        "sendchataction" => shared.change(|state| send_chat_action(state, &params)),
        "setwebhook" => shared.change(|state| {
            state.bot(token).webhook = text(&params, "url").unwrap_or_default();
            Ok(true.into())
        }),
        "deletewebhook" => shared.change(|state| {
            known(&params, &["drop_pending_updates"])?;
            let bot = state.bot(token);
            bot.webhook.clear();
            if params.get("drop_pending_updates") == Some(&Value::Bool(true)) {
                bot.updates.clear();
            }
            Ok(true.into())
        }),
        "getwebhookinfo" => shared.change(|state| {
            let bot = state.bot(token);
            Ok(json!({
                "url": bot.webhook, "has_custom_certificate": false, "pending_update_count": bot.updates.len(),
            }))
        }),
        _ => Err(Refusal::new(404, "Not Found")),
    }
}

fn get_me(state: &mut State, token: &str) -> Outcome {
    let bot = state.bot(token);
    Ok(json!({
        "id": bot.id, "is_bot": true, "first_name": bot.username, "username": bot.username,
        "can_join_groups": true, "can_read_all_group_messages": true, "supports_inline_queries": false,
    }))
}

/// Marks the poll as ended however it ends, also when the client goes away.
struct Polling<'a> {
    shared: &'a Shared,
    token: &'a str,
    number: u64,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(bot) = state.bots.get_mut(self.token)
            && bot.poll == self.number
        {
            bot.is_polled = false;
        }
    }
}

async fn get_updates(shared: &Arc<Shared>, token: &str, params: &Value) -> Outcome {
    known(params, &["offset", "limit", "timeout", "allowed_updates"])?;
    let offset = integer(params, "offset")?;
    let limit = integer(params, "limit")?.unwrap_or(100).clamp(1, 100);
    let timeout = Duration::from_secs(
        integer(params, "timeout")?
            .unwrap_or(0)
            .clamp(0, 50)
            .unsigned_abs(),
    );
    let mut changed = shared.subscribe();
    let number = shared.change(|state| {
        let bot = state.bot(token);
        if !bot.webhook.is_empty() {
            return Err(Refusal::new(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            ));
        }
        if let Some(allowed) = params.get("allowed_updates") {
            bot.allowed = serde_json::from_value(allowed.clone()).ok().filter(|kinds: &Vec<_>| !kinds.is_empty());
        }
        match offset {
            Some(offset) if offset < 0 => {
                let keep = usize::try_from(offset.unsigned_abs()).unwrap();
                let drop = bot.updates.len().saturating_sub(keep);
                bot.updates.drain(..drop);
            }
            Some(offset) => bot.updates.retain(|update| update["update_id"].as_i64().unwrap() >= offset),
            None => {}
        }
        // Whoever polls now ends whoever polled before.
        bot.poll += 1;
        bot.is_polled = true;
        Ok(bot.poll)
    })?;
    let polling = Polling {
        shared,
        token,
        number,
    };
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        changed.borrow_and_update();
        {
            let mut state = shared.lock();
            let Some(bot) = state.bots.get_mut(token) else {
                return Err(Refusal::new(401, "Unauthorized"));
            };
            if bot.poll != polling.number {
                return Err(Refusal::new(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                ));
            }
            if let Some(allowed) = bot.allowed.clone() {
                let wanted = |update: &Value| {
                    update
                        .as_object()
                        .unwrap()
                        .keys()
                        .any(|kind| allowed.contains(kind))
                };
                bot.updates.retain(wanted);
            }
            let limit = usize::try_from(limit).unwrap();
            let ready: Vec<Value> = bot.updates.iter().take(limit).cloned().collect();
            if !ready.is_empty() {
                return Ok(ready.into());
            }
        }
        if tokio::time::timeout_at(deadline, changed.changed())
            .await
            .is_err()
        {
            return Ok(json!([]));
        }
    }
}

fn send_message(state: &mut State, token: &str, params: &Value) -> Outcome {
    known(
        params,
        &[
            "chat_id",
            "message_thread_id",
            "text",
            "parse_mode",
            "reply_parameters",
            "link_preview_options",
            "disable_notification",
            "reply_markup",
        ],
    )?;
    let raw = text(params, "text")
        .ok_or_else(|| Refusal::new(400, "Bad Request: message text is empty"))?;
    let parse_mode = text(params, "parse_mode");
    let shown = match parse_mode.as_deref() {
        None => raw.clone(),
        Some("HTML") => html::parse(&raw).map_err(|problem| Refusal::new(400, problem))?,
        Some(_) => return Err(Refusal::new(400, "Bad Request: unsupported parse_mode")),
    };
    let shown = shown.trim().to_owned();
    if shown.is_empty() {
        return Err(Refusal::new(400, "Bad Request: message text is empty"));
    }
    if shown.encode_utf16().count() > LONGEST {
        return Err(Refusal::new(400, "Bad Request: message is too long"));
    }
    let (chat, thread) = destination(state, params)?;
    let reply_to = reply(state, chat, params)?;
    let has_preview = match params.get("link_preview_options") {
        None => true,
        Some(options) => {
            known(options, &["is_disabled"])?;
            options.get("is_disabled") != Some(&Value::Bool(true))
        }
    };
    let buttons = keyboard(params.get("reply_markup"))?;
    let message_id = state.next_message(chat);
    let bot = state.bot(token);
    let from =
        json!({"id": bot.id, "is_bot": true, "first_name": bot.username, "username": bot.username});
    let sent = Sent {
        at: Instant::now(),
        bot: bot.id,
        message_id,
        chat,
        thread,
        reply_to,
        raw,
        text: shown.clone(),
        parse_mode,
        has_preview,
        buttons,
    };
    state.sent.push(sent);
    let chat = state.chats[&chat].chat.clone();
    Ok(
        json!({"message_id": message_id, "date": now_s(), "from": from, "chat": chat, "text": shown}),
    )
}

/// The buttons of an inline keyboard, which the server reads strictly.
fn keyboard(markup: Option<&Value>) -> Result<Vec<(String, String)>, Refusal> {
    let Some(markup) = markup else {
        return Ok(Vec::new());
    };
    let wrong = |why: &str| Refusal::new(400, format!("Bad Request: {why}"));
    known(markup, &["inline_keyboard"])?;
    let rows = markup.get("inline_keyboard").and_then(Value::as_array);
    let rows = rows.ok_or_else(|| wrong("object expected as reply markup"))?;
    let mut buttons = Vec::new();
    for row in rows {
        let row = row.as_array().filter(|row| !row.is_empty());
        for button in row.ok_or_else(|| wrong("inline keyboard row is not an array"))? {
            known(button, &["text", "callback_data"])?;
            let label = text(button, "text").filter(|label| !label.is_empty());
            let label =
                label.ok_or_else(|| wrong("text buttons are unallowed in the inline keyboard"))?;
            let data = text(button, "callback_data").filter(|data| (1..=64).contains(&data.len()));
            buttons.push((label, data.ok_or_else(|| wrong("BUTTON_DATA_INVALID"))?));
        }
    }
    Ok(buttons)
}

fn answer_press(state: &mut State, params: &Value) -> Outcome {
    known(
        params,
        &[
            "callback_query_id",
            "text",
            "show_alert",
            "url",
            "cache_time",
        ],
    )?;
    let id = text(params, "callback_query_id").unwrap_or_default();
    match state.pressed.remove(&id) {
        true => Ok(true.into()),
        false => Err(Refusal::new(
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        )),
    }
}

fn send_chat_action(state: &mut State, params: &Value) -> Outcome {
    known(params, &["chat_id", "message_thread_id", "action"])?;
    destination(state, params)?;
    match text(params, "action").as_deref() {
        Some("typing") => Ok(true.into()),
        _ => Err(Refusal::new(
            400,
            "Bad Request: wrong parameter action in request",
        )),
    }
}

/// The chat and the thread, if both exist and the bot may write there.
fn destination(state: &State, params: &Value) -> Result<(i64, Option<i64>), Refusal> {
    let Some(chat) = integer(params, "chat_id")? else {
        return Err(Refusal::new(400, "Bad Request: chat_id is empty"));
    };
    if state.blocked.contains(&chat) {
        return Err(Refusal::new(403, "Forbidden: bot was blocked by the user"));
    }
    let Some(known) = state.chats.get(&chat) else {
        return Err(Refusal::new(400, "Bad Request: chat not found"));
    };
    let thread = integer(params, "message_thread_id")?;
    // The general topic of a forum is addressed by naming none.
    if thread.is_some_and(|thread| !known.topics.contains(&thread) || thread == 1) {
        return Err(Refusal::new(400, "Bad Request: message thread not found"));
    }
    Ok((chat, thread))
}

fn reply(state: &State, chat: i64, params: &Value) -> Result<Option<i64>, Refusal> {
    let Some(reply) = params.get("reply_parameters") else {
        return Ok(None);
    };
    known(
        reply,
        &[
            "message_id",
            "allow_sending_without_reply",
            "quote",
            "chat_id",
        ],
    )?;
    let target = integer(reply, "message_id")?;
    if target.is_some_and(|target| state.chats[&chat].messages.contains(&target)) {
        return Ok(target);
    }
    match reply.get("allow_sending_without_reply") {
        Some(Value::Bool(true)) => Ok(None),
        _ => Err(Refusal::new(
            400,
            "Bad Request: message to be replied not found",
        )),
    }
}

fn text(params: &Value, name: &str) -> Option<String> {
    params.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A number, also when written as a string; anything else is refused.
fn integer(params: &Value, name: &str) -> Result<Option<i64>, Refusal> {
    let number = match params.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Refusal::new(
            400,
            format!("Bad Request: parameter {name} is not a number"),
        )),
    }
}

/// The real server skips parameters it does not know; here a misspelt one must not pass.
fn known(params: &Value, names: &[&str]) -> Result<(), Refusal> {
    let unknown = params
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
        .find(|key| !names.contains(&key.as_str()));
    match unknown {
        None => Ok(()),
        Some(key) => Err(Refusal::new(
            400,
            format!("Bad Request: the Bot API has no parameter {key} here"),
        )),
    }
}
