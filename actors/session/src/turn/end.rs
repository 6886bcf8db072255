//! The end of a turn: its one commit, and what the world hears of it.

use openclaw_protocol::StopReason;

use super::*;

impl Turn {
    pub(super) fn commit(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        // What ended an earlier attempt is known to the session unless the process died with it.
        let is_dead = matches!(outcome, Outcome::Dead { .. });
        let crash = self.args.crash.clone().or_else(|| {
            is_dead.then(|| "the gateway ended each time while it worked on this".to_owned())
        });
        let ending = Ending {
            row: self.args.row.clone(),
            with: self.company.all(&self.args.with),
            prepared: self.prepared.clone(),
            said: self.plan.said().to_vec(),
            outcome,
            crash,
            tab: self.tab.clone(),
        };
        let future = commit::commit(self.args.deps.clone(), self.args.slot.clone(), ending);
        ctx.task(Task::new("commit").kind("commit"), future, |told| {
            TurnMail::Committed(Box::new(told))
        });
    }

    pub(super) fn finish(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        self.tell_company(&outcome);
        let feed = &self.args.feed;
        let mut told = self.told.take();
        let message = told.as_mut().and_then(|told| told.message.take());
        let usage = told.as_ref().map(|told| told.usage);
        match outcome {
            Outcome::Done => {
                feed.publish(What::Lifecycle(Phase::End { aborted: false }));
                feed.publish(What::Final {
                    message,
                    usage,
                    stop_reason: told
                        .as_ref()
                        .map(|t| t.stop_reason.clone())
                        .unwrap_or_default(),
                    model: told.map(|told| told.model).unwrap_or_default(),
                });
            }
            Outcome::Aborted { reason } => {
                feed.publish(What::Lifecycle(Phase::End { aborted: true }));
                feed.publish(What::Aborted {
                    reason,
                    partial: message,
                });
            }
            Outcome::Failed { notice } | Outcome::Dead { notice } => {
                feed.publish(What::Lifecycle(Phase::Error(notice.clone())));
                feed.publish(What::Failed { message: notice });
            }
        }
        self.args.over.send_replace(true);
        ctx.stop();
    }

    /// Says of the other rows that they ended with this turn; those of a dead one wait again.
    fn tell_company(&self, outcome: &Outcome) {
        for row in self.company.known(&self.args.with) {
            let events = self.args.deps.events.clone();
            let feed = Feed::new(events, row.session, row.run_id);
            match outcome {
                Outcome::Done => {
                    feed.publish(What::Lifecycle(Phase::End { aborted: false }));
                    feed.publish(What::Final {
                        message: None,
                        usage: None,
                        stop_reason: StopReason::Stop,
                        model: String::new(),
                    });
                }
                Outcome::Aborted { reason } => {
                    feed.publish(What::Lifecycle(Phase::End { aborted: true }));
                    feed.publish(What::Aborted {
                        reason,
                        partial: None,
                    });
                }
                Outcome::Failed { notice } => {
                    feed.publish(What::Lifecycle(Phase::Error(notice.clone())));
                    feed.publish(What::Failed {
                        message: notice.clone(),
                    });
                }
                Outcome::Dead { .. } => {}
            }
        }
    }
}
