//! What systemd is told: ready, alive, stopping. Without a service manager all of it does nothing.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use sd_notify::NotifyState;

/// When the watchdog was last fed, in milliseconds since 1970.
static FED_AT_MS: AtomicU64 = AtomicU64::new(0);

/// The start is over.
pub(super) fn ready(address: &SocketAddr) {
    let status = format!("listening on {address}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// What to call while the runtime is alive; `None` when no service manager waits for it.
pub(super) fn watchdog() -> Option<fn()> {
    sd_notify::watchdog_enabled().map(|_| feed as fn())
}

/// Feeds the service manager's watchdog, at most once a second.
fn feed() {
    let now = u64::try_from(crate::render::now_ms()).unwrap_or(0);
    if now.saturating_sub(FED_AT_MS.load(Ordering::Relaxed)) >= 1000 {
        FED_AT_MS.store(now, Ordering::Relaxed);
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
