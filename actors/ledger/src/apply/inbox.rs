//! Messages come in: once each, with the cursor that acknowledges them.

use openclaw_protocol::key::SessionKey;

use super::{IDEM_TTL_MS, heard, is_full, next_number, outbox, remember, turn};
use crate::codec::{self, Head, Record};
use crate::error::{Reject, Stop};
use crate::key;
use crate::op::{Answer, HeardInsert, InboxInsert, NoticeInsert, Receipt};
use crate::row::{Appended, EndNote, InboxKey, InboxState};
use crate::table::{TableId, Tables};

/// Messages that may wait in one session: hours of turns. A client that brings more is refused.
const MAX_OPEN: u64 = 1000;

pub(super) fn append(
    tables: &mut impl Tables,
    rows: Vec<InboxInsert>,
    overheard: &[HeardInsert],
    notices: Vec<NoticeInsert>,
    cursor: Option<(String, String)>,
) -> Result<Receipt, Stop> {
    let mut appended = Vec::with_capacity(rows.len());
    let count = rows.len();
    for (at, row) in rows.into_iter().enumerate() {
        for heard in overheard.iter().filter(|heard| heard.after == at) {
            heard::insert(tables, heard)?;
        }
        let seen_key = key::pair(&row.source, &row.source_id);
        let fresh = match tables.get(TableId::Seen, &seen_key)? {
            Some(seen) => {
                let (session, seq) = seen_row(&seen).unwrap_or((row.session, 0));
                Appended {
                    session,
                    seq,
                    fresh: false,
                    crowded: false,
                }
            }
            None => {
                let (seq, crowded) = insert(tables, &row)?;
                let target = key::numbered(row.session.as_str(), seq);
                tables.put(
                    TableId::Seen,
                    &seen_key,
                    &codec::seal_at(row.at_ms, &target),
                )?;
                Appended {
                    session: row.session,
                    seq,
                    fresh: true,
                    crowded,
                }
            }
        };
        appended.push(fresh);
    }
    for heard in overheard.iter().filter(|heard| heard.after >= count) {
        heard::insert(tables, heard)?;
    }
    for notice in notices {
        let seen_key = key::pair(&notice.source, &notice.source_id);
        if tables.get(TableId::Seen, &seen_key)?.is_none() {
            tables.put(TableId::Seen, &seen_key, &codec::seal_at(notice.at_ms, &[]))?;
            outbox::insert(tables, &notice.row)?;
        }
    }
    if let Some((account, cursor)) = cursor {
        tables.put(
            TableId::Cursor,
            &key::prefix(&account),
            &codec::seal(cursor.as_bytes()),
        )?;
    }
    Ok(Receipt::Appended(appended))
}

/// The row that a dedupe key points to; none for a notice.
fn seen_row(value: &[u8]) -> Option<(SessionKey, u64)> {
    let (_, target) = codec::unseal_at(TableId::Seen, value).ok()?;
    let (session, seq) = key::split_numbered(target)?;
    Some((SessionKey::parse(&session).ok()?, seq))
}

pub(super) fn accept(
    tables: &mut impl Tables,
    row: &InboxInsert,
    answer: &Answer,
) -> Result<Receipt, Stop> {
    if let Some(stored) = tables.get(TableId::Idem, &key::pair(&answer.scope, &answer.key))? {
        let (at, response) = codec::unseal_at(TableId::Idem, &stored)?;
        if answer.at_ms.saturating_sub(at) < IDEM_TTL_MS {
            return Ok(Receipt::Repeat(response.to_vec()));
        }
    }
    if let Some(waiting) = crowd(tables, &row.session)? {
        let session = row.session.to_string();
        return Err(Reject::SessionFull { session, waiting }.into());
    }
    let seq = insert_body(tables, &row.session, row.at_ms, &row.body, "received")?;
    remember(tables, answer)?;
    Ok(Receipt::Fresh(seq))
}

/// How many messages wait in a session that may have no more; none while it may.
fn crowd(tables: &mut impl Tables, session: &SessionKey) -> Result<Option<u64>, Stop> {
    let prefix = key::prefix(session.as_str());
    let seq = next_number(tables, TableId::Inbox, &prefix)?;
    let is_full = is_full(tables, TableId::InboxOpen, &prefix, seq, MAX_OPEN)?;
    Ok(is_full.then_some(MAX_OPEN))
}

/// Stores a platform's message: it has been said, and would be said again for ever if it were refused. Where the
/// session has all it may have, it is a dead letter at once, which is said.
fn insert(tables: &mut impl Tables, row: &InboxInsert) -> Result<(u64, bool), Stop> {
    if let Some(waiting) = crowd(tables, &row.session)? {
        let seq = next_number(tables, TableId::Inbox, &key::prefix(row.session.as_str()))?;
        let head = Head::new(InboxState::Dead.code(), row.at_ms);
        let mut record = Record::new(head, &row.body);
        let why = format!("{waiting} messages already wait in this session");
        let note = EndNote {
            reason: why.clone(),
            crash: None,
        };
        record.set_note(&serde_json::to_vec(&note).unwrap_or_default());
        let row_key = key::numbered(row.session.as_str(), seq);
        turn::store(tables, &row_key, &mut record, None, &why)?;
        return Ok((seq, true));
    }
    let seq = insert_body(tables, &row.session, row.at_ms, &row.body, "received")?;
    Ok((seq, false))
}

fn insert_body(
    tables: &mut impl Tables,
    session: &SessionKey,
    at_ms: i64,
    body: &[u8],
    why: &str,
) -> Result<u64, Stop> {
    let seq = next_number(tables, TableId::Inbox, &key::prefix(session.as_str()))?;
    let mut record = Record::new(Head::new(InboxState::Pending.code(), at_ms), body);
    let row_key = key::numbered(session.as_str(), seq);
    turn::store(tables, &row_key, &mut record, None, why)?;
    Ok(seq)
}

/// A row that waits for a person among the dead letters.
fn letter(tables: &mut impl Tables, session: &SessionKey, seq: u64) -> Result<Record, Stop> {
    let (record, state) = turn::load(tables, session, seq)?;
    if state == InboxState::Dead {
        return Ok(record);
    }
    Err(Reject::WrongInboundState {
        key: InboxKey::new(session, seq).to_string(),
        state,
    }
    .into())
}

/// Queues a dead letter once more, as a new row: a turn's number names its tool calls and its answers for
/// ever, and those of the old row have been used. The old row stays for its history.
pub(super) fn retry(
    tables: &mut impl Tables,
    session: &SessionKey,
    seq: u64,
    by: &str,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let mut record = letter(tables, session, seq)?;
    let why = format!("retried from #{seq} by {by}");
    let again = insert_body(tables, session, now_ms, record.body(), &why)?;
    record.head.state = InboxState::Failed.code();
    record.head.changed_at = now_ms;
    let row_key = key::numbered(session.as_str(), seq);
    let why = format!("retried as #{again} by {by}");
    turn::store(tables, &row_key, &mut record, Some(InboxState::Dead), &why)?;
    Ok(Receipt::Number(again))
}

/// Takes a row off the dead letters for good.
pub(super) fn drop(
    tables: &mut impl Tables,
    session: &SessionKey,
    seq: u64,
    by: &str,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let mut record = letter(tables, session, seq)?;
    record.head.state = InboxState::Dropped.code();
    record.head.changed_at = now_ms;
    let row_key = key::numbered(session.as_str(), seq);
    let why = format!("dropped by {by}");
    turn::store(tables, &row_key, &mut record, Some(InboxState::Dead), &why)?;
    Ok(Receipt::Done)
}
