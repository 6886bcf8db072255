//! What mail synchronises with; under loom, what tries every order.

#[cfg(openclaw_loom)]
pub(crate) use loom::sync::Mutex;
#[cfg(openclaw_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize};
#[cfg(not(openclaw_loom))]
pub(crate) use std::sync::Mutex;
#[cfg(not(openclaw_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
