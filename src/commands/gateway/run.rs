//! `gateway run`: the gateway in the foreground.

use clap::ValueEnum;

use crate::boot;
use crate::error::CommandResult;
use crate::shell::Shell;

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RunArgs {
    /// Listen on this port instead of the configured one.
    #[arg(long, value_name = "port", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Which addresses to listen on.
    #[arg(long, value_name = "mode", value_enum)]
    pub(crate) bind: Option<Bind>,
    /// By what clients prove themselves.
    #[arg(long, value_name = "mode", value_enum)]
    pub(crate) auth: Option<Auth>,
    /// The token clients must give. Others on this machine can read it in the process list; OPENCLAW_GATEWAY_TOKEN or
    /// the config keep it from them.
    #[arg(long, value_name = "token")]
    pub(crate) token: Option<String>,
    /// The password clients must give; see --token.
    #[arg(long, value_name = "password")]
    pub(crate) password: Option<String>,
    /// Stop the gateway that runs on this state folder first.
    #[arg(long)]
    pub(crate) force: bool,
    /// Log how things happen, not only that they do.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Understood for existing scripts: a gateway always starts, configured or not.
    #[arg(long, hide = true)]
    pub(crate) allow_unconfigured: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bind {
    /// This machine only.
    Loopback,
    /// All addresses; clients must prove themselves.
    Lan,
    /// The Tailscale address.
    Tailnet,
    /// This machine only, unless it is alone in a container.
    Auto,
    /// The address in gateway.customBindHost.
    Custom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    Token,
    Password,
    /// Nothing; on this machine only.
    None,
}

impl Bind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Lan => "lan",
            Self::Tailnet => "tailnet",
            Self::Auto => "auto",
            Self::Custom => "custom",
        }
    }
}

impl Auth {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::None => "none",
        }
    }
}

pub(crate) fn run(args: &RunArgs, shell: &Shell) -> CommandResult {
    boot::run(args, shell, shell.config()?)
}
