//! What is said to somebody whose message finds too many others before it.

use std::collections::BTreeMap;

use openclaw_ledger::Appended;
use openclaw_ledger::NewOutbound;
use openclaw_ledger::Notice;
use openclaw_protocol::AccountKey;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::SessionKey;

const TEXT: &str = "Too many messages wait here for an answer already, so what came last was not taken up. \
                    Please wait until some are answered, and send it again.";
/// It is said once in each hour of the clock: whoever sends a thousand messages must not get a thousand answers.
const HOUR_MS: i64 = 3_600_000;

/// A line to each place whose messages were not taken up; those that were told this hour already, the ledger leaves out.
pub(super) fn notices(
    account: &AccountKey,
    appended: &[Appended],
    replies: Vec<Option<Route>>,
    now_ms: i64,
) -> Vec<Notice> {
    let refused = appended.iter().zip(replies);
    let refused = refused.filter(|(row, _)| row.fresh && row.crowded);
    let places: BTreeMap<&SessionKey, Route> = refused
        .filter_map(|(row, reply)| Some((&row.session, reply?)))
        .collect();
    let hour = now_ms.div_euclid(HOUR_MS);
    places
        .into_iter()
        .map(|(session, route)| {
            let once = format!("{session}/{hour}");
            Notice {
                source: "crowded".to_owned(),
                source_id: once.clone(),
                at_ms: now_ms,
                outbound: NewOutbound {
                    account: account.clone(),
                    route,
                    payload: OutboundPayload::plain(TEXT),
                    session: None,
                    turn: None,
                    idem_key: format!("crowded:{once}"),
                    expires_at_ms: Some(now_ms.saturating_add(HOUR_MS)),
                    notice: true,
                },
            }
        })
        .collect()
}
