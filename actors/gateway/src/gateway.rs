//! The gateway as one value: started from options, ended by a signal or by its own tree.

use std::net::SocketAddr;
use std::time::Duration;

use openclaw_protocol::Secret;
use openclaw_runtime::{Directory, RootExit, ShutdownReport};

use crate::config::Environment;
use crate::paths::Paths;

/// A file of the page: its bytes and media type.
#[derive(Debug, Clone)]
pub struct Asset {
    pub bytes: std::borrow::Cow<'static, [u8]>,
    pub media_type: &'static str,
}

/// What the command line decides for one run; it goes before the config and survives reloads.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub port: Option<u16>,
    /// `gateway.bind`: loopback, lan, tailnet, auto, custom.
    pub bind: Option<String>,
    /// `gateway.auth.mode`: token, password, none.
    pub auth: Option<String>,
    pub token: Option<Secret>,
    pub password: Option<Secret>,
}

/// What a gateway is started from.
#[derive(Debug, Clone)]
pub struct BootOptions {
    pub paths: Paths,
    pub environment: Environment,
    pub overrides: Overrides,
    /// Files of the page by path, without a leading slash.
    pub assets: fn(&str) -> Option<Asset>,
    /// The product's version.
    pub version: &'static str,
    /// Called by the watchdog thread while the runtime is alive: feeds the service manager.
    pub alive: Option<fn()>,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Ledger(#[from] openclaw_ledger::LedgerError),
    /// A part of the tree gave up during the start, with the process exit code it asks for.
    #[error("{reason}")]
    Ended { code: i32, reason: String },
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway;

/// A gateway that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    directory: Directory,
}

impl Gateway {
    /// Starts the tree and returns when the port is listening, or with the reason why it isn't.
    pub async fn start(_options: BootOptions) -> Result<Running, GatewayError> {
        todo!()
    }
}

impl Running {
    /// The address that is listening.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Waits until the tree ends by itself or by [`Running::shutdown`].
    pub async fn ended(&self) -> RootExit {
        todo!()
    }

    /// Ends the tree in order; what is left after the budget is killed.
    pub async fn shutdown(&self, _reason: &str, _budget: Duration) -> ShutdownReport {
        todo!()
    }
}
