//! `current_time`: the date and time where the gateway runs, or in a zone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

/// Tells the time.
#[derive(Debug)]
pub struct CurrentTime {
    spec: ToolSpec,
}

impl Default for CurrentTime {
    fn default() -> Self {
        Self {
            spec: spec(
                "current_time",
                "Tells the current date and time, in the gateway's time zone unless another is given.",
                json!({
                    "timezone": {
                        "type": "string",
                        "description": "a zone such as Europe/Paris",
                    },
                }),
                &[],
            ),
        }
    }
}

impl Tool for CurrentTime {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        Box::pin(async move {
            let arguments = match Arguments::new(&call.name, call.arguments) {
                Ok(arguments) => arguments,
                Err(outcome) => return outcome,
            };
            let zone = match arguments.text("timezone") {
                None => TimeZone::system(),
                Some(name) => match TimeZone::get(&name) {
                    Ok(zone) => zone,
                    Err(_) => {
                        return ToolOutcome::error(format!(
                            "there is no time zone \"{name}\"; use a name such as Europe/Paris"
                        ));
                    }
                },
            };
            ToolOutcome::json(&moment(Timestamp::now(), zone))
        })
    }
}

fn moment(now: Timestamp, zone: TimeZone) -> Value {
    let local = now.to_zoned(zone);
    let name = local.time_zone().iana_name().unwrap_or_default();
    json!({
        "local": local.strftime("%A %Y-%m-%d %H:%M").to_string(),
        "zone": name,
        "offset": local.strftime("%:z").to_string(),
        "utc": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_its_zone() {
        let now: Timestamp = "2026-07-01T22:30:00Z".parse().unwrap();
        let told = moment(now, TimeZone::get("Europe/Paris").unwrap());
        assert_eq!(told["local"], "Thursday 2026-07-02 00:30");
        assert_eq!(told["zone"], "Europe/Paris");
        assert_eq!(told["offset"], "+02:00");
        assert_eq!(told["utc"], "2026-07-01T22:30:00Z");
    }
}
