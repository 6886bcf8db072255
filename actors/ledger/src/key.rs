//! Keys of the tables: tuples whose byte order is their order.
//!
//! A string is written with NUL escaped (`00 FF`) and ended by `00`; a number is big-endian. No number
//! of ours reaches a first byte of FF, so the rows below a string are exactly `[prefix, prefix FF)`.

use openclaw_protocol::key::{AccountKey, SessionKey};

/// Appends a string component.
fn push(key: &mut Vec<u8>, part: &str) {
    for byte in part.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.push(0);
}

/// The prefix of all rows of `part`.
pub(crate) fn prefix(part: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(part.len() + 16);
    push(&mut key, part);
    key
}

/// The first key after all rows below `prefix`.
pub(crate) fn end(prefix: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 1);
    key.extend_from_slice(prefix);
    key.push(0xff);
    key
}

/// `(part, n)`.
pub(crate) fn numbered(part: &str, n: u64) -> Vec<u8> {
    let mut key = prefix(part);
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// `(part, rest)`; the rest may hold any bytes.
pub(crate) fn pair(part: &str, rest: &str) -> Vec<u8> {
    let mut key = prefix(part);
    key.extend_from_slice(rest.as_bytes());
    key
}

/// `(session, turn)`: the prefix of a turn's steps.
pub(crate) fn steps(session: &SessionKey, turn: u64) -> Vec<u8> {
    numbered(session.as_str(), turn)
}

/// `(session, turn, k)`.
pub(crate) fn step(session: &SessionKey, turn: u64, k: u32) -> Vec<u8> {
    let mut key = steps(session, turn);
    key.extend_from_slice(&k.to_be_bytes());
    key
}

/// `(at, session, turn, call)`; time first, since sums are asked for periods.
pub(crate) fn usage(at_ms: i64, session: &SessionKey, turn: u64, call: u32) -> Vec<u8> {
    let mut key = time(at_ms).to_vec();
    key.extend_from_slice(&step(session, turn, call));
    key
}

/// A time as a key component (times before 1970 count as 1970).
pub(crate) fn time(at_ms: i64) -> [u8; 8] {
    at_ms.max(0).to_be_bytes()
}

/// The time that begins a key.
pub(crate) fn first_time(key: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(*key.first_chunk()?))
}

/// An account as a key component.
pub(crate) fn account(account: &AccountKey) -> String {
    account.to_string()
}

/// Splits a key into its first string and what follows.
pub(crate) fn split(key: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::with_capacity(key.len());
    let mut at = 0;
    loop {
        match (*key.get(at)?, key.get(at + 1)) {
            (0, Some(0xff)) => {
                text.push(0);
                at += 2;
            }
            (0, _) => return Some((String::from_utf8(text).ok()?, key.get(at + 1..)?)),
            (byte, _) => {
                text.push(byte);
                at += 1;
            }
        }
    }
}

/// Splits a `(part, n)` key.
pub(crate) fn split_numbered(key: &[u8]) -> Option<(String, u64)> {
    let (part, rest) = split(key)?;
    Some((part, u64::from_be_bytes(rest.try_into().ok()?)))
}

/// The number that ends a key.
pub(crate) fn last_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

/// The step number that ends a step key.
pub(crate) fn last_step(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*key.last_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_numbered_key_comes_back(part in "[\\x00a-c:/]{0,6}", n in 0u64..u64::MAX >> 8) {
            prop_assert_eq!(split_numbered(&numbered(&part, n)), Some((part, n)));
        }

        #[test]
        fn a_prefix_covers_its_own_rows_only(a in "[\\x00a-b]{0,4}", b in "[\\x00a-b]{0,4}", n in 0u64..u64::MAX >> 8) {
            let from = prefix(&a);
            let key = numbered(&b, n);
            let inside = key >= from && key < end(&from);
            prop_assert_eq!(inside, a == b);
        }

        #[test]
        fn numbers_keep_their_order(part in "[a-c]{0,3}", m in 0u64..1000, n in 0u64..1000) {
            prop_assert_eq!(numbered(&part, m).cmp(&numbered(&part, n)), m.cmp(&n));
        }
    }
}
