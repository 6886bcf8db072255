//! The providers and models that are known without a configuration.
//!
//! A list of models ages from the day it is written, so it is only used to suggest and to price:
//! a model that isn't on it is called all the same.

mod table;

use crate::endpoint::Quirks;
use crate::endpoint::Wire;

pub(super) use self::table::PROVIDERS;

/// A provider that is known.
pub(super) struct Known {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) base_url: &'static str,
    pub(super) wire: Wire,
    /// How it is proved who calls.
    pub(super) auth: Auth,
    /// Where its key is looked for, in this order.
    pub(super) env: &'static [&'static str],
    /// Chosen when its key is all there is; empty leaves the provider out of the choice.
    pub(super) default_model: &'static str,
    pub(super) quirks: Quirks,
    /// Sent along with each request.
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) models: &'static [KnownModel],
}

/// How a provider is proved who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// A key.
    Key,
    /// Nothing: it runs at home.
    Open,
    /// A pair of keys that signs, or a key in the header.
    Amazon,
    /// A sign-in that leaves tokens; no key does.
    SignIn,
}

/// A model that is known: sizes in tokens, prices in US dollars for a million tokens.
pub(super) struct KnownModel {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) context: u64,
    pub(super) output: u32,
    pub(super) reasoning: bool,
    pub(super) images: bool,
    /// Read, written, read from the cache, written to the cache.
    pub(super) cost: [f64; 4],
}

/// Short names; the configuration's own win over them.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("opus", "anthropic/claude-opus-4-6"),
    ("sonnet", "anthropic/claude-sonnet-4-5"),
    ("haiku", "anthropic/claude-haiku-4-5"),
    ("gpt", "openai/gpt-5.2"),
    ("gpt-mini", "openai/gpt-5-mini"),
    ("gemini", "google/gemini-3-pro-preview"),
    ("gemini-flash", "google/gemini-3-flash-preview"),
    ("basic", "builtin/basic"),
];

/// Other spellings of providers.
pub(super) const SPELLINGS: &[(&str, &str)] = &[
    ("z.ai", "zai"),
    ("z-ai", "zai"),
    ("gemini", "google"),
    ("grok", "xai"),
    ("lm-studio", "lmstudio"),
    ("llama.cpp", "llamacpp"),
    ("llama-cpp", "llamacpp"),
    ("bedrock", "amazon-bedrock"),
    ("aws-bedrock", "amazon-bedrock"),
    ("copilot", "github-copilot"),
    ("codex", "openai-codex"),
    ("kimi", "moonshot"),
    ("kimi-code", "kimi-coding"),
    ("qwen", "qwen-portal"),
    ("opencode-zen", "opencode"),
    ("hf", "huggingface"),
];

impl Known {
    /// The wire at an address: behind another than the known one there is usually a server that
    /// speaks the language all speak.
    pub(super) fn wire_at(&self, own: Option<&str>) -> Wire {
        match (self.wire, own) {
            (Wire::OpenaiResponses, Some(_)) => Wire::OpenaiCompletions,
            (Wire::GoogleGenerativeAi, Some(url))
                if url.trim_end_matches('/').ends_with("/openai") =>
            {
                Wire::OpenaiCompletions
            }
            (wire, _) => wire,
        }
    }
}

/// Finds a known provider.
pub(super) fn known(id: &str) -> Option<&'static Known> {
    PROVIDERS.iter().find(|known| known.id == id)
}
