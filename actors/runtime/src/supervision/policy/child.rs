//! One child, as the policy sees it.

use std::time::Duration;

use crate::path::ChildId;
use crate::supervision::backoff::Window;
use crate::supervision::spec::Backoff;
use crate::supervision::spec::ChildSpec;
use crate::supervision::spec::Intensity;
use crate::supervision::spec::Past;
use crate::supervision::spec::Restart;

/// The part of a spec that decides.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) restart: Restart,
    pub(crate) backoff: Backoff,
    pub(crate) intensity: Intensity,
    pub(crate) past: Past,
    /// Given by the supervisor's specs, not added at run time: it keeps its place when it is done, and reconcile owns it.
    pub(crate) fixed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Run,
    Stopped,
    Parked,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// To be started as soon as its turn comes.
    Waiting,
    Starting,
    Running {
        since: Duration,
    },
    /// Told to stop.
    Stopping,
    Backoff,
    Parked,
    /// Down for good: on purpose, or done.
    Stopped,
}

#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) id: ChildId,
    pub(super) rules: Rules,
    pub(super) want: Want,
    pub(super) phase: Phase,
    /// Must go down and come back.
    pub(super) recycle: bool,
    /// Wanted again while it was leaving.
    pub(super) again: bool,
    /// It comes out of parking: the next failure parks it at once.
    pub(super) probation: bool,
    /// The timer that counts; others are stale.
    pub(super) timer: u64,
    /// Failures without a stable time between.
    pub(super) streak: u32,
    pub(super) window: Window,
}

impl Rules {
    pub(crate) fn of(spec: &ChildSpec, fixed: bool) -> Self {
        Self {
            restart: spec.restart,
            backoff: spec.backoff,
            intensity: spec.intensity,
            past: spec.past,
            fixed,
        }
    }
}

impl Child {
    pub(super) fn new(id: ChildId, rules: Rules) -> Self {
        Self {
            id,
            rules,
            want: Want::Run,
            phase: Phase::Waiting,
            recycle: false,
            again: false,
            probation: false,
            timer: 0,
            streak: 0,
            window: Window::default(),
        }
    }

    /// Whether an incarnation exists.
    pub(super) fn is_alive(&self) -> bool {
        matches!(
            self.phase,
            Phase::Starting | Phase::Running { .. } | Phase::Stopping
        )
    }

    /// Forgets its failures.
    pub(super) fn pardon(&mut self) {
        self.streak = 0;
        self.probation = false;
        self.window.clear();
        self.timer = 0;
    }
}
