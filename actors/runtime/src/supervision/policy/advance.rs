//! The next steps: what must go down goes down, last first; then what is wanted comes up, first first.

use crate::supervision::policy::Action;
use crate::supervision::policy::Policy;
use crate::supervision::policy::child::Child;
use crate::supervision::policy::child::Phase;
use crate::supervision::policy::child::Want;
use crate::supervision::spec::Strategy;

impl Policy {
    /// Closes the gap between what is wanted and what is.
    pub(super) fn advance(&mut self) {
        let one_by_one = self.strategy == Strategy::RestForOne;
        for child in self.children.iter_mut().rev() {
            let down = self.closing || child.recycle || child.want != Want::Run;
            if !child.is_alive() || !down {
                continue;
            }
            if child.phase != Phase::Stopping {
                child.phase = Phase::Stopping;
                self.actions.push(Action::Stop(child.id.clone()));
            }
            if one_by_one {
                // Nothing starts before what must go down first is down.
                return;
            }
        }
        if self.closing {
            if !self.closed && !self.children.iter().any(Child::is_alive) {
                self.closed = true;
                self.actions.push(Action::Closed);
            }
            return;
        }
        for child in &mut self.children {
            if child.phase == Phase::Waiting && child.want == Want::Run {
                child.phase = Phase::Starting;
                child.again = false;
                self.actions.push(Action::Start(child.id.clone()));
            }
            if one_by_one
                && matches!(
                    child.phase,
                    Phase::Starting | Phase::Stopping | Phase::Backoff
                )
            {
                return;
            }
        }
    }
}
