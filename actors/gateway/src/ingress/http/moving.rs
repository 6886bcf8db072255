//! Another port or address while the gateway runs.
//!
//! The new sockets are opened before the old ones are closed; where both can't be open at once (the same port on an
//! address that contains the other), the old ones are closed first and opened again if the new ones fail. Connections
//! are tasks of their own and notice nothing, whichever socket they came through.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use super::*;
use crate::ingress::bind;

/// How long a port may take to become free after its sockets were closed.
const FREE_WITHIN: Duration = Duration::from_secs(2);
/// How often it is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// A port that somebody else has may be free later.
const AGAIN: Duration = Duration::from_secs(30);
/// Opening sockets takes no time; this is for a machine that hangs.
const DEADLINE: Duration = Duration::from_secs(10);

/// Sockets that listen, and the plan they follow.
#[derive(Debug)]
pub struct Doors {
    pub(super) plan: Plan,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) encryption: Option<Encryption>,
    /// Why it is not where the configuration says.
    pub(super) wrong: Option<String>,
}

/// Where to listen, and why not where the configuration says.
pub(super) type Planned = (Plan, Option<BindError>);

/// What came of a move.
#[derive(Debug)]
pub enum Moved {
    /// Nothing had to move; why it is not where the configuration says.
    Not(Option<String>),
    /// The new sockets listen.
    To(Doors),
    /// The old ones have to be closed first.
    NeedsRoom(Plan, Option<BindError>),
    /// The new ones can't be opened; with the old ones, when those had to be opened again.
    Failed(BindError, Option<Doors>),
    /// It did not end in time.
    Stuck,
}

/// Whether a move is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moving {
    No,
    Yes,
    /// And the configuration changed meanwhile.
    Again,
}

impl HttpListener {
    /// Moves if the configuration wants it.
    pub(super) fn follow(&mut self, ctx: &mut Context<Self>) {
        let Some((now, loops)) = &self.now else {
            return; // the first sockets are being opened, with the configuration of now
        };
        if self.moving != Moving::No {
            self.moving = Moving::Again;
            return;
        }
        // Nothing may be open, after a move that failed both ways.
        let now = (!loops.is_empty()).then(|| now.clone());
        let args = self.args.clone();
        self.go(ctx, async move { decide(&args, now.as_ref()).await });
    }

    pub(super) fn on_moved(&mut self, moved: Moved, ctx: &mut Context<Self>) {
        let again = std::mem::replace(&mut self.moving, Moving::No) == Moving::Again;
        match moved {
            Moved::Not(wrong) => self.show(wrong, ctx),
            Moved::To(doors) => self.on_bound(doors, ctx),
            Moved::NeedsRoom(plan, wrong) => {
                let Some((old, _)) = self.now.clone() else {
                    return;
                };
                self.close(ctx);
                let args = self.args.clone();
                self.go(ctx, async move { replace(&args, (plan, wrong), old).await });
                if again {
                    self.moving = Moving::Again;
                }
                return;
            }
            Moved::Failed(error, doors) => {
                if let Some(doors) = doors {
                    self.on_bound(doors, ctx);
                }
                self.stays(&error.to_string(), ctx);
            }
            Moved::Stuck => self.stays("the system does not answer", ctx),
        }
        if again {
            self.follow(ctx);
        }
    }

    /// Closes the sockets that listen now; the connections stay.
    pub(super) fn close(&mut self, ctx: &mut Context<Self>) {
        if let Some((_, loops)) = &mut self.now {
            for id in std::mem::take(loops) {
                ctx.kill_child(&id, KillReason::Abort);
            }
        }
    }

    fn go(
        &mut self,
        ctx: &mut Context<Self>,
        moving: impl Future<Output = Moved> + Send + 'static,
    ) {
        self.moving = Moving::Yes;
        let task = Task::new("move").kind("bind").deadline(DEADLINE);
        ctx.task(task, moving, HttpMail::Moved);
    }

    /// Says where it listens.
    pub(super) fn show(&self, wrong: Option<String>, ctx: &Context<Self>) {
        let Some(now) = *self.args.listening.borrow() else {
            return;
        };
        ctx.health(if wrong.is_none() {
            Health::Ok
        } else {
            Health::Degraded
        });
        ctx.note(match wrong {
            None => format!("listening on {now}"),
            Some(wrong) => format!("listening on {now} only: {wrong}"),
        });
    }

    fn stays(&self, error: &str, ctx: &mut Context<Self>) {
        tracing::error!(
            error,
            "the gateway can't listen where the configuration says"
        );
        ctx.health(Health::Degraded);
        let now = self.args.listening.borrow().map(|now| now.to_string());
        ctx.note(format!("still on {}: {error}", now.unwrap_or_default()));
        ctx.after(AGAIN, HttpMail::Follow);
    }
}

/// Where the configuration of now wants to listen, and what is wrong with that. What the file asks for and can't be, or
/// would let anyone in, is narrowed to this machine: whoever has to mend it must reach the gateway. What the command line
/// asks for is refused at the start, in front of the person who asked.
pub(super) fn planned(args: &HttpArgs) -> Result<Planned, BindError> {
    let services = &args.services;
    let (config, auth) = (services.configuration(), services.auth_policy());
    let earlier = *args.listening.borrow();
    let planned = bind::plan(&config.gateway, &services.overrides, &auth, tailnet());
    let is_ordered = services.overrides.bind.is_some() && earlier.is_none();
    let (mut plan, wrong) = match planned {
        Ok(plan) => (plan, None),
        Err(error) if is_ordered => return Err(error),
        Err(error) => {
            let port = services.overrides.port.unwrap_or(config.gateway.port);
            (Plan::loopback(port), Some(error))
        }
    };
    if let Some(earlier) = earlier.filter(|_| plan.address.port() == 0) {
        // A port that the system chose stays the same.
        plan.address.set_port(earlier.port());
    }
    Ok((plan, wrong))
}

/// Opens the first sockets. A certificate that can't be used narrows them to this machine, like anything else that the
/// file asks for and can't be.
pub(super) async fn first(args: &HttpArgs) -> Result<Doors, BindError> {
    let (plan, wrong) = planned(args)?;
    let port = plan.address.port();
    match open(args, (plan, wrong)).await {
        Err(BindError::Tls(error)) if args.services.overrides.bind.is_none() => {
            let wrong = Some(BindError::Tls(error));
            open(args, (Plan::loopback(port), wrong)).await
        }
        opened => opened,
    }
}

/// Opens the sockets of a plan.
pub(super) async fn open(args: &HttpArgs, (plan, wrong): Planned) -> Result<Doors, BindError> {
    let encryption = bind::encryption(&plan.tls, &args.services.paths).await?;
    let listeners = bind::listen(&plan).await?;
    let mut plan = plan;
    if let Some(Ok(address)) = listeners.first().map(TcpListener::local_addr) {
        plan.address.set_port(address.port());
    }
    let wrong = wrong.map(|wrong| wrong.to_string());
    Ok(Doors {
        plan,
        listeners,
        encryption,
        wrong,
    })
}

async fn decide(args: &HttpArgs, now: Option<&Plan>) -> Moved {
    let (plan, wrong) = match planned(args) {
        Ok((plan, wrong)) if Some(&plan) == now => {
            return Moved::Not(wrong.map(|wrong| wrong.to_string()));
        }
        Ok(planned) => planned,
        Err(error) => return Moved::Failed(error, None),
    };
    if now.is_some_and(|now| plan.address.port() == now.address.port()) {
        return Moved::NeedsRoom(plan, wrong);
    }
    match open(args, (plan, wrong)).await {
        Ok(doors) => Moved::To(doors),
        Err(error) => Moved::Failed(error, None),
    }
}

/// Opens the new sockets as soon as the old ones are gone, or else the old ones again.
async fn replace(args: &HttpArgs, planned: Planned, old: Plan) -> Moved {
    match open_soon(args, planned).await {
        Ok(doors) => Moved::To(doors),
        Err(error) => match open_soon(args, (old, None)).await {
            Ok(doors) => Moved::Failed(error, Some(doors)),
            Err(second) => {
                tracing::error!(error = %second, "nor can it listen where it did");
                Moved::Failed(error, None)
            }
        },
    }
}

async fn open_soon(args: &HttpArgs, (plan, wrong): Planned) -> Result<Doors, BindError> {
    let until = tokio::time::Instant::now() + FREE_WITHIN;
    loop {
        match open(args, (plan.clone(), None)).await {
            Err(BindError::Taken { .. }) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(TRY_EVERY).await;
            }
            opened => {
                return opened.map(|doors| Doors {
                    wrong: wrong.map(|wrong| wrong.to_string()),
                    ..doors
                });
            }
        }
    }
}

impl Plan {
    fn loopback(port: u16) -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            companion: Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
            tls: openclaw_protocol::config::gateway::Tls::default(),
        }
    }
}

/// This machine's Tailscale address: the first in 100.64.0.0/10 that a packet would leave from.
fn tailnet() -> Option<std::net::IpAddr> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Connecting a datagram socket sends nothing; it only asks for the route.
    probe.connect("100.100.100.100:9").ok()?;
    let address = probe.local_addr().ok()?.ip();
    let network = crate::ingress::peer::Network::parse("100.64.0.0/10")?;
    network.contains(address).then_some(address)
}
