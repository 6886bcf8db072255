//! One life of an actor or task, as seen from outside: how to kill it, what it is doing, how it ended.

mod brood;
mod clock;
mod current;
mod leash;
mod pulse;
mod shim;
mod task;

pub(crate) use clock::{now_ms, now_ns};
pub(crate) use current::{Current, entered};
pub(crate) use leash::{ChildNote, Handle, Leash, Parent};
pub(crate) use pulse::Ran;
pub(crate) use shim::{LaunchPad, launch};
pub(crate) use task::{Deliver, TaskLaunch, launch_task, spawn_timer, work};
