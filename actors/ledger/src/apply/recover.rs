//! After a restart: what was in hand is in nobody's hand. Boot and the restart of one actor share this.

use openclaw_protocol::key::{AccountKey, SessionKey};

use super::{outbox, spend, turn};
use crate::codec;
use crate::error::Stop;
use crate::key;
use crate::migrate::EPOCH;
use crate::op::Receipt;
use crate::row::{InboxState, OutboxKey, OutboxState, Recovery, UnknownAction, UnknownPolicy};
use crate::table::{TableId, Tables};

pub(super) fn all(
    tables: &mut impl Tables,
    policy: &UnknownPolicy,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let stored = tables.get(TableId::Meta, EPOCH)?;
    let epoch = stored
        .and_then(|value| key::last_number(&value))
        .unwrap_or_default()
        + 1;
    tables.put(TableId::Meta, EPOCH, &codec::seal(&epoch.to_be_bytes()))?;
    let mut recovery = Recovery {
        epoch,
        ..Recovery::default()
    };
    spend::settle(tables, &[])?;
    inbox(tables, &[], &[0xff], now_ms, &mut recovery)?;
    sends(
        tables,
        &[],
        &[0xff],
        &|account| policy.of(account),
        now_ms,
        &mut recovery,
    )?;
    Ok(Receipt::Recovered(recovery))
}

pub(super) fn session(
    tables: &mut impl Tables,
    session: &SessionKey,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let prefix = key::prefix(session.as_str());
    let mut recovery = Recovery::default();
    inbox(tables, &prefix, &key::end(&prefix), now_ms, &mut recovery)?;
    Ok(Receipt::Recovered(recovery))
}

pub(super) fn account(
    tables: &mut impl Tables,
    account: &AccountKey,
    action: UnknownAction,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let prefix = key::prefix(&key::account(account));
    let mut recovery = Recovery::default();
    sends(
        tables,
        &prefix,
        &key::end(&prefix),
        &|_| action,
        now_ms,
        &mut recovery,
    )?;
    Ok(Receipt::Recovered(recovery))
}

/// `running` becomes `interrupted`.
fn inbox(
    tables: &mut impl Tables,
    from: &[u8],
    until: &[u8],
    now_ms: i64,
    recovery: &mut Recovery,
) -> Result<(), Stop> {
    let mut running = Vec::new();
    tables.scan(TableId::InboxOpen, from, until, &mut |row_key, value| {
        let Some((session, seq)) = key::split_numbered(row_key) else {
            return true;
        };
        let Ok(session) = SessionKey::parse(&session) else {
            return true;
        };
        let state = codec::index(TableId::InboxOpen, value).map(|head| head.state);
        if state == Ok(InboxState::Running.code()) {
            running.push((session.clone(), seq));
        }
        if recovery.sessions.last() != Some(&session) {
            recovery.sessions.push(session);
        }
        true
    })?;
    for (session, seq) in running {
        match turn::load(tables, &session, seq) {
            Ok((mut record, InboxState::Running)) => {
                record.head.state = InboxState::Interrupted.code();
                record.head.changed_at = now_ms;
                let row_key = key::numbered(session.as_str(), seq);
                let why = "whoever worked on it ended";
                turn::store(
                    tables,
                    &row_key,
                    &mut record,
                    Some(InboxState::Running),
                    why,
                )?;
                recovery.interrupted += 1;
            }
            // `begin_turn` sets an unreadable row aside.
            Ok(_) | Err(Stop::Reject(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// `attempting` becomes what the account's policy says.
fn sends(
    tables: &mut impl Tables,
    from: &[u8],
    until: &[u8],
    action: &dyn Fn(&AccountKey) -> UnknownAction,
    now_ms: i64,
    recovery: &mut Recovery,
) -> Result<(), Stop> {
    let mut attempting = Vec::new();
    let mut waiting = Vec::new();
    tables.scan(TableId::OutboxOpen, from, until, &mut |row_key, value| {
        let Some((account, seq)) = key::split_numbered(row_key) else {
            return true;
        };
        let Ok(account) = account.parse::<AccountKey>() else {
            return true;
        };
        let state = codec::index(TableId::OutboxOpen, value).map(|head| head.state);
        if state == Ok(OutboxState::Attempting.code()) {
            attempting.push((OutboxKey { account, seq }, row_key.to_vec()));
        } else if waiting.last() != Some(&account) {
            waiting.push(account);
        }
        true
    })?;
    for (row, row_key) in attempting {
        let (mut record, was) = match outbox::load(tables, &row_key) {
            Ok(found) => found,
            // `claim_outbox` sets an unreadable row aside.
            Err(Stop::Reject(_)) => continue,
            Err(fault) => return Err(fault),
        };
        let cut_off = "its sender ended while it was being sent";
        record.set_note(&outbox::note(cut_off));
        record.head.changed_at = now_ms;
        let why = match action(&row.account) {
            UnknownAction::Hold => {
                record.head.state = OutboxState::Unknown.code();
                recovery.held.push(row);
                format!("{cut_off}; held, as nobody knows whether it arrived")
            }
            UnknownAction::Resend => {
                record.head.state = OutboxState::Prepared.code();
                record.head.not_before = 0;
                waiting.push(row.account.clone());
                recovery.resent.push(row);
                format!("{cut_off}; sent again, as the account is set to")
            }
        };
        outbox::store(tables, &row_key, &mut record, Some(was), &why)?;
    }
    waiting.sort();
    waiting.dedup();
    recovery.accounts = waiting;
    Ok(())
}
