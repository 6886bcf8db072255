//! Where a provider is reached, how, and what its models can do.

use std::collections::BTreeMap;

use openclaw_protocol::ModelRef;
use openclaw_protocol::Secret;
use openclaw_protocol::Usage;
use openclaw_protocol::config::models::ModelCost;

use crate::access::Access;
use crate::account::Account;
use crate::conversation::Pictures;
use crate::cooldown::Rests;
use crate::deadline::Deadlines;

/// Everything a call needs to know about a provider.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The provider's id.
    pub provider: String,
    /// Its address without a trailing slash, as [`Wire::base_url`] makes it.
    pub base_url: String,
    /// What a call proves itself with when nobody chooses an account.
    pub access: Access,
    /// The accounts that calls are spread over; none leaves [`Endpoint::access`].
    pub accounts: Vec<Account>,
    /// Whether somebody fixed the order of the accounts.
    pub ordered: bool,
    /// How long an account without credit rests.
    pub rests: Rests,
    /// Whether the key goes into `Authorization: Bearer` where the wire would use its own header.
    pub bearer: bool,
    /// Sent along with each request.
    pub headers: BTreeMap<String, Secret>,
    /// How long the parts of a call may take.
    pub deadlines: Deadlines,
    /// How many calls at the same time.
    pub concurrency: usize,
    /// What differs from the wire's own server.
    pub quirks: Quirks,
    /// The wire of a model that isn't listed.
    pub wire: Wire,
    /// The models that are known.
    pub models: Vec<ModelInfo>,
}

/// The language a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// OpenAI's chat completions.
    OpenaiCompletions,
    /// OpenAI's responses.
    OpenaiResponses,
    /// The same for its subscription.
    OpenaiCodexResponses,
    /// Anthropic's messages.
    AnthropicMessages,
    /// Google's Gemini.
    GoogleGenerativeAi,
    /// Ollama's own.
    Ollama,
    /// Amazon Bedrock.
    BedrockConverseStream,
    /// No wire: the model is part of the gateway.
    Builtin,
}

/// What a server differs in from the one that its wire is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quirks {
    /// The length limit is `max_completion_tokens` instead of `max_tokens`.
    pub completion_tokens_field: bool,
    /// Takes `stream_options`.
    pub stream_options: bool,
    /// How it is told to think.
    pub thinking: ThinkingField,
    /// Ids of tool calls are exactly nine letters and digits.
    pub nine_character_ids: bool,
}

/// How a chat-completions server is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThinkingField {
    /// Not at all.
    None,
    /// `reasoning_effort`.
    Effort,
    /// `reasoning: { effort }`.
    Reasoning,
    /// `thinking: { type: enabled | disabled }`.
    Switch,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            completion_tokens_field: false,
            stream_options: true,
            thinking: ThinkingField::None,
            nine_character_ids: false,
        }
    }
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// `provider/model`.
    pub reference: ModelRef,
    /// The name to show.
    pub name: String,
    /// The wire it speaks.
    pub wire: Wire,
    /// How much it reads, in tokens.
    pub context_window: Option<u64>,
    /// How much it writes, in tokens.
    pub max_tokens: Option<u32>,
    /// Whether it can think.
    pub reasoning: bool,
    /// Whether it can see.
    pub images: bool,
    /// US dollars for a million tokens.
    pub cost: ModelCost,
    /// Sent along with each request.
    pub headers: BTreeMap<String, Secret>,
    /// What differs for this model.
    pub quirks: Quirks,
}

impl Wire {
    /// The word in transcripts and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiCompletions => "openai-completions",
            Self::OpenaiResponses => "openai-responses",
            Self::OpenaiCodexResponses => "openai-codex-responses",
            Self::AnthropicMessages => "anthropic-messages",
            Self::GoogleGenerativeAi => "google-generative-ai",
            Self::Ollama => "ollama",
            Self::BedrockConverseStream => "bedrock-converse-stream",
            Self::Builtin => "builtin",
        }
    }

    /// Brings an address into the form the wire's paths are added to. People write it with and
    /// without `/v1` and with a trailing slash.
    pub fn base_url(self, written: &str) -> String {
        let url = written.trim().trim_end_matches('/');
        match self {
            Self::OpenaiCompletions | Self::OpenaiResponses => {
                let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
                if after_scheme.contains('/') {
                    url.to_owned()
                } else {
                    format!("{url}/v1")
                }
            }
            Self::AnthropicMessages | Self::Ollama => {
                url.strip_suffix("/v1").unwrap_or(url).to_owned()
            }
            Self::GoogleGenerativeAi => {
                // The address of the chat-completions twin is often the one at hand.
                let url = url.strip_suffix("/openai").unwrap_or(url);
                let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
                match after_scheme.contains('/') {
                    true => url.to_owned(),
                    false => format!("{url}/v1beta"),
                }
            }
            Self::OpenaiCodexResponses => {
                let url = url.strip_suffix("/codex/responses").unwrap_or(url);
                url.strip_suffix("/codex").unwrap_or(url).to_owned()
            }
            Self::BedrockConverseStream => url.to_owned(),
            Self::Builtin => String::new(),
        }
    }
}

impl Endpoint {
    /// What is known of a model; for one that isn't listed, what its provider suggests.
    pub fn model(&self, reference: &ModelRef) -> ModelInfo {
        self.models
            .iter()
            .find(|info| info.reference == *reference)
            .cloned()
            .unwrap_or_else(|| self.unlisted(reference))
    }

    fn unlisted(&self, reference: &ModelRef) -> ModelInfo {
        ModelInfo {
            reference: reference.clone(),
            name: reference.model.clone(),
            wire: self.wire,
            context_window: None,
            max_tokens: None,
            reasoning: false,
            // A picture that a model can't see is an error that says so; one left out is silence.
            images: true,
            cost: ModelCost::default(),
            headers: BTreeMap::new(),
            quirks: self.quirks,
        }
    }
}

impl ModelInfo {
    /// Which pictures it is shown.
    pub(crate) fn pictures(&self) -> Pictures {
        Pictures::of(self.wire).seen_by(self.images)
    }

    /// Fills in the sum of the tokens and what they cost.
    pub fn price(&self, usage: &mut Usage) {
        const MILLION: f64 = 1_000_000.0;
        #[allow(clippy::cast_precision_loss)] // no answer has 2^52 tokens
        let cost = |tokens: u64, price: f64| tokens as f64 * price / MILLION;
        usage.total_tokens = usage.input + usage.output + usage.cache_read + usage.cache_write;
        usage.cost.input = cost(usage.input, self.cost.input);
        usage.cost.output = cost(usage.output, self.cost.output);
        usage.cost.cache_read = cost(usage.cache_read, self.cost.cache_read);
        usage.cost.cache_write = cost(usage.cache_write, self.cost.cache_write);
        usage.cost.total =
            usage.cost.input + usage.cost.output + usage.cost.cache_read + usage.cost.cache_write;
    }
}

#[cfg(test)]
mod tests {
    use super::Wire;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let openai = Wire::OpenaiCompletions;
        assert_eq!(
            openai.base_url("http://localhost:11434"),
            "http://localhost:11434/v1"
        );
        assert_eq!(
            openai.base_url("http://localhost:11434/v1/"),
            "http://localhost:11434/v1"
        );
        assert_eq!(
            openai.base_url("https://x.org/api/v3"),
            "https://x.org/api/v3"
        );
        let anthropic = Wire::AnthropicMessages;
        assert_eq!(
            anthropic.base_url("https://api.anthropic.com/v1"),
            "https://api.anthropic.com"
        );
        let google = Wire::GoogleGenerativeAi;
        assert_eq!(
            google.base_url("https://x.org/v1beta/openai/"),
            "https://x.org/v1beta"
        );
        assert_eq!(google.base_url("https://x.org"), "https://x.org/v1beta");
        assert_eq!(
            Wire::Ollama.base_url("http://localhost:11434/v1"),
            "http://localhost:11434"
        );
        assert_eq!(
            anthropic.base_url("https://x.org/anthropic/"),
            "https://x.org/anthropic"
        );
    }
}
