//! Tools of agents that need the house: sessions, jobs, nodes, messages, the gateway itself.
//!
//! Each of them asks a method of the gateway, through the one dispatch and as who the turn acts for: an agent can do
//! what whoever wrote to it could do, and nothing else. The tools only say it in words that a model finds easily.

mod agents;
mod ask;
mod cron;
mod gateway;
mod message;
mod nodes;
mod principal;
mod session;
mod sessions;
mod spawn;
mod tool;
mod visible;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::Weak;

use openclaw_tool::Toolbox;

use crate::services::Services;

/// The way to the house. Tools are made before it, so it is opened later.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<OnceLock<Weak<Services>>>);

impl Door {
    /// Opens it.
    pub fn open(&self, services: &Arc<Services>) {
        // A second house behind the same door would be a mistake of whoever builds them: the first stays.
        drop(self.0.set(Arc::downgrade(services)));
    }

    fn services(&self) -> Option<Arc<Services>> {
        self.0.get()?.upgrade()
    }
}

/// Adds the tools to a box.
#[must_use]
pub fn with_house(toolbox: Toolbox, door: &Door) -> Toolbox {
    let tools = [
        agents::list(door),
        cron::cron(door),
        gateway::gateway(door),
        message::message(door),
        nodes::nodes(door),
        session::status(door),
        sessions::list(door),
        sessions::history(door),
        sessions::send(door),
        spawn::spawn(door),
    ];
    tools
        .into_iter()
        .fold(toolbox, |toolbox, tool| toolbox.with(Arc::new(tool)))
}
