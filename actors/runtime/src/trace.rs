//! The trace a message belongs to, in W3C form.

/// A W3C trace context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
}

impl TraceContext {
    /// Parses a `traceparent` header.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let _ = traceparent;
        todo!()
    }

    /// Writes a `traceparent` header.
    pub fn traceparent(&self) -> String {
        todo!()
    }

    /// Begins a trace.
    pub fn new_root() -> Self {
        todo!()
    }

    /// A new span of the same trace.
    pub fn new_child(&self) -> Self {
        todo!()
    }

    /// The context the current handler or task runs in.
    pub fn current() -> Option<Self> {
        todo!()
    }
}
