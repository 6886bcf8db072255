//! The armed faults of the process. Global on purpose: a fault point is a place in the code, whoever runs there.

use std::collections::BTreeMap;
use std::sync::Condvar;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;

use crate::fault::ArmError;
use crate::fault::Injected;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Panic,
    Err,
    Hang,
    Delay(Duration),
    Abort,
}

#[derive(Clone, Debug)]
struct Fault {
    action: Action,
    /// Counts passes since it was armed.
    passed: u64,
    /// The one pass it acts on; `None` = each.
    nth: Option<u64>,
}

#[derive(Default)]
struct State {
    faults: BTreeMap<String, Fault>,
    hits: BTreeMap<String, u64>,
    /// Rises with each disarm.
    round: u64,
}

pub(super) struct Faults {
    state: Mutex<State>,
    released: Condvar,
    round: watch::Sender<u64>,
}

pub(super) static FAULTS: LazyLock<Faults> = LazyLock::new(|| {
    let faults = Faults {
        state: Mutex::new(State::default()),
        released: Condvar::new(),
        round: watch::Sender::new(0),
    };
    if let Ok(text) = std::env::var("OPENCLAW_FAULTS")
        && let Err(error) = faults.arm(&text)
    {
        // A test that runs without its fault would pass for the wrong reason.
        tracing::error!(%error, "OPENCLAW_FAULTS is malformed");
        std::process::abort();
    }
    faults
});

impl Action {
    // The panic is the fault that was asked for.
    #[allow(clippy::panic)]
    pub(super) fn end_here(self, point: &str) -> Result<(), Injected> {
        if self == Action::Abort {
            kill_self();
        }
        std::panic::panic_any(format!("fault injected at {point}"));
    }
}

/// SIGKILL: no handler, no buffer and no drop gets a last word.
fn kill_self() -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort();
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pass(&self, name: &str) -> Option<Action> {
        let mut state = self.state();
        *state.hits.entry(name.to_owned()).or_default() += 1;
        let fault = state.faults.get_mut(name)?;
        fault.passed += 1;
        fault
            .nth
            .is_none_or(|nth| nth == fault.passed)
            .then_some(fault.action)
    }

    pub(super) fn arm(&self, text: &str) -> Result<(), ArmError> {
        let parts = text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let faults = parts.map(parse).collect::<Result<Vec<_>, _>>()?;
        self.state().faults.extend(faults);
        Ok(())
    }

    pub(super) fn disarm(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.round += 1;
        self.round.send_replace(state.round);
        self.released.notify_all();
    }

    pub(super) fn hits(&self) -> BTreeMap<String, u64> {
        self.state().hits.clone()
    }

    pub(super) fn wait_for_disarm(&self) {
        let state = self.state();
        let round = state.round;
        drop(
            self.released
                .wait_while(state, |state| state.round == round),
        );
    }

    pub(super) async fn disarmed(&self) {
        let mut round = self.round.subscribe();
        // The sender is static: it is never dropped.
        drop(round.changed().await);
    }
}

fn parse(text: &str) -> Result<(String, Fault), ArmError> {
    let malformed = || ArmError::Malformed {
        text: text.to_owned(),
    };
    let (name, rest) = text.split_once('=').ok_or_else(malformed)?;
    let (action, nth) = match rest.split_once('@') {
        None => (rest, None),
        Some((action, nth)) => (action, Some(nth.parse().map_err(|_| malformed())?)),
    };
    let action = match action {
        "panic" => Action::Panic,
        "err" => Action::Err,
        "hang" => Action::Hang,
        "abort" => Action::Abort,
        delay => {
            let ms = delay
                .strip_prefix("delay(")
                .and_then(|rest| rest.strip_suffix(')'));
            let ms = ms.and_then(|ms| ms.parse().ok()).ok_or_else(malformed)?;
            Action::Delay(Duration::from_millis(ms))
        }
    };
    Ok((
        name.to_owned(),
        Fault {
            action,
            passed: 0,
            nth,
        },
    ))
}
