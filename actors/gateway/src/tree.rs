//! The tree of actors as a value: what a configuration makes.
//!
//! One page says what exists. The order is the order of the start; stopping goes the other way. The root is
//! rest-for-one: what comes later stands on what comes earlier.

use std::sync::Arc;
use std::time::Duration;

use openclaw_channel::{CHANNELS, Configured, account_spec};
use openclaw_ledger::JournalActor;
use openclaw_provider::Catalogue;
use openclaw_runtime::{ChildSpec, Shutdown, Strategy};
use openclaw_session::{router_spec, sessions_spec};
use openclaw_tool::mcp;

use crate::config::ConfigActor;
use crate::crashes::CrashKeeper;
use crate::cron::Scheduler;
use crate::exec_desk::UseKeeper;
use crate::house::{House, HouseKeeper};
use crate::ingress;
use crate::memory::MemoryKeeper;
use crate::models::ModelsActor;
use crate::node;
use crate::notices::Notices;
use crate::programs;

#[cfg(test)]
mod tests;

/// Turns that run when the gateway is told to end get this long; what is cut off goes on after the next start.
const TURNS_END: Duration = Duration::from_secs(2);
/// Senders finish the message in hand, pollers the commit in hand.
const CHANNELS_END: Duration = Duration::from_millis(1500);

/// What the root starts.
pub(crate) fn tree(
    house: &Arc<House>,
    accounts: &Configured,
    catalogue: &Catalogue,
) -> Vec<ChildSpec> {
    let services = &house.services;
    let before = vec![
        JournalActor::spec(house.ledger.clone()),
        ChildSpec::actor::<ConfigActor>("config", house.config_args())
            .intensity(3, Duration::from_secs(60))
            .backoff(
                Duration::from_millis(200),
                Duration::from_secs(5),
                Duration::from_secs(60),
            ),
        ModelsActor::spec(house.models_args()),
        ChildSpec::supervisor(
            "providers",
            Strategy::OneForOne,
            openclaw_provider::specs(catalogue),
        )
        .intensity(10, Duration::from_secs(60)),
    ];
    let after = vec![
        sessions_spec(house.sessions.clone()).shutdown(Shutdown::Within(TURNS_END)),
        router_spec(house.sessions.clone()),
        channels(house, accounts),
        node::spec(),
        ingress::spec(&house.services, &house.listening),
        HouseKeeper::spec(house.clone()),
        // Edges of the root itself come last, so that their end takes no connection along.
        Notices::spec(house.clone()),
        Scheduler::spec(house.services.clone()),
        MemoryKeeper::spec(house.services.clone()),
        CrashKeeper::spec(house.ledger.clone()),
        house
            .programs
            .spec(programs::notify(house.services.clone())),
        UseKeeper::spec(&house.uses, &house.services.exec_rules),
    ];
    let brought = mcp::spec(&services.configuration(), services.toolbox.shelf());
    before.into_iter().chain(brought).chain(after).collect()
}

fn channels(house: &House, accounts: &Configured) -> ChildSpec {
    let accounts = accounts
        .accounts
        .iter()
        .map(|config| account_spec(config, &house.channels))
        .collect();
    ChildSpec::supervisor(CHANNELS, Strategy::OneForOne, accounts)
        .intensity(20, Duration::from_secs(60))
        .shutdown(Shutdown::Within(CHANNELS_END))
}
