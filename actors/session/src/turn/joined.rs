//! Messages that a running turn takes in: at a tool's end, where its session is set to.

use openclaw_ledger::InboxFilter;
use openclaw_ledger::InboxState;
use serde_json::json;

use super::*;
use crate::conversation;
use crate::queue;
use crate::queue::Mode;
use crate::queue::Rules;

/// The kind of a step that shows messages to the model.
const KIND: &str = "joined";

/// The rows that a turn answers besides its own and those it was begun with.
#[derive(Debug, Default)]
pub(super) struct Company {
    joined: Vec<InboxRow>,
    /// On their way to the disk; they end with the turn if they get there before its end does.
    joining: Option<Joining>,
    /// Rows the model has seen that still wait for a turn of their own.
    shown: Vec<u64>,
}

#[derive(Debug)]
struct Joining {
    k: u32,
    message: Message,
    rows: Vec<InboxRow>,
    shown: Vec<u64>,
}

impl Company {
    /// All rows that end with the turn, besides its own.
    pub(super) fn all(&self, with: &[InboxRow]) -> Vec<InboxRow> {
        let joining = self.joining.iter().flat_map(|joining| &joining.rows);
        let rows = with.iter().chain(&self.joined).chain(joining);
        rows.cloned().collect()
    }

    /// The same without what may not have got there.
    pub(super) fn known(&self, with: &[InboxRow]) -> Vec<InboxRow> {
        with.iter().chain(&self.joined).cloned().collect()
    }

    /// Takes up what joined an earlier attempt.
    pub(super) fn resume(&mut self, start: &TurnStart) {
        let joined = rows_of(start);
        let rows = start.with.iter().filter(|row| joined.contains(&row.seq));
        self.joined = rows.cloned().collect();
        self.shown = named(start, "shown");
    }
}

impl Turn {
    /// Between a tool's end and what follows it: shows the model what its person said meanwhile. False when there is
    /// nothing to show.
    pub(super) fn take_in(&mut self, after: u32, ctx: &mut Context<Self>) -> bool {
        let Some(k) = self.plan.boundary() else {
            return false;
        };
        let Some((mode, rows)) = self.guests() else {
            return false;
        };
        let message = prepare::meanwhile(&self.args.deps, &rows);
        let shown: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        // With a backlog they stay where they are, for a turn of their own.
        let rows = match mode {
            Mode::SteerBacklog => Vec::new(),
            _ => rows,
        };
        let taken: Vec<u64> = rows.iter().map(|row| row.seq).collect();
        let intent = StepIntent {
            kind: KIND.to_owned(),
            name: String::new(),
            arguments: json!({ "rows": taken, "shown": shown, "message": message }),
            idempotent: true,
        };
        self.company.joining = Some(Joining {
            k,
            message,
            rows,
            shown,
        });
        let (ledger, session) = (self.args.deps.ledger.clone(), self.args.row.session.clone());
        let turn = TurnNo(self.args.row.seq);
        ctx.task(
            Task::new(format!("join/{k}")).kind("join"),
            async move { ledger.join_turn(&session, turn, k, &taken, intent).await },
            move |joined| TurnMail::Joined(after, joined),
        );
        true
    }

    pub(super) fn on_joined(
        &mut self,
        after: u32,
        joined: Result<(), LedgerError>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        let Some(joining) = self.company.joining.take() else {
            return Ok(());
        };
        match joined {
            Ok(()) => {
                self.company.joined.extend(joining.rows);
                self.company.shown.extend(joining.shown);
                let (k, message) = (joining.k, joining.message);
                self.feed(Event::Joined { k, message }, ctx);
            }
            // Somebody ended a row meanwhile: the turn goes on without it.
            Err(LedgerError::Rejected(_)) => self.feed(Event::ResultStored(after), ctx),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The rows that wait and may be seen by this turn, if its session is set to show them.
    fn guests(&self) -> Option<(Mode, Vec<InboxRow>)> {
        let deps = &self.args.deps;
        let key = &self.args.row.session;
        let mine = 1 + self.args.with.len() + self.company.joined.len();
        if deps.ledger.pending(key) <= mine {
            return None;
        }
        let config = (deps.config)();
        let stored = conversation::entry_of(&deps.ledger, key);
        let settings = config.messages.or_default().queue;
        let rules = Rules::of(&settings, queue::channel(&self.args.row), stored.as_ref());
        if !matches!(rules.mode, Mode::Steer | Mode::SteerBacklog) {
            return None;
        }
        let waiting: Vec<InboxRow> = deps
            .ledger
            .inbox(&InboxFilter {
                session: Some(key.clone()),
                open_only: true,
                limit: queue::LOOK,
                ..InboxFilter::default()
            })
            .into_iter()
            .filter(|row| row.state == InboxState::Pending)
            .filter(|row| !self.company.shown.contains(&row.seq))
            .collect();
        let rows = queue::guests(&self.args.row, &waiting, &config);
        let rows: Vec<InboxRow> = rows.into_iter().cloned().collect();
        (!rows.is_empty()).then_some((rules.mode, rows))
    }
}

/// The rows that joined earlier attempts of a turn.
pub(crate) fn rows_of(start: &TurnStart) -> Vec<u64> {
    named(start, "rows")
}

/// What joined earlier attempts, as the model saw it.
pub(super) fn past(start: &TurnStart) -> Vec<(u32, Message)> {
    steps(start)
        .filter_map(|step| {
            let message = step.intent.arguments.get("message")?;
            Some((step.k, serde_json::from_value(message.clone()).ok()?))
        })
        .collect()
}

fn steps(start: &TurnStart) -> impl Iterator<Item = &openclaw_ledger::StepRow> {
    start.steps.iter().filter(|step| step.intent.kind == KIND)
}

fn named(start: &TurnStart, field: &str) -> Vec<u64> {
    steps(start)
        .filter_map(|step| step.intent.arguments.get(field)?.as_array())
        .flatten()
        .filter_map(serde_json::Value::as_u64)
        .collect()
}
