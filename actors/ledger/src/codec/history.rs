//! The moves of a row, kept behind it: what it became, when and why.
//!
//! Bytes and not JSON, since every move of every message appends to them on the journal thread. Bounded: the
//! first move (how the row came to be) and the last ones stay, what is between them is counted.
//!
//! Layout: the number of moves left out (u16), then each move as time (i64), state (u8), attempts (u8), length of
//! the reason (u8), the reason.

use super::Reader;

/// Moves kept of a row: six tries of a message with what became of each, and room for what a person does.
const MOVES: usize = 24;
/// Bytes kept of a reason: a platform's error text in its first sentence.
const REASON: usize = 160;
/// Bytes of a move without its reason.
const FIXED: usize = 8 + 1 + 1 + 1;

/// One move as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) at_ms: i64,
    pub(crate) state: u8,
    pub(crate) attempts: u8,
    pub(crate) reason: &'a str,
}

/// A row's moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History(Vec<u8>);

impl History {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn push(&mut self, at_ms: i64, state: u8, attempts: u32, reason: &str) {
        if self.0.is_empty() {
            self.0.extend_from_slice(&[0, 0]);
        }
        let reason = cut(reason);
        self.0.extend_from_slice(&at_ms.to_be_bytes());
        self.0.push(state);
        self.0.push(u8::try_from(attempts).unwrap_or(u8::MAX));
        self.0.push(u8::try_from(reason.len()).unwrap_or(0));
        self.0.extend_from_slice(reason.as_bytes());
        if self.steps().count() > MOVES {
            self.leave_one_out();
        }
    }

    /// How many moves between the first and the others are not kept.
    pub(crate) fn left_out(&self) -> u16 {
        self.0.first_chunk().map_or(0, |n| u16::from_be_bytes(*n))
    }

    /// The moves, oldest first; what cannot be read ends them.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let mut rest = self.0.get(2..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (step, behind) = next(rest)?;
            rest = behind;
            Some(step)
        })
    }

    /// Takes the second move away: the first says how the row came to be.
    fn leave_one_out(&mut self) {
        let left_out = self.left_out().saturating_add(1).to_be_bytes();
        let length = |step: Step<'_>| FIXED + step.reason.len();
        let mut lengths = self.steps().map(length);
        if let (Some(first), Some(second)) = (lengths.next(), lengths.next()) {
            drop(lengths);
            let from = 2 + first;
            self.0.drain(from..from + second);
            self.0.splice(..2, left_out);
        }
    }
}

fn next(bytes: &[u8]) -> Option<(Step<'_>, &[u8])> {
    let mut rest = Reader(bytes);
    let (at_ms, state, attempts, length) = (rest.i64()?, rest.u8()?, rest.u8()?, rest.u8()?);
    let (reason, behind) = rest.0.split_at_checked(usize::from(length))?;
    let reason = std::str::from_utf8(reason).ok()?;
    let step = Step {
        at_ms,
        state,
        attempts,
        reason,
    };
    Some((step, behind))
}

/// The first bytes of a text that are whole characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_come_back_in_order() {
        let mut history = History::default();
        history.push(5, 0, 0, "received");
        history.push(7, 1, 300, &"é".repeat(100));
        let back = History::from_bytes(history.as_bytes());
        let steps: Vec<_> = back.steps().collect();
        assert_eq!((steps[0].at_ms, steps[0].reason), (5, "received"));
        assert_eq!((steps[1].state, steps[1].attempts), (1, 255));
        assert_eq!(steps[1].reason, "é".repeat(80), "cut between characters");
    }

    #[test]
    fn the_first_and_the_last_moves_stay() {
        let mut history = History::default();
        for n in 0..100 {
            history.push(n, 1, 1, &format!("try {n}"));
        }
        let times: Vec<_> = history.steps().map(|step| step.at_ms).collect();
        assert_eq!((times.len(), history.left_out()), (MOVES, 76));
        assert_eq!((times[0], times[1], times[MOVES - 1]), (0, 77, 99));
        assert!(history.as_bytes().len() < MOVES * (FIXED + REASON));
    }

    #[test]
    fn torn_bytes_end_the_moves() {
        let mut history = History::default();
        history.push(1, 0, 0, "received");
        history.push(2, 1, 1, "claimed");
        for end in 0..history.as_bytes().len() {
            let torn = History::from_bytes(&history.as_bytes()[..end]);
            assert!(torn.steps().count() < 2);
        }
    }
}
