//! Listings of inbox, outbox and dead letters.

use openclaw_protocol::key::SessionKey;

use super::skipped;
use crate::codec::Record;
use crate::error::{Reject, Stop};
use crate::op::RawOutbound;
use crate::row::{InboxFilter, InboxRow, InboxState, OutboxFilter, OutboxRow, OutboxState};
use crate::table::{TableId, View};
use crate::{Ledger, decode, key};

/// Rows listed when the filter names no limit.
const LIST: usize = 1000;

impl Ledger {
    /// Inbox rows, by session and number.
    #[must_use]
    pub fn inbox(&self, filter: &InboxFilter) -> Vec<InboxRow> {
        let owner = filter.session.as_ref().map(SessionKey::as_str);
        let wanted = filter.state.map(InboxState::code);
        let open = filter.open_only || filter.state.is_some_and(InboxState::is_open);
        let dead = filter.state == Some(InboxState::Dead);
        let limit = if filter.limit == 0 {
            LIST
        } else {
            filter.limit
        };
        self.read(|view| {
            let keys = candidates(view, TableId::Inbox, open, dead, owner)?;
            records(
                view,
                TableId::Inbox,
                &keys,
                wanted,
                limit,
                |owner, seq, record| {
                    let session = SessionKey::parse(owner).ok()?;
                    Some(decode::inbox(&session, seq, &record))
                },
            )
        })
    }

    /// Outbox rows, by account and number.
    #[must_use]
    pub fn outbox(&self, filter: &OutboxFilter) -> Vec<OutboxRow> {
        let owner = filter.account.as_ref().map(key::account);
        let wanted = filter.state.map(OutboxState::code);
        let open = filter.open_only || filter.state.is_some_and(OutboxState::is_open);
        let dead = matches!(filter.state, Some(OutboxState::Dead | OutboxState::Unknown));
        let limit = if filter.limit == 0 {
            LIST
        } else {
            filter.limit
        };
        self.read(|view| {
            let keys = candidates(view, TableId::Outbox, open, dead, owner.as_deref())?;
            records(
                view,
                TableId::Outbox,
                &keys,
                wanted,
                limit,
                |owner, seq, record| {
                    let account = owner.parse().ok()?;
                    Some(decode::outbox(&account, &RawOutbound { seq, row: record }))
                },
            )
        })
    }

    /// Rows that ended dead or unknown and wait for a person, oldest account first.
    #[must_use]
    pub fn dead_letters(&self) -> (Vec<InboxRow>, Vec<OutboxRow>) {
        let inbox = self.inbox(&InboxFilter {
            state: Some(InboxState::Dead),
            ..Default::default()
        });
        let mut outbox = self.outbox(&OutboxFilter {
            state: Some(OutboxState::Dead),
            ..Default::default()
        });
        outbox.extend(self.outbox(&OutboxFilter {
            state: Some(OutboxState::Unknown),
            ..Default::default()
        }));
        (inbox, outbox)
    }
}

/// Keys of the rows that a listing has to look at: by index where there is one.
fn candidates(
    view: &mut dyn View,
    table: TableId,
    open: bool,
    dead: bool,
    owner: Option<&str>,
) -> Result<Vec<Vec<u8>>, Stop> {
    let inbox = table == TableId::Inbox;
    let (index, mark): (_, &[u8]) = match (open, dead, inbox) {
        (true, _, true) => (TableId::InboxOpen, b""),
        (true, _, false) => (TableId::OutboxOpen, b""),
        (false, true, true) => (TableId::Dead, b"i"),
        (false, true, false) => (TableId::Dead, b"o"),
        (false, false, _) => (table, b""),
    };
    let prefix = [mark, &owner.map_or_else(Vec::new, key::prefix)].concat();
    let mut keys = Vec::new();
    view.scan(index, &prefix, &key::end(&prefix), &mut |row_key, _| {
        keys.push(row_key.get(mark.len()..).unwrap_or_default().to_vec());
        true
    })?;
    Ok(keys)
}

fn records<T>(
    view: &mut dyn View,
    table: TableId,
    keys: &[Vec<u8>],
    wanted: Option<u8>,
    limit: usize,
    decode: impl Fn(&str, u64, Record) -> Option<Result<T, Reject>>,
) -> Result<Vec<T>, Stop> {
    let mut rows = Vec::new();
    for row_key in keys {
        if rows.len() >= limit {
            break;
        }
        let Some(value) = view.get(table, row_key)? else {
            continue;
        };
        let Some((owner, seq)) = key::split_numbered(row_key) else {
            continue;
        };
        match Record::decode(table, &value) {
            Ok(record) if wanted.is_some_and(|wanted| record.head.state != wanted) => {}
            Ok(record) => match decode(&owner, seq, record) {
                Some(Ok(row)) => rows.push(row),
                Some(Err(error)) => skipped(table, Some((owner, seq)), Some(error)),
                None => skipped(table, Some((owner, seq)), None),
            },
            Err(error) => skipped(table, Some((owner, seq)), Some(error)),
        }
    }
    Ok(rows)
}
