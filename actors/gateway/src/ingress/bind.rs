//! Where the gateway listens, and whether it may.
//!
//! An address that others can reach needs a secret that they don't know; without one the gateway does
//! not start. Pure, apart from the bind itself.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use openclaw_protocol::config::Bind;
use openclaw_protocol::config::Gateway;
use openclaw_protocol::config::gateway::Tls;
use tokio::net::TcpListener;

use super::auth::AuthPolicy;
use super::tls;
use super::tls::Encryption;
use super::tls::TlsError;
use crate::gateway::Overrides;
use crate::paths::Paths;

#[cfg(test)]
mod tests;

/// Exit code when the port belongs to somebody else (`EX_TEMPFAIL`).
pub const PORT_TAKEN: i32 = 75;

/// Exit code when the configuration asks for what is not safe (`EX_CONFIG`).
pub const NOT_SAFE: i32 = 78;

/// The addresses to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// It must be free.
    pub address: SocketAddr,
    /// Taken if it is there: the other family's loopback.
    pub companion: Option<IpAddr>,
    /// How it is encrypted.
    pub tls: Tls,
}

/// Why the gateway does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could reach it, and need no secret.
    #[error(
        "gateway.bind \"{bind}\" would let anyone who reaches {address} in, as gateway.auth has no secret: set gateway.auth.token (`openclaw config set gateway.auth.token <secret>`) or bind to loopback"
    )]
    Open {
        /// The setting.
        bind: String,
        /// The address it stands for.
        address: IpAddr,
    },
    /// The setting names no address.
    #[error("gateway.bind {0}")]
    NoAddress(String),
    /// The port can't be encrypted as it should be.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody else listens there.
    #[error(
        "port {port} is taken: another gateway or program listens on it (`openclaw gateway status` shows a gateway; `--port <n>` chooses another port)"
    )]
    Taken {
        /// The port.
        port: u16,
    },
    /// The system refuses.
    #[error("can't listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl BindError {
    /// The process exit code it asks for.
    pub fn code(&self) -> i32 {
        match self {
            Self::Taken { .. } | Self::Refused { .. } => PORT_TAKEN,
            Self::Open { .. } | Self::NoAddress(_) | Self::Tls(_) => NOT_SAFE,
        }
    }
}

/// Decides where to listen. `tailnet` is this machine's Tailscale address, if it has one.
pub fn plan(
    gateway: &Gateway,
    overrides: &Overrides,
    auth: &AuthPolicy,
    tailnet: Option<IpAddr>,
) -> Result<Plan, BindError> {
    let port = overrides.port.unwrap_or(gateway.port);
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let bind = match overrides.bind.as_deref() {
        None => gateway.bind,
        Some("loopback") => Bind::Loopback,
        Some("auto") => Bind::Auto,
        Some("lan") => Bind::Lan,
        Some("tailnet") => Bind::Tailnet,
        Some("custom") => Bind::Custom,
        Some(other) => {
            let expected = "use loopback, lan, tailnet, auto or custom";
            return Err(BindError::NoAddress(format!(
                "\"{other}\" is not known: {expected}"
            )));
        }
    };
    let address = match bind {
        Bind::Loopback | Bind::Auto => loopback,
        Bind::Lan => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Bind::Tailnet => tailnet.ok_or_else(|| {
            BindError::NoAddress("\"tailnet\": this machine has no Tailscale address".to_owned())
        })?,
        Bind::Custom => {
            let host = gateway.custom_bind_host.as_deref().unwrap_or_default();
            host.trim().parse().map_err(|_| {
                let what =
                    format!("\"custom\": gateway.customBindHost \"{host}\" is no IP address");
                BindError::NoAddress(what)
            })?
        }
    };
    if !address.is_loopback() && !auth.has_secret() {
        let bind = format!("{bind:?}").to_lowercase();
        return Err(BindError::Open { bind, address });
    }
    Ok(Plan {
        address: SocketAddr::new(address, port),
        companion: (address == loopback).then_some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        tls: gateway.tls.clone(),
    })
}

/// The address by which this machine reaches others, and they it, on its own network.
pub fn outward_address() -> Option<IpAddr> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Connecting a datagram socket sends nothing; it only asks for the route.
    probe.connect("192.0.2.1:9").ok()?;
    let address = probe.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// What encrypts the port. Files are read, and a certificate may be made, away from the workers.
pub async fn encryption(tls: &Tls, paths: &Paths) -> Result<Option<Encryption>, BindError> {
    let (tls, paths) = (tls.clone(), paths.clone());
    let reading = tokio::task::spawn_blocking(move || tls::encryption(&tls, &paths));
    match reading.await {
        Ok(encryption) => Ok(encryption?),
        Err(error) => Err(TlsError::Unmade(error.to_string()).into()),
    }
}

/// Listens as planned.
pub async fn listen(plan: &Plan) -> Result<Vec<TcpListener>, BindError> {
    let bind = |address| async move {
        TcpListener::bind(address)
            .await
            .map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => BindError::Taken {
                    port: SocketAddr::port(&address),
                },
                _ => BindError::Refused { address, source },
            })
    };
    let main = bind(plan.address).await?;
    let port = main
        .local_addr()
        .map_or(plan.address.port(), |address| address.port());
    let mut listeners = vec![main];
    if let Some(companion) = plan.companion {
        match bind(SocketAddr::new(companion, port)).await {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 is no reason not to start; a port that is half taken is.
            Err(error @ BindError::Taken { .. }) => return Err(error),
            Err(error) => tracing::debug!(%error, "not listening on the other loopback"),
        }
    }
    Ok(listeners)
}
