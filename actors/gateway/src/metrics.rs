//! What is counted, and how it is shown to Prometheus.
//!
//! Every figure is read from a live counter at the moment of the scrape; none is kept twice. Labels
//! hold kinds and states only, never names of people, chats or secrets.

mod scrape;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openclaw_protocol::method::METHODS;

pub use self::scrape::scrape;

#[cfg(test)]
mod tests;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts one.
    pub fn add(&self) {
        self.add_many(1);
    }

    /// Counts several.
    pub fn add_many(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes one back; for what is open now.
    pub fn sub(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the ingress counts itself; the rest is counted where it happens.
#[derive(Debug)]
pub struct Meters {
    /// HTTP requests, those that became a WebSocket included.
    pub http_requests: Count,
    /// HTTP connections that are open.
    pub http_open: Count,
    /// WebSockets opened since the start.
    pub ws_opened: Count,
    /// WebSockets that are open.
    pub ws_open: Count,
    /// WebSockets whose caller has proven who it is.
    pub ws_admitted: Count,
    /// WebSockets thrown out for being slow.
    pub ws_slow: Count,
    /// Events left out for slow sockets that are gone.
    pub ws_dropped: Count,
    /// Wrong secrets.
    pub auth_guesses: Count,
    /// Callers refused for too many wrong secrets.
    pub auth_limited: Count,
    /// Callers refused for another reason.
    pub auth_refused: Count,
    /// Pages refused for their origin.
    pub origin_refused: Count,
    /// Connections refused because too many were waiting to be admitted.
    pub crowded: Count,
    /// Calls by method and whether they succeeded, in the order of the table.
    calls: Vec<[Count; 2]>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            http_requests: Count::default(),
            http_open: Count::default(),
            ws_opened: Count::default(),
            ws_open: Count::default(),
            ws_admitted: Count::default(),
            ws_slow: Count::default(),
            ws_dropped: Count::default(),
            auth_guesses: Count::default(),
            auth_limited: Count::default(),
            auth_refused: Count::default(),
            origin_refused: Count::default(),
            crowded: Count::default(),
            calls: METHODS.iter().map(|_| Default::default()).collect(),
        }
    }
}

impl Meters {
    /// Counts a call of a method.
    pub fn called(&self, method: &str, is_ok: bool) {
        let at = METHODS.iter().position(|known| known.name == method);
        if let Some([failed, succeeded]) = at.and_then(|at| self.calls.get(at)) {
            if is_ok { succeeded.add() } else { failed.add() }
        }
    }

    /// Calls by method and outcome.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        METHODS
            .iter()
            .zip(&self.calls)
            .flat_map(|(method, [failed, succeeded])| {
                [
                    (method.name, "error", failed.get()),
                    (method.name, "ok", succeeded.get()),
                ]
            })
    }
}
