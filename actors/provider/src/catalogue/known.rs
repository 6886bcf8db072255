//! The providers and models that are known without a configuration.
//!
//! A list of models ages from the day it is written, so it is only used to suggest and to price:
//! a model that isn't on it is called all the same.

use crate::endpoint::Quirks;
use crate::endpoint::Wire;

/// A provider that is known.
pub(super) struct Known {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) base_url: &'static str,
    pub(super) wire: Wire,
    /// Where its key is looked for, in this order.
    pub(super) env: &'static [&'static str],
    /// Chosen when its key is all there is; empty leaves the provider out of the choice.
    pub(super) default_model: &'static str,
    pub(super) quirks: Quirks,
    pub(super) models: &'static [KnownModel],
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
];

const PLAIN: Quirks = Quirks {
    completion_tokens_field: false,
    stream_options: true,
    reasoning_effort: false,
    nine_character_ids: false,
};
const EFFORT: Quirks = Quirks {
    reasoning_effort: true,
    ..PLAIN
};
const OPENAI: Quirks = Quirks {
    completion_tokens_field: true,
    ..EFFORT
};
/// Refuses fields it doesn't know, and counts the letters of ids.
const MISTRAL: Quirks = Quirks {
    stream_options: false,
    nine_character_ids: true,
    ..PLAIN
};

/// The order is that of the choice when keys of several are found.
#[rustfmt::skip] // a table: one model a line
pub(super) const PROVIDERS: &[Known] = &[
    Known {
        id: "anthropic",
        name: "Anthropic",
        base_url: "https://api.anthropic.com",
        wire: Wire::AnthropicMessages,
        env: &["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"],
        default_model: "claude-opus-4-6",
        quirks: PLAIN,
        models: &[
            model("claude-opus-4-6", "Claude Opus 4.6", 200_000, 128_000, true, true, [5.0, 25.0, 0.5, 6.25]),
            model("claude-opus-4-5", "Claude Opus 4.5", 200_000, 64_000, true, true, [5.0, 25.0, 0.5, 6.25]),
            model("claude-sonnet-4-6", "Claude Sonnet 4.6", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
            model("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
            model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000, true, true, [1.0, 5.0, 0.1, 1.25]),
        ],
    },
    Known {
        id: "openai",
        name: "OpenAI",
        base_url: "https://api.openai.com/v1",
        wire: Wire::OpenaiCompletions,
        env: &["OPENAI_API_KEY"],
        default_model: "gpt-5.2",
        quirks: OPENAI,
        models: &[
            model("gpt-5.2", "GPT-5.2", 400_000, 128_000, true, true, [1.75, 14.0, 0.175, 0.0]),
            model("gpt-5.1", "GPT-5.1", 400_000, 128_000, true, true, [1.25, 10.0, 0.125, 0.0]),
            model("gpt-5-mini", "GPT-5 mini", 400_000, 128_000, true, true, [0.25, 2.0, 0.025, 0.0]),
            model("gpt-4.1", "GPT-4.1", 1_047_576, 32_768, false, true, [2.0, 8.0, 0.5, 0.0]),
            model("gpt-4o", "GPT-4o", 128_000, 16_384, false, true, [2.5, 10.0, 1.25, 0.0]),
            model("gpt-4o-mini", "GPT-4o mini", 128_000, 16_384, false, true, [0.15, 0.6, 0.075, 0.0]),
        ],
    },
    Known {
        id: "openrouter",
        name: "OpenRouter",
        base_url: "https://openrouter.ai/api/v1",
        wire: Wire::OpenaiCompletions,
        env: &["OPENROUTER_API_KEY"],
        default_model: "openrouter/auto",
        quirks: PLAIN,
        models: &[model(
            "openrouter/auto",
            "OpenRouter Auto",
            200_000,
            8192,
            false,
            true,
            FREE,
        )],
    },
    Known {
        id: "google",
        name: "Google Gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        wire: Wire::OpenaiCompletions,
        env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        default_model: "gemini-3-pro-preview",
        quirks: EFFORT,
        models: &[
            model("gemini-3-pro-preview", "Gemini 3 Pro", 1_048_576, 65_536, true, true, [2.0, 12.0, 0.2, 0.0]),
            model("gemini-3-flash-preview", "Gemini 3 Flash", 1_048_576, 65_536, true, true, [0.5, 3.0, 0.05, 0.0]),
            model("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536, true, true, [1.25, 10.0, 0.125, 0.0]),
            model("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536, true, true, [0.3, 2.5, 0.03, 0.0]),
        ],
    },
    Known {
        id: "xai",
        name: "xAI",
        base_url: "https://api.x.ai/v1",
        wire: Wire::OpenaiCompletions,
        env: &["XAI_API_KEY"],
        default_model: "grok-4",
        quirks: PLAIN,
        models: &[model(
            "grok-4",
            "Grok 4",
            256_000,
            64_000,
            true,
            true,
            [3.0, 15.0, 0.75, 0.0],
        )],
    },
    Known {
        id: "groq",
        name: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        wire: Wire::OpenaiCompletions,
        env: &["GROQ_API_KEY"],
        default_model: "llama-3.3-70b-versatile",
        quirks: PLAIN,
        models: &[
            model("llama-3.3-70b-versatile", "Llama 3.3 70B", 131_072, 32_768, false, false, [0.59, 0.79, 0.0, 0.0]),
            model("openai/gpt-oss-120b", "GPT-OSS 120B", 131_072, 65_536, true, false, [0.15, 0.6, 0.0, 0.0]),
        ],
    },
    Known {
        id: "mistral",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        wire: Wire::OpenaiCompletions,
        env: &["MISTRAL_API_KEY"],
        default_model: "mistral-large-latest",
        quirks: MISTRAL,
        models: &[
            model("mistral-large-latest", "Mistral Large", 262_144, 32_768, false, true, [0.5, 1.5, 0.0, 0.0]),
            model("mistral-small-latest", "Mistral Small", 131_072, 32_768, false, true, [0.1, 0.3, 0.0, 0.0]),
        ],
    },
    Known {
        id: "deepseek",
        name: "DeepSeek",
        base_url: "https://api.deepseek.com/v1",
        wire: Wire::OpenaiCompletions,
        env: &["DEEPSEEK_API_KEY"],
        default_model: "deepseek-chat",
        quirks: PLAIN,
        models: &[
            model("deepseek-chat", "DeepSeek Chat", 131_072, 8192, false, false, [0.28, 0.42, 0.028, 0.0]),
            model("deepseek-reasoner", "DeepSeek Reasoner", 131_072, 65_536, true, false, [0.28, 0.42, 0.028, 0.0]),
        ],
    },
    Known {
        id: "together",
        name: "Together AI",
        base_url: "https://api.together.xyz/v1",
        wire: Wire::OpenaiCompletions,
        env: &["TOGETHER_API_KEY"],
        default_model: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        quirks: PLAIN,
        models: &[model(
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "Llama 3.3 70B Turbo",
            131_072,
            8192,
            false,
            false,
            [0.88, 0.88, 0.0, 0.0],
        )],
    },
    Known {
        id: "cerebras",
        name: "Cerebras",
        base_url: "https://api.cerebras.ai/v1",
        wire: Wire::OpenaiCompletions,
        env: &["CEREBRAS_API_KEY"],
        default_model: "gpt-oss-120b",
        quirks: PLAIN,
        models: &[model(
            "gpt-oss-120b",
            "GPT-OSS 120B",
            131_072,
            32_768,
            true,
            false,
            [0.35, 0.75, 0.0, 0.0],
        )],
    },
    Known {
        id: "zai",
        name: "Z.AI",
        base_url: "https://api.z.ai/api/paas/v4",
        wire: Wire::OpenaiCompletions,
        env: &["ZAI_API_KEY", "Z_AI_API_KEY"],
        default_model: "glm-4.7",
        quirks: PLAIN,
        models: &[model(
            "glm-4.7",
            "GLM 4.7",
            204_800,
            131_072,
            true,
            false,
            [0.6, 2.2, 0.11, 0.0],
        )],
    },
    Known {
        id: "moonshot",
        name: "Moonshot AI",
        base_url: "https://api.moonshot.ai/v1",
        wire: Wire::OpenaiCompletions,
        env: &["MOONSHOT_API_KEY"],
        default_model: "kimi-k2.5",
        quirks: PLAIN,
        models: &[model(
            "kimi-k2.5",
            "Kimi K2.5",
            256_000,
            8192,
            false,
            true,
            FREE,
        )],
    },
    Known {
        id: "minimax",
        name: "MiniMax",
        base_url: "https://api.minimax.io/anthropic",
        wire: Wire::AnthropicMessages,
        env: &["MINIMAX_API_KEY"],
        default_model: "MiniMax-M2.1",
        quirks: PLAIN,
        models: &[model(
            "MiniMax-M2.1",
            "MiniMax M2.1",
            200_000,
            8192,
            false,
            false,
            FREE,
        )],
    },
    Known {
        id: "vercel-ai-gateway",
        name: "Vercel AI Gateway",
        base_url: "https://ai-gateway.vercel.sh/v1",
        wire: Wire::OpenaiCompletions,
        env: &["AI_GATEWAY_API_KEY"],
        default_model: "anthropic/claude-opus-4.6",
        quirks: PLAIN,
        models: &[],
    },
    Known {
        id: "opencode",
        name: "OpenCode Zen",
        base_url: "https://opencode.ai/zen/v1",
        wire: Wire::OpenaiCompletions,
        env: &["OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY"],
        default_model: "claude-opus-4-6",
        quirks: PLAIN,
        models: &[],
    },
    Known {
        id: "venice",
        name: "Venice AI",
        base_url: "https://api.venice.ai/api/v1",
        wire: Wire::OpenaiCompletions,
        env: &["VENICE_API_KEY"],
        default_model: "llama-3.3-70b",
        quirks: PLAIN,
        models: &[],
    },
    Known {
        id: "nvidia",
        name: "NVIDIA",
        base_url: "https://integrate.api.nvidia.com/v1",
        wire: Wire::OpenaiCompletions,
        env: &["NVIDIA_API_KEY"],
        default_model: "meta/llama-3.3-70b-instruct",
        quirks: PLAIN,
        models: &[],
    },
    Known {
        id: "huggingface",
        name: "Hugging Face",
        base_url: "https://router.huggingface.co/v1",
        wire: Wire::OpenaiCompletions,
        env: &["HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"],
        // A token for downloads is no wish to talk to a model there.
        default_model: "",
        quirks: PLAIN,
        models: &[],
    },
    Known {
        id: "litellm",
        name: "LiteLLM",
        base_url: "http://localhost:4000/v1",
        wire: Wire::OpenaiCompletions,
        env: &["LITELLM_API_KEY"],
        default_model: "",
        quirks: PLAIN,
        models: &[],
    },
];

/// Free, or not known.
const FREE: [f64; 4] = [0.0; 4];

const fn model(
    id: &'static str,
    name: &'static str,
    context: u64,
    output: u32,
    reasoning: bool,
    images: bool,
    cost: [f64; 4],
) -> KnownModel {
    KnownModel {
        id,
        name,
        context,
        output,
        reasoning,
        images,
        cost,
    }
}

/// Finds a known provider.
pub(super) fn known(id: &str) -> Option<&'static Known> {
    PROVIDERS.iter().find(|known| known.id == id)
}
