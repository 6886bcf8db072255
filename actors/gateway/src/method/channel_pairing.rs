//! `channels.pairing.*`: people who wrote to a chat account without being known, and letting them in.

use std::collections::BTreeSet;

use jiff::Timestamp;
use openclaw_channel::PairingStore;
use openclaw_channel::pairing::CODE_TTL;
use openclaw_channel::pairing::MAX_PENDING;
use openclaw_channel::pairing::PairingRequest;
use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::health::label;
use crate::state_file;

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move {
        let accounts = call.services.accounts.all();
        let is_wanted = |channel: &str, account: &str| {
            call.text("channel").is_none_or(|wanted| wanted == channel)
                && call
                    .text("accountId")
                    .is_none_or(|wanted| wanted == account)
        };
        let shown: Vec<Value> = accounts
            .iter()
            .filter(|(key, _)| is_wanted(&key.channel, &key.account))
            .map(|(key, status)| {
                json!({
                    "channel": key.channel,
                    "channelLabel": label(&key.channel),
                    "accountId": key.account,
                    "accountLabel": status.name,
                    "notifySupported": false,
                })
            })
            .collect();
        let channels: BTreeSet<String> = accounts
            .iter()
            .map(|(key, _)| key.channel.to_string())
            .collect();
        let mut requests = Vec::new();
        for channel in channels {
            let waiting = stored(&call, &channel, |store| store.list(Timestamp::now())).await?;
            let waiting = waiting
                .iter()
                .filter(|request| is_wanted(&channel, request.account()));
            requests.extend(waiting.map(|request| row(&channel, request)));
        }
        Ok(json!({
            "accounts": shown,
            "requests": requests,
            "commandOwnerConfigured": false,
            "limits": { "pendingPerAccount": MAX_PENDING, "ttlMs": CODE_TTL.as_millis() },
        }))
    })
}

pub(super) fn approve(call: Call) -> Outcome {
    Outcome::later(async move {
        let channel = call.text("channel").unwrap_or_default().to_owned();
        let wanted = call.text("requestId").unwrap_or_default().to_owned();
        let approved = stored(&call, &channel, move |store| {
            let now = Timestamp::now();
            let waiting = store.list(now)?;
            match waiting.iter().find(|request| id(request) == wanted) {
                Some(request) => store.approve(&request.code, now),
                None => Ok(None),
            }
        });
        let approved = approved.await?;
        let approved = approved.ok_or_else(|| ErrorShape::invalid("unknown requestId"))?;
        let notification = match call.flag("notify") {
            Some(true) => "unsupported",
            _ => "not-requested",
        };
        Ok(json!({
            "requestId": call.text("requestId"),
            "senderId": approved.id,
            "notification": notification,
            "commandOwnerBootstrap": "unavailable",
        }))
    })
}

/// Works with the files of a channel, away from the handlers.
async fn stored<T: Send + 'static>(
    call: &Call,
    channel: &str,
    work: impl FnOnce(&PairingStore) -> Result<T, openclaw_channel::pairing::StoreError>
    + Send
    + 'static,
) -> Result<T, ErrorShape> {
    let store = PairingStore::new(call.services.paths.credentials_dir(), channel);
    let done = tokio::task::spawn_blocking(move || work(&store)).await;
    let done = done.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
    done.map_err(|error| ErrorShape::unavailable(error.to_string()))
}

fn row(channel: &str, request: &PairingRequest) -> Value {
    let text = |name: &str| request.meta.get(name).and_then(Value::as_str);
    let label_of_sender = text("name").or(text("username")).unwrap_or(&request.id);
    json!({
        "requestId": id(request),
        "channel": channel,
        "channelLabel": label(channel),
        "accountId": request.account(),
        "senderId": request.id,
        "senderLabel": label_of_sender,
        "createdAt": request.created_at.to_string(),
        "lastSeenAt": request.last_seen_at.to_string(),
        "expiresAt": (request.created_at + CODE_TTL).to_string(),
        "notifySupported": false,
    })
}

/// A request's name among operators; the code is for its sender alone.
fn id(request: &PairingRequest) -> String {
    let whole = format!("{}\0{}\0{}", request.account(), request.id, request.code);
    state_file::hash(&whole).chars().take(32).collect()
}
