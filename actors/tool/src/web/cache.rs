//! What was read lately. Pure: time is passed in.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

/// More pages are not kept.
const MOST_ENTRIES: usize = 64;
/// Nor more characters of them.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// Texts by name, the latest last.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    text: String,
    at: Instant,
}

impl Cache {
    /// The text of a name, if it is no older than the time.
    pub(super) fn get(&self, name: &str, time: Duration, now: Instant) -> Option<String> {
        let entry = self.entries.iter().rev().find(|entry| entry.name == name)?;
        let age = now.saturating_duration_since(entry.at);
        (age < time).then(|| entry.text.clone())
    }

    /// Keeps a text.
    pub(super) fn put(&mut self, name: String, text: String, now: Instant) {
        self.entries.retain(|entry| entry.name != name);
        self.entries.push_back(Entry {
            name,
            text,
            at: now,
        });
        let size = |entries: &VecDeque<Entry>| -> usize {
            entries
                .iter()
                .map(|entry| entry.name.len() + entry.text.len())
                .sum()
        };
        while self.entries.len() > MOST_ENTRIES || size(&self.entries) > MOST_BYTES {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(900);

    #[test]
    fn a_text_is_kept_for_its_time() {
        let start = Instant::now();
        let mut cache = Cache::default();
        cache.put("a".into(), "1".into(), start);
        assert_eq!(cache.get("a", TIME, start + TIME / 2).as_deref(), Some("1"));
        assert_eq!(cache.get("a", TIME, start + TIME), None);
        assert_eq!(cache.get("a", Duration::ZERO, start), None);
        assert_eq!(cache.get("b", TIME, start), None);
        cache.put("a".into(), "2".into(), start + TIME);
        assert_eq!(cache.get("a", TIME, start + TIME).as_deref(), Some("2"));
    }

    #[test]
    fn it_has_a_bound() {
        let now = Instant::now();
        let mut cache = Cache::default();
        for n in 0..MOST_ENTRIES * 2 {
            cache.put(n.to_string(), "x".into(), now);
        }
        assert_eq!(cache.entries.len(), MOST_ENTRIES);
        cache.put("large".into(), "x".repeat(MOST_BYTES), now);
        assert!(cache.entries.is_empty());
    }
}
