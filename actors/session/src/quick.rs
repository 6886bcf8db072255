//! Messages that one person types quickly one after the other, and means as one.
//!
//! Pure. They are rows like any other: which of them belong together is told by when they came in, so a restart puts the
//! same ones together. Commands, directives and whatever brings a file along are never among them.

use std::time::Duration;

use openclaw_ledger::InboxRow;
use openclaw_protocol::config::Config;

use crate::queue;

/// How long is waited for the next message after this one; none where nobody asked for it or it is not to wait.
pub(crate) fn wait(row: &InboxRow, config: &Config) -> Option<Duration> {
    let channel = queue::channel(row)?;
    let ms = config.messages.or_default().inbound.wait_ms(channel);
    let may = ms > 0 && row.body.attachments.is_empty() && queue::may_share(row, config);
    may.then(|| Duration::from_millis(ms))
}

/// How many of the first rows are meant as one; at least the first.
pub(crate) fn count(rows: &[InboxRow], config: &Config) -> usize {
    let Some(wait) = rows.first().and_then(|first| wait(first, config)) else {
        return rows.len().min(1);
    };
    let follow = rows.windows(2).take_while(|pair| match pair {
        [before, next] => is_next(before, next, wait) && self::wait(next, config).is_some(),
        _ => false,
    });
    1 + follow.count()
}

/// The rows of a turn, put together as they were meant.
pub(crate) fn groups<'r>(rows: &[&'r InboxRow], config: &Config) -> Vec<Vec<&'r InboxRow>> {
    let inbound = config.messages.or_default().inbound;
    let mut groups: Vec<Vec<&InboxRow>> = Vec::new();
    for row in rows {
        let ms = queue::channel(row).map_or(0, |channel| inbound.wait_ms(channel));
        let wait = Duration::from_millis(ms);
        let last = groups.last_mut();
        match last.filter(|group| {
            let before = group.last();
            ms > 0 && before.is_some_and(|before| is_next(before, row, wait))
        }) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// Whether a message goes on with the one before it. An answer to another message begins anew: what it quotes is its own.
fn is_next(before: &InboxRow, next: &InboxRow, wait: Duration) -> bool {
    let apart = next.received_at_ms.abs_diff(before.received_at_ms);
    let is_plain = |row: &InboxRow| row.body.attachments.is_empty() && !row.body.is_press;
    u128::from(apart) <= wait.as_millis()
        && is_plain(before)
        && is_plain(next)
        && next.body.reply_to.is_none()
        && queue::is_same_voice(before, next)
}

#[cfg(test)]
mod tests {
    use openclaw_ledger::InboxState;
    use openclaw_protocol::Inbound;
    use openclaw_protocol::Route;
    use openclaw_protocol::SessionKey;
    use openclaw_protocol::message::Attachment;
    use serde_json::json;

    use super::*;

    fn row(seq: u64, at_ms: i64, text: &str) -> InboxRow {
        let mut row = InboxRow {
            session: SessionKey::parse("agent:main:telegram:direct:7").unwrap(),
            seq,
            state: InboxState::Pending,
            attempts: 0,
            changed_at_ms: 0,
            source: "telegram/home".to_owned(),
            source_id: seq.to_string(),
            run_id: "run".into(),
            body: Inbound::default(),
            reply: Some(Route {
                channel: "telegram".to_owned(),
                ..Route::default()
            }),
            received_at_ms: at_ms,
            traceparent: None,
            reason: None,
            crash: None,
        };
        row.body.text = text.to_owned();
        row.body.deliver = true;
        row
    }

    fn waits() -> Config {
        let inbound = json!({ "debounceMs": 9, "byChannel": { "telegram": 1000 } });
        Config::from_value(json!({ "messages": { "inbound": inbound } })).config
    }

    #[test]
    fn what_comes_quickly_is_meant_as_one() {
        let rows = [
            row(1, 0, "one"),
            row(2, 900, "two"),
            row(3, 1_900, "three"),
            row(4, 2_901, "late"),
        ];
        assert_eq!(count(&rows, &waits()), 3);
        assert_eq!(count(&rows, &Config::default()), 1, "nobody asked for it");
        assert_eq!(count(&[], &waits()), 0);
        let refs: Vec<&InboxRow> = rows.iter().collect();
        let sizes = |config: &Config| -> Vec<usize> {
            let groups = groups(&refs, config);
            groups.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&waits()), [3, 1]);
        assert_eq!(sizes(&Config::default()), [1, 1, 1, 1]);
    }

    #[test]
    fn commands_files_and_answers_stand_alone() {
        let plain = || vec![row(1, 0, "one"), row(2, 1, "two"), row(3, 2, "three")];
        let changes: [fn(&mut InboxRow); 5] = [
            |row| row.body.text = "/status".to_owned(),
            |row| row.body.text = "stop".to_owned(),
            |row| row.body.attachments.push(Attachment::default()),
            |row| row.body.reply_to = Some(Default::default()),
            |row| row.source = "telegram/work".to_owned(),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut rows = plain();
            change(&mut rows[1]);
            assert_eq!(count(&rows, &waits()), 1, "change {n}");
        }
        let mut rows = plain();
        rows[0].body.attachments.push(Attachment::default());
        assert_eq!(
            (wait(&rows[0], &waits()), count(&rows, &waits())),
            (None, 1)
        );
    }
}
