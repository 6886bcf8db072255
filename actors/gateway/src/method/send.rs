//! `send`, `poll`, `message.action`: a message of the operator's own, through a chat account.
//!
//! It is a row of the outbox before anything leaves, and answered when the platform took it or refused it.

use std::time::Duration;

use openclaw_ledger::NewOutbound;
use openclaw_ledger::OutboxFilter;
use openclaw_ledger::OutboxRow;
use openclaw_ledger::OutboxState;
use openclaw_protocol::AccountKey;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::SessionKey;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;

/// Under which the ledger keeps the answers.
const SCOPE: &str = "send";
/// How long the platform may take; what is later is still sent, and listed.
const PLATFORM: Duration = Duration::from_secs(45);
/// How often the row is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// What is to be sent.
struct Message {
    to: String,
    text: String,
    channel: Option<String>,
    account: Option<String>,
    thread: Option<String>,
    reply_to: Option<String>,
    key: String,
}

pub(super) fn send(call: Call) -> Outcome {
    let text = |name: &str| call.text(name).map(str::to_owned);
    let has_media = call.text("mediaUrl").is_some()
        || call
            .params
            .get("mediaUrls")
            .and_then(Value::as_array)
            .is_some_and(|urls| !urls.is_empty());
    if has_media {
        let message = "this gateway sends no media yet: send the text alone";
        return Outcome::now(Err(ErrorShape::unavailable(message)));
    }
    let Some(said) = text("message").filter(|said| !said.trim().is_empty()) else {
        let message = "invalid send params: text or media is required";
        return Outcome::now(Err(ErrorShape::invalid(message)));
    };
    let message = Message {
        to: text("to").unwrap_or_default(),
        text: said,
        channel: text("channel"),
        account: text("accountId"),
        thread: text("threadId"),
        reply_to: text("replyToId"),
        key: text("idempotencyKey").unwrap_or_default(),
    };
    Outcome::later(async move { deliver(&call, message).await })
}

pub(super) fn poll(call: Call) -> Outcome {
    let channel = call.text("channel").unwrap_or("whatsapp");
    let message = format!("unsupported poll channel: {channel}");
    Outcome::now(Err(ErrorShape::invalid(message)))
}

pub(super) fn action(call: Call) -> Outcome {
    let action = call.text("action").unwrap_or_default();
    if action != "send" {
        let message = format!("unsupported message action: {action}");
        return Outcome::now(Err(ErrorShape::invalid(message)));
    }
    let params = call.params.get("params").cloned().unwrap_or_default();
    let inner = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| params.get(*name).and_then(Value::as_str))
            .map(str::to_owned)
    };
    let (Some(to), Some(text)) = (inner(&["to", "target"]), inner(&["message", "text"])) else {
        let message = "send needs a target and a message";
        return Outcome::now(Err(ErrorShape::invalid(message)));
    };
    let message = Message {
        to,
        text,
        channel: call.text("channel").map(str::to_owned),
        account: call
            .text("accountId")
            .map(str::to_owned)
            .or_else(|| inner(&["accountId"])),
        thread: inner(&["threadId"]),
        reply_to: inner(&["replyTo", "replyToId"]),
        key: call.text("idempotencyKey").unwrap_or_default().to_owned(),
    };
    Outcome::later(async move { deliver(&call, message).await })
}

fn account(call: &Call, message: &Message) -> Result<AccountKey, ErrorShape> {
    let all = call.services.accounts.all();
    let channel = match &message.channel {
        Some(channel) => channel.to_lowercase(),
        // Without a name the only channel is meant.
        None => match all
            .iter()
            .map(|(key, _)| key.channel.to_string())
            .collect::<Vec<_>>()
        {
            channels
                if !channels.is_empty() && channels.iter().all(|c| Some(c) == channels.first()) =>
            {
                channels.first().cloned().unwrap_or_default()
            }
            _ => {
                return Err(ErrorShape::invalid(
                    "channel required: say which account is to send",
                ));
            }
        },
    };
    let wanted = message.account.as_deref().unwrap_or(AccountKey::DEFAULT);
    let key = AccountKey::new(&channel, wanted);
    if call.services.accounts.get(&key).is_some() {
        return Ok(key);
    }
    let mut of_channel = all.into_iter().filter(|(key, _)| *key.channel == *channel);
    match (&message.account, of_channel.next()) {
        (None, Some((key, _))) => Ok(key),
        (Some(account), Some(_)) => Err(ErrorShape::invalid(format!(
            "unknown account: {channel}/{account}"
        ))),
        (_, None) => Err(ErrorShape::invalid(format!(
            "unsupported channel: {channel}"
        ))),
    }
}

async fn deliver(call: &Call, message: Message) -> Result<Value, ErrorShape> {
    let ledger = &call.services.ledger;
    if let Some(first) = ledger.recall(SCOPE, &message.key) {
        return Ok(first);
    }
    let account = account(call, &message)?;
    let session = call.text("sessionKey").map(SessionKey::parse).transpose();
    let session = session.map_err(run::invalid)?;
    let prefix = format!("{}:", account.channel);
    let to = message
        .to
        .strip_prefix(&prefix)
        .unwrap_or(&message.to)
        .to_owned();
    let route = Route {
        channel: account.channel.to_string(),
        account: account.account.to_string(),
        to: to.clone(),
        thread: message.thread,
        reply_to: message.reply_to,
    };
    let idem_key = format!("send/{}", message.key);
    let row = NewOutbound {
        account: account.clone(),
        route,
        payload: OutboundPayload::markdown(message.text),
        session,
        turn: None,
        idem_key: idem_key.clone(),
        expires_at_ms: None,
        notice: false,
    };
    // A repeat of a request that is still at work waits with the first one.
    if find(call, &account, &idem_key, true).is_none() {
        let stored = ledger.enqueue(vec![row]).await;
        stored.map_err(|error| run::not_stored(&error))?;
        openclaw_channel::nudge_outbox(&call.services.directory, &account);
    }
    let row = follow(call, &account, &idem_key).await;
    let answer = match row.as_ref().map(|row| row.state) {
        Some(OutboxState::Sent) => json!({
            "runId": message.key,
            "messageId": row.and_then(|row| row.platform_ids.last().cloned()).unwrap_or_default(),
            "channel": account.channel.to_string(),
            "chatId": to,
        }),
        Some(OutboxState::Dead) => {
            let why = row.and_then(|row| row.error);
            let why = why.unwrap_or_else(|| "the platform refused it".to_owned());
            return Err(ErrorShape::unavailable(why));
        }
        Some(OutboxState::Unknown) => {
            let message = "it may have arrived: the platform did not say; it is not sent twice";
            return Err(ErrorShape::unavailable(message));
        }
        _ => {
            let message =
                "stored, but the platform has not taken it yet: it is sent when it can be";
            return Err(ErrorShape::unavailable(message));
        }
    };
    let kept = ledger.remember(SCOPE, &message.key, answer.clone()).await;
    kept.map_err(|error| run::not_stored(&error))?;
    Ok(answer)
}

/// The row of a message; among the open ones only, or among all.
fn find(call: &Call, account: &AccountKey, idem_key: &str, open_only: bool) -> Option<OutboxRow> {
    let rows = call.services.ledger.outbox(&OutboxFilter {
        account: Some(account.clone()),
        open_only,
        limit: usize::MAX,
        ..OutboxFilter::default()
    });
    rows.into_iter().rev().find(|row| row.idem_key == idem_key)
}

/// The row once it is settled, or as it is when the time is over.
async fn follow(call: &Call, account: &AccountKey, idem_key: &str) -> Option<OutboxRow> {
    let settled = async {
        while find(call, account, idem_key, true).is_some() {
            tokio::time::sleep(LOOK).await;
        }
    };
    drop(tokio::time::timeout(PLATFORM, settled).await);
    find(call, account, idem_key, false)
}
