//! A job as the file and clients have it. Pure; time is passed in.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::schedule::Schedule;

/// One job. What this version doesn't know is carried along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Whose agent runs it; the default agent's when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// What people call it.
    pub name: String,
    /// Whether it fires.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it goes away after it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after_run: Option<bool>,
    /// When it was made.
    #[serde(default)]
    pub created_at_ms: i64,
    /// When it was last changed.
    #[serde(default)]
    pub updated_at_ms: i64,
    /// When it fires.
    pub schedule: Value,
    /// `main` or `isolated`.
    pub session_target: String,
    /// `now` or `next-heartbeat`.
    #[serde(default = "now")]
    pub wake_mode: String,
    /// What it does.
    pub payload: Value,
    /// Where its answer goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Value>,
    /// What became of it.
    #[serde(default)]
    pub state: JobState,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What became of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobState {
    /// When it is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<i64>,
    /// The due time of the occurrence at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_at_ms: Option<i64>,
    /// When it last ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_at_ms: Option<i64>,
    /// `ok`, `error` or `skipped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_status: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_duration_ms: Option<i64>,
    /// Failures in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_errors: Option<u32>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Puts a line into the main session.
    Event(String),
    /// Gives an agent something to do.
    Turn {
        /// What to do.
        message: String,
        /// With which model.
        model: Option<String>,
        /// How hard to think.
        thinking: Option<String>,
        /// How long it may take.
        timeout_seconds: Option<u64>,
    },
}

fn yes() -> bool {
    true
}

fn now() -> String {
    "now".to_owned()
}

impl Job {
    /// A new job from what a client says.
    pub fn create(said: &Value, id: String, now_ms: i64) -> Result<Self, String> {
        let mut fields = said.as_object().cloned().unwrap_or_default();
        fields.retain(|_, value| !value.is_null());
        fields.insert("id".to_owned(), json!(id));
        fields.insert("createdAtMs".to_owned(), json!(now_ms));
        fields.insert("updatedAtMs".to_owned(), json!(now_ms));
        fields.remove("state");
        let mut job = Self::read(Value::Object(fields))?;
        job.settle(now_ms)?;
        Ok(job)
    }

    /// Reads a job of the file; shapes of older versions are understood.
    pub fn read(mut value: Value) -> Result<Self, String> {
        if let Value::Object(job) = &mut value {
            modernise(job);
        }
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// Changes what a patch names; null clears a field.
    pub fn patch(&mut self, patch: &Value, now_ms: i64) -> Result<(), String> {
        let mut whole = serde_json::to_value(&*self).map_err(|error| error.to_string())?;
        let (Value::Object(whole), Some(patch)) = (&mut whole, patch.as_object()) else {
            return Err("patch must be object".to_owned());
        };
        for (name, value) in patch {
            match (name.as_str(), value) {
                ("id" | "createdAtMs", _) => {}
                (_, Value::Null) => drop(whole.shift_remove(name)),
                // The state, a payload and a delivery are patched field by field, unless the kind changes.
                ("state" | "delivery" | "payload", Value::Object(fields)) => {
                    let old = whole.get(name).cloned().unwrap_or_default();
                    let same_kind = fields
                        .get("kind")
                        .is_none_or(|kind| old.get("kind") == Some(kind));
                    let mut merged = match old {
                        Value::Object(old) if same_kind => old,
                        _ => Map::new(),
                    };
                    merged.extend(fields.clone());
                    whole.insert(name.clone(), Value::Object(merged));
                }
                _ => drop(whole.insert(name.clone(), value.clone())),
            }
        }
        let mut job = Self::read(Value::Object(whole.clone()))?;
        job.updated_at_ms = now_ms;
        let is_rescheduled = job.schedule != self.schedule || job.enabled != self.enabled;
        if is_rescheduled {
            job.state.next_run_at_ms = None;
        }
        job.settle(now_ms)?;
        *self = job;
        Ok(())
    }

    /// Checks it, and fills in what a schedule needs.
    fn settle(&mut self, now_ms: i64) -> Result<(), String> {
        let schedule = Schedule::read(&self.schedule)?;
        if let (
            Schedule::Every {
                anchor_ms: None, ..
            },
            Value::Object(fields),
        ) = (&schedule, &mut self.schedule)
        {
            fields.insert("anchorMs".to_owned(), json!(now_ms));
        }
        if matches!(schedule, Schedule::At { .. }) {
            self.delete_after_run.get_or_insert(true);
        }
        match (self.session_target.as_str(), self.work()?) {
            ("main", Work::Event(_)) | ("isolated", Work::Turn { .. }) => {}
            ("main", _) => {
                return Err("main cron jobs require payload.kind=\"systemEvent\"".to_owned());
            }
            ("isolated", _) => {
                return Err("isolated cron jobs require payload.kind=\"agentTurn\"".to_owned());
            }
            (other, _) => {
                return Err(format!(
                    "sessionTarget \"{other}\" is not known: main or isolated"
                ));
            }
        }
        if self.name.trim().is_empty() {
            return Err("a job needs a name".to_owned());
        }
        Ok(())
    }

    /// What it does.
    pub fn work(&self) -> Result<Work, String> {
        let text = |name: &str| self.payload.get(name).and_then(Value::as_str);
        let needed = |name: &str| {
            let text = text(name).filter(|text| !text.trim().is_empty());
            text.map(str::to_owned)
                .ok_or_else(|| format!("payload.{name} is missing"))
        };
        match text("kind") {
            Some("systemEvent") => Ok(Work::Event(needed("text")?)),
            Some("agentTurn") => Ok(Work::Turn {
                message: needed("message")?,
                model: text("model").map(str::to_owned),
                thinking: text("thinking").map(str::to_owned),
                timeout_seconds: self.payload.get("timeoutSeconds").and_then(Value::as_u64),
            }),
            other => Err(format!(
                "payload.kind \"{}\" is not known: systemEvent or agentTurn",
                other.unwrap_or_default()
            )),
        }
    }

    /// Whether the answer is to be sent, and what is said about where: channel and recipient.
    pub fn announces(&self) -> Option<(Option<&str>, Option<&str>)> {
        let in_delivery = |name: &str| {
            self.delivery
                .as_ref()
                .and_then(|delivery| delivery.get(name))
        };
        let named = |name: &str| {
            let value = in_delivery(name).or_else(|| self.payload.get(name));
            value.and_then(Value::as_str)
        };
        let is_wanted = match in_delivery("mode").and_then(Value::as_str) {
            Some(mode) => mode == "announce",
            None => self
                .payload
                .get("deliver")
                .and_then(Value::as_bool)
                .unwrap_or(self.session_target == "isolated"),
        };
        is_wanted.then(|| {
            (
                named("channel").filter(|channel| *channel != "last"),
                named("to"),
            )
        })
    }
}

/// Older spellings: `jobId`, `schedule.cron`, `atMs`, and the payload's fields beside it.
fn modernise(job: &mut Map<String, Value>) {
    if !job.contains_key("id")
        && let Some(id) = job.shift_remove("jobId")
    {
        job.insert("id".to_owned(), id);
    }
    if let Some(Value::Object(schedule)) = job.get_mut("schedule") {
        if let Some(expr) = schedule.shift_remove("cron") {
            schedule.entry("expr").or_insert(expr);
            schedule.entry("kind").or_insert(json!("cron"));
        }
        if let Some(at) = schedule.shift_remove("atMs") {
            let at = at
                .as_i64()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            if let Some(at) = at {
                schedule.entry("at").or_insert(json!(at.to_string()));
            }
            schedule.entry("kind").or_insert(json!("at"));
        }
    }
    if !job.contains_key("payload") {
        let message = job.shift_remove("message");
        let text = job.shift_remove("text");
        if let Some(message) = message {
            job.insert(
                "payload".to_owned(),
                json!({ "kind": "agentTurn", "message": message }),
            );
        } else if let Some(text) = text {
            job.insert(
                "payload".to_owned(),
                json!({ "kind": "systemEvent", "text": text }),
            );
        }
    }
    if !job.contains_key("sessionTarget") {
        let kind = job.get("payload").and_then(|payload| payload.get("kind"));
        let is_turn = kind.and_then(Value::as_str) == Some("agentTurn");
        let target = if is_turn { "isolated" } else { "main" };
        job.insert("sessionTarget".to_owned(), json!(target));
    }
}
