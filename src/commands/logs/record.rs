//! One line of the log, as a person reads it.

use serde_json::Value;
use serde_json::json;

use crate::commands::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Terminal;
use crate::render::Tone;

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) terminal: Terminal,
    pub(super) plain: bool,
    pub(super) local_time: bool,
}

/// What is worth showing of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) time: String,
    pub(super) level: String,
    pub(super) subsystem: String,
    pub(super) message: String,
}

impl Record {
    /// Reads a line of the log file; `None` = it is no record.
    pub(super) fn read(line: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(line).ok()?;
        let meta = record.get("_meta")?;
        let name = string(&record, "0");
        let subsystem = serde_json::from_str::<Value>(&name)
            .ok()
            .map(|name| string(&name, "subsystem"))
            .filter(|name| !name.is_empty());
        let (mut texts, mut fields) = (Vec::new(), Vec::new());
        // Without a subsystem the message stands first.
        if subsystem.is_none() && !name.is_empty() {
            texts.push(name);
        }
        for key in ["1", "2", "3"] {
            match record.get(key) {
                Some(Value::String(text)) => texts.push(text.clone()),
                Some(Value::Object(object)) => fields.extend(
                    object
                        .iter()
                        .map(|(name, value)| format!("{name}={}", bare(value))),
                ),
                Some(other) => texts.push(other.to_string()),
                None => {}
            }
        }
        let time = match string(&record, "time") {
            time if time.is_empty() => string(meta, "date"),
            time => time,
        };
        Some(Self {
            time,
            level: string(meta, "logLevelName").to_lowercase(),
            subsystem: subsystem.unwrap_or_default(),
            message: [texts, fields].concat().join(" "),
        })
    }
}

impl Style {
    pub(super) fn line(&self, line: &str) -> CommandResult {
        let record = Record::read(line);
        if self.terminal.json {
            self.terminal.json_line(&match record {
                Some(record) => json!({
                    "type": "log", "time": record.time, "level": record.level,
                    "subsystem": record.subsystem, "message": record.message, "raw": line,
                }),
                None => json!({ "type": "raw", "raw": line }),
            })?;
            return Ok(());
        }
        let Some(record) = record else {
            self.terminal.line(&render::clean(line))?;
            return Ok(());
        };
        self.terminal.line(&self.text(&record))?;
        Ok(())
    }

    pub(super) fn text(&self, record: &Record) -> String {
        let time = self.time(&record.time);
        let message = render::clean(&record.message);
        if self.plain {
            return format!("{time} {} {} {message}", record.level, record.subsystem);
        }
        let tone = match record.level.as_str() {
            "fatal" | "error" => Tone::Bad,
            "warn" => Tone::Warn,
            "info" => Tone::Good,
            _ => Tone::Muted,
        };
        format!(
            "{} {} {} {message}",
            self.terminal.paint(Tone::Muted, &time),
            self.terminal.paint(tone, &format!("{:<5}", record.level)),
            self.terminal
                .paint(Tone::Accent, &render::clean(&record.subsystem)),
        )
    }

    fn time(&self, text: &str) -> String {
        if !self.local_time {
            return text.to_owned();
        }
        text.parse::<jiff::Timestamp>().map_or_else(
            |_| text.to_owned(),
            |at| {
                at.to_zoned(jiff::tz::TimeZone::system())
                    .strftime("%Y-%m-%d %H:%M:%S%.3f")
                    .to_string()
            },
        )
    }
}

fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_either_generation_are_read() {
        let older = r#"{"0":"{\"subsystem\":\"gateway/ws\"}","1":{"conn":"7","ms":3},"2":"closed","_meta":{"logLevelName":"INFO","date":"2026-02-14T08:00:00.000Z"},"time":"2026-02-14T09:00:00.000+01:00"}"#;
        assert_eq!(
            Record::read(older),
            Some(Record {
                time: "2026-02-14T09:00:00.000+01:00".into(),
                level: "info".into(),
                subsystem: "gateway/ws".into(),
                message: "closed conn=7 ms=3".into(),
            })
        );
        let bare = r#"{"0":"plain words","_meta":{"logLevelName":"WARN","date":"D"}}"#;
        let record = Record::read(bare).unwrap();
        assert_eq!(
            (record.subsystem.as_str(), record.message.as_str()),
            ("", "plain words")
        );
        assert_eq!(Record::read("no json"), None);
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        let style = Style {
            terminal: Terminal::plain(),
            plain: true,
            local_time: false,
        };
        let record = Record {
            time: "T".into(),
            level: "info".into(),
            subsystem: "s".into(),
            message: "a\x1b[2Jb\nc".into(),
        };
        assert_eq!(style.text(&record), "T info s a[2Jb c");
    }
}
