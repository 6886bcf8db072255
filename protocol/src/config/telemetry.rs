//! `logging` and `diagnostics`: what is logged and what is exported.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Secret;

/// What is logged and where.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Logging {
    /// What goes into the log file; `info` unless told otherwise.
    pub level: Option<LogLevel>,
    /// The log file, when it isn't the daily one.
    pub file: Option<String>,
    /// What goes to the terminal.
    pub console_level: Option<LogLevel>,
    /// How the terminal shows it.
    pub console_style: Option<ConsoleStyle>,
    /// `off` writes secrets out; anything else hides them.
    pub redact_sensitive: Option<String>,
    /// More patterns to hide.
    pub redact_patterns: Vec<String>,
    /// Writes what goes to models and comes from them.
    pub verbose_models: bool,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Silent,
    /// What ends the process.
    Fatal,
    /// What failed.
    Error,
    /// What may fail soon.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How the terminal shows the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleStyle {
    /// In colour, with times.
    #[default]
    Pretty,
    /// Short lines.
    Compact,
    /// JSON lines.
    Json,
}

/// What is exported.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Diagnostics {
    /// Switches the exports as a whole; the exports have their own switches too.
    pub enabled: Option<bool>,
    /// Names of debug outputs.
    pub flags: Vec<String>,
    /// Export by OpenTelemetry.
    pub otel: Otel,
}

/// Export by OpenTelemetry.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Otel {
    /// Whether anything is exported.
    pub enabled: bool,
    /// The collector, such as `http://localhost:4318`.
    pub endpoint: Option<String>,
    /// `http/protobuf` or `grpc`.
    pub protocol: Option<String>,
    /// Sent along with each export.
    pub headers: BTreeMap<String, Secret>,
    /// The service's name; `openclaw` unless told otherwise.
    pub service_name: Option<String>,
    /// Whether spans are exported; they are unless told otherwise.
    pub traces: Option<bool>,
    /// Whether metrics are exported.
    pub metrics: Option<bool>,
    /// Whether logs are exported.
    pub logs: Option<bool>,
    /// The share of traces that is kept, 0 to 1.
    pub sample_rate: Option<f64>,
    /// How often it is exported.
    pub flush_interval_ms: Option<u64>,
}
