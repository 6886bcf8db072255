//! `gateway`: the port, who may connect, and how changes are taken up.

use serde::Deserialize;
use serde_json::Value;

use super::Section;
use crate::Secret;

/// The port every existing client knows.
pub const DEFAULT_PORT: u16 = 18_789;

/// The control plane: always usable, as it is what a mistake is mended with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gateway {
    /// Runs here, or is a client of one elsewhere.
    pub mode: GatewayMode,
    /// The port for HTTP and WebSocket.
    pub port: u16,
    /// Which addresses it listens on.
    pub bind: Bind,
    /// The address for `bind: "custom"`.
    pub custom_bind_host: Option<String>,
    /// Who may connect. When it can't be read, nobody may until it is mended.
    #[serde(skip)]
    pub auth: Section<GatewayAuth>,
    /// The page.
    pub control_ui: ControlUi,
    /// Addresses of proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<String>,
    /// The gateway elsewhere, for `mode: "remote"`.
    pub remote: Remote,
    /// How changes of the file are taken up.
    pub reload: Reload,
    /// Encryption.
    pub tls: Tls,
    /// The compatible HTTP interfaces.
    pub http: Value,
    /// The way in over Tailscale.
    pub tailscale: Tailscale,
    /// Devices that act as nodes.
    pub nodes: Nodes,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            mode: GatewayMode::Local,
            port: DEFAULT_PORT,
            bind: Bind::Loopback,
            custom_bind_host: None,
            auth: Section::default(),
            control_ui: ControlUi::default(),
            trusted_proxies: Vec::new(),
            remote: Remote::default(),
            reload: Reload::default(),
            tls: Tls::default(),
            http: Value::Null,
            tailscale: Tailscale::default(),
            nodes: Nodes::default(),
        }
    }
}

/// Runs here, or is a client of one elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayMode {
    /// Here.
    #[default]
    Local,
    /// Elsewhere.
    Remote,
}

/// Which addresses the gateway listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// This machine only.
    #[default]
    Loopback,
    /// This machine only, unless it is alone in a container.
    Auto,
    /// All addresses.
    Lan,
    /// The Tailscale address.
    Tailnet,
    /// One address of your choice.
    Custom,
}

/// Who may connect.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayAuth {
    /// By what; when absent: by password if there is one, else by token.
    pub mode: Option<AuthMode>,
    /// The token.
    pub token: Option<Secret>,
    /// The password.
    pub password: Option<Secret>,
    /// Whether Tailscale's word for who somebody is counts; when absent: if `gateway.tailscale` serves.
    pub allow_tailscale: Option<bool>,
    /// Whose word counts in mode `trusted-proxy`.
    pub trusted_proxy: TrustedProxy,
    /// When wrong guesses are stopped.
    pub rate_limit: RateLimit,
}

/// By what a client proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// A shared token.
    Token,
    /// A shared password.
    Password,
    /// Nothing; on this machine only.
    None,
    /// A proxy in front that knows its users.
    #[serde(rename = "trusted-proxy")]
    TrustedProxy,
}

/// A proxy in front that knows its users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrustedProxy {
    /// The header that names the user.
    pub user_header: Option<String>,
    /// Headers that must be there too.
    pub required_headers: Vec<String>,
    /// Users that are let in; when empty, all whom the proxy names.
    pub allow_users: Vec<String>,
    /// Whether the proxy may run on this machine, where every program could claim to be it.
    pub allow_loopback: bool,
    /// Whether the devices of these users are approved without being asked for.
    pub device_auto_approve: bool,
}

/// The way in over Tailscale.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tailscale {
    /// `off`, `serve` or `funnel`.
    pub mode: Option<String>,
}

/// Devices that act as nodes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Nodes {
    /// How they are paired.
    pub pairing: NodePairing,
    /// Commands they may be asked besides those of their platform.
    pub allow_commands: Vec<String>,
    /// Commands they are never asked.
    pub deny_commands: Vec<String>,
    /// The same two lists, as later versions write them.
    pub commands: NodeCommands,
}

/// What nodes may be asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCommands {
    /// Besides what their platform may be asked.
    pub allow: Vec<String>,
    /// Never, whatever else says so.
    pub deny: Vec<String>,
}

/// How devices are paired.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePairing {
    /// Whether a client on this machine that knows the secret is paired at once; yes unless it says no.
    pub auto_approve_local: Option<bool>,
}

/// When wrong guesses are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimit {
    /// How many wrong guesses.
    pub max_attempts: u32,
    /// In how long.
    pub window_ms: u64,
    /// How long the address then has to wait.
    pub lockout_ms: u64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            window_ms: 60_000,
            lockout_ms: 300_000,
        }
    }
}

/// The page.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControlUi {
    /// Whether it is served.
    pub enabled: bool,
    /// Under which path.
    pub base_path: Option<String>,
    /// A folder that is served instead of the built-in page.
    pub root: Option<String>,
    /// Origins besides its own that may connect.
    pub allowed_origins: Vec<String>,
    /// Allows it without HTTPS from elsewhere.
    pub allow_insecure_auth: bool,
}

impl Default for ControlUi {
    fn default() -> Self {
        Self {
            enabled: true,
            base_path: None,
            root: None,
            allowed_origins: Vec::new(),
            allow_insecure_auth: false,
        }
    }
}

/// The gateway elsewhere.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Remote {
    /// Its address, `ws://` or `wss://`.
    pub url: Option<String>,
    /// How it is reached: `direct` or `ssh`.
    pub transport: Option<String>,
    /// Its token.
    pub token: Option<Secret>,
    /// Its password.
    pub password: Option<Secret>,
    /// The certificate it must show.
    pub tls_fingerprint: Option<String>,
    /// Where `ssh` logs in, `user@host` or `user@host:port`.
    pub ssh_target: Option<String>,
    /// The key it logs in with.
    pub ssh_identity: Option<String>,
}

/// How changes of the file are taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reload {
    /// By which rule.
    pub mode: ReloadMode,
    /// How long the file must be quiet.
    pub debounce_ms: u64,
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            mode: ReloadMode::Hybrid,
            debounce_ms: 300,
        }
    }
}

/// The rule of reloading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadMode {
    /// What can be taken up is, the rest waits for a restart.
    #[default]
    Hybrid,
    /// The same.
    Hot,
    /// Every change waits for a restart.
    Restart,
    /// The file isn't watched.
    Off,
}

/// Encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    /// Whether HTTPS and WSS are served.
    pub enabled: bool,
    /// Makes a certificate when there is none.
    pub auto_generate: Option<bool>,
    /// The certificate's file.
    pub cert_path: Option<String>,
    /// The key's file.
    pub key_path: Option<String>,
    /// The authority's file.
    pub ca_path: Option<String>,
}

impl GatewayAuth {
    /// By what a client proves itself, with the rule for an absent `mode` applied.
    pub fn effective_mode(&self) -> AuthMode {
        match (self.mode, &self.password) {
            (Some(mode), _) => mode,
            (None, Some(_)) => AuthMode::Password,
            (None, None) => AuthMode::Token,
        }
    }
}
