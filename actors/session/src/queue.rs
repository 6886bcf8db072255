//! What becomes of messages that come while their session is busy.
//!
//! Pure. Rows go in, and out comes which of them the next turn takes together. Whatever the mode, order stays: only a
//! run of neighbouring rows is put together, and only of one person over one route, so that nobody's words are read
//! with another's rights. What the gateway answers itself, and what clients and jobs wait for run by run, is never
//! put together with anything.

use std::time::Duration;

use openclaw_ledger::InboxRow;
use openclaw_ledger::InboxState;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::Queue;
use openclaw_protocol::config::QueueMode;

use crate::command::directive;
use crate::command::right;
use crate::entry;
use crate::entry::Entry;

/// Longest pause for quiet, in pauses: who never stops typing is answered all the same.
pub(crate) const PATIENCE: u32 = 10;
/// Longest line that stands for a message which is not shown in full, in characters.
const LINE: usize = 160;
/// Most rows that are looked at: more wait than anyone would type.
pub(crate) const LOOK: usize = 200;

/// The rule for messages that come while a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Each becomes a turn of its own.
    Followup,
    /// They become one turn.
    Collect,
    /// The running turn sees them at its next tool's end.
    Steer,
    /// The same, and each becomes a turn afterwards.
    SteerBacklog,
    /// The running turn is ended, and they become the next.
    Interrupt,
}

/// What goes when more wait than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surplus {
    /// The oldest.
    Old,
    /// The newest.
    New,
    /// Nothing: of the oldest, a line each is shown.
    Summarize,
}

/// How a session queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) mode: Mode,
    /// How long it has to be quiet after a turn before what waited is taken up.
    pub(crate) debounce: Duration,
    /// How many may wait; none without a mode that somebody chose.
    pub(crate) cap: Option<usize>,
    pub(crate) surplus: Surplus,
}

impl Rules {
    /// Each message a turn of its own, at once, none left out: what holds where nobody chose anything.
    pub(crate) const PLAIN: Self = Self {
        mode: Mode::Followup,
        debounce: Duration::ZERO,
        cap: None,
        surplus: Surplus::Summarize,
    };

    /// The rules of a session: its own, else its channel's, else everybody's.
    pub(crate) fn of(config: &Queue, channel: Option<&str>, stored: Option<&Entry>) -> Self {
        let own = stored
            .and_then(|entry| entry::text(entry, "queueMode"))
            .and_then(mode);
        let of_channel = channel.and_then(|channel| config.by_channel.get(channel).copied());
        let configured = of_channel.or(config.mode).map(from_config);
        let Some(mode) = own.or(configured) else {
            return Self::PLAIN;
        };
        let number = |name: &str| stored.and_then(|entry| entry.get(name)?.as_u64());
        let of_channel_ms =
            channel.and_then(|channel| config.debounce_ms_by_channel.get(channel).copied());
        let own_drop = stored.and_then(|entry| entry::text(entry, "queueDrop"));
        let cap = number("queueCap").and_then(|cap| usize::try_from(cap).ok());
        Self {
            mode,
            debounce: Duration::from_millis(
                number("queueDebounceMs")
                    .or(of_channel_ms)
                    .unwrap_or(config.debounce_ms),
            ),
            cap: Some(cap.unwrap_or(config.cap).max(1)),
            surplus: own_drop
                .or(config.drop.as_deref())
                .and_then(surplus)
                .unwrap_or(Surplus::Summarize),
        }
    }

    /// When rows that waited behind a turn may be taken up: after quiet since `heard`, but not for ever after `since`.
    pub(crate) fn due(
        &self,
        since: tokio::time::Instant,
        heard: tokio::time::Instant,
    ) -> tokio::time::Instant {
        if self.mode == Mode::Interrupt {
            return since;
        }
        (heard.max(since) + self.debounce).min(since + self.debounce * PATIENCE)
    }

    /// How many of the first of `count` rows in one turn are shown as a line.
    pub(crate) fn shortened(&self, count: usize) -> usize {
        match (self.mode, self.cap) {
            (_, None) => 0,
            (Mode::Collect | Mode::Interrupt, Some(cap)) => count.saturating_sub(cap),
            // Only surplus is put together at all: all but the last of it.
            (_, Some(_)) => count.saturating_sub(1),
        }
    }
}

/// A mode by the name that people and files give it.
pub(crate) fn mode(name: &str) -> Option<Mode> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "followup" | "follow-up" => Mode::Followup,
        "collect" => Mode::Collect,
        "steer" | "queue" => Mode::Steer,
        "steer-backlog" | "steer+backlog" => Mode::SteerBacklog,
        "interrupt" => Mode::Interrupt,
        _ => return None,
    })
}

/// What goes, by its name.
pub(crate) fn surplus(name: &str) -> Option<Surplus> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "old" | "oldest" => Surplus::Old,
        "new" | "newest" => Surplus::New,
        "summarize" | "summary" => Surplus::Summarize,
        _ => return None,
    })
}

fn from_config(mode: QueueMode) -> Mode {
    match mode {
        QueueMode::Collect => Mode::Collect,
        QueueMode::Followup => Mode::Followup,
        QueueMode::Steer | QueueMode::Queue => Mode::Steer,
        QueueMode::SteerBacklog => Mode::SteerBacklog,
        QueueMode::Interrupt => Mode::Interrupt,
    }
}

impl Mode {
    /// Its name in files and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Followup => "followup",
            Self::Collect => "collect",
            Self::Steer => "steer",
            Self::SteerBacklog => "steer-backlog",
            Self::Interrupt => "interrupt",
        }
    }
}

impl Surplus {
    /// Its name in files and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
            Self::Summarize => "summarize",
        }
    }
}

/// The channel that a row came over; none for clients and jobs.
pub(crate) fn channel(row: &InboxRow) -> Option<&str> {
    let source = row.source.split('/').next()?;
    let route = row.reply.as_ref()?;
    (route.channel == source).then_some(source)
}

/// Whether a row may share a turn with others: a person's plain words over a channel, not tried before and without a
/// directive of their own.
pub(crate) fn may_share(row: &InboxRow, config: &Config) -> bool {
    let body = &row.body;
    row.state == InboxState::Pending
        && row.attempts == 0
        && body.deliver
        && channel(row).is_some()
        && body.client_tools.is_empty()
        && body.extra_system_prompt.is_none()
        && body.thinking.is_none()
        && !body.is_press
        && directive::is_plain(&body.text)
        && right::of(config, row).is_none()
}

/// Whether two rows are one person's over one route.
pub(crate) fn is_same_voice(a: &InboxRow, b: &InboxRow) -> bool {
    let sender = |row: &InboxRow| row.body.sender.as_ref().map(|sender| sender.id.clone());
    let place = |row: &InboxRow| {
        row.reply
            .as_ref()
            .map(|route| (route.to.clone(), route.thread.clone()))
    };
    a.source == b.source && sender(a) == sender(b) && place(a) == place(b)
}

/// What the next turn takes, and what is left out before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Take {
    /// How many of the rows the turn answers; at least the first.
    pub(crate) count: usize,
    /// Rows that are ended unanswered, by their numbers.
    pub(crate) left_out: Vec<u64>,
}

/// What comes next of the rows that wait, oldest first; the first is not claimed by anything.
pub(crate) fn next(rows: &[InboxRow], rules: &Rules, config: &Config) -> Take {
    let alone = Take {
        count: 1,
        left_out: Vec::new(),
    };
    if *rules == Rules::PLAIN {
        return alone;
    }
    let Some(first) = rows.first().filter(|first| may_share(first, config)) else {
        return alone;
    };
    let run: Vec<&InboxRow> = rows
        .iter()
        .take_while(|row| may_share(row, config) && is_same_voice(row, first))
        .collect();
    let surplus = rules.cap.map_or(0, |cap| run.len().saturating_sub(cap));
    let numbers = |rows: &[&InboxRow]| rows.iter().map(|row| row.seq).collect();
    let kept = run.len() - surplus;
    match rules.surplus {
        Surplus::Old if surplus > 0 => Take {
            count: 0,
            left_out: run.get(..surplus).map(numbers).unwrap_or_default(),
        },
        Surplus::New if surplus > 0 => Take {
            count: 0,
            left_out: run.get(kept..).map(numbers).unwrap_or_default(),
        },
        _ => match rules.mode {
            Mode::Collect | Mode::Interrupt => Take {
                count: run.len(),
                ..alone
            },
            // What is too much is shown, line by line, before the first that is not.
            Mode::Followup | Mode::Steer | Mode::SteerBacklog => Take {
                count: surplus + 1,
                ..alone
            },
        },
    }
}

/// Those of the waiting rows that a running turn of `live` may see: the first run of its own voice.
pub(crate) fn guests<'a>(
    live: &InboxRow,
    waiting: &'a [InboxRow],
    config: &Config,
) -> Vec<&'a InboxRow> {
    waiting
        .iter()
        .take_while(|row| may_share(row, config) && is_same_voice(row, live))
        .collect()
}

/// The text of a turn that answers several messages: of each what was said, and the words that the model sees of it.
pub(crate) fn together(messages: &[(String, String)], shortened: usize) -> String {
    if let [(_, only)] = messages {
        return only.clone();
    }
    let shortened = shortened.min(messages.len());
    let (short, full) = messages.split_at(shortened);
    let mut out = String::new();
    if !short.is_empty() {
        out.push_str(&format!(
            "[{} more messages waited than are shown in full; a line of each]\n",
            short.len()
        ));
        for (said, _) in short {
            out.push_str(&format!("- {}\n", line(said)));
        }
        out.push('\n');
    }
    if let [(_, only)] = full {
        out.push_str(only);
        return out;
    }
    out.push_str("[These messages came while you were busy. Answer them together.]\n");
    for (n, (_, words)) in full.iter().enumerate() {
        out.push_str(&format!("\n---\n#{}\n{words}\n", n + 1));
    }
    out.truncate(out.trim_end().len());
    out
}

/// A message in one line.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let whole = words.join(" ");
    match whole.char_indices().nth(LINE) {
        Some((cut, _)) => format!("{}…", whole.get(..cut).unwrap_or_default()),
        None => whole,
    }
}

#[cfg(test)]
mod tests;
