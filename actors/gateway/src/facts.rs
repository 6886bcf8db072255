//! What the gateway knows of itself, for agents that ask.

use std::time::Instant;

use openclaw_channel::StatusBoard;
use openclaw_ledger::Ledger;
use openclaw_session::deps::ConfigNow;
use serde_json::{Value, json};

use crate::models::Models;

/// The gateway's own knowledge; holds no secret.
pub(crate) struct Facts {
    pub(crate) version: &'static str,
    pub(crate) started: Instant,
    pub(crate) config: ConfigNow,
    pub(crate) accounts: StatusBoard,
    pub(crate) models: Models,
    pub(crate) ledger: Ledger,
}

impl openclaw_tool::Facts for Facts {
    fn status(&self) -> Value {
        let catalogue = self.models.now();
        let choice = catalogue.choice();
        let stats = self.ledger.stats();
        json!({
            "version": self.version,
            "uptimeSeconds": self.started.elapsed().as_secs(),
            "model": choice.model.to_string(),
            "modelReason": choice.reason,
            "channels": self.channels(),
            "openMessages": stats.inbox_pending + stats.inbox_running + stats.inbox_interrupted,
            "unsentMessages": stats.outbox_prepared + stats.outbox_attempting,
        })
    }

    fn configured(&self) -> Value {
        let config = (self.config)();
        let catalogue = self.models.now();
        let choice = catalogue.choice();
        json!({
            "agents": config.agents.ids().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "channels": self.channels(),
            "model": choice.model.to_string(),
            "modelReason": choice.reason,
            "modelProblem": choice.problem,
            "fallbacks": choice.fallbacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "providers": catalogue.usable().map(|entry| entry.endpoint.provider.to_string()).collect::<Vec<_>>(),
        })
    }
}

impl Facts {
    fn channels(&self) -> Vec<Value> {
        let rows = self.accounts.all();
        rows.iter()
            .map(|(key, status)| {
                json!({ "account": key.to_string(), "state": status.state, "lastError": status.last_error })
            })
            .collect()
    }
}
