//! One write after the other, applied to tables: the whole logic of the ledger, without thread or clock.
//!
//! A refusal is found before the first change, so it leaves nothing behind and the batch it rode in goes
//! on. What cannot be read is set aside with a log line where the gateway must come up without it.

pub(crate) mod audit;
mod company;
pub(crate) mod heard;
mod inbox;
mod outbox;
mod prune;
mod recover;
mod session;
mod spend;
mod turn;

pub(crate) use self::prune::is_dead;
use crate::codec;
use crate::error::{Reject, Stop};
use crate::op::{Answer, Fence, Op, Receipt, Write};
use crate::table::{TableId, Tables};
use crate::{CRASHES, key};

/// How long an idempotency answer counts. A client that retries does so within minutes.
pub(crate) const IDEM_TTL_MS: i64 = 24 * 3600 * 1000;

/// Applies one write.
pub(crate) fn apply(tables: &mut impl Tables, write: Write) -> Result<Receipt, Stop> {
    let Write { fence, op } = write;
    if fence != Fence::constant(op.shard()) {
        return Err(Reject::Fenced { shard: fence.shard }.into());
    }
    match op {
        Op::AppendInbound {
            rows,
            heard,
            notices,
            cursor,
        } => inbox::append(tables, rows, &heard, notices, cursor),
        Op::Accept { row, answer } => inbox::accept(tables, &row, &answer),
        Op::Remember(answer) => remember(tables, &answer).map(|()| Receipt::Done),
        Op::RetryInbound {
            session,
            seq,
            by,
            now_ms,
        } => inbox::retry(tables, &session, seq, &by, now_ms),
        Op::DropInbound {
            session,
            seq,
            by,
            now_ms,
        } => inbox::drop(tables, &session, seq, &by, now_ms),
        Op::BeginTurn {
            session,
            with,
            now_ms,
        } => turn::begin(tables, &session, &with, now_ms),
        Op::JoinTurn {
            session,
            turn,
            k,
            rows,
            step,
            now_ms,
        } => company::join(
            tables,
            &company::At { session, turn, k },
            &rows,
            &step,
            now_ms,
        ),
        Op::ReleaseTurn {
            session,
            turn,
            now_ms,
        } => turn::release(tables, &session, turn, now_ms),
        Op::StepIntent {
            session,
            turn,
            k,
            intent,
            audit,
        } => turn::intent(tables, &session, turn, k, &intent, audit.as_deref()),
        Op::StepResult {
            session,
            turn,
            k,
            result,
            audit,
        } => turn::result(tables, &session, turn, k, result, audit.as_deref()),
        Op::CommitTurn(end) => turn::commit(tables, *end),
        Op::Reserve(asked) => spend::reserve(tables, &asked).map(Receipt::Reserved),
        Op::Spend(calls) => spend::record(tables, &calls).map(|()| Receipt::Done),
        Op::EditSession {
            session,
            entry,
            lines,
        } => session::edit(tables, &session, entry, lines),
        Op::Enqueue(rows) => outbox::enqueue(tables, &rows).map(Receipt::Committed),
        Op::ClaimOutbox {
            account,
            now_ms,
            max,
            busy,
        } => outbox::claim(tables, &account, now_ms, max, busy),
        Op::Mark {
            key,
            mark,
            note,
            why,
            now_ms,
        } => outbox::mark(tables, &key, &mark, &note, &why, now_ms),
        Op::Recover { policy, now_ms } => recover::all(tables, &policy, now_ms),
        Op::RecoverSession { session, now_ms } => recover::session(tables, &session, now_ms),
        Op::RecoverAccount {
            account,
            action,
            now_ms,
        } => recover::account(tables, &account, action, now_ms),
        Op::PutCrash(record) => put_crash(tables, &record),
        Op::Audit(body) => audit::append(tables, &body).map(Receipt::Number),
        Op::Prune(prune) => prune::apply(tables, &prune),
    }
}

/// The number after the last row below `prefix`.
fn next_number(tables: &mut impl Tables, table: TableId, prefix: &[u8]) -> Result<u64, Stop> {
    let last = tables.last_key(table, prefix, &key::end(prefix))?;
    Ok(last
        .and_then(|key| key::last_number(&key))
        .map_or(1, |last| last + 1))
}

/// Whether an owner whose next row is `seq` has all the open rows it may have.
fn is_full(
    tables: &mut impl Tables,
    index: TableId,
    prefix: &[u8],
    seq: u64,
    most: u64,
) -> Result<bool, Stop> {
    let end = key::end(prefix);
    let mut first = seq;
    tables.scan(index, prefix, &end, &mut |key, _| {
        first = key::last_number(key).unwrap_or(seq);
        false
    })?;
    // Numbers have gaps where rows have ended, so this is rarely the count itself.
    if seq.saturating_sub(first) < most {
        return Ok(false);
    }
    let mut open = 0;
    tables.scan(index, prefix, &end, &mut |_, _| {
        open += 1;
        open < most
    })?;
    Ok(open >= most)
}

fn remember(tables: &mut impl Tables, answer: &Answer) -> Result<(), Stop> {
    let value = codec::seal_at(answer.at_ms, &answer.response);
    tables.put(
        TableId::Idem,
        &key::pair(&answer.scope, &answer.key),
        &value,
    )
}

fn put_crash(tables: &mut impl Tables, record: &[u8]) -> Result<Receipt, Stop> {
    let last = tables.last_key(TableId::Crash, &[], &[0xff])?;
    let n = last
        .and_then(|key| key::last_number(&key))
        .map_or(1, |last| last + 1);
    tables.put(TableId::Crash, &n.to_be_bytes(), &codec::seal(record))?;
    if let Some(old) = n.checked_sub(CRASHES) {
        tables.remove(TableId::Crash, &old.to_be_bytes())?;
    }
    Ok(Receipt::Number(n))
}
