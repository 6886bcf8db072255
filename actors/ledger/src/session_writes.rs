//! Which entries of sessions were written lately, so that who keeps them reads these anew and no others.

use std::collections::VecDeque;

/// Latest writes that are remembered; whoever saw less than all but these looks at the whole table.
const LATEST: usize = 1024;

/// The writes to the table of sessions since the start.
#[derive(Debug, Default)]
pub(crate) struct SessionWrites {
    pub(crate) count: u64,
    /// The keys of the latest.
    latest: VecDeque<Vec<u8>>,
}

impl SessionWrites {
    pub(crate) fn add(&mut self, keys: &[Vec<u8>]) {
        self.count += keys.len() as u64;
        self.latest.extend(keys.iter().cloned());
        let old = self.latest.len().saturating_sub(LATEST);
        self.latest.drain(..old);
    }

    /// The keys that were written after so many writes; none if not all of them are remembered.
    pub(crate) fn since(&self, then: u64) -> Option<Vec<Vec<u8>>> {
        let newer = usize::try_from(self.count.checked_sub(then)?).ok()?;
        let from = self.latest.len().checked_sub(newer)?;
        Some(self.latest.range(from..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_remembered_is_not_told() {
        let mut writes = SessionWrites::default();
        let key = |n: usize| n.to_be_bytes().to_vec();
        for n in 0..3 * LATEST {
            writes.add(&[key(n)]);
        }
        let all = 3 * LATEST as u64;
        assert_eq!(writes.count, all);
        assert_eq!(writes.since(all), Some(Vec::new()));
        let last = [key(3 * LATEST - 2), key(3 * LATEST - 1)];
        assert_eq!(writes.since(all - 2), Some(last.to_vec()));
        assert_eq!(writes.since(all - LATEST as u64).unwrap().len(), LATEST);
        assert_eq!(writes.since(all - LATEST as u64 - 1), None);
        assert_eq!(writes.since(all + 1), None, "of another ledger");
    }
}
