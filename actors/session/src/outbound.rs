//! From an answer to the rows of the outbox: where it goes, in how many parts.
//!
//! Pure. The route is that of the row that is answered, never "the latest"; each part is a row of
//! its own with its own idempotency key, so a retry repeats one part and not the answer.

use openclaw_channel::chunk;
use openclaw_ledger::InboxRow;
use openclaw_ledger::NewOutbound;
use openclaw_ledger::TurnNo;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::config::ChunkMode;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::ReplyToMode;
use openclaw_protocol::config::Section;

use crate::reply::Answers;
use crate::reply::Reply;

/// Longest part where the account says nothing; below what any supported platform takes.
const PART: usize = 4000;

/// How an account wants its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) part: usize,
    pub(crate) mode: ChunkMode,
    pub(crate) quotes: ReplyToMode,
    pub(crate) prefix: Option<String>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            part: PART,
            mode: ChunkMode::Length,
            quotes: ReplyToMode::Off,
            prefix: None,
        }
    }
}

/// How the account of a row wants its answers.
pub(crate) fn manner(config: &Config, row: &InboxRow) -> Manner {
    let mut manner = Manner {
        prefix: config.messages.or_default().response_prefix,
        ..Manner::default()
    };
    let Some(route) = &row.reply else {
        return manner;
    };
    if route.channel == "telegram"
        && let Some(account) = config
            .channels
            .telegram
            .get(&route.account)
            .and_then(Section::get)
    {
        // The platform's own limit holds whatever is configured.
        manner.part = account.text_chunk_limit.unwrap_or(PART).clamp(1, PART);
        manner.mode = account.chunk_mode;
        manner.quotes = account.reply_to_mode;
        manner.prefix = account.response_prefix.clone().or(manner.prefix);
    }
    manner
}

/// The rows of an answer; none when nobody waits for it on a channel. `current` is the id of the message that is
/// answered.
pub(crate) fn rows(
    row: &InboxRow,
    current: Option<&str>,
    reply: &Reply,
    manner: &Manner,
    is_notice: bool,
) -> Vec<NewOutbound> {
    let Some(route) = row.reply.as_ref().filter(|_| row.body.deliver) else {
        return Vec::new();
    };
    if reply.text.trim().is_empty() {
        return Vec::new();
    }
    let text = match manner.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        Some(prefix) if !is_notice => format!("{prefix} {}", reply.text),
        _ => reply.text.clone(),
    };
    let mode = match manner.mode {
        ChunkMode::Length => chunk::ChunkMode::Length,
        ChunkMode::Newline => chunk::ChunkMode::Newline,
    };
    let parts = chunk::split(&text, manner.part, mode);
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    let asked_for = reply.answers.as_ref().and_then(|answers| match answers {
        Answers::Current => current.map(str::to_owned),
        Answers::Message(id) => Some(id.clone()),
    });
    (1u16..)
        .zip(parts)
        .map(|(part, text)| {
            let mut route = route.clone();
            let quoted = match manner.quotes {
                ReplyToMode::All => true,
                ReplyToMode::First => part == 1,
                ReplyToMode::Off => part == 1 && asked_for.is_some(),
            };
            route.reply_to = match (quoted, &asked_for) {
                (false, _) => None,
                (true, Some(id)) => Some(id.clone()),
                (true, None) => current.map(str::to_owned),
            };
            NewOutbound {
                account: route.account_key(),
                idem_key: format!("{}/{}/{part}", row.session, row.seq),
                payload: OutboundPayload {
                    part,
                    parts: count,
                    ..OutboundPayload::markdown(text)
                },
                session: Some(row.session.clone()),
                turn: Some(TurnNo(row.seq)),
                expires_at_ms: None,
                notice: is_notice,
                route,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use openclaw_ledger::InboxState;
    use openclaw_protocol::Inbound;
    use openclaw_protocol::Route;
    use openclaw_protocol::SessionKey;

    use super::*;

    fn row(deliver: bool) -> InboxRow {
        InboxRow {
            session: SessionKey::parse("agent:main:telegram:direct:42").unwrap(),
            seq: 7,
            state: InboxState::Running,
            attempts: 1,
            changed_at_ms: 0,
            source: "telegram/home".to_owned(),
            source_id: "1".to_owned(),
            run_id: "r".into(),
            body: Inbound {
                message_id: Some("99".to_owned()),
                deliver,
                ..Inbound::default()
            },
            reply: Some(Route {
                channel: "telegram".to_owned(),
                account: "home".to_owned(),
                to: "42".to_owned(),
                ..Route::default()
            }),
            received_at_ms: 0,
            traceparent: None,
            reason: None,
            crash: None,
        }
    }

    fn reply(text: &str) -> Reply {
        Reply {
            text: text.to_owned(),
            answers: None,
        }
    }

    #[test]
    fn each_part_is_a_row_with_its_own_key() {
        let manner = Manner {
            part: 40,
            ..Manner::default()
        };
        let text = "one two three four five ".repeat(5);
        let rows = rows(&row(true), Some("99"), &reply(&text), &manner, false);
        assert!(rows.len() > 1);
        for (n, row) in (1u16..).zip(&rows) {
            assert_eq!(row.payload.part, n);
            assert_eq!(usize::from(row.payload.parts), rows.len());
            assert_eq!(row.idem_key, format!("agent:main:telegram:direct:42/7/{n}"));
            assert_eq!(row.route.reply_to, None);
        }
    }

    #[test]
    fn nothing_goes_out_for_silence_or_when_nobody_waits() {
        let manner = Manner::default();
        assert!(rows(&row(true), Some("99"), &reply(" "), &manner, false).is_empty());
        assert!(rows(&row(false), Some("99"), &reply("hi"), &manner, false).is_empty());
    }

    #[test]
    fn the_first_part_quotes_when_the_model_or_the_account_says_so() {
        let tagged = Reply {
            answers: Some(Answers::Current),
            ..reply("hi")
        };
        let out = rows(&row(true), Some("99"), &tagged, &Manner::default(), false);
        assert_eq!(out[0].route.reply_to.as_deref(), Some("99"));
        let manner = Manner {
            quotes: ReplyToMode::First,
            ..Manner::default()
        };
        let out = rows(&row(true), Some("99"), &reply("hi"), &manner, false);
        assert_eq!(out[0].route.reply_to.as_deref(), Some("99"));
    }
}
