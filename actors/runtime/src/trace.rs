//! The trace a message belongs to, in W3C form, and the seam where OpenTelemetry joins.

use std::fmt;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::hash::RandomState;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;

use tracing::Span;

use crate::incarnation::Current;
use crate::incarnation::Leash;
use crate::incarnation::entered;

/// A W3C trace context.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
}

/// Makes a context the parent of a span.
pub type Attach = Box<dyn Fn(&Span, TraceContext) + Send + Sync>;

/// Reads the context of the open span.
pub type ReadCurrent = Box<dyn Fn() -> Option<TraceContext> + Send + Sync>;

/// What an exporter adds. Installed once, by the binary.
pub struct Hooks {
    /// Makes a context the parent of a span that was just opened.
    pub attach: Attach,
    /// The context of the span that is open on this thread.
    pub current: ReadCurrent,
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Installs the exporter's hooks. False = others are in place.
pub fn install(hooks: Hooks) -> bool {
    HOOKS.set(hooks).is_ok()
}

/// Makes a context the parent of a span, if an exporter is there.
pub fn attach(span: &Span, context: TraceContext) {
    if let Some(hooks) = HOOKS.get().filter(|_| !span.is_disabled()) {
        (hooks.attach)(span, context);
    }
}

/// Runs a future in a trace: mail it sends belongs to it. For code outside actors.
pub async fn scope<T>(context: TraceContext, future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |cx| poll_in(context, future.as_mut(), cx)).await
}

fn poll_in<T>(
    context: TraceContext,
    future: Pin<&mut impl Future<Output = T>>,
    cx: &mut std::task::Context<'_>,
) -> Poll<T> {
    let current = Current {
        leash: None,
        mail: "scope",
        trace: Some(context),
    };
    entered(current, || future.poll(cx))
}

/// The span of one handled mail. Costs nothing unless someone listens.
pub(crate) fn mail_span(
    leash: &Leash,
    kind: &'static str,
    queue_ns: Option<u64>,
    trace: Option<TraceContext>,
) -> Span {
    let span = tracing::debug_span!(
        target: "openclaw_runtime::mail",
        "mail.handle",
        actor.path = %leash.path,
        actor.kind = leash.kind,
        msg.kind = kind,
        queue_ms = queue_ns.unwrap_or(0) / 1_000_000,
        generation = leash.generation,
    );
    if let Some(trace) = trace {
        attach(&span, trace);
    }
    span
}

impl TraceContext {
    /// Parses a `traceparent` header.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, len| {
            text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !is_hex(version, 2) || !is_hex(trace, 32) || !is_hex(span, 16) || !is_hex(flags, 2) {
            return None;
        }
        // A later version may add fields; version 00 has exactly four.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// Writes a `traceparent` header.
    pub fn traceparent(&self) -> String {
        self.to_string()
    }

    /// Begins a trace.
    pub fn new_root() -> Self {
        let trace_id = (u128::from(random()) << 64) | u128::from(random());
        Self {
            trace_id,
            span_id: random(),
            sampled: true,
        }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn new_child(&self) -> Self {
        Self {
            span_id: random(),
            ..*self
        }
    }

    /// The context at work: of the open span if an exporter is there, else of the mail or task at hand.
    pub fn current() -> Option<Self> {
        HOOKS
            .get()
            .and_then(|hooks| (hooks.current)())
            .or_else(Current::trace)
    }
}

/// A random number, never 0. The standard hasher's keys are random per process and differ per instance.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(
            f,
            "00-{:032x}-{:016x}-{flags:02x}",
            self.trace_id, self.span_id
        )
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TraceContext;

    #[test]
    fn malformed_headers_are_no_context() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
        // A later version may carry more.
        assert!(
            TraceContext::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more")
                .is_some()
        );
    }

    proptest! {
        #[test]
        fn a_header_survives_its_way(trace_id in 1u128.., span_id in 1u64.., sampled: bool) {
            let context = TraceContext { trace_id, span_id, sampled };
            prop_assert_eq!(TraceContext::parse(&context.traceparent()), Some(context));
            prop_assert_eq!(context.new_child().trace_id, trace_id);
        }

        #[test]
        fn no_header_panics(text in "\\PC{0,80}") {
            let _none_or_some = TraceContext::parse(&text);
        }
    }
}
