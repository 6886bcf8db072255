//! Ids of tool calls: kept where a wire takes them, replaced where it doesn't, never twice the same.

use std::collections::HashSet;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

/// The form of ids that a wire takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdRule {
    /// 1 to 40 of `a-z A-Z 0-9 _ -`: what both wires take.
    Plain,
    /// Exactly nine letters and digits.
    Nine,
}

/// Hands out ids for one request.
pub(super) struct Ids {
    rule: IdRule,
    given: HashSet<String>,
}

const LONGEST: usize = 40;

impl Ids {
    pub(super) fn new(rule: IdRule) -> Self {
        Self {
            rule,
            given: HashSet::new(),
        }
    }

    /// The id on the wire of a call: the same each time the same conversation is sent, so that a
    /// provider's cache still matches.
    pub(super) fn give(&mut self, id: &str) -> String {
        let mut candidate = if self.fits(id) {
            id.to_owned()
        } else {
            self.made(id, 0)
        };
        let mut turn = 1_u32;
        while !self.given.insert(candidate.clone()) {
            candidate = self.made(id, turn);
            turn += 1;
        }
        candidate
    }

    fn fits(&self, id: &str) -> bool {
        let letters = id.bytes().all(|b| b.is_ascii_alphanumeric());
        match self.rule {
            IdRule::Nine => id.len() == 9 && letters,
            IdRule::Plain => {
                !id.is_empty()
                    && id.len() <= LONGEST
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
        }
    }

    fn made(&self, id: &str, turn: u32) -> String {
        let mut hasher = DefaultHasher::new();
        (id, turn).hash(&mut hasher);
        let mut rest = hasher.finish();
        let length = match self.rule {
            IdRule::Nine => 9,
            IdRule::Plain => 13,
        };
        let mut text = String::with_capacity(length + 5);
        if self.rule == IdRule::Plain {
            text.push_str("call_");
        }
        for _ in 0..length {
            let digit = u32::try_from(rest % 36).unwrap_or(0);
            text.push(char::from_digit(digit, 36).unwrap_or('0'));
            rest /= 36;
        }
        text
    }
}
