use openclaw_protocol::config::Otel;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::InMemorySpanExporter;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[test]
fn nothing_is_exported_unless_asked_for() {
    assert_eq!(Settings::new(&Diagnostics::default()), None);
    let mut wanted = Diagnostics {
        otel: Otel {
            enabled: true,
            endpoint: Some("http://collector:4318/".into()),
            sample_rate: Some(7.0),
            ..Otel::default()
        },
        ..Diagnostics::default()
    };
    let settings = Settings::new(&wanted).unwrap();
    assert_eq!(settings.endpoint, "http://collector:4318/v1/traces");
    assert_eq!(settings.sample, 1.0);
    wanted.enabled = Some(false);
    assert_eq!(Settings::new(&wanted), None);
}

#[test]
fn a_stored_trace_is_the_parent_of_the_span_that_takes_it_up() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let stored =
        TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let hooks = hooks();
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("mail.handle");
        (hooks.attach)(&span, stored);
        let _entered = span.enter();
        let current = (hooks.current)().unwrap();
        assert_eq!(current.trace_id, stored.trace_id);
        assert_ne!(current.span_id, stored.span_id);
    });
    let spans = exporter.get_finished_spans().unwrap();
    assert_eq!(spans.len(), 1);
    assert_eq!(
        spans[0].parent_span_id,
        SpanId::from_bytes(stored.span_id.to_be_bytes())
    );
}
