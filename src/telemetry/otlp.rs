//! Spans for a collector: one for each message handled, over OTLP/HTTP, in batches, never waited for.
//!
//! A message's trace context is stored with its row, and the runtime makes it the parent of the span that handles it;
//! so what a restart interrupted and what took it up again are one trace.

use std::collections::HashMap;
use std::time::Duration;

use openclaw_protocol::config::Diagnostics;
use openclaw_runtime::TraceContext;
use openclaw_runtime::trace::Hooks;
use opentelemetry::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use opentelemetry::trace::SpanId;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::trace::TraceFlags;
use opentelemetry::trace::TraceId;
use opentelemetry::trace::TraceState;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_otlp::WithHttpConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime;
use opentelemetry_sdk::trace::BatchConfigBuilder;
use opentelemetry_sdk::trace::Sampler;
use opentelemetry_sdk::trace::SdkTracer;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use tracing::Level;
use tracing::Span;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::error::chain;

#[cfg(test)]
mod tests;

/// One export may take this long; the next batch waits meanwhile, actors don't.
const EXPORT_WITHIN: Duration = Duration::from_secs(10);
/// How often spans are sent unless told otherwise.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// What is exported, and where to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    endpoint: String,
    headers: HashMap<String, openclaw_protocol::Secret>,
    service: String,
    sample: f64,
    flush_every: Duration,
}

/// The exporter in force.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Settings {
    /// `None` = nothing is to be exported.
    pub(super) fn new(diagnostics: &Diagnostics) -> Option<Self> {
        let otel = &diagnostics.otel;
        let wanted =
            otel.enabled && diagnostics.enabled != Some(false) && otel.traces != Some(false);
        if !wanted {
            return None;
        }
        Some(Self {
            endpoint: traces_endpoint(otel.endpoint.as_deref().unwrap_or("http://127.0.0.1:4318")),
            headers: otel
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            service: otel
                .service_name
                .clone()
                .unwrap_or_else(|| "openclaw".to_owned()),
            sample: otel.sample_rate.unwrap_or(1.0).clamp(0.0, 1.0),
            flush_every: otel
                .flush_interval_ms
                .map_or(FLUSH_EVERY, |ms| Duration::from_millis(ms.max(100))),
        })
    }
}

/// A collector's base address gets the path of traces; an address with that path stays.
fn traces_endpoint(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1/traces") {
        base.to_owned()
    } else {
        format!("{base}/v1/traces")
    }
}

impl Exporter {
    /// Starts the exporter on the current runtime and ties it to the runtime's trace contexts.
    pub(super) fn start(settings: Settings) -> Result<Self, String> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let headers = settings
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(&settings.endpoint)
            .with_timeout(EXPORT_WITHIN)
            .with_headers(headers.collect())
            .build()
            .map_err(|error| format!("{}: {}", settings.endpoint, chain(&error)))?;
        let batches = BatchConfigBuilder::default()
            .with_scheduled_delay(settings.flush_every)
            .build();
        let processor = BatchSpanProcessor::builder(exporter, runtime::Tokio)
            .with_batch_config(batches)
            .build();
        let resource = Resource::builder()
            .with_service_name(settings.service)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new(
                "service.instance.id",
                uuid::Uuid::new_v4().to_string(),
            ))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource)
            .with_sampler(sampler)
            .build();
        openclaw_runtime::trace::install(hooks());
        let tracer = provider.tracer("openclaw");
        Ok(Self { provider, tracer })
    }

    /// The layer that makes spans of ours to spans for the collector; events stay in the log.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = Targets::new()
            .with_target("openclaw", Level::DEBUG)
            .with_target("openclaw_runtime", Level::DEBUG);
        let spans_only = tracing_subscriber::filter::filter_fn(|metadata| metadata.is_span());
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_filter(tracing_subscriber::filter::FilterExt::and(ours, spans_only))
    }

    /// Sends what is left.
    pub(super) fn shutdown(self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!(problem = %chain(&error), "the last spans were not exported");
        }
    }
}

/// How the runtime's trace contexts and OpenTelemetry's become one.
fn hooks() -> Hooks {
    Hooks {
        attach: Box::new(|span: &Span, parent: TraceContext| {
            // A span that nobody listens to has no parent.
            drop(span.set_parent(remote(parent)));
        }),
        current: Box::new(|| {
            let span = Span::current();
            if span.is_disabled() {
                return None;
            }
            let context = span.context();
            let current = context.span().span_context().clone();
            current.is_valid().then(|| TraceContext {
                trace_id: u128::from_be_bytes(current.trace_id().to_bytes()),
                span_id: u64::from_be_bytes(current.span_id().to_bytes()),
                sampled: current.is_sampled(),
            })
        }),
    }
}

fn remote(context: TraceContext) -> Context {
    let flags = if context.sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    let span = SpanContext::new(
        TraceId::from_bytes(context.trace_id.to_be_bytes()),
        SpanId::from_bytes(context.span_id.to_be_bytes()),
        flags,
        true,
        TraceState::default(),
    );
    Context::new().with_remote_span_context(span)
}
