//! Rows that are ended without having been begun: somebody said stop before their turn came.

use openclaw_ledger::Reject;
use openclaw_ledger::TurnCommit;
use openclaw_ledger::TurnOutcome;

use super::*;
use crate::event::Phase;
use crate::event::What;
use crate::subagent;
use crate::subagent::End;

impl Session {
    pub(super) fn drop_rows(
        &mut self,
        rows: Vec<InboxRow>,
        reason: &'static str,
        ctx: &mut Context<Self>,
    ) {
        if self.live.is_none() {
            self.busy = Some(Busy::Dropping);
        }
        let deps = self.args.deps.clone();
        let dropped = async move {
            for row in rows {
                end(&deps, row, reason).await?;
            }
            Ok(())
        };
        ctx.task(
            Task::new("drop").kind("drop"),
            dropped,
            SessionMail::Dropped,
        );
    }
}

async fn end(deps: &Deps, row: InboxRow, reason: &'static str) -> Result<(), LedgerError> {
    let ended = deps
        .ledger
        .commit_turn(TurnCommit {
            session: row.session.clone(),
            turn: TurnNo(row.seq),
            with: Vec::new(),
            outcome: TurnOutcome::Aborted,
            session_id: String::new(),
            entries: Vec::new(),
            entry: None,
            outbox: Vec::new(),
            usage: Vec::new(),
            tell: subagent::outcome(&row, End::Stopped, "", 0, None)
                .into_iter()
                .collect(),
            heard: None,
        })
        .await;
    match ended {
        Ok(_) => subagent::wake(deps, [&row]),
        // It was ended in the meantime.
        Err(LedgerError::Rejected(Reject::TurnNotRunning { .. })) => return Ok(()),
        Err(error) => return Err(error),
    }
    let feed = Feed::new(deps.events.clone(), row.session, row.run_id);
    feed.publish(What::Lifecycle(Phase::End { aborted: true }));
    feed.publish(What::Aborted {
        reason,
        partial: None,
    });
    Ok(())
}
