//! What can be known of an actor without asking it.

/// Where an actor is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It has an address but never existed, or is gone.
    Absent,
    Starting,
    Running,
    /// It was asked to stop and is finishing.
    Stopping,
    /// It ended badly and starts again after a pause.
    Backoff,
    /// It failed too often; it is tried again rarely, or by hand.
    Parked,
    /// It was stopped on purpose, or is done.
    Stopped,
}

/// What an actor says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Health {
    #[default]
    Ok,
    Connecting,
    Degraded,
}

/// The counters of one path, shared by its incarnations and everyone who looks.
#[derive(Debug)]
pub struct Vitals {}
