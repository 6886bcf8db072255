//! What the server answers.

use std::time::Duration;

use serde_json::Value;

/// One answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(super) thinking: Vec<String>,
    pub(super) tokens: Vec<String>,
    pub(super) calls: Vec<(String, Value)>,
    /// Waits this long before the headers.
    pub(super) delay: Duration,
    /// Waits this long before each token.
    pub(super) pause: Duration,
    pub(super) usage: Option<(u64, u64, u64)>,
    /// Says nothing of usage.
    pub(super) no_usage: bool,
    /// Answers with this instead of a stream.
    pub(super) page: Option<Value>,
    /// The end, in OpenAI's words; Anthropic's follow from it.
    pub(super) finish: Option<String>,
    pub(super) error: Option<Failure>,
    pub(super) trouble: Option<Trouble>,
}

#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) retry_after: Option<u64>,
}

/// Where an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    HangBeforeHeaders,
    HangBeforeFirstByte,
    HangAfter(usize),
    CutBeforeHeaders,
    CutAfter(usize),
    ErrorAfter(usize),
    GarbledAfter(usize),
}

impl Reply {
    /// A text, one word a token.
    pub fn text(text: &str) -> Self {
        Self {
            tokens: text.split_inclusive(' ').map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// A text in so many tokens: `w1 w2 w3 …`.
    pub fn tokens(count: usize) -> Self {
        let words = (1..=count).map(|number| match number {
            1 => "w1".to_owned(),
            number => format!(" w{number}"),
        });
        Self {
            tokens: words.collect(),
            ..Self::default()
        }
    }

    /// A call of a tool.
    pub fn call(name: &str, arguments: Value) -> Self {
        Self::default().and_call(name, arguments)
    }

    /// A failure with an HTTP status; `kind` is the vendor's word for it.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        Self {
            error: Some(Failure {
                status,
                kind: kind.to_owned(),
                message: message.to_owned(),
                retry_after: None,
            }),
            ..Self::default()
        }
    }

    /// Never sends the headers.
    pub fn hang() -> Self {
        Self::default().trouble(Trouble::HangBeforeHeaders)
    }

    /// Sends the headers and no byte of the body.
    pub fn hang_before_first_byte() -> Self {
        Self::default().trouble(Trouble::HangBeforeFirstByte)
    }

    /// Closes the connection without a word.
    pub fn cut() -> Self {
        Self::default().trouble(Trouble::CutBeforeHeaders)
    }

    /// Adds a call.
    #[must_use]
    pub fn and_call(mut self, name: &str, arguments: Value) -> Self {
        self.calls.push((name.to_owned(), arguments));
        self
    }

    /// Thinks first, one word a token.
    #[must_use]
    pub fn thinking(mut self, text: &str) -> Self {
        self.thinking = text.split_inclusive(' ').map(str::to_owned).collect();
        self
    }

    /// Waits before the headers.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits before each token.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Falls silent after so many tokens.
    #[must_use]
    pub fn hang_after(self, tokens: usize) -> Self {
        self.trouble(Trouble::HangAfter(tokens))
    }

    /// Closes the connection after so many tokens.
    #[must_use]
    pub fn cut_after(self, tokens: usize) -> Self {
        self.trouble(Trouble::CutAfter(tokens))
    }

    /// Sends an error inside the stream after so many tokens.
    #[must_use]
    pub fn error_after(self, tokens: usize) -> Self {
        self.trouble(Trouble::ErrorAfter(tokens))
    }

    /// Sends a piece that can't be read after so many tokens.
    #[must_use]
    pub fn garbled_after(self, tokens: usize) -> Self {
        self.trouble(Trouble::GarbledAfter(tokens))
    }

    /// A success without a stream.
    pub fn page(body: Value) -> Self {
        Self {
            page: Some(body),
            ..Self::default()
        }
    }

    /// Says nothing of usage.
    #[must_use]
    pub fn without_usage(mut self) -> Self {
        self.no_usage = true;
        self
    }

    /// For an error: when to come back, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Some(failure) = &mut self.error {
            failure.retry_after = Some(seconds);
        }
        self
    }

    /// Tokens read in all, written, and how many of the first came from the cache.
    #[must_use]
    pub fn usage(mut self, read: u64, written: u64, cached: u64) -> Self {
        self.usage = Some((read, written, cached));
        self
    }

    /// Why it ends: `stop`, `length`, `content_filter`.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish = Some(reason.to_owned());
        self
    }

    fn trouble(mut self, trouble: Trouble) -> Self {
        self.trouble = Some(trouble);
        self
    }
}
