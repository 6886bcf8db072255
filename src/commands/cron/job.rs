//! A job as flags.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;

#[derive(Debug, clap::Args)]
pub(crate) struct JobArgs {
    /// What to call it.
    #[arg(long, value_name = "name")]
    name: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "text")]
    description: Option<String>,
    /// Once: 2030-01-01T09:00:00Z, or after a while: 20m.
    #[arg(long, value_name = "when", conflicts_with_all = ["every", "cron"])]
    at: Option<String>,
    /// Again and again: 10m, 1h, 1d.
    #[arg(long, value_name = "duration", conflicts_with = "cron")]
    every: Option<String>,
    /// By the calendar: five or six fields.
    #[arg(long, value_name = "expr")]
    cron: Option<String>,
    /// Whose clock counts for --cron: Europe/Berlin.
    #[arg(long, value_name = "iana")]
    tz: Option<String>,
    /// A line for the main session.
    #[arg(long, value_name = "text", conflicts_with = "message")]
    system_event: Option<String>,
    /// Something for the agent to do, in a session of its own.
    #[arg(long, value_name = "text")]
    message: Option<String>,
    /// Where it runs: main or isolated.
    #[arg(long, value_name = "target")]
    session: Option<String>,
    /// When a line is told: now or next-heartbeat.
    #[arg(long, value_name = "mode")]
    wake: Option<String>,
    /// Whose agent.
    #[arg(long, value_name = "id")]
    pub(crate) agent: Option<String>,
    /// With which model.
    #[arg(long, value_name = "model")]
    model: Option<String>,
    /// How hard to think.
    #[arg(long, value_name = "level")]
    thinking: Option<String>,
    /// How long a run may take.
    #[arg(long, value_name = "n")]
    timeout_seconds: Option<u64>,
    /// Send the answer to a chat.
    #[arg(long, alias = "deliver", conflicts_with = "no_deliver")]
    announce: bool,
    /// Keep the answer in its session.
    #[arg(long)]
    no_deliver: bool,
    /// Over which channel the answer goes; `last` is where the main session last spoke.
    #[arg(long, value_name = "channel")]
    channel: Option<String>,
    /// To whom the answer goes.
    #[arg(long, value_name = "dest")]
    to: Option<String>,
    /// A failed delivery is no failure of the job.
    #[arg(long)]
    best_effort_deliver: bool,
    /// Take it away after it ran.
    #[arg(long, conflicts_with = "keep_after_run")]
    delete_after_run: bool,
    /// Keep it after it ran.
    #[arg(long)]
    keep_after_run: bool,
}

impl JobArgs {
    /// A whole job.
    pub(crate) fn new_job(&self) -> CommandResult<Value> {
        let mut job = self.patch()?;
        if !job.contains_key("name") {
            return Err(usage("a job needs a name: --name \"morning tea\""));
        }
        if !job.contains_key("schedule") {
            return Err(usage("when? --at, --every or --cron"));
        }
        let is_turn = match (&self.message, &self.system_event) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => return Err(usage("what? --message or --system-event")),
        };
        let target = if is_turn { "isolated" } else { "main" };
        job.entry("sessionTarget").or_insert(json!(target));
        job.entry("wakeMode").or_insert(json!("now"));
        if is_turn {
            job.entry("delivery")
                .or_insert(json!({ "mode": "announce" }));
        }
        Ok(Value::Object(job))
    }

    /// The fields that are named.
    pub(crate) fn patch(&self) -> CommandResult<Map<String, Value>> {
        let mut job = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                job.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        set("name", text(&self.name));
        set("description", text(&self.description));
        set("agentId", text(&self.agent));
        set("sessionTarget", text(&self.session));
        set("wakeMode", text(&self.wake));
        set("schedule", self.schedule()?);
        set("payload", self.payload());
        set("delivery", self.delivery());
        let deletes = match (self.delete_after_run, self.keep_after_run) {
            (true, _) => Some(json!(true)),
            (false, true) => Some(json!(false)),
            (false, false) => None,
        };
        set("deleteAfterRun", deletes);
        Ok(job)
    }

    fn schedule(&self) -> CommandResult<Option<Value>> {
        if let Some(at) = &self.at {
            let after = duration_ms(at.trim_start_matches('+'));
            let at = match after.and_then(|ms| i64::try_from(ms).ok()) {
                Some(ms) => jiff::Timestamp::from_millisecond(render::now_ms() + ms)
                    .map_err(|error| usage(&error.to_string()))?
                    .to_string(),
                None => at.clone(),
            };
            return Ok(Some(json!({ "kind": "at", "at": at })));
        }
        if let Some(every) = &self.every {
            let ms = duration_ms(every).filter(|ms| *ms > 0);
            let ms = ms.ok_or_else(|| usage("--every is written 10m, 1h or 1d"))?;
            return Ok(Some(json!({ "kind": "every", "everyMs": ms })));
        }
        let Some(expr) = &self.cron else {
            return Ok(None);
        };
        let mut schedule = json!({ "kind": "cron", "expr": expr });
        if let (Some(zone), Value::Object(schedule)) = (&self.tz, &mut schedule) {
            schedule.insert("tz".to_owned(), json!(zone));
        }
        Ok(Some(schedule))
    }

    fn payload(&self) -> Option<Value> {
        if let Some(text) = &self.system_event {
            return Some(json!({ "kind": "systemEvent", "text": text }));
        }
        let mut payload = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                payload.insert(name.to_owned(), value);
            }
        };
        set("kind", self.message.as_ref().map(|_| json!("agentTurn")));
        set("message", self.message.as_ref().map(|text| json!(text)));
        set("model", self.model.as_ref().map(|text| json!(text)));
        set("thinking", self.thinking.as_ref().map(|text| json!(text)));
        set(
            "timeoutSeconds",
            self.timeout_seconds.map(|seconds| json!(seconds)),
        );
        (!payload.is_empty()).then_some(Value::Object(payload))
    }

    fn delivery(&self) -> Option<Value> {
        let mut delivery = Map::new();
        if self.no_deliver {
            delivery.insert("mode".to_owned(), json!("none"));
        } else if self.announce || self.channel.is_some() || self.to.is_some() {
            delivery.insert("mode".to_owned(), json!("announce"));
        }
        if let Some(channel) = &self.channel {
            delivery.insert("channel".to_owned(), json!(channel));
        }
        if let Some(to) = &self.to {
            delivery.insert("to".to_owned(), json!(to));
        }
        if self.best_effort_deliver {
            delivery.insert("bestEffort".to_owned(), json!(true));
        }
        (!delivery.is_empty()).then_some(Value::Object(delivery))
    }
}

/// `10m`, `1h30m`, `2d` in milliseconds.
fn duration_ms(text: &str) -> Option<u64> {
    let (mut total, mut number) = (0u64, String::new());
    let mut unit = String::new();
    let mut add = |number: &mut String, unit: &mut String| {
        let factor = match unit.as_str() {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        number.clear();
        unit.clear();
        Some(())
    };
    for letter in text.trim().chars() {
        if letter.is_ascii_digit() {
            if !unit.is_empty() {
                add(&mut number, &mut unit)?;
            }
            number.push(letter);
        } else {
            unit.push(letter.to_ascii_lowercase());
        }
    }
    add(&mut number, &mut unit)?;
    Some(total)
}

fn usage(message: &str) -> CommandError {
    CommandError::new(Kind::Usage, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("10m", Some(600_000)),
            ("1h30m", Some(5_400_000)),
            ("2d", Some(172_800_000)),
            ("250ms", Some(250)),
            ("10", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
    }
}
