//! What a supervisor does next. Pure: no clock, no tasks; events in, actions out. Children hold what is wanted of them (`Want`) and what they
//! are (`Phase`); [`Policy::advance`] closes the gap in the order the strategy demands.

mod advance;
mod child;
mod decide;
#[cfg(test)]
mod otp;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::path::ChildId;
use crate::supervision::backoff::Luck;
use crate::supervision::spec::Strategy;

use child::Child;
use child::Phase;
pub(crate) use child::Rules;
use child::Want;

/// What the supervisor is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start(ChildId),
    Stop(ChildId),
    /// Deliver `timer(id, tick)` after a time.
    Timer {
        id: ChildId,
        tick: u64,
        after: Duration,
    },
    /// Show that the child pauses.
    Pausing {
        id: ChildId,
        pause: Duration,
    },
    Parked {
        id: ChildId,
        retry: Option<Duration>,
        /// It was tried out of parking and failed at once.
        again: bool,
    },
    Unparked(ChildId),
    Stopped(ChildId),
    /// The child is no more.
    Forget(ChildId),
    /// This child's failure is more than the supervisor may bear. `Closed` follows when the others are down.
    Escalate(ChildId),
    /// Every child is down after `close` or `Escalate`.
    Closed,
}

/// How a child ended, as far as the policy cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Clean,
    /// It ended on its own, but mail that came meanwhile found nobody.
    CleanButMissed,
    Badly,
    /// No restart can mend it.
    Fatally,
}

/// The state of a supervisor's decisions.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    strategy: Strategy,
    /// In start order.
    children: Vec<Child>,
    /// Names timers; of the supervisor and not of the child, so that a re-added id never matches an old timer.
    tick: u64,
    closing: bool,
    closed: bool,
    luck: Luck,
    actions: Vec<Action>,
}

impl Policy {
    pub(crate) fn new(strategy: Strategy, seed: u64) -> Self {
        Self {
            strategy,
            children: Vec::new(),
            tick: 0,
            closing: false,
            closed: false,
            luck: Luck::new(seed),
            actions: Vec::new(),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn contains(&self, id: &ChildId) -> bool {
        self.find(id).is_some()
    }

    /// The children that specs gave, in order; those added at run time are not among them.
    pub(crate) fn fixed(&self) -> Vec<ChildId> {
        let fixed = self
            .children
            .iter()
            .filter(|child| child.rules.fixed && child.want != Want::Gone);
        fixed.map(|child| child.id.clone()).collect()
    }

    pub(crate) fn is_up(&self, id: &ChildId) -> bool {
        self.find(id)
            .is_some_and(|at| self.children.get(at).is_some_and(Child::is_alive))
    }

    /// Whether a child is being removed: to all but its last incarnation it is gone.
    pub(crate) fn is_going(&self, id: &ChildId) -> bool {
        self.children
            .iter()
            .any(|child| child.id == *id && child.want == Want::Gone)
    }

    /// What there is to do since the last call.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    // === events ===

    /// Adds a child at the end. False = the id is taken; nothing changes.
    pub(crate) fn add(&mut self, id: ChildId, rules: Rules) -> bool {
        if self.closing || self.contains(&id) {
            return false;
        }
        self.children.push(Child::new(id, rules));
        self.advance();
        true
    }

    pub(crate) fn started(&mut self, id: &ChildId, now: Duration) {
        if let Some(child) = self.get(id)
            && child.phase == Phase::Starting
        {
            child.phase = Phase::Running { since: now };
        }
        self.advance();
    }

    /// A child ended. A restart that follows comes no sooner than after `storm`: the tree's budget asks for that.
    pub(crate) fn exited(&mut self, id: &ChildId, ended: Ended, now: Duration, storm: Duration) {
        let Some(at) = self.find(id) else { return };
        let Some(child) = self.children.get_mut(at).filter(|child| child.is_alive()) else {
            return;
        };
        let wanted_down =
            child.recycle || child.phase == Phase::Stopping || child.want != Want::Run;
        if ended == Ended::Fatally && !self.closing {
            child.phase = Phase::Stopped;
            self.escalate(at);
        } else if self.closing {
            child.phase = Phase::Stopped;
        } else if wanted_down {
            self.settle(at);
        } else {
            self.decide(at, ended, now, storm);
        }
        self.advance();
    }

    pub(crate) fn timer(&mut self, id: &ChildId, tick: u64) {
        if self.closing {
            return;
        }
        let Some(child) = self.get(id).filter(|child| child.timer == tick) else {
            return;
        };
        match child.phase {
            Phase::Backoff => child.phase = Phase::Waiting,
            Phase::Parked => {
                // One more failure parks it again at once.
                child.probation = true;
                child.phase = Phase::Waiting;
                self.actions.push(Action::Unparked(id.clone()));
            }
            _ => return,
        }
        self.advance();
    }

    // === orders; false = no such child, or too late ===

    /// Stops a child on purpose: it stays down until it is restarted or replaced.
    pub(crate) fn stop(&mut self, id: &ChildId) -> bool {
        self.want(id, Want::Stopped)
    }

    pub(crate) fn park(&mut self, id: &ChildId) -> bool {
        self.want(id, Want::Parked)
    }

    pub(crate) fn remove(&mut self, id: &ChildId) -> bool {
        self.want(id, Want::Gone)
    }

    /// Starts a child anew, whatever it is, with its failures forgotten. One that is being removed stays so.
    pub(crate) fn restart(&mut self, id: &ChildId) -> bool {
        if self.closing || self.is_going(id) {
            return false;
        }
        let Some(at) = self.find(id) else {
            return false;
        };
        let Some(child) = self.children.get_mut(at) else {
            return false;
        };
        if child.phase == Phase::Parked {
            self.actions.push(Action::Unparked(id.clone()));
        }
        child.pardon();
        child.want = Want::Run;
        if child.is_alive() {
            self.recycle_from(at);
        } else {
            child.phase = Phase::Waiting;
        }
        self.advance();
        true
    }

    /// Tries a parked child now; does nothing to others.
    pub(crate) fn unpark(&mut self, id: &ChildId) -> bool {
        match self.get(id) {
            Some(child) if child.phase == Phase::Parked || child.want == Want::Parked => {
                self.restart(id)
            }
            child => child.is_some(),
        }
    }

    /// A child was wanted again while it was on its way out.
    pub(crate) fn want_again(&mut self, id: &ChildId) {
        if let Some(child) = self.get(id) {
            child.again = true;
        }
    }

    /// A child's configuration changed: it starts with the new one, even if it was stopped, parked or being removed.
    pub(crate) fn replace(&mut self, id: &ChildId, rules: Rules) {
        if let Some(child) = self.get(id) {
            child.rules = rules;
            child.want = Want::Run;
        }
        self.restart(id);
    }

    /// A child's rules changed but the child itself took its new configuration while running.
    pub(crate) fn amend(&mut self, id: &ChildId, rules: Rules) {
        if let Some(child) = self.get(id) {
            child.rules = rules;
        }
    }

    /// Stops everything, last first.
    pub(crate) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.advance();
        }
    }

    // === decisions ===

    fn want(&mut self, id: &ChildId, want: Want) -> bool {
        if self.closing {
            return false;
        }
        let Some(at) = self.find(id) else {
            return false;
        };
        let Some(child) = self.children.get_mut(at) else {
            return false;
        };
        child.want = want;
        if !child.is_alive() {
            self.settle(at);
        }
        self.advance();
        true
    }

    fn find(&self, id: &ChildId) -> Option<usize> {
        self.children.iter().position(|child| child.id == *id)
    }

    fn get(&mut self, id: &ChildId) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.id == *id)
    }
}
