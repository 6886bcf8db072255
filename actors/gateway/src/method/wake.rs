//! `wake`: a line for an agent's main session, without a person behind it.
//!
//! There is no heartbeat that could bring it along, so a line for the next heartbeat is told at once.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use openclaw_ledger::NewInbound;
use openclaw_protocol::AccountKey;
use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Inbound;
use openclaw_protocol::Route;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_session::envelope;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::services::Services;
use crate::services::now_ms;

pub(super) fn wake(call: Call) -> Outcome {
    Outcome::later(async move {
        let text = call.text("text").unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(json!({ "ok": false }));
        }
        let session = main_session(&call)?;
        tell(&call.services, &session, text).await?;
        Ok(json!({ "ok": true }))
    })
}

/// The session a line is for: the one that is named, else the agent's main one.
pub(super) fn main_session(call: &Call) -> Result<SessionKey, ErrorShape> {
    if let Some(key) = call.text("sessionKey") {
        return run::session(call, key);
    }
    let config = call.services.configuration();
    let agent = match call.text("agentId") {
        Some(agent) => AgentId::parse(agent).map_err(run::invalid)?,
        None => config.agents.default_id(),
    };
    if config.agents.resolve(&agent).is_none() {
        return Err(ErrorShape::invalid(format!("unknown agent id \"{agent}\"")));
    }
    Ok(SessionKey::main(&agent))
}

/// A line as an agent reads it.
pub(crate) fn line(text: &str, at_ms: i64) -> String {
    let zone = TimeZone::system();
    let at = match Timestamp::from_millisecond(at_ms) {
        Ok(_) => envelope::stamp(at_ms, &zone),
        Err(_) => String::new(),
    };
    format!("System: [{}] {text}", at.trim_matches(['[', ']']))
}

/// Puts a line into a session; the answer goes where the session last spoke.
pub(crate) async fn tell(
    services: &Services,
    session: &SessionKey,
    text: &str,
) -> Result<RunId, ErrorShape> {
    say(services, session, line(text, now_ms())).await
}

/// Puts words into a session as they are.
pub(super) async fn say(
    services: &Services,
    session: &SessionKey,
    text: String,
) -> Result<RunId, ErrorShape> {
    let entry = services
        .sessions
        .entry(session)
        .await
        .map_err(run::refused)?;
    let last = entry
        .as_ref()
        .and_then(|entry| entry.get("deliveryContext"));
    let last = |name: &str| last.and_then(|last| last.get(name)).and_then(Value::as_str);
    let reply = last("channel").zip(last("to")).and_then(|(channel, to)| {
        let account = AccountKey::new(channel, last("accountId").unwrap_or(AccountKey::DEFAULT));
        services.accounts.get(&account)?;
        let prefix = format!("{}:", account.channel);
        Some(Route {
            channel: account.channel.to_string(),
            account: account.account.to_string(),
            to: to.strip_prefix(&prefix).unwrap_or(to).to_owned(),
            thread: last("threadId").map(str::to_owned),
            reply_to: None,
        })
    });
    let now = now_ms();
    let run_id = RunId::from(uuid::Uuid::new_v4().to_string().as_str());
    let row = NewInbound {
        session: session.clone(),
        source: "system".to_owned(),
        source_id: run_id.to_string(),
        run_id: run_id.clone(),
        body: Inbound {
            text,
            timestamp_ms: now,
            deliver: reply.is_some(),
            ..Inbound::default()
        },
        reply,
        received_at_ms: now,
        traceparent: None,
    };
    services.hub.expect_run(&run_id, session, 0, now);
    let stored = services.intake.accept(row, None).await;
    stored.map_err(|error| run::not_stored(&error))?;
    Ok(run_id)
}
