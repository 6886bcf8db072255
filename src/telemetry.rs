//! What the process tells of itself: lines for the terminal and the log file, spans for a collector.
//!
//! An event becomes an owned [`Record`](record::Record) on the thread that logs, and goes through one bounded channel to
//! one writer thread, which hides secrets and writes. A full channel drops the line and counts it: a slow disk or a
//! stopped terminal slows no actor.

mod console;
mod file;
mod layer;
mod level;
mod otlp;
mod record;
mod redact;
mod writer;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use openclaw_gateway::paths::Paths;
use openclaw_protocol::Config;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use self::console::Console;
pub(crate) use self::level::Levels;
use self::redact::Redactor;
use self::writer::Writer;

/// How long the last lines and spans may take when the process ends.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// The writer of the running process, for lines that must be out before it ends at once.
static WRITER: OnceLock<Writer> = OnceLock::new();

/// What to tell and where.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) levels: Levels,
    pub(crate) console: Console,
    pub(crate) file: file::Target,
    pub(crate) hide: bool,
    pub(crate) patterns: Vec<String>,
    pub(crate) otlp: Option<otlp::Settings>,
}

/// Telemetry in force; dropping it says the last words.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: Option<otlp::Exporter>,
    /// Where the lines go.
    pub(crate) file: PathBuf,
    /// The same from day to day.
    pub(crate) target: file::Target,
}

impl Settings {
    /// As the config, the flags and the variables say.
    pub(crate) fn new(config: &Config, paths: &Paths, levels: Levels, console: Console) -> Self {
        let logging = &config.logging;
        let file = match &logging.file {
            Some(file) => file::Target::Fixed(paths.expand(file)),
            None => file::Target::Daily(paths.log_dir()),
        };
        Self {
            levels,
            console,
            file,
            hide: logging.redact_sensitive.as_deref() != Some("off"),
            patterns: logging.redact_patterns.clone(),
            otlp: otlp::Settings::new(&config.diagnostics),
        }
    }
}

/// Begins to tell. Needs a runtime when spans are exported.
pub(crate) fn start(settings: Settings) -> Telemetry {
    let redactor = Redactor::new(settings.hide, settings.patterns);
    let target = settings.file.clone();
    let file = file::LogFile::new(settings.file);
    let path = file.path();
    let writer = Writer::start(file, settings.console, redactor);
    let lines = layer::Lines::new(writer.clone(), &settings.levels)
        .with_filter(settings.levels.either().and(filter_fn(layer::concerns)));
    let exporter = settings.otlp.map(otlp::Exporter::start).transpose();
    let (spans, problem) = match exporter {
        Ok(spans) => (spans, None),
        Err(problem) => (None, Some(problem)),
    };
    let span_layer = spans.as_ref().map(otlp::Exporter::layer);
    // A second start in one process (tests) keeps the first.
    drop(
        tracing_subscriber::registry()
            .with(lines)
            .with(span_layer)
            .try_init(),
    );
    drop(WRITER.set(writer));
    if let Some(problem) = problem {
        tracing::error!(%problem, "spans are not exported: mend diagnostics.otel and restart");
    }
    Telemetry {
        spans,
        file: path,
        target,
    }
}

/// Writes out what is waiting, for a process that ends at once.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(FLUSH_WITHIN);
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(spans) = self.spans.take() {
            spans.shutdown(FLUSH_WITHIN);
        }
        flush();
    }
}
