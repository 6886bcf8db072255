//! One line of the log, as a value and as the JSON that existing tools read.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracing::Level;
use tracing::Metadata;
use tracing::field::Field;
use tracing::field::Visit;

/// An event with everything that is written of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) subsystem: String,
    pub(super) message: String,
    pub(super) fields: Map<String, Value>,
    pub(super) place: Option<(&'static str, u32)>,
    pub(super) target: &'static str,
    /// Trace and span id.
    pub(super) trace: Option<(String, String)>,
    pub(super) to_file: bool,
    pub(super) to_console: bool,
}

/// Facts of the host that every line carries.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) zone: TimeZone,
}

impl Record {
    pub(super) fn new(metadata: &'static Metadata<'static>, at: Timestamp) -> Self {
        Self {
            at,
            level: *metadata.level(),
            subsystem: subsystem(metadata.target()),
            message: String::new(),
            fields: Map::new(),
            place: metadata.file().zip(metadata.line()),
            target: metadata.target(),
            trace: None,
            to_file: true,
            to_console: true,
        }
    }

    /// The line of the log file: numbered arguments and a `_meta` object.
    pub(super) fn line(&self, host: &Host) -> String {
        let name = json!({ "subsystem": self.subsystem }).to_string();
        let mut line = Map::new();
        line.insert("0".into(), name.clone().into());
        if self.fields.is_empty() {
            line.insert("1".into(), self.message.clone().into());
        } else {
            line.insert("1".into(), Value::Object(self.fields.clone()));
            line.insert("2".into(), self.message.clone().into());
        }
        let (id, word) = level(self.level);
        let date = self.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let place = self.place.map(|(file, number)| {
            json!({ "fileName": file, "fileLine": number.to_string(), "method": self.target })
        });
        line.insert(
            "_meta".into(),
            json!({
                "runtime": "rust",
                "runtimeVersion": env!("CARGO_PKG_RUST_VERSION"),
                "hostname": host.name,
                "name": name,
                "parentNames": ["openclaw"],
                "date": date,
                "logLevelId": id,
                "logLevelName": word,
                "path": place,
            }),
        );
        let local = self.at.to_zoned(host.zone.clone());
        let time = local.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        line.insert("time".into(), time.into());
        line.insert("hostname".into(), host.name.clone().into());
        line.insert("message".into(), self.message.clone().into());
        if let Some((trace, span)) = &self.trace {
            line.insert("traceId".into(), trace.clone().into());
            line.insert("spanId".into(), span.clone().into());
        }
        Value::Object(line).to_string()
    }
}

/// The numbers and words of the log file's levels.
fn level(level: Level) -> (u8, &'static str) {
    match level {
        Level::TRACE => (1, "TRACE"),
        Level::DEBUG => (2, "DEBUG"),
        Level::INFO => (3, "INFO"),
        Level::WARN => (4, "WARN"),
        Level::ERROR => (5, "ERROR"),
    }
}

/// `openclaw_gateway::ingress::websocket` is `gateway/ingress/websocket`.
fn subsystem(target: &str) -> String {
    let target = target.strip_prefix("openclaw_").unwrap_or(target);
    target.replace("::", "/")
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            "subsystem" => self.subsystem = value.to_owned(),
            name => drop(self.fields.insert(name.to_owned(), value.into())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &crate::error::chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_existing_tools_read() {
        let record = Record {
            at: "2026-02-14T08:00:00.5Z".parse().unwrap(),
            level: Level::WARN,
            subsystem: subsystem("openclaw_gateway::ingress"),
            message: "refused".into(),
            fields: Map::from_iter([("origin".to_owned(), json!("http://x"))]),
            place: Some(("src/a.rs", 7)),
            target: "openclaw_gateway::ingress",
            trace: Some(("ab".into(), "cd".into())),
            to_file: true,
            to_console: true,
        };
        let host = Host {
            name: "pi".into(),
            zone: TimeZone::fixed(jiff::tz::offset(1)),
        };
        let line: Value = serde_json::from_str(&record.line(&host)).unwrap();
        assert_eq!(line["0"], "{\"subsystem\":\"gateway/ingress\"}");
        assert_eq!(line["1"]["origin"], "http://x");
        assert_eq!(line["2"], "refused");
        assert_eq!(line["time"], "2026-02-14T09:00:00.500+01:00");
        let meta = &line["_meta"];
        assert_eq!(meta["logLevelId"], 4);
        assert_eq!(meta["logLevelName"], "WARN");
        assert_eq!(meta["date"], "2026-02-14T08:00:00.500Z");
        assert_eq!(meta["parentNames"][0], "openclaw");
        assert_eq!(meta["path"]["fileName"], "src/a.rs");
        assert_eq!(
            (&line["traceId"], &line["spanId"]),
            (&json!("ab"), &json!("cd"))
        );
    }
}
