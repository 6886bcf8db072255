//! How much a model shall think: one scale for people, and what each wire makes of it.

use serde_json::Value;

/// The scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all, where the model allows that.
    Off,
    /// As little as there is.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than that, where there is more.
    Xhigh,
}

impl Level {
    /// Reads a level as people write it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "off" | "none" | "no" | "false" => Self::Off,
            "minimal" | "min" | "think" => Self::Minimal,
            "low" | "on" | "true" | "think-hard" | "thinkhard" => Self::Low,
            "medium" | "med" | "mid" | "adaptive" | "think-harder" | "harder" => Self::Medium,
            "high" | "ultrathink" | "thinkhardest" | "highest" => Self::High,
            "xhigh" | "x-high" | "extra-high" | "max" | "ultra" => Self::Xhigh,
            _ => return None,
        })
    }

    /// The level of a call's parameters; none when nobody chose one.
    pub(crate) fn of(params: &Value) -> Option<Self> {
        params
            .get("thinking")
            .and_then(Value::as_str)
            .and_then(Self::parse)
    }

    /// In tokens, for wires that count them.
    pub(crate) fn budget(self) -> Option<u64> {
        Some(match self {
            Self::Off => return None,
            Self::Minimal => 1024,
            Self::Low => 4096,
            Self::Medium => 8192,
            Self::High => 16_384,
            Self::Xhigh => 32_768,
        })
    }

    /// In OpenAI's words. Only newer models know more than three.
    pub(crate) fn effort(self, model: &str) -> Option<&'static str> {
        let five = model.contains("gpt-5");
        Some(match self {
            Self::Off => return None,
            Self::Minimal if five && !model.contains("codex") => "minimal",
            Self::Minimal | Self::Low => "low",
            Self::Medium => "medium",
            Self::Xhigh if five && !model.contains("gpt-5-") => "xhigh",
            Self::High | Self::Xhigh => "high",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn other_spellings_are_read() {
        assert_eq!(Level::parse(" HIGH "), Some(Level::High));
        assert_eq!(Level::parse("max"), Some(Level::Xhigh));
        assert_eq!(Level::parse("on"), Some(Level::Low));
        assert_eq!(Level::parse("loud"), None);
    }

    #[test]
    fn older_models_get_words_they_know() {
        assert_eq!(Level::Xhigh.effort("o3"), Some("high"));
        assert_eq!(Level::Xhigh.effort("gpt-5.2"), Some("xhigh"));
        assert_eq!(Level::Minimal.effort("gpt-oss-120b"), Some("low"));
        assert_eq!(Level::Off.effort("gpt-5.2"), None);
    }
}
