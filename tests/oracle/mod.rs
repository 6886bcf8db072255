//! The oracle: what the ledger says at the end, held against what the fakes saw.

use std::collections::BTreeMap;

use openclaw_ledger::{
    InboxFilter, InboxRow, InboxState, Ledger, OutboxFilter, OutboxRow, OutboxState,
};
use openclaw_support::gateway::Home;
use openclaw_support::telegram::Sent;
use serde_json::Value;

/// More rows than any run makes.
const ALL: usize = 10_000_000;

/// What a run left behind. The gateway has ended.
pub(crate) struct Oracle {
    ledger: Ledger,
    inbox: Vec<InboxRow>,
    outbox: Vec<OutboxRow>,
}

/// How the messages ended, in numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) answered: usize,
    /// The answer is held as unknown: visible, and never sent twice.
    pub(crate) unknown: usize,
    /// The turn ended with a notice to the person.
    pub(crate) failed: usize,
    /// Given up after its turn died again and again, with an apology.
    pub(crate) dead: usize,
}

impl Oracle {
    pub(crate) fn open(home: &Home) -> Self {
        let (ledger, _thread) =
            Ledger::open(home.state().join("ledger/openclaw.redb")).expect("the ledger");
        let open = ledger.inbox(&InboxFilter {
            open_only: true,
            limit: 100,
            ..InboxFilter::default()
        });
        assert!(open.is_empty(), "rows are still claimed: {open:?}");
        let open = ledger.outbox(&OutboxFilter {
            open_only: true,
            limit: 100,
            ..OutboxFilter::default()
        });
        assert!(open.is_empty(), "rows are still to be sent: {open:?}");
        let inbox = ledger.inbox(&InboxFilter {
            limit: ALL,
            ..InboxFilter::default()
        });
        let outbox = ledger.outbox(&OutboxFilter {
            limit: ALL,
            ..OutboxFilter::default()
        });
        Self {
            ledger,
            inbox,
            outbox,
        }
    }

    /// Each message of one account stands in the inbox once and came to one visible end; the platform saw of its
    /// answer what the ledger says it saw.
    pub(crate) fn messages(
        &self,
        account: &str,
        pushed: &BTreeMap<String, i64>,
        seen: &[Sent],
    ) -> Ends {
        let mut rows: BTreeMap<&str, Vec<&InboxRow>> = BTreeMap::new();
        for row in self.inbox.iter().filter(|row| row.source.contains(account)) {
            let marker = row.body.text.rsplit(' ').next().unwrap_or_default();
            rows.entry(marker).or_default().push(row);
        }
        let mut answers: BTreeMap<&str, Vec<&OutboxRow>> = BTreeMap::new();
        for row in self.outbox.iter().filter(|row| is_of(row, account)) {
            for marker in markers(&row.payload.text) {
                answers.entry(marker).or_default().push(row);
            }
        }
        let mut shown: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
        for one in seen {
            for marker in markers(&one.text) {
                shown.entry(marker).or_default().push(one);
            }
        }
        let mut ends = Ends::default();
        for (marker, chat) in pushed {
            let rows = rows.get(marker.as_str()).map_or(&[][..], Vec::as_slice);
            assert_eq!(rows.len(), 1, "{marker} stands in the inbox: {rows:#?}");
            let answers = answers.get(marker.as_str()).map_or(&[][..], Vec::as_slice);
            let shown = shown.get(marker.as_str()).map_or(&[][..], Vec::as_slice);
            assert!(shown.len() <= 1, "{marker} was answered twice: {shown:#?}");
            for one in shown {
                assert_eq!(one.chat, *chat, "{marker} was answered in another chat");
            }
            self.end_of(marker, rows[0], answers, shown, &mut ends);
        }
        self.counts(account, seen);
        // What is unknown was on its way when its sender died: when it arrives is the network's choice.
        let is_held = |marker: &str| {
            let rows = answers.get(marker).map_or(&[][..], Vec::as_slice);
            rows.iter().any(|row| row.state == OutboxState::Unknown)
        };
        in_order(seen, is_held, &answers);
        ends
    }

    fn end_of(
        &self,
        marker: &str,
        row: &InboxRow,
        answers: &[&OutboxRow],
        shown: &[&Sent],
        ends: &mut Ends,
    ) {
        match row.state {
            InboxState::Done => {
                assert_eq!(answers.len(), 1, "the answers to {marker}: {answers:#?}");
                let answer = answers[0];
                match answer.state {
                    OutboxState::Sent => {
                        assert_eq!(shown.len(), 1, "{marker} was marked as sent and never came");
                        ends.answered += 1;
                    }
                    OutboxState::Unknown => {
                        assert!(answer.error.is_some(), "nobody says why: {answer:#?}");
                        ends.unknown += 1;
                    }
                    OutboxState::Dead if answer.error.is_some() && shown.is_empty() => {
                        ends.dead += 1;
                    }
                    _ => panic!("the answer to {marker} is lost: {answer:#?}"),
                }
            }
            InboxState::Failed => {
                assert!(row.reason.is_some(), "{marker} failed without a reason");
                ends.failed += 1;
            }
            InboxState::Dead => {
                assert!(
                    row.reason.is_some() || row.crash.is_some(),
                    "{marker} was given up without a reason: {row:#?}"
                );
                ends.dead += 1;
            }
            _ => panic!("{marker} came to no end: {row:#?}"),
        }
    }

    /// Notices carry no marker; but in each chat there are as many messages as were sent, and perhaps the unknown ones.
    fn counts(&self, account: &str, seen: &[Sent]) {
        let mut by_chat: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
        for row in self.outbox.iter().filter(|row| is_of(row, account)) {
            let counts = by_chat.entry(row.route.to.clone()).or_default();
            match row.state {
                OutboxState::Sent => counts.0 += 1,
                OutboxState::Unknown => counts.1 += 1,
                _ => {}
            }
        }
        for one in seen {
            by_chat.entry(one.chat.to_string()).or_default().2 += 1;
        }
        for (chat, (sent, unknown, seen)) in by_chat {
            assert!(
                (sent..=sent + unknown).contains(&seen),
                "chat {chat} of {account}: {seen} messages came, {sent} were sent and {unknown} are unknown"
            );
        }
    }

    /// Each request of a client that was acknowledged stands in the inbox once and came to an end. Also returns
    /// those that were given up.
    pub(crate) fn requests<'a>(
        &self,
        said: impl Iterator<Item = &'a String>,
    ) -> (Ends, Vec<&'a str>) {
        let mut rows: BTreeMap<&str, Vec<&InboxRow>> = BTreeMap::new();
        for row in &self.inbox {
            rows.entry(row.body.text.as_str()).or_default().push(row);
        }
        let mut ends = Ends::default();
        let mut dead = Vec::new();
        for key in said {
            let rows = rows.get(key.as_str()).map_or(&[][..], Vec::as_slice);
            assert_eq!(rows.len(), 1, "{key} stands in the inbox: {rows:#?}");
            match rows[0].state {
                InboxState::Done => ends.answered += 1,
                InboxState::Failed => ends.failed += 1,
                InboxState::Dead => {
                    ends.dead += 1;
                    dead.push(key.as_str());
                }
                state => panic!("{key} ended {state:?}: {:#?}", rows[0]),
            }
        }
        (ends, dead)
    }

    /// In every transcript calls and results pair and nobody's words stand unanswered; the file equals the ledger.
    /// Returns what the users said.
    pub(crate) fn transcripts(&self, home: &Home) -> Vec<String> {
        let mut users = Vec::new();
        for (key, entry) in self.ledger.session_entries("main") {
            let id = entry["sessionId"].as_str().expect("a session id");
            let rows: Vec<Value> = self
                .ledger
                .transcript(id, 0)
                .into_iter()
                .map(|(_, row)| row)
                .collect();
            let file = home
                .state()
                .join(format!("agents/main/sessions/{id}.jsonl"));
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|e| panic!("{key}: {}: {e}", file.display()));
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("a whole line"))
                .collect();
            assert_eq!(lines, rows, "{key}: the file differs from the ledger");
            users.extend(pairs(&rows));
        }
        users
    }
}

fn is_of(row: &OutboxRow, account: &str) -> bool {
    row.key.account.to_string().contains(account)
}

/// Markers in a text: `m…y`, one word each.
fn markers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| {
            word.starts_with('m')
                && word.ends_with('y')
                && word.contains('x')
                && word.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
        })
}

/// The answers of a chat came in the order of its questions, but for those that are held. A text with several markers
/// repeats questions that failed before, of other accounts too, and says nothing of the order.
fn in_order(
    seen: &[Sent],
    is_held: impl Fn(&str) -> bool,
    answers: &BTreeMap<&str, Vec<&OutboxRow>>,
) {
    let mut last: BTreeMap<i64, (u64, &str)> = BTreeMap::new();
    for one in seen {
        let told: Vec<&str> = markers(&one.text).collect();
        if let [marker] = told[..]
            && !is_held(marker)
        {
            let digits = marker[1..].split('x').next().unwrap_or_default();
            let number: u64 = digits.parse().unwrap_or_default();
            let (before, other) = last.insert(one.chat, (number, marker)).unwrap_or_default();
            assert!(
                before < number,
                "chat {}: {number} was answered after {before}: {:#?} {:#?}",
                one.chat,
                answers.get(marker),
                answers.get(other),
            );
        }
    }
}

/// Checks that each tool call has one result and each user message an end; returns the users' texts.
pub(crate) fn pairs(rows: &[Value]) -> Vec<String> {
    let mut users = Vec::new();
    let mut calls: Vec<String> = Vec::new();
    let mut unanswered = 0;
    for message in rows
        .iter()
        .filter(|row| row["type"] == "message")
        .map(|row| &row["message"])
    {
        match message["role"].as_str() {
            Some("user") => {
                assert_eq!(
                    unanswered, 0,
                    "two user messages in a row before: {message}"
                );
                unanswered += 1;
                users.push(message["content"].to_string());
            }
            Some("assistant") => {
                assert!(calls.is_empty(), "calls without results: {calls:?}");
                let content = message["content"].as_array().cloned().unwrap_or_default();
                calls = content
                    .iter()
                    .filter(|part| part["type"] == "toolCall")
                    .filter_map(|part| part["id"].as_str().map(str::to_owned))
                    .collect();
                if calls.is_empty() {
                    unanswered = 0;
                }
            }
            Some("toolResult") => {
                let id = message["toolCallId"].as_str().unwrap_or_default();
                let at = calls.iter().position(|call| call == id);
                calls.remove(at.unwrap_or_else(|| panic!("a result without its call: {message}")));
            }
            other => panic!("an unexpected role {other:?}"),
        }
    }
    assert!(
        calls.is_empty() && unanswered == 0,
        "the transcript ends in the middle of a turn"
    );
    users
}
