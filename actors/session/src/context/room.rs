//! What is done before a call, so that it fits its model's window: nothing, notes, a summary, or a cut.
//!
//! Pure. There is at most one summary in ten calls, so no conversation can keep a model busy with summing up; where a
//! summary is not possible or not enough, the deterministic cut always is.

use openclaw_protocol::config::Compaction;
use openclaw_protocol::config::CompactionMode;

/// Calls between two summaries.
pub(crate) const CALLS: u64 = 10;
/// The window of a model of which nothing is known.
const WINDOW: u64 = 128_000;
/// How often a request that its provider finds too long is made smaller. Each time it is halved.
const SQUEEZES: u32 = 5;

/// The window of a model and how it is shared out, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) whole: u64,
    /// From here on the conversation is summed up; the rest is kept for the answer.
    pub(crate) limit: u64,
    /// The longest request; what is longer is cut.
    pub(crate) hard: u64,
    /// From here on notes are taken.
    pub(crate) soft: u64,
    /// What stays of a conversation when it is summed up.
    pub(crate) keep: u64,
    /// The longest piece that is summed up at a time.
    pub(crate) piece: u64,
}

impl Window {
    /// Shares out a window.
    pub(crate) fn new(whole: Option<u64>, settings: &Compaction) -> Self {
        let whole = whole.unwrap_or(WINDOW).max(1);
        let reserve = settings.reserve_tokens.max(settings.reserve_tokens_floor);
        // A small window is not all kept for the answer.
        let limit = whole - reserve.min(whole / 2);
        let soft = settings.memory_flush.soft_threshold_tokens.min(limit / 4);
        let usual = settings.keep_recent_tokens.min(limit / 3);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )] // no window has 2^52 tokens
        let part = |share: f64| (whole as f64 * share.clamp(0.0, 1.0)) as u64;
        let (keep, piece) = match settings.mode {
            CompactionMode::Default => (usual, limit * 3 / 4),
            CompactionMode::Safeguard => (
                usual.min(part(settings.max_history_share)),
                part(0.4).min(limit * 3 / 4),
            ),
        };
        Self {
            whole,
            limit,
            // A cut loses something for good: it leaves the answer little room before it takes anything away.
            hard: whole - whole / 8,
            soft: limit - soft,
            keep,
            piece: piece.max(1),
        }
    }
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The agent takes notes of what will go.
    Notes,
    /// The conversation is summed up.
    Compact,
    /// The model is asked, with at most so many tokens.
    Call { limit: u64 },
    /// The provider finds even the smallest request too long.
    GiveUp,
}

/// The state of a turn's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    window: Window,
    /// Calls since the conversation was last summed up; none when it never was.
    since: Option<u64>,
    /// There is a conversation to sum up.
    has_past: bool,
    may_note: bool,
    /// What fits, as the provider's refusals have shown.
    limit: u64,
    squeezed: u32,
}

impl Room {
    /// For a conversation that was last summed up so many calls ago.
    pub(crate) fn new(window: Window, since: Option<u64>, has_past: bool, may_note: bool) -> Self {
        Self {
            window,
            since,
            has_past,
            may_note,
            limit: window.hard,
            squeezed: 0,
        }
    }

    fn may_compact(&self) -> bool {
        self.has_past && self.since.is_none_or(|since| since >= CALLS)
    }

    /// What comes before a call of so many tokens. Of its turn itself there are `own` tokens, which no summary
    /// makes fewer.
    pub(crate) fn before(&mut self, size: u64, own: u64) -> Step {
        let past = size.saturating_sub(own);
        // Where the turn itself is what is too long, summing up the past helps little.
        let helps = past > self.window.keep;
        if self.may_compact() && helps {
            if self.may_note && size > self.window.soft {
                self.may_note = false;
                return Step::Notes;
            }
            if size > self.window.limit.min(self.limit) {
                return Step::Compact;
            }
        }
        self.since = self.since.map(|since| since + 1);
        Step::Call { limit: self.limit }
    }

    /// The conversation was summed up, or could not be.
    pub(crate) fn compacted(&mut self) {
        self.since = Some(0);
    }

    /// The provider found a request of so many tokens too long; `head` of them stand before the messages.
    pub(crate) fn overflowed(&mut self, size: u64, head: u64) -> Step {
        if self.may_compact() {
            return Step::Compact;
        }
        if self.squeezed >= SQUEEZES {
            return Step::GiveUp;
        }
        self.squeezed += 1;
        self.limit = head + size.min(self.limit).saturating_sub(head) / 2;
        Step::Call { limit: self.limit }
    }
}
