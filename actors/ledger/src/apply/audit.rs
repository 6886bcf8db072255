//! The chain of what was done. An entry's hash is made over the hash before it, its number and its bytes, so that none
//! can be changed, taken out or moved without all later ones being wrong. The oldest go by number; the hash of the last
//! that went stays as the anchor of the rest.

use sha2::{Digest, Sha256};

use crate::codec;
use crate::error::{Reject, Stop};
use crate::row::{AuditCheck, AuditProblem};
use crate::table::{TableId, Tables, View};

/// How many entries are kept: some months of a busy household, in some 20 MiB.
pub(crate) const MOST: u64 = 50_000;

/// What every hash begins with, so that it is a hash of nothing else.
const DOMAIN: &[u8] = b"openclaw audit 1";
const HEAD: &[u8] = b"audit_head";
const ANCHOR: &[u8] = b"audit_anchor";

pub(crate) type Hash = [u8; 32];

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Link {
    n: u64,
    hash: Hash,
}

impl Link {
    fn next(self, body: &[u8]) -> Self {
        let n = self.n + 1;
        let mut sum = Sha256::new();
        sum.update(DOMAIN);
        sum.update(self.hash);
        sum.update(n.to_be_bytes());
        sum.update(body);
        Self {
            n,
            hash: sum.finalize().into(),
        }
    }

    fn encode(self) -> Vec<u8> {
        codec::seal(&[&self.n.to_be_bytes()[..], &self.hash].concat())
    }

    fn decode(value: &[u8]) -> Result<Self, Reject> {
        let torn = || Reject::Corrupt {
            table: TableId::Meta.name(),
            detail: "torn link of the audit chain".to_owned(),
        };
        let payload = codec::unseal(TableId::Meta, value)?;
        let (n, hash) = payload.split_first_chunk::<8>().ok_or_else(torn)?;
        Ok(Self {
            n: u64::from_be_bytes(*n),
            hash: hash.try_into().map_err(|_| torn())?,
        })
    }
}

/// Appends an entry; returns its number.
pub(super) fn append(tables: &mut impl Tables, body: &[u8]) -> Result<u64, Stop> {
    append_to(tables, body, MOST)
}

fn append_to(tables: &mut impl Tables, body: &[u8], most: u64) -> Result<u64, Stop> {
    let head = link(tables, HEAD).or_else(|stop| match stop {
        // What was to be written down must not fail for it; whoever verifies the chain sees the break.
        Stop::Reject(reject) => {
            tracing::error!(error = %reject, "the audit chain is broken; it goes on from its last entry");
            let last = tables.last_key(TableId::Audit, &[], &[0xff])?;
            let n = last.and_then(|key| crate::key::last_number(&key));
            Ok(Link {
                n: n.unwrap_or_default(),
                hash: Hash::default(),
            })
        }
        fault => Err(fault),
    })?;
    let next = head.next(body);
    let value = codec::seal(&[&next.hash[..], body].concat());
    tables.put(TableId::Audit, &next.n.to_be_bytes(), &value)?;
    tables.put(TableId::Meta, HEAD, &next.encode())?;
    if let Some(old) = next.n.checked_sub(most).filter(|old| *old > 0)
        && let Some(value) = tables.get(TableId::Audit, &old.to_be_bytes())?
    {
        tables.remove(TableId::Audit, &old.to_be_bytes())?;
        if let Ok((hash, _)) = split(&value) {
            tables.put(TableId::Meta, ANCHOR, &Link { n: old, hash }.encode())?;
        }
    }
    Ok(next.n)
}

fn link<V: View + ?Sized>(view: &mut V, key: &[u8]) -> Result<Link, Stop> {
    let value = view.get(TableId::Meta, key)?;
    Ok(value
        .map(|value| Link::decode(&value))
        .transpose()?
        .unwrap_or_default())
}

/// The hash and the body of a stored entry.
pub(crate) fn split(value: &[u8]) -> Result<(Hash, &[u8]), Reject> {
    let payload = codec::unseal(TableId::Audit, value)?;
    let (hash, body) = payload
        .split_first_chunk::<32>()
        .ok_or_else(|| Reject::Corrupt {
            table: TableId::Audit.name(),
            detail: "torn entry".to_owned(),
        })?;
    Ok((*hash, body))
}

/// Looks over the whole chain.
pub(crate) fn verify<V: View + ?Sized>(view: &mut V) -> Result<AuditCheck, Stop> {
    let mut check = AuditCheck::default();
    let anchor = readable(link(view, ANCHOR))?;
    let head = readable(link(view, HEAD))?;
    let mut at = anchor.unwrap_or_default();
    view.scan(TableId::Audit, &[], &[0xff], &mut |key, value| {
        let n = crate::key::last_number(key).unwrap_or_default();
        check.entries += 1;
        if check.first == 0 {
            check.first = n;
        }
        check.last = n;
        if check.problem.is_some() {
            return true;
        }
        match split(value) {
            Ok((hash, body)) if n == at.n + 1 => {
                let next = at.next(body);
                if next.hash != hash {
                    check.problem = Some(AuditProblem::Changed { n });
                }
                at = next;
            }
            Ok(_) => check.problem = Some(AuditProblem::Missing { n: at.n + 1 }),
            Err(_) => check.problem = Some(AuditProblem::Unreadable { n }),
        }
        true
    })?;
    if check.problem.is_none() && (head != Some(at) || anchor.is_none()) {
        let n = head.map_or(at.n, |head| head.n.max(at.n));
        check.problem = Some(AuditProblem::End { n });
    }
    check.head = hex(&at.hash);
    Ok(check)
}

/// What can be read; a link that is damaged is none.
fn readable(link: Result<Link, Stop>) -> Result<Option<Link>, Stop> {
    match link {
        Ok(link) => Ok(Some(link)),
        Err(Stop::Reject(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(crate) fn hex(hash: &[u8]) -> String {
    let mut text = String::with_capacity(hash.len() * 2);
    for byte in hash {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::MemoryTables;

    fn chain(bodies: &[Vec<u8>], most: u64) -> MemoryTables {
        let mut tables = MemoryTables::default();
        for body in bodies {
            append_to(&mut tables, body, most).unwrap();
        }
        tables
    }

    fn rows(tables: &mut MemoryTables) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let visit = &mut |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            true
        };
        tables.scan(TableId::Audit, &[], &[0xff], visit).unwrap();
        rows
    }

    #[test]
    fn the_oldest_go_and_the_rest_still_proves_itself() {
        let bodies: Vec<Vec<u8>> = (0..25_u8).map(|n| vec![n; 3]).collect();
        let mut tables = chain(&bodies, 10);
        let check = verify(&mut tables).unwrap();
        assert_eq!((check.entries, check.first, check.last), (10, 16, 25));
        assert_eq!(check.problem, None);
        let whole = verify(&mut chain(&bodies, 100)).unwrap();
        assert_eq!(whole.head, check.head);
        assert_eq!(verify(&mut MemoryTables::default()).unwrap().problem, None);
    }

    #[test]
    fn a_broken_end_keeps_nobody_from_writing_and_is_seen() {
        let mut tables = chain(&[vec![1], vec![2]], MOST);
        tables.put(TableId::Meta, HEAD, b"nonsense").unwrap();
        assert_eq!(append(&mut tables, b"x").unwrap(), 3);
        let problem = verify(&mut tables).unwrap().problem;
        assert_eq!(problem, Some(AuditProblem::Changed { n: 3 }));
    }

    /// One thing that somebody does to the file.
    #[derive(Debug, Clone)]
    enum Harm {
        Flip(prop::sample::Index, prop::sample::Index, u8),
        Remove(prop::sample::Index),
        Swap(prop::sample::Index, prop::sample::Index),
        Cut(prop::sample::Index),
        Repeat(prop::sample::Index),
    }

    fn harm() -> impl Strategy<Value = Harm> {
        let place = any::<prop::sample::Index>;
        prop_oneof![
            (place(), place(), 1..=255_u8).prop_map(|(row, at, by)| Harm::Flip(row, at, by)),
            place().prop_map(Harm::Remove),
            (place(), place()).prop_map(|(one, other)| Harm::Swap(one, other)),
            place().prop_map(Harm::Cut),
            place().prop_map(Harm::Repeat),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_changed_taken_out_or_moved_is_found(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..12),
            most in 4..20_u64,
            harm in harm(),
        ) {
            let mut tables = chain(&bodies, most);
            prop_assert_eq!(verify(&mut tables).unwrap().problem, None);
            let rows = rows(&mut tables);
            let row = |at: &prop::sample::Index| rows[at.index(rows.len())].clone();
            match harm {
                Harm::Flip(at, byte, by) => {
                    let (key, mut value) = row(&at);
                    let byte = byte.index(value.len());
                    value[byte] ^= by;
                    tables.put(TableId::Audit, &key, &value).unwrap();
                }
                Harm::Remove(at) => tables.remove(TableId::Audit, &row(&at).0).unwrap(),
                Harm::Swap(one, other) => {
                    let (one, other) = (row(&one), row(&other));
                    prop_assume!(one.0 != other.0);
                    tables.put(TableId::Audit, &one.0, &other.1).unwrap();
                    tables.put(TableId::Audit, &other.0, &one.1).unwrap();
                }
                Harm::Cut(at) => {
                    for (key, _) in &rows[at.index(rows.len())..] {
                        tables.remove(TableId::Audit, key).unwrap();
                    }
                }
                Harm::Repeat(at) => {
                    let last = crate::key::last_number(&rows[rows.len() - 1].0).unwrap();
                    tables.put(TableId::Audit, &(last + 1).to_be_bytes(), &row(&at).1).unwrap();
                }
            }
            prop_assert!(verify(&mut tables).unwrap().problem.is_some());
        }
    }
}
