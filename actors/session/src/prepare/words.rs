//! The words that a model sees of the rows of a turn.

use super::*;

/// What the model sees of a message that is in a row.
pub(super) fn words(
    row: &InboxRow,
    inbound: &Inbound,
    previous_ms: Option<i64>,
    zone: &TimeZone,
) -> String {
    let frame = envelope::Frame {
        channel: queue::channel(row),
        received_at_ms: row.received_at_ms,
        previous_ms,
        zone,
    };
    envelope::wrap(inbound, &frame)
}

/// The messages of a turn's rows, each with the words that the model sees of it: the first row with what is to be read
/// of it and when the session was heard before. What was typed quickly is one message.
pub(super) fn heard(
    (first, inbound, mut previous_ms): (&InboxRow, &Inbound, Option<i64>),
    with: &[InboxRow],
    config: &Config,
    zone: &TimeZone,
) -> Vec<(String, String)> {
    let rows: Vec<&InboxRow> = std::iter::once(first).chain(with).collect();
    let mut heard = Vec::new();
    for group in quick::groups(&rows, config) {
        let Some((head, rest)) = group.split_first() else {
            continue;
        };
        let mut said = match head.seq == first.seq {
            true => inbound.clone(),
            false => head.body.clone(),
        };
        for row in rest {
            said.text.push('\n');
            said.text.push_str(&row.body.text);
        }
        let words = words(head, &said, previous_ms, zone);
        previous_ms = Some(said_at(rest.last().unwrap_or(head)));
        heard.push((said.text, words));
    }
    heard
}

/// The words of messages that a running turn takes in.
pub(crate) fn meanwhile(deps: &Deps, rows: &[InboxRow]) -> Message {
    let config = (deps.config)();
    let defaults = config.agents.defaults.or_default();
    let zone = envelope::zone(
        defaults.envelope_timezone.as_deref(),
        defaults.user_timezone.as_deref(),
    );
    let Some((first, with)) = rows.split_first() else {
        return Message::user("", now_ms());
    };
    let heard = heard((first, &first.body, None), with, &config, &zone);
    user_message(&config, first, with, &[], queue::together(&heard, 0), false)
}

fn said_at(row: &InboxRow) -> i64 {
    match row.body.timestamp_ms {
        said if said > 0 => said,
        _ => row.received_at_ms,
    }
}

pub(super) fn user_message(
    config: &Config,
    row: &InboxRow,
    with: &[InboxRow],
    overheard: &[InboxRow],
    text: String,
    is_command: bool,
) -> Message {
    let mut content = vec![Content::text(text)];
    let rows = || std::iter::once(row).chain(with);
    for attachment in rows().flat_map(|row| &row.body.attachments) {
        if attachment.mime_type.starts_with("image/") {
            content.push(Content::image(
                attachment.data.clone(),
                attachment.mime_type.clone(),
            ));
        }
    }
    let mut extra = if is_command {
        command_mark()
    } else {
        Extra::new()
    };
    extra.extend(outside::mark(config, rows(), overheard));
    if row.source == "ws" {
        // The name its client gave it: by it a page knows its own message again.
        let key = format!("{}:user", row.run_id);
        extra.insert("idempotencyKey".to_owned(), key.into());
    }
    Message::User(UserMessage {
        content,
        timestamp: said_at(with.last().unwrap_or(row)),
        extra,
    })
}
