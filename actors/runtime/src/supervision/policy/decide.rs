//! What becomes of a child that ended.

use std::time::Duration;

use crate::supervision::policy::Action;
use crate::supervision::policy::Ended;
use crate::supervision::policy::Policy;
use crate::supervision::policy::child::Phase;
use crate::supervision::policy::child::Want;
use crate::supervision::spec::Past;
use crate::supervision::spec::Restart;
use crate::supervision::spec::Strategy;

impl Policy {
    /// A child that ended, or never ran, becomes what is wanted of it.
    pub(super) fn settle(&mut self, at: usize) {
        let Some(child) = self.children.get_mut(at) else {
            return;
        };
        child.recycle = false;
        child.timer = 0;
        let id = child.id.clone();
        match child.want {
            Want::Run => child.phase = Phase::Waiting,
            Want::Stopped => {
                child.phase = Phase::Stopped;
                self.actions.push(Action::Stopped(id));
            }
            Want::Parked => {
                child.phase = Phase::Parked;
                self.actions.push(Action::Parked {
                    id,
                    retry: None,
                    again: false,
                });
            }
            Want::Gone => {
                self.children.remove(at);
                self.actions.push(Action::Forget(id));
            }
        }
    }

    /// A child ended and nobody had asked it to.
    pub(super) fn decide(&mut self, at: usize, ended: Ended, now: Duration, storm: Duration) {
        let Some(child) = self.children.get_mut(at) else {
            return;
        };
        let id = child.id.clone();
        let bad = ended == Ended::Badly;
        if !bad
            && (std::mem::take(&mut child.again) || ended == Ended::CleanButMissed)
            && child.rules.restart != Restart::Temporary
        {
            // It left in peace and is wanted again: no failure to count.
            child.phase = Phase::Waiting;
            return;
        }
        let back = match child.rules.restart {
            Restart::Permanent => true,
            Restart::Transient => bad,
            Restart::Temporary => false,
        };
        if !back {
            child.phase = Phase::Stopped;
            if child.rules.fixed {
                self.actions.push(Action::Stopped(id));
            } else {
                self.children.remove(at);
                self.actions.push(Action::Forget(id));
            }
            return;
        }
        if let Phase::Running { since } = child.phase
            && now.saturating_sub(since) >= child.rules.backoff.stable
        {
            child.streak = 0;
            child.probation = false;
        }
        let allowed = child.window.allows(child.rules.intensity, now) && !child.probation;
        if !allowed {
            match child.rules.past {
                Past::Escalate => {
                    child.phase = Phase::Stopped;
                    self.escalate(at);
                }
                Past::Park { retry } => {
                    let again = child.probation;
                    child.pardon();
                    child.phase = Phase::Parked;
                    let tick = self.arm(at);
                    self.actions.push(Action::Parked {
                        id: id.clone(),
                        retry: Some(retry),
                        again,
                    });
                    self.actions.push(Action::Timer {
                        id,
                        tick,
                        after: retry,
                    });
                    self.recycle_after(at);
                }
            }
            return;
        }
        let pause = child.rules.backoff.pause(child.streak, &mut self.luck);
        let pause = pause.max(storm);
        child.streak = child.streak.saturating_add(1);
        self.actions.push(Action::Pausing {
            id: id.clone(),
            pause,
        });
        if pause.is_zero() {
            child.phase = Phase::Waiting;
        } else {
            child.phase = Phase::Backoff;
            let tick = self.arm(at);
            self.actions.push(Action::Timer {
                id,
                tick,
                after: pause,
            });
        }
        self.recycle_after(at);
    }

    fn arm(&mut self, at: usize) -> u64 {
        self.tick += 1;
        if let Some(child) = self.children.get_mut(at) {
            child.timer = self.tick;
        }
        self.tick
    }

    pub(super) fn escalate(&mut self, at: usize) {
        self.closing = true;
        if let Some(child) = self.children.get(at) {
            self.actions.push(Action::Escalate(child.id.clone()));
        }
    }

    pub(super) fn recycle_from(&mut self, at: usize) {
        if let Some(child) = self.children.get_mut(at) {
            child.recycle = true;
        }
        self.recycle_after(at);
    }

    /// Under rest-for-one, what was started after a child that went down goes down and comes back with it.
    fn recycle_after(&mut self, at: usize) {
        if self.strategy != Strategy::RestForOne {
            return;
        }
        for later in self.children.iter_mut().skip(at + 1) {
            match later.phase {
                Phase::Starting | Phase::Running { .. } | Phase::Stopping => later.recycle = true,
                Phase::Backoff => {
                    later.phase = Phase::Waiting;
                    later.timer = 0;
                }
                Phase::Waiting | Phase::Parked | Phase::Stopped => {}
            }
        }
    }
}
