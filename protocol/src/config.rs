//! The configuration: typed sections, what is wrong with them, and what mends it.
//!
//! [`Config::from_value`] turns a tree into typed sections and never fails: a value it can't use
//! becomes an [`Issue`] that names the path, the allowed values and one command that mends it, and
//! disables only the part that owns it. What every client needs to mend a mistake (`gateway`,
//! `logging`, `diagnostics`, `env`) is always there: a bad value falls back to its safe default.
//! Sections that this version does not use are carried through untouched in [`Config::tree`].

pub mod agents;
mod alias;
pub mod budget;
pub mod channels;
mod check;
pub mod compaction;
mod decode;
pub mod diff;
pub mod gateway;
pub mod issue;
pub mod known;
pub mod mcp;
pub mod messages;
pub mod models;
pub mod path;
pub mod redact;
pub mod schema;
pub mod section;
pub mod session;
pub mod telemetry;
pub mod tools;
pub mod web;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::agents::AgentDefaults;
pub use self::agents::AgentEntry;
pub use self::agents::Agents;
pub use self::agents::Identity;
pub use self::agents::ModelChoice;
pub use self::agents::ResolvedAgent;
pub use self::budget::Amount;
pub use self::budget::Budget;
pub use self::budget::Budgets;
pub use self::channels::Binding;
pub use self::channels::BindingMatch;
pub use self::channels::ChannelDefaults;
pub use self::channels::Channels;
pub use self::channels::ChunkMode;
pub use self::channels::DmPolicy;
pub use self::channels::GroupPolicy;
pub use self::channels::PeerKind;
pub use self::channels::ReplyToMode;
pub use self::channels::TelegramAccount;
pub use self::channels::TelegramGroup;
pub use self::channels::UnknownSend;
pub use self::compaction::Compaction;
pub use self::compaction::CompactionMode;
pub use self::compaction::ContextPruning;
pub use self::compaction::MemoryFlush;
pub use self::compaction::PruningMode;
pub use self::decode::Broken;
pub use self::diff::Takeup;
pub use self::gateway::AuthMode;
pub use self::gateway::Bind;
pub use self::gateway::Gateway;
pub use self::gateway::GatewayAuth;
pub use self::gateway::GatewayMode;
pub use self::gateway::Reload;
pub use self::gateway::ReloadMode;
pub use self::gateway::Remote;
pub use self::gateway::TrustedProxy;
pub use self::issue::Issue;
pub use self::issue::Severity;
pub use self::mcp::McpServer;
pub use self::mcp::McpServers;
pub use self::mcp::McpToolFilter;
pub use self::messages::Messages;
pub use self::messages::Queue;
pub use self::messages::QueueMode;
pub use self::models::Api;
pub use self::models::ModelDef;
pub use self::models::Models;
pub use self::models::ProviderConfig;
pub use self::path::Path;
pub use self::section::Section;
pub use self::section::Tree;
pub use self::session::Maintenance;
pub use self::session::MaintenanceMode;
pub use self::session::Session;
pub use self::session::SessionScope;
pub use self::telemetry::Diagnostics;
pub use self::telemetry::LogLevel;
pub use self::telemetry::Logging;
pub use self::telemetry::Otel;
pub use self::tools::AgentTools;
pub use self::tools::ExecTools;
pub use self::tools::FileTools;
pub use self::tools::Tools;
pub use self::web::SearchProvider;
pub use self::web::Web;
pub use self::web::WebFetch;
pub use self::web::WebSearch;

/// The whole configuration, typed where this version uses it.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Who answers.
    pub agents: Agents,
    /// With which models.
    pub models: Models,
    /// For how much.
    pub budgets: Section<Budgets>,
    /// How conversations are kept apart and reset.
    pub session: Section<Session>,
    /// How messages are taken in and answered.
    pub messages: Section<Messages>,
    /// Over which chat apps.
    pub channels: Channels,
    /// Which agent gets which chat.
    pub bindings: Vec<Section<Binding>>,
    /// The port, who may connect, and how changes are taken up.
    pub gateway: Gateway,
    /// What is logged and where.
    pub logging: Logging,
    /// What is exported to a collector.
    pub diagnostics: Diagnostics,
    /// Variables the file brings along.
    pub env: Env,
    /// Which tools agents may use.
    pub tools: Section<Tools>,
    /// What brings tools along.
    pub mcp: McpServers,
    /// The whole tree after includes, variables and aliases, with what this version doesn't use.
    pub tree: Tree,
}

/// A configuration and what is to say about it.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The configuration; always usable.
    pub config: Config,
    /// What is wrong or odd, in the order of the file.
    pub issues: Vec<Issue>,
}

/// Variables the file brings along, below the process's own and the `.env` files.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// Name → value, from `env.vars` and the string keys of `env`.
    pub vars: BTreeMap<String, crate::Secret>,
    /// Whether the login shell is asked for missing keys.
    pub shell_enabled: bool,
    /// How long the login shell may take.
    pub shell_timeout_ms: u64,
}
