//! `agents.defaults.compaction` and `.contextPruning`: how a conversation is kept within its model's window.

use serde::Deserialize;

/// How a conversation that grows too long is summed up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Compaction {
    /// In one piece, or carefully in several.
    pub mode: CompactionMode,
    /// Tokens of the window that are kept free for the answer.
    pub reserve_tokens: u64,
    /// They are never fewer than this; 0 leaves it to `reserveTokens`.
    pub reserve_tokens_floor: u64,
    /// Tokens of the latest messages that stay as they are.
    pub keep_recent_tokens: u64,
    /// In mode `safeguard`: the part of the window that messages may take which stay.
    pub max_history_share: f64,
    /// Notes that are taken before.
    pub memory_flush: MemoryFlush,
}

/// How a long conversation is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompactionMode {
    /// In one piece where it fits.
    Default,
    /// In pieces well below the window.
    #[default]
    Safeguard,
}

/// Notes that the agent takes before its conversation is summed up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemoryFlush {
    /// Whether it does.
    pub enabled: bool,
    /// How many tokens before the limit.
    pub soft_threshold_tokens: u64,
    /// What it is told.
    pub prompt: Option<String>,
    /// What is added to its system prompt.
    pub system_prompt: Option<String>,
}

/// How old results of tools are shortened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContextPruning {
    /// Whether they are.
    pub mode: PruningMode,
    /// After how long without a call: `5m`, `1h`.
    pub ttl: Option<String>,
    /// Results after the last so many answers stay.
    pub keep_last_assistants: usize,
    /// The part of the window from which long results lose their middle.
    pub soft_trim_ratio: f64,
    /// The part of the window from which old results go.
    pub hard_clear_ratio: f64,
    /// Results go only where there are so many characters of them.
    pub min_prunable_tool_chars: usize,
    /// Whose results.
    pub tools: PrunedTools,
    /// How long results lose their middle.
    pub soft_trim: SoftTrim,
    /// How old results go.
    pub hard_clear: HardClear,
}

/// Whether old results of tools are shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PruningMode {
    /// Never.
    #[default]
    Off,
    /// When the provider's cache of the conversation has gone anyway.
    CacheTtl,
}

/// Whose results are shortened; names may hold `*`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrunedTools {
    /// Of these only.
    pub allow: Vec<String>,
    /// Never of these.
    pub deny: Vec<String>,
}

/// How long results lose their middle, in characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SoftTrim {
    /// Longer ones do.
    pub max_chars: usize,
    /// What stays of the beginning.
    pub head_chars: usize,
    /// What stays of the end.
    pub tail_chars: usize,
}

/// How old results go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HardClear {
    /// Whether they do.
    pub enabled: bool,
    /// What stands in their place.
    pub placeholder: String,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            mode: CompactionMode::default(),
            reserve_tokens: 16_384,
            reserve_tokens_floor: 20_000,
            keep_recent_tokens: 20_000,
            max_history_share: 0.5,
            memory_flush: MemoryFlush::default(),
        }
    }
}

impl Default for MemoryFlush {
    fn default() -> Self {
        Self {
            enabled: true,
            soft_threshold_tokens: 4_000,
            prompt: None,
            system_prompt: None,
        }
    }
}

impl Default for ContextPruning {
    fn default() -> Self {
        Self {
            mode: PruningMode::Off,
            ttl: None,
            keep_last_assistants: 3,
            soft_trim_ratio: 0.3,
            hard_clear_ratio: 0.5,
            min_prunable_tool_chars: 50_000,
            tools: PrunedTools::default(),
            soft_trim: SoftTrim::default(),
            hard_clear: HardClear::default(),
        }
    }
}

impl Default for SoftTrim {
    fn default() -> Self {
        Self {
            max_chars: 4_000,
            head_chars: 1_500,
            tail_chars: 1_500,
        }
    }
}

impl Default for HardClear {
    fn default() -> Self {
        Self {
            enabled: true,
            placeholder: "[Old tool result content cleared]".to_owned(),
        }
    }
}
