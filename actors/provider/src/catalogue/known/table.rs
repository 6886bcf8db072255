//! The table of providers. The order is that of the choice when keys of several are found.

use super::Auth;
use super::Known;
use super::KnownModel;
use crate::endpoint::Quirks;
use crate::endpoint::ThinkingField;
use crate::endpoint::Wire;

const PLAIN: Quirks = Quirks {
    completion_tokens_field: false,
    stream_options: true,
    thinking: ThinkingField::None,
    nine_character_ids: false,
};
const EFFORT: Quirks = Quirks {
    thinking: ThinkingField::Effort,
    ..PLAIN
};
const OPENAI: Quirks = Quirks {
    completion_tokens_field: true,
    ..EFFORT
};
const ROUTER: Quirks = Quirks {
    thinking: ThinkingField::Reasoning,
    ..PLAIN
};
const SWITCH: Quirks = Quirks {
    thinking: ThinkingField::Switch,
    ..PLAIN
};
/// Refuses fields it doesn't know, and counts the letters of ids.
const MISTRAL: Quirks = Quirks {
    stream_options: false,
    nine_character_ids: true,
    ..PLAIN
};

/// A provider that speaks chat completions and takes a key.
const USUAL: Known = Known {
    id: "",
    name: "",
    base_url: "",
    wire: Wire::OpenaiCompletions,
    auth: Auth::Key,
    env: &[],
    default_model: "",
    quirks: PLAIN,
    headers: &[],
    models: &[],
};

/// Free, paid by a subscription, or not known.
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

#[rustfmt::skip] // a table: one fact a line, one model a line
pub(in crate::catalogue) const PROVIDERS: &[Known] = &[
    Known {
        id: "anthropic",
        name: "Anthropic",
        base_url: "https://api.anthropic.com",
        wire: Wire::AnthropicMessages,
        env: &["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"],
        default_model: "claude-opus-4-6",
        models: &[
            model("claude-opus-4-6", "Claude Opus 4.6", 200_000, 128_000, true, true, [5.0, 25.0, 0.5, 6.25]),
            model("claude-opus-4-5", "Claude Opus 4.5", 200_000, 64_000, true, true, [5.0, 25.0, 0.5, 6.25]),
            model("claude-sonnet-4-6", "Claude Sonnet 4.6", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
            model("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
            model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000, true, true, [1.0, 5.0, 0.1, 1.25]),
        ],
        ..USUAL
    },
    Known {
        id: "openai",
        name: "OpenAI",
        base_url: "https://api.openai.com/v1",
        wire: Wire::OpenaiResponses,
        env: &["OPENAI_API_KEY"],
        default_model: "gpt-5.2",
        quirks: OPENAI,
        models: &[
            model("gpt-5.2", "GPT-5.2", 400_000, 128_000, true, true, [1.75, 14.0, 0.175, 0.0]),
            model("gpt-5.1", "GPT-5.1", 400_000, 128_000, true, true, [1.25, 10.0, 0.125, 0.0]),
            model("gpt-5.1-codex", "GPT-5.1 Codex", 400_000, 128_000, true, true, [1.25, 10.0, 0.125, 0.0]),
            model("gpt-5-mini", "GPT-5 mini", 400_000, 128_000, true, true, [0.25, 2.0, 0.025, 0.0]),
            model("gpt-4.1", "GPT-4.1", 1_047_576, 32_768, false, true, [2.0, 8.0, 0.5, 0.0]),
            model("gpt-4o", "GPT-4o", 128_000, 16_384, false, true, [2.5, 10.0, 1.25, 0.0]),
            model("gpt-4o-mini", "GPT-4o mini", 128_000, 16_384, false, true, [0.15, 0.6, 0.075, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "openai-codex",
        name: "OpenAI Codex (subscription)",
        base_url: "https://chatgpt.com/backend-api",
        wire: Wire::OpenaiCodexResponses,
        auth: Auth::SignIn,
        default_model: "gpt-5.3-codex",
        quirks: OPENAI,
        models: &[
            model("gpt-5.3-codex", "GPT-5.3 Codex", 272_000, 128_000, true, true, FREE),
            model("gpt-5.2-codex", "GPT-5.2 Codex", 272_000, 128_000, true, true, FREE),
            model("gpt-5.2", "GPT-5.2", 272_000, 128_000, true, true, FREE),
            model("gpt-5.1-codex-mini", "GPT-5.1 Codex mini", 272_000, 128_000, true, true, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "openrouter",
        name: "OpenRouter",
        base_url: "https://openrouter.ai/api/v1",
        env: &["OPENROUTER_API_KEY"],
        default_model: "openrouter/auto",
        quirks: ROUTER,
        models: &[
            model("openrouter/auto", "OpenRouter Auto", 200_000, 8192, false, true, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "google",
        name: "Google Gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        wire: Wire::GoogleGenerativeAi,
        env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        default_model: "gemini-3-pro-preview",
        quirks: EFFORT,
        models: &[
            model("gemini-3-pro-preview", "Gemini 3 Pro", 1_048_576, 65_536, true, true, [2.0, 12.0, 0.2, 0.0]),
            model("gemini-3-flash-preview", "Gemini 3 Flash", 1_048_576, 65_536, true, true, [0.5, 3.0, 0.05, 0.0]),
            model("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536, true, true, [1.25, 10.0, 0.125, 0.0]),
            model("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536, true, true, [0.3, 2.5, 0.03, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "google-vertex",
        name: "Google Vertex AI",
        base_url: "https://aiplatform.googleapis.com/v1/publishers/google",
        wire: Wire::GoogleGenerativeAi,
        env: &["GOOGLE_CLOUD_API_KEY"],
        default_model: "gemini-3-pro-preview",
        quirks: EFFORT,
        models: &[
            model("gemini-3-pro-preview", "Gemini 3 Pro", 1_048_576, 65_536, true, true, [2.0, 12.0, 0.2, 0.0]),
            model("gemini-3-flash-preview", "Gemini 3 Flash", 1_048_576, 65_536, true, true, [0.5, 3.0, 0.05, 0.0]),
            model("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536, true, true, [1.25, 10.0, 0.125, 0.0]),
            model("gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536, true, true, [0.3, 2.5, 0.03, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "xai",
        name: "xAI",
        base_url: "https://api.x.ai/v1",
        env: &["XAI_API_KEY"],
        default_model: "grok-4",
        models: &[
            model("grok-4", "Grok 4", 256_000, 64_000, true, true, [3.0, 15.0, 0.75, 0.0]),
            model("grok-4-fast", "Grok 4 Fast", 2_000_000, 30_000, true, true, [0.2, 0.5, 0.05, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "groq",
        name: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        env: &["GROQ_API_KEY"],
        default_model: "llama-3.3-70b-versatile",
        quirks: EFFORT,
        models: &[
            model("llama-3.3-70b-versatile", "Llama 3.3 70B", 131_072, 32_768, false, false, [0.59, 0.79, 0.0, 0.0]),
            model("openai/gpt-oss-120b", "GPT-OSS 120B", 131_072, 65_536, true, false, [0.15, 0.6, 0.0, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "mistral",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        env: &["MISTRAL_API_KEY"],
        default_model: "mistral-large-latest",
        quirks: MISTRAL,
        models: &[
            model("mistral-large-latest", "Mistral Large", 262_144, 32_768, false, true, [0.5, 1.5, 0.0, 0.0]),
            model("mistral-small-latest", "Mistral Small", 131_072, 32_768, false, true, [0.1, 0.3, 0.0, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "deepseek",
        name: "DeepSeek",
        base_url: "https://api.deepseek.com/v1",
        env: &["DEEPSEEK_API_KEY"],
        default_model: "deepseek-chat",
        models: &[
            model("deepseek-chat", "DeepSeek Chat", 131_072, 8192, false, false, [0.28, 0.42, 0.028, 0.0]),
            model("deepseek-reasoner", "DeepSeek Reasoner", 131_072, 65_536, true, false, [0.28, 0.42, 0.028, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "together",
        name: "Together AI",
        base_url: "https://api.together.xyz/v1",
        env: &["TOGETHER_API_KEY"],
        default_model: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        models: &[
            model("meta-llama/Llama-3.3-70B-Instruct-Turbo", "Llama 3.3 70B Turbo", 131_072, 8192, false, false, [0.88, 0.88, 0.0, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "cerebras",
        name: "Cerebras",
        base_url: "https://api.cerebras.ai/v1",
        env: &["CEREBRAS_API_KEY"],
        default_model: "gpt-oss-120b",
        quirks: EFFORT,
        models: &[
            model("gpt-oss-120b", "GPT-OSS 120B", 131_072, 32_768, true, false, [0.35, 0.75, 0.0, 0.0]),
            model("zai-glm-4.7", "GLM 4.7", 131_072, 40_000, false, false, [2.25, 2.75, 0.0, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "zai",
        name: "Z.AI",
        base_url: "https://api.z.ai/api/paas/v4",
        env: &["ZAI_API_KEY", "Z_AI_API_KEY"],
        default_model: "glm-4.7",
        quirks: SWITCH,
        models: &[
            model("glm-5", "GLM 5", 204_800, 131_072, true, false, [1.0, 3.2, 0.2, 0.0]),
            model("glm-4.7", "GLM 4.7", 204_800, 131_072, true, false, [0.6, 2.2, 0.11, 0.0]),
        ],
        ..USUAL
    },
    Known {
        id: "moonshot",
        name: "Moonshot AI",
        base_url: "https://api.moonshot.ai/v1",
        env: &["MOONSHOT_API_KEY"],
        default_model: "kimi-k2.5",
        models: &[
            model("kimi-k2.5", "Kimi K2.5", 256_000, 8192, false, true, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "kimi-coding",
        name: "Kimi Code (subscription)",
        base_url: "https://api.kimi.com/coding",
        wire: Wire::AnthropicMessages,
        env: &["KIMI_API_KEY", "KIMICODE_API_KEY"],
        default_model: "k2p5",
        models: &[
            model("k2p5", "Kimi K2.5 for coding", 262_144, 32_768, true, true, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "minimax",
        name: "MiniMax",
        base_url: "https://api.minimax.io/anthropic",
        wire: Wire::AnthropicMessages,
        env: &["MINIMAX_API_KEY"],
        default_model: "MiniMax-M2.1",
        models: &[
            model("MiniMax-M2.5", "MiniMax M2.5", 200_000, 8192, true, false, [0.3, 1.2, 0.03, 0.12]),
            model("MiniMax-M2.1", "MiniMax M2.1", 200_000, 8192, false, false, [0.3, 1.2, 0.03, 0.12]),
        ],
        ..USUAL
    },
    Known {
        id: "synthetic",
        name: "Synthetic",
        base_url: "https://api.synthetic.new/anthropic",
        wire: Wire::AnthropicMessages,
        env: &["SYNTHETIC_API_KEY"],
        default_model: "hf:MiniMaxAI/MiniMax-M2.1",
        models: &[
            model("hf:MiniMaxAI/MiniMax-M2.1", "MiniMax M2.1", 192_000, 65_536, false, false, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "xiaomi",
        name: "Xiaomi MiMo",
        base_url: "https://api.xiaomimimo.com/anthropic",
        wire: Wire::AnthropicMessages,
        env: &["XIAOMI_API_KEY"],
        default_model: "mimo-v2-flash",
        models: &[
            model("mimo-v2-flash", "MiMo V2 Flash", 262_144, 8192, false, false, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "qianfan",
        name: "Baidu Qianfan",
        base_url: "https://qianfan.baidubce.com/v2",
        env: &["QIANFAN_API_KEY"],
        default_model: "deepseek-v3.2",
        models: &[
            model("deepseek-v3.2", "DeepSeek V3.2", 98_304, 32_768, true, false, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "qwen-portal",
        name: "Qwen (subscription)",
        base_url: "https://portal.qwen.ai/v1",
        env: &["QWEN_PORTAL_API_KEY"],
        default_model: "coder-model",
        models: &[
            model("coder-model", "Qwen Coder", 128_000, 8192, false, false, FREE),
            model("vision-model", "Qwen Vision", 128_000, 8192, false, true, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "vercel-ai-gateway",
        name: "Vercel AI Gateway",
        base_url: "https://ai-gateway.vercel.sh/v1",
        env: &["AI_GATEWAY_API_KEY"],
        default_model: "anthropic/claude-opus-4.6",
        ..USUAL
    },
    Known {
        id: "cloudflare-ai-gateway",
        name: "Cloudflare AI Gateway",
        base_url: "",
        wire: Wire::AnthropicMessages,
        env: &["CLOUDFLARE_AI_GATEWAY_API_KEY"],
        // Its address holds an account's and a gateway's name, so that it needs `baseUrl`.
        models: &[
            model("claude-sonnet-4-6", "Claude Sonnet 4.6", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
            model("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
        ],
        ..USUAL
    },
    Known {
        id: "opencode",
        name: "OpenCode Zen",
        base_url: "https://opencode.ai/zen/v1",
        env: &["OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY"],
        default_model: "claude-opus-4-6",
        ..USUAL
    },
    Known {
        id: "venice",
        name: "Venice AI",
        base_url: "https://api.venice.ai/api/v1",
        env: &["VENICE_API_KEY"],
        default_model: "llama-3.3-70b",
        ..USUAL
    },
    Known {
        id: "nvidia",
        name: "NVIDIA",
        base_url: "https://integrate.api.nvidia.com/v1",
        env: &["NVIDIA_API_KEY"],
        default_model: "meta/llama-3.3-70b-instruct",
        ..USUAL
    },
    Known {
        id: "github-copilot",
        // It serves editors; these are the words by which it knows one.
        headers: &[
            ("copilot-integration-id", "vscode-chat"),
            ("editor-version", "vscode/1.107.0"),
            ("editor-plugin-version", "copilot-chat/0.35.0"),
            ("openai-intent", "conversation-edits"),
        ],
        name: "GitHub Copilot",
        base_url: "https://api.individual.githubcopilot.com",
        auth: Auth::SignIn,
        env: &["COPILOT_GITHUB_TOKEN"],
        default_model: "gpt-4o",
        models: &[
            model("gpt-5.2", "GPT-5.2", 128_000, 64_000, true, true, FREE),
            model("gpt-4.1", "GPT-4.1", 128_000, 16_384, false, true, FREE),
            model("gpt-4o", "GPT-4o", 64_000, 16_384, false, true, FREE),
            model("claude-sonnet-4.5", "Claude Sonnet 4.5", 128_000, 32_000, false, true, FREE),
            model("gemini-3-pro-preview", "Gemini 3 Pro", 128_000, 64_000, false, true, FREE),
        ],
        ..USUAL
    },
    Known {
        id: "amazon-bedrock",
        name: "Amazon Bedrock",
        base_url: "https://bedrock-runtime.us-east-1.amazonaws.com",
        wire: Wire::BedrockConverseStream,
        auth: Auth::Amazon,
        env: &["AWS_BEARER_TOKEN_BEDROCK"],
        // Keys for Amazon serve many purposes: having one is no wish to talk to a model there.
        models: &[
            model("us.anthropic.claude-opus-4-6-v1:0", "Claude Opus 4.6 (US)", 200_000, 64_000, true, true, [5.0, 25.0, 0.5, 6.25]),
            model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5 (US)", 200_000, 64_000, true, true, [3.0, 15.0, 0.3, 3.75]),
            model("us.anthropic.claude-haiku-4-5-20251001-v1:0", "Claude Haiku 4.5 (US)", 200_000, 64_000, true, true, [1.0, 5.0, 0.1, 1.25]),
        ],
        ..USUAL
    },
    Known {
        id: "huggingface",
        name: "Hugging Face",
        base_url: "https://router.huggingface.co/v1",
        env: &["HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"],
        // A token for downloads is no wish to talk to a model there.
        ..USUAL
    },
    Known {
        id: "litellm",
        name: "LiteLLM",
        base_url: "http://localhost:4000/v1",
        env: &["LITELLM_API_KEY"],
        ..USUAL
    },
    Known {
        id: "ollama",
        name: "Ollama",
        base_url: "http://127.0.0.1:11434",
        wire: Wire::Ollama,
        auth: Auth::Open,
        env: &["OLLAMA_API_KEY"],
        ..USUAL
    },
    Known {
        id: "lmstudio",
        name: "LM Studio",
        base_url: "http://127.0.0.1:1234/v1",
        auth: Auth::Open,
        env: &["LMSTUDIO_API_KEY"],
        ..USUAL
    },
    Known {
        id: "llamacpp",
        name: "llama.cpp",
        base_url: "http://127.0.0.1:8080/v1",
        auth: Auth::Open,
        env: &["LLAMACPP_API_KEY"],
        ..USUAL
    },
    Known {
        id: "voyage",
        name: "Voyage AI",
        base_url: "https://api.voyageai.com/v1",
        env: &["VOYAGE_API_KEY"],
        ..USUAL
    },
    Known {
        id: "vllm",
        name: "vLLM",
        base_url: "http://127.0.0.1:8000/v1",
        auth: Auth::Open,
        env: &["VLLM_API_KEY"],
        ..USUAL
    },
];
