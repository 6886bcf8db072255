//! Fault points: places where a test makes the process misbehave. Without the feature `chaos` they are nothing.
//!
//! Armed by [`arm`] or at the first point by `OPENCLAW_FAULTS`, with `name=action[@nth]` joined by `;`. Actions: `panic`, `err`, `hang` (until
//! [`disarm`]), `delay(ms)`, `abort` (the process ends on the spot, as by SIGKILL). With `@nth` only that hit counts, from 1; without, every one.

#[cfg(feature = "chaos")]
mod armed;
#[cfg(all(test, feature = "chaos"))]
mod tests;

use std::collections::BTreeMap;

/// A fault that was told to be an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault injected at {point}")]
pub struct Injected {
    pub point: String,
}

/// Why faults could not be armed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    #[error("this binary was built without the feature `chaos`: build with `--features chaos`")]
    NotBuilt,
    #[error(
        "`{text}` is not a fault: write name=panic|err|hang|delay(ms)|abort, with @nth for one hit only"
    )]
    Malformed { text: String },
}

/// A synchronous fault point: `fault::point!("ledger.before_commit")?`.
#[macro_export]
#[doc(hidden)]
macro_rules! fault_point {
    ($name:expr) => {
        $crate::fault::point($name)
    };
}

/// A fault point inside a future: `fault::point_async!("channel.before_send").await?`.
#[macro_export]
#[doc(hidden)]
macro_rules! fault_point_async {
    ($name:expr) => {
        $crate::fault::point_async($name)
    };
}

pub use crate::fault_point as point;
pub use crate::fault_point_async as point_async;

#[cfg(not(feature = "chaos"))]
mod points {
    use super::*;

    /// A synchronous fault point.
    #[inline(always)]
    pub fn point(_name: &str) -> Result<(), Injected> {
        Ok(())
    }

    /// A fault point inside a future.
    #[inline(always)]
    pub fn point_async(_name: &str) -> std::future::Ready<Result<(), Injected>> {
        std::future::ready(Ok(()))
    }

    /// Arms faults, in addition to those armed.
    pub fn arm(_faults: &str) -> Result<(), ArmError> {
        Err(ArmError::NotBuilt)
    }

    /// Disarms all faults and lets go what hangs.
    pub fn disarm() {}

    /// How often each point was passed.
    pub fn hits() -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Whether a fault kept this thread since the last call.
    #[inline(always)]
    pub(crate) fn excused() -> bool {
        false
    }
}

#[cfg(feature = "chaos")]
mod points {
    use std::cell::Cell;

    use super::armed::Action;
    use super::armed::FAULTS;
    use super::*;

    thread_local! {
        static KEPT: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether a fault kept this thread since the last call.
    pub(crate) fn excused() -> bool {
        KEPT.take()
    }

    /// A synchronous fault point.
    pub fn point(name: &str) -> Result<(), Injected> {
        match FAULTS.pass(name) {
            None => Ok(()),
            Some(Action::Err) => Err(Injected {
                point: name.to_owned(),
            }),
            Some(Action::Hang) => {
                FAULTS.wait_for_disarm();
                KEPT.set(true);
                Ok(())
            }
            Some(Action::Delay(time)) => {
                // Blocking is what the test asked for.
                #[allow(clippy::disallowed_methods)]
                std::thread::sleep(time);
                KEPT.set(true);
                Ok(())
            }
            Some(action) => action.end_here(name),
        }
    }

    /// A fault point inside a future.
    pub async fn point_async(name: &str) -> Result<(), Injected> {
        match FAULTS.pass(name) {
            None => Ok(()),
            Some(Action::Err) => Err(Injected {
                point: name.to_owned(),
            }),
            Some(Action::Hang) => {
                FAULTS.disarmed().await;
                Ok(())
            }
            Some(Action::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Some(action) => action.end_here(name),
        }
    }

    /// Arms faults, in addition to those armed.
    pub fn arm(faults: &str) -> Result<(), ArmError> {
        FAULTS.arm(faults)
    }

    /// Disarms all faults and lets go what hangs.
    pub fn disarm() {
        FAULTS.disarm();
    }

    /// How often each point was passed.
    pub fn hits() -> BTreeMap<String, u64> {
        FAULTS.hits()
    }
}

pub use points::arm;
pub use points::disarm;
pub(crate) use points::excused;
pub use points::hits;
pub use points::point;
pub use points::point_async;
