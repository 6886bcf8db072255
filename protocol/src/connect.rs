//! The first request of every connection.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Secret;
use crate::shape::COUNT;
use crate::shape::Fields;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

#[cfg(test)]
mod tests;

/// Products that may connect.
pub const CLIENT_IDS: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];

/// Coarse classes of clients.
pub const CLIENT_MODES: &[&str] = &[
    "webchat", "cli", "ui", "backend", "node", "worker", "probe", "test",
];

const VERSION: Shape = Shape::Int {
    min: 1,
    max: i64::MAX,
};
const TEXTS: Shape = Shape::List {
    of: &TEXT,
    min: 0,
    max: usize::MAX,
};

const CLIENT: Fields = open(&[
    req("id", Shape::OneOf(CLIENT_IDS)),
    opt("displayName", TEXT),
    req("version", TEXT),
    req("platform", TEXT),
    opt("deviceFamily", TEXT),
    opt("modelIdentifier", TEXT),
    opt("buildId", Shape::Text { min: 0, max: 96 }),
    opt("timeZone", Shape::Text { min: 0, max: 64 }),
    req("mode", Shape::OneOf(CLIENT_MODES)),
    opt("instanceId", TEXT),
]);
const AUTH: Fields = open(&[
    opt("token", STRING),
    opt("password", STRING),
    opt("bootstrapToken", STRING),
    opt("deviceToken", STRING),
]);
const DEVICE: Fields = open(&[
    req("id", TEXT),
    req("publicKey", TEXT),
    req("signature", TEXT),
    req("signedAt", COUNT),
    opt("nonce", TEXT),
]);

/// The parameters of `connect`, of both generations of clients.
pub const CONNECT: Fields = closed(&[
    req("minProtocol", VERSION),
    req("maxProtocol", VERSION),
    req("client", Shape::Object(&CLIENT)),
    opt("caps", TEXTS),
    opt("commands", TEXTS),
    opt("computerUse", Shape::Any),
    opt("workerRuns", Shape::Any),
    opt("permissions", Shape::Map(&Shape::Bool)),
    opt("pathEnv", STRING),
    opt("role", TEXT),
    opt("scopes", TEXTS),
    opt("modelCatalog", Shape::Any),
    opt("device", Shape::Object(&DEVICE)),
    opt("auth", Shape::Object(&AUTH)),
    opt("locale", STRING),
    opt("userAgent", STRING),
]);

/// What a client says about itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectParams {
    /// The lowest version it speaks.
    pub min_protocol: u32,
    /// The highest version it speaks.
    pub max_protocol: u32,
    /// Which program it is.
    pub client: ClientInfo,
    /// What it can take.
    #[serde(default)]
    pub caps: Vec<String>,
    /// What a node can be asked.
    #[serde(default)]
    pub commands: Vec<String>,
    /// What a node's system lets it do.
    #[serde(default)]
    pub permissions: Option<BTreeMap<String, bool>>,
    /// Where a node looks for programs.
    #[serde(default)]
    pub path_env: Option<String>,
    /// `operator` unless it says otherwise.
    #[serde(default = "operator")]
    pub role: String,
    /// The rights it asks for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The device it claims to be.
    #[serde(default)]
    pub device: Option<DeviceClaim>,
    /// What it shows to prove itself.
    #[serde(default)]
    pub auth: Credentials,
}

/// Which program a client is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// The product.
    pub id: String,
    /// A label for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its version.
    pub version: String,
    /// Its platform.
    pub platform: String,
    /// What sort of device it runs on.
    #[serde(default)]
    pub device_family: Option<String>,
    /// Which model of device.
    #[serde(default)]
    pub model_identifier: Option<String>,
    /// Its class.
    pub mode: String,
    /// Stable per install.
    #[serde(default)]
    pub instance_id: Option<String>,
}

/// The device a client claims to be. A claim grants nothing until its signature is verified.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceClaim {
    /// SHA-256 of the key, in hex.
    pub id: String,
    /// The Ed25519 key.
    pub public_key: String,
    /// Over the connect facts.
    pub signature: String,
    /// When, in milliseconds since 1970.
    pub signed_at: i64,
    /// The challenge's nonce.
    #[serde(default)]
    pub nonce: Option<String>,
}

/// What a client shows to prove itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// The shared token, or a device's.
    pub token: Option<Secret>,
    /// The shared password.
    pub password: Option<Secret>,
    /// A set-up code's token.
    pub bootstrap_token: Option<Secret>,
    /// A device's token.
    pub device_token: Option<Secret>,
}

fn operator() -> String {
    "operator".to_owned()
}

impl ConnectParams {
    /// Reads the parameters; the error says what is wrong and where.
    pub fn parse(params: Value) -> Result<Self, String> {
        CONNECT.check(&params)?;
        serde_json::from_value(params).map_err(|error| format!("at root: {error}"))
    }

    /// Tells whether the client can take something.
    pub fn can(&self, cap: &str) -> bool {
        self.caps.iter().any(|own| own == cap)
    }
}

impl ClientInfo {
    /// Native apps, which may change what they say of their platform when they are updated.
    pub fn is_native_app(&self) -> bool {
        let apps = [
            "openclaw-macos",
            "openclaw-linux",
            "openclaw-ios",
            "openclaw-android",
        ];
        self.mode == "ui" && apps.contains(&self.id.as_str())
    }

    /// The command line, or the gateway's own helpers: they run where the gateway's owner works.
    pub fn is_local_tool(&self) -> bool {
        (self.id == "cli" && self.mode == "cli")
            || (self.id == "gateway-client" && self.mode == "backend")
    }

    /// Clients that only browsers run: their page must be known.
    pub fn is_browser_page(&self) -> bool {
        self.is_control_ui() || self.mode == "webchat" || self.id == "webchat-ui"
    }

    /// The operator page of existing installations, which must prove its device.
    pub fn is_control_ui(&self) -> bool {
        self.id == "openclaw-control-ui"
    }
}
