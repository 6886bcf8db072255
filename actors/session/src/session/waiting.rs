//! The rows that wait behind a turn: put together, held back until it is quiet, or left out.

use super::*;
use crate::conversation;
use crate::queue::Mode;
use crate::queue::Rules;
use crate::quick;
use crate::turn::joined;

/// What becomes of the rows that wait.
pub(super) enum Taking {
    /// So many of the first are the next turn's.
    Turn(usize),
    /// None now; this comes back by itself.
    Later,
}

impl Session {
    /// The rules for what waits behind `row`.
    fn rules(&self, row: &InboxRow) -> Rules {
        let config = (self.deps().config)().messages.or_default().queue;
        let stored = conversation::entry_of(&self.deps().ledger, &self.args.key);
        Rules::of(&config, queue::channel(row), stored.as_ref())
    }

    /// Decides what the next turn takes of the rows that are open.
    pub(super) fn taking(&mut self, rows: &[InboxRow], ctx: &mut Context<Self>) -> Taking {
        let Some(first) = rows.first() else {
            return Taking::Later;
        };
        let config = (self.deps().config)();
        // What was begun before goes on with the rows it had, and at once.
        if !queue::may_share(first, &config) {
            return Taking::Turn(1);
        }
        // Of a message that something else follows nobody waits for more.
        let quick = quick::count(rows, &config);
        let wait = quick::wait(first, &config).filter(|_| quick == rows.len());
        if wait.is_some_and(|wait| self.is_typing(wait, ctx)) {
            return Taking::Later;
        }
        self.typing_since = None;
        // Most messages come alone to a session that is idle.
        if rows.len() == 1 && self.held_since.is_none() {
            return Taking::Turn(1);
        }
        let rules = self.rules(first);
        let take = queue::next(rows, &rules, &config);
        if !take.left_out.is_empty() {
            self.leave_out(rows, &take.left_out, ctx);
            return Taking::Later;
        }
        if let Some(since) = self.held_since {
            let wait = rules
                .due(since, self.heard)
                .saturating_duration_since(Instant::now());
            if !wait.is_zero() && !rules.debounce.is_zero() {
                self.hold(wait, ctx);
                return Taking::Later;
            }
            self.held_since = None;
        }
        Taking::Turn(take.count.max(quick))
    }

    /// Whether its person may go on typing: they did so just now, and not for ever.
    fn is_typing(&mut self, wait: Duration, ctx: &mut Context<Self>) -> bool {
        let now = Instant::now();
        let since = *self.typing_since.get_or_insert(now);
        let due = (self.heard + wait).min(since + wait * queue::PATIENCE);
        let left = due.saturating_duration_since(now);
        if !left.is_zero() {
            self.hold(left, ctx);
        }
        !left.is_zero()
    }

    /// Looks at what waits again, after a while.
    fn hold(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.permit = None;
        ctx.note("waits until nobody types");
        let timer = ctx.after(wait, SessionMail::Quiet);
        if let Some(before) = self.quiet.replace(timer) {
            before.cancel();
        }
    }

    /// What is done at once about rows that come while a turn runs.
    pub(super) fn beside_a_turn(&mut self, rows: &[InboxRow], ctx: &mut Context<Self>) {
        let Some(live) = &self.live else {
            return;
        };
        let config = (self.deps().config)();
        let waiting: Vec<InboxRow> = rows
            .iter()
            .filter(|row| row.state == InboxState::Pending && !self.is_at_work(row.seq))
            .cloned()
            .collect();
        if !waiting.iter().any(|row| queue::may_share(row, &config)) {
            return;
        }
        let rules = self.rules(&live.row);
        let is_interrupted = rules.mode == Mode::Interrupt
            && !queue::guests(&live.row, &waiting, &config).is_empty();
        if is_interrupted {
            self.abort_live("interrupt");
        }
        let take = queue::next(&waiting, &rules, &config);
        if !take.left_out.is_empty() {
            self.leave_out(rows, &take.left_out, ctx);
        }
    }

    fn leave_out(&mut self, rows: &[InboxRow], which: &[u64], ctx: &mut Context<Self>) {
        let rows: Vec<InboxRow> = rows
            .iter()
            .filter(|row| which.contains(&row.seq))
            .cloned()
            .collect();
        tracing::info!(session = %self.args.key, rows = rows.len(), "more messages wait than may");
        self.drop_rows(rows, "queue", ctx);
    }

    /// Whether a row is of the live turn.
    pub(super) fn is_at_work(&self, seq: u64) -> bool {
        self.live
            .as_ref()
            .is_some_and(|live| live.rows().any(|row| row.seq == seq))
    }
}

impl Live {
    /// The rows that it answers.
    pub(super) fn rows(&self) -> impl Iterator<Item = &InboxRow> {
        std::iter::once(&*self.row).chain(self.with.iter())
    }
}

/// The rows that a turn was begun with: not those that joined it later, which its steps name.
pub(super) fn begun_with(start: &TurnStart) -> Arc<[InboxRow]> {
    let joined = joined::rows_of(start);
    let with = start.with.iter().filter(|row| !joined.contains(&row.seq));
    with.cloned().collect()
}
