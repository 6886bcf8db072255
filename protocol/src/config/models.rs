//! `models`: providers and their models.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Section;
use crate::Secret;

/// Providers and their models.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// Whether configured providers replace the built-in ones.
    pub replace: bool,
    /// The providers by id.
    pub providers: BTreeMap<String, Section<ProviderConfig>>,
}

/// One provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderConfig {
    /// `false` takes it out of the catalogue.
    pub enabled: Option<bool>,
    /// Where it is reached.
    pub base_url: Option<String>,
    /// The key.
    pub api_key: Option<Secret>,
    /// The kind of credential: `api-key`, `oauth`, `token`, `aws-sdk`.
    pub auth: Option<String>,
    /// Which wire its models speak.
    pub api: Option<Api>,
    /// Sent along with each request.
    pub headers: BTreeMap<String, Secret>,
    /// Whether the key goes into `Authorization: Bearer`.
    pub auth_header: Option<bool>,
    /// Its models.
    pub models: Vec<ModelDef>,
    /// How long the parts of a call may take.
    pub timeouts: Timeouts,
    /// How many calls at the same time.
    pub max_concurrent: Option<usize>,
}

/// One model of a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelDef {
    /// The id the provider knows it by.
    pub id: String,
    /// The name to show.
    #[serde(default)]
    pub name: Option<String>,
    /// Its wire, when it isn't that of the provider.
    #[serde(default)]
    pub api: Option<Api>,
    /// Whether it can think.
    #[serde(default)]
    pub reasoning: bool,
    /// What it takes: `text`, `image`.
    #[serde(default)]
    pub input: Vec<String>,
    /// US dollars for a million tokens.
    #[serde(default)]
    pub cost: ModelCost,
    /// How much it can read, in tokens.
    #[serde(default)]
    pub context_window: Option<f64>,
    /// How much it can write, in tokens.
    #[serde(default)]
    pub max_tokens: Option<f64>,
    /// Sent along with each request.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// What the server behind it can't do.
    #[serde(default)]
    pub compat: ModelCompat,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelCost {
    /// Read.
    pub input: f64,
    /// Written.
    pub output: f64,
    /// Read from the cache.
    pub cache_read: f64,
    /// Written to the cache.
    pub cache_write: f64,
}

/// What a server behind a compatible wire can do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelCompat {
    /// Knows `store`.
    pub supports_store: Option<bool>,
    /// Knows the role `developer`.
    pub supports_developer_role: Option<bool>,
    /// Knows `reasoning_effort`.
    pub supports_reasoning_effort: Option<bool>,
    /// The field for the length limit.
    pub max_tokens_field: Option<String>,
}

/// How long the parts of a call may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect_ms: u64,
    /// Until the first byte of the answer.
    pub first_byte_ms: u64,
    /// Between two pieces of the answer.
    pub idle_ms: u64,
    /// All in all.
    pub total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            first_byte_ms: 60_000,
            idle_ms: 60_000,
            total_ms: 600_000,
        }
    }
}

/// The wire a model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// OpenAI's chat completions, and all that is compatible with them.
    OpenaiCompletions,
    /// OpenAI's responses.
    OpenaiResponses,
    /// Anthropic's messages.
    AnthropicMessages,
    /// Google's Gemini.
    GoogleGenerativeAi,
    /// GitHub Copilot.
    GithubCopilot,
    /// Amazon Bedrock.
    BedrockConverseStream,
    /// OpenAI's responses as its subscription for Codex speaks them.
    OpenaiCodexResponses,
    /// Ollama's own.
    Ollama,
}

impl Api {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiCompletions => "openai-completions",
            Self::OpenaiResponses => "openai-responses",
            Self::AnthropicMessages => "anthropic-messages",
            Self::GoogleGenerativeAi => "google-generative-ai",
            Self::GithubCopilot => "github-copilot",
            Self::BedrockConverseStream => "bedrock-converse-stream",
            Self::OpenaiCodexResponses => "openai-codex-responses",
            Self::Ollama => "ollama",
        }
    }
}
