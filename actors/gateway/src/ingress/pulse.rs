//! The one timer of all connections, and the bridge from the supervision tree to them.
//!
//! Owns the tick, the minute's health, and what is told when something ends or the secret changes.
//! Started under `ingress`. Crashes when a subscription it lives on is gone. Nothing needs to survive it.

use std::sync::Arc;
use std::time::Duration;

use openclaw_runtime::Actor;
use openclaw_runtime::Address;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::SupervisionEvent;
use openclaw_runtime::Task;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::hello::TICK_MS;
use super::outbound::Goodbye;
use super::websocket::close;
use crate::config::LoadedConfig;
use crate::health;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::hub::Hub;
use crate::method::supervisor;
use crate::services::Services;
use crate::services::now_ms;

/// What only looks on is written once in the time of a picture on a screen, with all that came in it.
const LEISURE: Duration = Duration::from_millis(16);

/// Ticks between two health events.
const HEALTH_EVERY: u32 = 2;

/// Mail of the pulse.
#[derive(Debug)]
pub enum PulseMail {
    /// Time for a tick.
    Tick,
    /// Something happened in the tree.
    Happened(SupervisionEvent),
    /// Events were missed; the tree shows what is.
    Missed(u64),
    /// The configuration changed.
    Reconfigured,
    /// A subscription ended.
    Deaf(&'static str),
}

impl Mail for PulseMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Happened(_) => "happened",
            Self::Missed(_) => "missed",
            Self::Reconfigured => "reconfigured",
            Self::Deaf(_) => "deaf",
        }
    }
}

/// The pulse.
#[derive(Debug)]
pub struct Pulse {
    services: Arc<Services>,
    ticks: u32,
    /// A digest of the secret that open connections were admitted by.
    secret: String,
}

impl Pulse {
    fn on_tick(&mut self, ctx: &mut Context<Self>) {
        let services = &self.services;
        let now = now_ms();
        self.ticks = self.ticks.wrapping_add(1);
        services.hub.broadcast(&Broadcast {
            name: "tick",
            payload: json!({ "ts": now }),
            audience: Audience::Everyone,
            is_stale_soon: true,
            has_state_version: false,
        });
        services.hub.ping(now);
        services.hub.prune_runs(now);
        if self.ticks.is_multiple_of(HEALTH_EVERY) && services.hub.subscribers() > 0 {
            services.health.refresh();
            services.hub.health_changed(health::snapshot(services));
        }
        ctx.after(Duration::from_millis(TICK_MS), PulseMail::Tick);
    }

    fn on_happened(&self, event: &SupervisionEvent) {
        // Connections and requests come and go all the time; the tree shows them.
        if event.path.as_str().starts_with("ingress/ws/") {
            return;
        }
        self.tell_watchers(supervisor::event_value(event));
    }

    fn tell_watchers(&self, payload: serde_json::Value) {
        self.services.hub.broadcast(&Broadcast {
            name: "supervisor",
            payload,
            audience: Audience::Watchers,
            is_stale_soon: true,
            has_state_version: false,
        });
    }

    /// Who was let in by the old secret has to show the new one.
    fn on_reconfigured(&mut self) {
        let secret = digest(&self.services);
        if std::mem::replace(&mut self.secret, secret.clone()) != secret {
            tracing::info!("the gateway's secret changed: connections are closed");
            let goodbye = Goodbye::new(close::AUTH_CHANGED, "gateway auth changed");
            self.services.hub.close_all(&goodbye);
        }
        self.services.health.refresh();
    }
}

fn digest(services: &Services) -> String {
    let policy = services.auth_policy();
    let expose = |secret: &Option<openclaw_protocol::Secret>| {
        secret
            .as_ref()
            .map(|secret| secret.expose().to_owned())
            .unwrap_or_default()
    };
    let text = format!(
        "{:?}\0{}\0{}",
        policy.mode,
        expose(&policy.token),
        expose(&policy.password)
    );
    crate::config::hash(&text)
}

/// Follows the tree while somebody watches it: children come and go with every turn, and nobody needs to be woken by that.
async fn follow_tree(directory: Directory, hub: Hub, mailbox: Address<PulseMail>) -> &'static str {
    // It takes in events all the time, so that none is missed between a client's wish to watch and the first look at it.
    let mut events = directory.watch();
    let mut watched = hub.watched_since();
    loop {
        let since = match watched.wait_for(Option::is_some).await {
            Ok(since) => since.unwrap_or_default(),
            Err(_) => return "the connections",
        };
        let mut is_earlier = true;
        loop {
            let received = tokio::select! {
                biased;
                received = events.recv() => received,
                _ = watched.wait_for(Option::is_none) => break,
            };
            let mail = match received {
                // What was before stands in the tree that a client reads when it begins to watch.
                Ok(event) if event.at_ms < since => continue,
                Err(RecvError::Lagged(_)) if is_earlier => continue,
                Ok(event) => PulseMail::Happened(event),
                Err(RecvError::Lagged(missed)) => PulseMail::Missed(missed),
                Err(RecvError::Closed) => return "the tree's events",
            };
            is_earlier = false;
            // A busy pulse misses events rather than holding them up.
            drop(mailbox.try_send(mail));
        }
    }
}

async fn flush_at_leisure(hub: Hub) -> &'static str {
    loop {
        hub.flush();
        hub.at_leisure().await;
        tokio::time::sleep(LEISURE).await;
    }
}

async fn follow_config(
    mut config: tokio::sync::watch::Receiver<Arc<LoadedConfig>>,
    mailbox: Address<PulseMail>,
) -> &'static str {
    while config.changed().await.is_ok() {
        mailbox.nudge(PulseMail::Reconfigured);
    }
    "the configuration"
}

impl Actor for Pulse {
    const KIND: &'static str = "pulse";
    type Mail = PulseMail;
    type Args = Arc<Services>;

    fn init(services: Arc<Services>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let secret = digest(&services);
        let ticks = 0;
        Ok(Self {
            services,
            ticks,
            secret,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let (directory, hub) = (self.services.directory.clone(), self.services.hub.clone());
        let tree = follow_tree(directory, hub, ctx.address());
        ctx.task(
            Task::new("tree").kind("subscription"),
            tree,
            PulseMail::Deaf,
        );
        let config = follow_config(self.services.config.clone(), ctx.address());
        ctx.task(
            Task::new("config").kind("subscription"),
            config,
            PulseMail::Deaf,
        );
        let flushing = flush_at_leisure(self.services.hub.clone());
        ctx.task(
            Task::new("leisure").kind("subscription"),
            flushing,
            PulseMail::Deaf,
        );
        ctx.after(Duration::from_millis(TICK_MS), PulseMail::Tick);
        Ok(())
    }

    fn handle(&mut self, mail: PulseMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            PulseMail::Tick => self.on_tick(ctx),
            PulseMail::Happened(event) => self.on_happened(&event),
            PulseMail::Missed(missed) => self.tell_watchers(json!({ "missed": missed })),
            PulseMail::Reconfigured => self.on_reconfigured(),
            PulseMail::Deaf(what) => {
                return Err(ExitError::new(format!("{what} can't be followed any more")));
            }
        }
        Ok(())
    }
}
