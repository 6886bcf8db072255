//! Taking up a row: a permit, the claim, and the turn that may begin before the claim is durable.

use super::*;
use crate::command::Command;
use crate::command::right;

/// A wait longer than this is worth a line in the log.
const LONG_WAIT: Duration = Duration::from_secs(2);

impl Session {
    /// Whether a row is for the model. What the gateway answers by itself must not wait behind models that hang.
    pub(super) fn needs_place(&self, row: &InboxRow) -> bool {
        match right::of(&(self.deps().config)(), row) {
            None => true,
            Some(Command::Reset { rest }) => !rest.is_empty(),
            Some(Command::Compact { .. }) => true,
            // From whoever may not answer it, it is text like any other.
            Some(Command::Approve { .. }) => !approve::may(self.deps(), row),
            Some(_) => false,
        }
    }

    /// A place for a turn of a message from `lane`, or a task that waits for one.
    pub(super) fn take_permit(&mut self, lane: &str, ctx: &mut Context<Self>) -> Option<Permit> {
        if let Some(permit) = self.permit.take() {
            return Some(permit);
        }
        if self.is_waiting {
            return None;
        }
        self.args.deps.follow_config();
        let turns = self.deps().shared.turns.clone();
        if let Some(permit) = turns.try_take(lane) {
            return Some(permit);
        }
        self.is_waiting = true;
        ctx.note("waits for other sessions' turns");
        let permit = turns.wait(lane);
        let waiting = async move {
            let since = tokio::time::Instant::now();
            match permit.await {
                Ok(permit) => (permit, since.elapsed()),
                // The places live as long as the house; if they were gone, waiting is what is left.
                Err(_) => std::future::pending().await,
            }
        };
        ctx.task(
            Task::new("permit").kind("wait"),
            waiting,
            |(permit, waited)| SessionMail::Permitted(permit, waited),
        );
        None
    }

    pub(super) fn on_permitted(
        &mut self,
        permit: Permit,
        waited: Duration,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        self.is_waiting = false;
        if waited > LONG_WAIT {
            tracing::info!(
                session = %self.args.key, waited_ms = waited.as_millis(),
                "a turn waited for others; more may run at a time with \
                 `openclaw config set agents.defaults.maxConcurrent <n>`"
            );
        }
        if !self.is_ending {
            self.permit = Some(permit);
        }
        self.next(ctx)
    }

    /// Claims the next row, and these with it.
    pub(super) fn claim(&mut self, with: &[InboxRow], ctx: &mut Context<Self>) {
        self.busy = Some(Busy::Claiming);
        let (ledger, key) = (self.deps().ledger.clone(), self.args.key.clone());
        let with = numbers(with);
        let claim = async move {
            let now_ms = crate::event::now_ms();
            ledger.begin_turn_with(&key, &with, now_ms).await
        };
        ctx.task(Task::new("claim").kind("claim"), claim, |claimed| {
            SessionMail::Claimed(Box::new(claimed))
        });
    }

    pub(super) fn begin(
        &mut self,
        row: Arc<InboxRow>,
        with: Arc<[InboxRow]>,
        early: bool,
        permit: Option<Permit>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        self.turns += 1;
        let (claim, claimed) = watch::channel(None);
        let (over, _) = watch::channel(false);
        let is_same_run = |feed: &&Arc<Feed>| *feed.run_id() == row.run_id;
        let feed = self.feed.as_ref().filter(is_same_run).cloned();
        let feed = feed.unwrap_or_else(|| {
            Arc::new(Feed::new(
                self.args.deps.events.clone(),
                self.args.key.clone(),
                row.run_id.clone(),
            ))
        });
        self.feed = Some(feed.clone());
        let args = TurnArgs {
            deps: self.args.deps.clone(),
            slot: self.slot.clone(),
            row: row.clone(),
            with: with.clone(),
            claim: claimed,
            early,
            feed,
            crash: self.crash.clone(),
            over: over.clone(),
        };
        let id = ChildId::new(format!("turn/{}", self.turns));
        let spec = ChildSpec::actor::<Turn>(id.clone(), args)
            .restart(Restart::Temporary)
            .shutdown(Shutdown::Within(TURN_STOP))
            .max_handle(Duration::from_secs(2));
        let address = ctx.child::<Turn>(spec)?;
        self.deps().shared.runs.begin(&self.args.key, &row.run_id);
        ctx.note(format!("turn {} of run {}", row.seq, row.run_id));
        self.live = Some(Live {
            id,
            address,
            row,
            with,
            claim,
            over,
            _permit: permit,
        });
        Ok(())
    }

    pub(super) fn on_claimed(
        &mut self,
        claimed: Result<Option<TurnStart>, LedgerError>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        self.busy = None;
        match (claimed?, &self.live) {
            (Some(start), Some(live))
                if start.turn.0 == live.row.seq && numbers(&start.with) == numbers(&live.with) =>
            {
                // What begin_turn hands out for a live turn is the turn's own claim.
                live.claim.send_replace(Some(Arc::new(start)));
                Ok(())
            }
            (_, Some(live)) => {
                // A row it began with is gone: it must not answer.
                let id = live.id.clone();
                ctx.kill_child(&id, KillReason::Abort);
                Ok(())
            }
            (Some(start), None) => {
                let permit = self.permit.take();
                if permit.is_none() && self.needs_place(&start.row) {
                    // The early turn ended before its claim came back: the row is tried again.
                    return self.next(ctx);
                }
                let row = Arc::new(start.row.clone());
                let with = waiting::begun_with(&start);
                self.begin(row, with, false, permit, ctx)?;
                if let Some(live) = &self.live {
                    live.claim.send_replace(Some(Arc::new(start)));
                }
                Ok(())
            }
            (None, None) => self.next(ctx),
        }
    }
}

fn numbers(rows: &[InboxRow]) -> Vec<u64> {
    rows.iter().map(|row| row.seq).collect()
}
