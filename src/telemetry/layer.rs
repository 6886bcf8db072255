//! Turns events into records, on the thread that logs.

use std::fmt;

use jiff::Timestamp;
use openclaw_runtime::TraceContext;
use tracing::Event;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing::span::Attributes;
use tracing::span::Id;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Levels;
use super::record::Record;
use super::writer::Writer;

/// The layer of lines.
#[derive(Debug)]
pub(super) struct Lines {
    writer: Writer,
    file: Targets,
    console: Targets,
}

/// The field of a span that names the actor.
const ACTOR: &str = "actor.path";

/// The actor whose mail is being handled, kept with its span.
struct Actor(String);

/// Whether lines need to know of it: all events, and of spans only those that name an actor. Others are for a collector,
/// and cost nothing where there is none.
pub(super) fn concerns(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() || metadata.fields().field(ACTOR).is_some()
}

impl Lines {
    pub(super) fn new(writer: Writer, levels: &Levels) -> Self {
        Self {
            writer,
            file: levels.file.clone(),
            console: levels.console.clone(),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = ActorPath(None);
        attributes.record(&mut found);
        if let (Some(path), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().insert(Actor(path));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut record = Record::new(metadata, Timestamp::now());
        record.to_file = self.file.would_enable(metadata.target(), metadata.level());
        record.to_console = self
            .console
            .would_enable(metadata.target(), metadata.level());
        event.record(&mut record);
        let scope = context.event_scope(event).into_iter().flatten();
        for span in scope {
            if let Some(Actor(path)) = span.extensions().get::<Actor>()
                && !record.fields.contains_key("actor")
            {
                record
                    .fields
                    .insert("actor".to_owned(), path.as_str().into());
            }
        }
        record.trace = TraceContext::current().map(|trace| {
            (
                format!("{:032x}", trace.trace_id),
                format!("{:016x}", trace.span_id),
            )
        });
        self.writer.write(record);
    }
}

/// Looks for the field `actor.path`.
struct ActorPath(Option<String>);

impl Visit for ActorPath {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == ACTOR {
            self.0 = Some(format!("{value:?}"));
        }
    }
}
