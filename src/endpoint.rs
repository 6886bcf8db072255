//! Where the gateway is and how to prove oneself to it: a pure decision over flags, environment and config.

use openclaw_gateway::config::LoadedConfig;
use openclaw_protocol::Secret;
use openclaw_protocol::config::GatewayMode;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Remote;
use openclaw_protocol::config::Severity;

use crate::client::DeviceFiles;
use crate::client::Ssh;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;

#[cfg(test)]
mod tests;

/// The port of the profile "dev", so that it runs beside the usual gateway.
pub(crate) const DEV_PORT: u16 = 19_001;

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Flags<'a> {
    pub(crate) url: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
}

/// A gateway and the credentials for it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    /// What decided the address, in words for an error message.
    pub(crate) because: String,
    pub(crate) token: Option<Secret>,
    pub(crate) password: Option<Secret>,
    /// Where this host keeps the key by which it connects; without, it connects by the secret alone.
    pub(crate) device: Option<DeviceFiles>,
    /// The tunnel that leads there; the address is then the far end's.
    pub(crate) tunnel: Option<Ssh>,
}

impl Endpoint {
    pub(crate) fn resolve(flags: &Flags<'_>, loaded: &LoadedConfig) -> CommandResult<Self> {
        let flag_token = flags.token.map(Secret::from);
        let flag_password = flags.password.map(Secret::from);
        // Credentials of the config must not be sent to an address somebody typed or pasted.
        if let Some(url) = flags.url {
            if flag_token.is_none() && flag_password.is_none() {
                return Err(CommandError::new(
                    Kind::Usage,
                    "--url needs --token or --password: the credentials of the config are only sent to its own gateway",
                ));
            }
            return Ok(Self {
                url: websocket_url(url)?,
                because: "--url".into(),
                token: flag_token,
                password: flag_password,
                device: None,
                tunnel: None,
            });
        }
        let gateway = &loaded.config.gateway;
        if gateway.mode == GatewayMode::Remote {
            let remote = &gateway.remote;
            refuse_what_is_wrong(loaded)?;
            let (url, because, tunnel) = match remote.transport.as_deref() {
                Some("ssh") => {
                    let ssh = ssh(remote, gateway.port)?;
                    let url = format!("ws://127.0.0.1:{}", ssh.port);
                    (url, "gateway.remote.sshTarget", Some(ssh))
                }
                _ => {
                    let url = remote.url.as_deref().ok_or_else(|| {
                        CommandError::new(
                            Kind::Config,
                            "gateway.mode is \"remote\", but gateway.remote.url is not set",
                        )
                        .hint("openclaw config set gateway.remote.url wss://…")
                    })?;
                    (websocket_url(url)?, "gateway.remote.url", None)
                }
            };
            return Ok(Self {
                url,
                because: because.into(),
                token: flag_token.or_else(|| remote.token.clone()),
                password: flag_password.or_else(|| remote.password.clone()),
                device: None,
                tunnel,
            });
        }
        let port = Port::resolve(None, loaded)?;
        let auth = gateway.auth.or_default();
        let variable = |name: &str| loaded.environment.get(name).map(Secret::from);
        Ok(Self {
            url: format!("ws://127.0.0.1:{}", port.number),
            because: port.because(loaded),
            token: flag_token
                .or_else(|| variable("OPENCLAW_GATEWAY_TOKEN"))
                .or(auth.token),
            password: flag_password
                .or_else(|| variable("OPENCLAW_GATEWAY_PASSWORD"))
                .or(auth.password),
            device: None,
            tunnel: None,
        })
    }
}

/// A mistake in how the gateway elsewhere is reached is no reason to reach it in another way.
fn refuse_what_is_wrong(loaded: &LoadedConfig) -> Result<(), CommandError> {
    let is_here = |issue: &&Issue| {
        issue.severity == Severity::Error && issue.path.starts_with("gateway.remote")
    };
    let Some(issue) = loaded.issues.iter().find(is_here) else {
        return Ok(());
    };
    let error = CommandError::new(Kind::Config, format!("{}: {}", issue.path, issue.message));
    Err(match &issue.fix {
        Some(fix) => error.hint(fix.clone()),
        None => error,
    })
}

/// The tunnel to a gateway that listens on its own machine only.
fn ssh(remote: &Remote, own_port: u16) -> CommandResult<Ssh> {
    let target = remote.ssh_target.as_deref().unwrap_or_default().trim();
    if target.is_empty() || target.starts_with('-') || target.contains(char::is_whitespace) {
        return Err(CommandError::new(
            Kind::Config,
            "gateway.remote.transport is \"ssh\", but gateway.remote.sshTarget names no host",
        )
        .hint("openclaw config set gateway.remote.sshTarget user@host"));
    }
    // The address is the one over there: of it, only the port counts.
    let far = remote.url.as_deref().and_then(|url| {
        let address = url.split_once("://").map_or(url, |(_, rest)| rest);
        let address = address.split('/').next().unwrap_or_default();
        address.rsplit_once(':')?.1.parse().ok()
    });
    Ok(Ssh {
        target: target.to_owned(),
        identity: remote.ssh_identity.clone(),
        port: far.unwrap_or(own_port),
    })
}

/// The gateway's port and what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) from: PortFrom,
}

/// What decided the port, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortFrom {
    Flag,
    Variable,
    Config,
    DevProfile,
    Default,
}

impl Port {
    pub(crate) fn resolve(flag: Option<u16>, loaded: &LoadedConfig) -> CommandResult<Self> {
        let decided = |number, from| Ok(Self { number, from });
        if let Some(number) = flag {
            return decided(number, PortFrom::Flag);
        }
        if let Some(text) = loaded.environment.get("OPENCLAW_GATEWAY_PORT") {
            let number = text.trim().parse().ok().filter(|number| *number != 0);
            let number = number.ok_or_else(|| {
                CommandError::new(
                    Kind::Usage,
                    format!(
                        "OPENCLAW_GATEWAY_PORT is \"{text}\"; a port is a number from 1 to 65535"
                    ),
                )
            })?;
            return decided(number, PortFrom::Variable);
        }
        let configured = loaded.config.gateway.port;
        if loaded
            .config
            .tree
            .value()
            .pointer("/gateway/port")
            .is_some()
        {
            return decided(configured, PortFrom::Config);
        }
        let is_dev = loaded
            .path
            .parent()
            .is_some_and(|folder| folder.ends_with(".openclaw-dev"));
        if is_dev {
            return decided(DEV_PORT, PortFrom::DevProfile);
        }
        decided(configured, PortFrom::Default)
    }

    /// The port for the gateway itself when the config doesn't say it.
    pub(crate) fn over_config(self) -> Option<u16> {
        match self.from {
            PortFrom::Config | PortFrom::Default => None,
            PortFrom::Flag | PortFrom::Variable | PortFrom::DevProfile => Some(self.number),
        }
    }

    fn because(self, loaded: &LoadedConfig) -> String {
        match self.from {
            PortFrom::Flag => "--port".to_owned(),
            PortFrom::Variable => "OPENCLAW_GATEWAY_PORT".to_owned(),
            PortFrom::Config => format!("gateway.port in {}", loaded.path.display()),
            PortFrom::DevProfile => "the profile \"dev\"".to_owned(),
            PortFrom::Default => "the default port".to_owned(),
        }
    }
}

/// Accepts what people paste: http(s) addresses and bare `host:port` too.
fn websocket_url(text: &str) -> CommandResult<String> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some(("http" | "ws", rest)) => ("ws", rest),
        Some(("https" | "wss", rest)) => ("wss", rest),
        Some(_) => ("", text),
        None => ("ws", text),
    };
    let rest = rest.trim_end_matches('/');
    let is_address = !scheme.is_empty() && !rest.is_empty() && !rest.contains(['@', ' ', '#', '?']);
    if !is_address {
        return Err(CommandError::new(
            Kind::Usage,
            format!("\"{text}\" is not the address of a gateway"),
        )
        .hint("an address looks like ws://127.0.0.1:18789 or wss://gateway.example.org"));
    }
    Ok(format!("{scheme}://{rest}"))
}
