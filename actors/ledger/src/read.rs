//! What can be asked of the ledger: short reads of committed rows, inline.
//!
//! A read that meets a broken disk latches the ledger (nothing is written any more and the process ends)
//! and answers as if there were nothing; a row that cannot be decoded is logged and left out.

mod list;
mod trace;

use std::collections::{BTreeSet, HashSet};

use openclaw_protocol::key::{AccountKey, SessionKey};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::codec::{self, NEVER, Record};
use crate::error::{LedgerError, Reject, Stop};
use crate::row::{CrashRow, InboxRow, OutboxState, UsageRow, UsageSums};
use crate::table::{TableId, View};
use crate::verb::now_ms;
use crate::{Ledger, apply, decode, key};

impl Ledger {
    fn read<T: Default>(&self, mut read: impl FnMut(&mut dyn View) -> Result<T, Stop>) -> T {
        let mut found = T::default();
        let result = self.store.look(&mut |view| {
            found = read(view)?;
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(LedgerError::Closed) => tracing::debug!("read of a closed ledger"),
            Err(error) => tracing::error!(%error, "a read of the ledger failed"),
        }
        found
    }

    fn read_json<T: DeserializeOwned>(&self, table: TableId, key: &[u8]) -> Option<T> {
        self.read(|view| match view.get(table, key)? {
            Some(value) => Ok(Some(codec::parse(table, codec::unseal(table, &value)?)?)),
            None => Ok(None),
        })
    }

    /// The platform offset up to which everything of `account` is in the inbox.
    #[must_use]
    pub fn cursor(&self, account: &str) -> Option<String> {
        self.read(|view| {
            let Some(value) = view.get(TableId::Cursor, &key::prefix(account))? else {
                return Ok(None);
            };
            let cursor = codec::unseal(TableId::Cursor, &value)?;
            Ok(Some(String::from_utf8_lossy(cursor).into_owned()))
        })
    }

    /// What was answered to `key` within the last 24 hours.
    #[must_use]
    pub fn recall(&self, scope: &str, client_key: &str) -> Option<Value> {
        self.read(|view| {
            let Some(value) = view.get(TableId::Idem, &key::pair(scope, client_key))? else {
                return Ok(None);
            };
            let (at, response) = codec::unseal_at(TableId::Idem, &value)?;
            if now_ms().saturating_sub(at) >= apply::IDEM_TTL_MS {
                return Ok(None);
            }
            Ok(Some(codec::parse(TableId::Idem, response)?))
        })
    }

    /// All that is remembered under a scope and still counts, by client key.
    #[must_use]
    pub fn recall_all(&self, scope: &str) -> Vec<(String, Value)> {
        let prefix = key::prefix(scope);
        let oldest = now_ms().saturating_sub(apply::IDEM_TTL_MS);
        self.read(|view| {
            let mut answers = Vec::new();
            view.scan(
                TableId::Idem,
                &prefix,
                &key::end(&prefix),
                &mut |row_key, value| {
                    let client_key = key::split(row_key)
                        .and_then(|(_, rest)| String::from_utf8(rest.to_vec()).ok());
                    let answer = codec::unseal_at(TableId::Idem, value)
                        .and_then(|(at, answer)| Ok((at, codec::parse(TableId::Idem, answer)?)));
                    match (client_key, answer) {
                        (Some(client_key), Ok((at, answer))) if at > oldest => {
                            answers.push((client_key, answer));
                        }
                        (Some(_), Ok(_)) => {}
                        (client_key, answer) => {
                            skipped(TableId::Idem, client_key, answer.err());
                        }
                    }
                    true
                },
            )?;
            Ok(answers)
        })
    }

    /// Sessions with something to answer.
    #[must_use]
    pub fn open_sessions(&self) -> Vec<SessionKey> {
        self.read(|view| {
            let mut sessions: Vec<SessionKey> = Vec::new();
            view.scan(TableId::InboxOpen, &[], &[0xff], &mut |row_key, _| {
                let session = key::split(row_key).map(|(session, _)| session);
                if sessions.last().map(SessionKey::as_str) != session.as_deref() {
                    sessions.extend(session.and_then(|session| SessionKey::parse(&session).ok()));
                }
                true
            })?;
            Ok(sessions)
        })
    }

    /// Accounts with something to send.
    #[must_use]
    pub fn open_accounts(&self) -> Vec<AccountKey> {
        self.read(|view| {
            let mut accounts: Vec<AccountKey> = Vec::new();
            view.scan(TableId::OutboxOpen, &[], &[0xff], &mut |row_key, _| {
                let account = key::split(row_key).and_then(|(account, _)| account.parse().ok());
                if accounts.last() != account.as_ref() {
                    accounts.extend(account);
                }
                true
            })?;
            Ok(accounts)
        })
    }

    /// How many rows of `session` still have to be answered, the running one included.
    #[must_use]
    pub fn pending(&self, session: &SessionKey) -> usize {
        self.count(TableId::InboxOpen, session.as_str())
    }

    /// How many rows of `account` still have to be sent.
    #[must_use]
    pub fn outbox_open(&self, account: &AccountKey) -> usize {
        self.count(TableId::OutboxOpen, &key::account(account))
    }

    fn count(&self, table: TableId, owner: &str) -> usize {
        let prefix = key::prefix(owner);
        self.read(|view| {
            let mut count = 0;
            view.scan(table, &prefix, &key::end(&prefix), &mut |_, _| {
                count += 1;
                true
            })?;
            Ok(count)
        })
    }

    /// When the next row of `account` may be claimed, in ms; a time in the past means now.
    #[must_use]
    pub fn outbox_next_due(&self, account: &AccountKey) -> Option<i64> {
        let prefix = key::prefix(&key::account(account));
        self.read(|view| {
            let mut lanes = HashSet::new();
            let mut due = None;
            view.scan(
                TableId::OutboxOpen,
                &prefix,
                &key::end(&prefix),
                &mut |_, value| {
                    let Ok(head) = codec::index(TableId::OutboxOpen, value) else {
                        return true;
                    };
                    if lanes.insert(head.lane) && head.state == OutboxState::Prepared.code() {
                        due =
                            Some(due.map_or(head.not_before, |due: i64| due.min(head.not_before)));
                    }
                    due != Some(0)
                },
            )?;
            Ok(due.filter(|due| *due != NEVER))
        })
    }

    /// A session's entry of sessions.json.
    #[must_use]
    pub fn session_entry(&self, session: &SessionKey) -> Option<Value> {
        self.read_json(TableId::Session, &key::prefix(session.as_str()))
    }

    /// All entries of an agent, by key.
    #[must_use]
    pub fn session_entries(&self, agent: &str) -> Vec<(SessionKey, Value)> {
        let mut entries = Vec::new();
        self.each_session_entry(agent, |name, json| {
            match (
                SessionKey::parse(name),
                codec::parse(TableId::Session, json),
            ) {
                (Ok(session), Ok(entry)) => entries.push((session, entry)),
                (_, entry) => skipped(TableId::Session, Some(name), entry.err()),
            }
        });
        entries
    }

    /// Grows with each write to an entry, of any agent, and is new with each start.
    #[must_use]
    pub fn session_writes(&self) -> u64 {
        self.store.stats().session_writes().count
    }

    /// The same, with the keys that were written since it was `then`; none if not all of them are remembered.
    #[must_use]
    pub fn session_writes_since(&self, then: u64) -> (u64, Option<BTreeSet<String>>) {
        let (count, keys) = {
            let writes = self.store.stats().session_writes();
            (writes.count, writes.since(then))
        };
        let name = |row_key: Vec<u8>| Some(key::split(&row_key)?.0);
        (
            count,
            keys.map(|keys| keys.into_iter().filter_map(name).collect()),
        )
    }

    /// Shows all entries of an agent as they are stored, in the order of their keys: the key and the JSON, not read.
    pub fn each_session_entry(&self, agent: &str, mut show: impl FnMut(&str, &[u8])) {
        let from = format!("agent:{agent}:");
        let until = key::end(from.as_bytes());
        self.read(|view| {
            view.scan(
                TableId::Session,
                from.as_bytes(),
                &until,
                &mut |row_key, value| {
                    match (key::split(row_key), codec::unseal(TableId::Session, value)) {
                        (Some((name, _)), Ok(json)) => show(&name, json),
                        (name, json) => skipped(TableId::Session, name, json.err()),
                    }
                    true
                },
            )
        });
    }

    /// The lines of a transcript from number `from` on (the first is 1).
    #[must_use]
    pub fn transcript(&self, session_id: &str, from: u64) -> Vec<(u64, Value)> {
        let mut lines = Vec::new();
        self.transcript_from(session_id, from, |n, line| {
            match codec::parse(TableId::Transcript, line) {
                Ok(line) => lines.push((n, line)),
                Err(error) => skipped(TableId::Transcript, Some(n), Some(error)),
            }
        });
        lines
    }

    /// Shows the lines of a transcript in their order, each with its number, as they are stored: the JSON, not read. As values a
    /// whole one would take much memory.
    pub fn each_transcript_text(&self, session_id: &str, show: impl FnMut(u64, &[u8])) {
        self.transcript_from(session_id, 0, show);
    }

    fn transcript_from(&self, session_id: &str, from: u64, mut show: impl FnMut(u64, &[u8])) {
        let from = key::numbered(session_id, from);
        let until = key::end(&key::prefix(session_id));
        self.read(|view| {
            view.scan(TableId::Transcript, &from, &until, &mut |row_key, value| {
                let n = key::last_number(row_key);
                match codec::unseal(TableId::Transcript, value) {
                    Ok(line) => show(n.unwrap_or_default(), line),
                    Err(error) => skipped(TableId::Transcript, n, Some(error)),
                }
                true
            })
        });
    }

    /// The number of the last line of a transcript; 0 if it has none.
    #[must_use]
    pub fn transcript_len(&self, session_id: &str) -> u64 {
        let prefix = key::prefix(session_id);
        self.read(|view| {
            let last = view.last_key(TableId::Transcript, &prefix, &key::end(&prefix))?;
            Ok(last
                .and_then(|last| key::last_number(&last))
                .unwrap_or_default())
        })
    }

    /// One inbox row.
    #[must_use]
    pub fn inbox_row(&self, session: &SessionKey, seq: u64) -> Option<InboxRow> {
        self.read(|view| {
            let value = view.get(TableId::Inbox, &key::numbered(session.as_str(), seq))?;
            let record = value
                .map(|value| Record::decode(TableId::Inbox, &value))
                .transpose()?;
            Ok(record
                .map(|record| decode::inbox(session, seq, &record))
                .transpose()?)
        })
    }

    /// What was heard in a session before its row of this number and is in no transcript yet, oldest first. They are
    /// no rows of the inbox: their number says which row they came before.
    #[must_use]
    pub fn heard(&self, session: &SessionKey, seq: u64) -> Vec<InboxRow> {
        let prefix = key::prefix(session.as_str());
        self.read(|view| {
            let mut rows = Vec::new();
            view.scan(
                TableId::Heard,
                &prefix,
                &key::end(&prefix),
                &mut |row_key, value| {
                    let Some((before, body)) = apply::heard::split(value) else {
                        skipped(TableId::Heard, key::last_number(row_key), None);
                        return true;
                    };
                    match decode::heard(session, before, body) {
                        Ok(row) if before <= seq => rows.push(row),
                        Ok(_) => {}
                        Err(error) => {
                            skipped(TableId::Heard, key::last_number(row_key), Some(error));
                        }
                    }
                    true
                },
            )?;
            Ok(rows)
        })
    }

    /// Usage of the period `[from_ms, until_ms)`.
    #[must_use]
    pub fn usage(&self, from_ms: i64, until_ms: i64) -> UsageSums {
        let (from, until) = (key::time(from_ms), key::time(until_ms));
        self.read(|view| {
            let mut sums = UsageSums::default();
            view.scan(TableId::Usage, &from, &until, &mut |_, value| {
                let row = codec::unseal(TableId::Usage, value)
                    .and_then(|row| codec::parse::<UsageRow>(TableId::Usage, row));
                match row {
                    Ok(row) => sums.count(&row),
                    Err(error) => skipped(TableId::Usage, None::<u64>, Some(error)),
                }
                true
            })?;
            Ok(sums)
        })
    }

    /// The crash ring, oldest first.
    #[must_use]
    pub fn crashes(&self) -> Vec<CrashRow> {
        self.read(|view| {
            let mut rows = Vec::new();
            view.scan(TableId::Crash, &[], &[0xff], &mut |_, value| {
                let row = codec::unseal(TableId::Crash, value)
                    .and_then(|row| codec::parse(TableId::Crash, row));
                match row {
                    Ok(row) => rows.push(row),
                    Err(error) => skipped(TableId::Crash, None::<u64>, Some(error)),
                }
                true
            })?;
            Ok(rows)
        })
    }
}

fn skipped(table: TableId, row: Option<impl std::fmt::Debug>, error: Option<Reject>) {
    let error = error.map_or_else(
        || "its key cannot be read".to_owned(),
        |error| error.to_string(),
    );
    tracing::warn!(table = table.name(), ?row, error, "a row was left out");
}
