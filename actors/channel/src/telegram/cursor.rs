//! Where polling goes on: the last update that is safely stored.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// After a week without updates Telegram numbers them anew, and an old offset would hide the new ones.
/// Repeats are dropped by the ledger, which remembers them for as long.
const STALE_AFTER_MS: i64 = 6 * 24 * 3600 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cursor {
    version: u32,
    last_update_id: Option<i64>,
    at_ms: i64,
}

impl Cursor {
    pub(super) fn after(last_update_id: i64, at_ms: i64) -> Self {
        Self {
            version: 1,
            last_update_id: Some(last_update_id),
            at_ms,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The first update that is wanted.
    pub(super) fn offset(&self, now_ms: i64) -> Option<i64> {
        let is_fresh = now_ms - self.at_ms < STALE_AFTER_MS;
        self.last_update_id
            .filter(|_| is_fresh)
            .map(|last| last.saturating_add(1))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_being_stored_and_grows_stale() {
        let cursor = Cursor::after(41, 1000);
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert_eq!(cursor.offset(2000), Some(42));
        assert_eq!(cursor.offset(1000 + STALE_AFTER_MS), None);
        assert_eq!(Cursor::default().offset(0), None);
        assert_eq!(Cursor::parse("nonsense"), None);
    }
}
