//! When a job is due. Pure: the time and the local zone are passed in.

use croner::Cron;
use croner::parser::CronParser;
use croner::parser::Seconds;
use jiff::Timestamp;
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// When a job is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Once.
    At {
        /// When.
        at_ms: i64,
    },
    /// Again and again after the same time.
    Every {
        /// The time between.
        every_ms: i64,
        /// Where the count begins.
        anchor_ms: Option<i64>,
    },
    /// By a pattern of the calendar.
    Cron {
        /// The pattern, checked.
        expr: String,
        /// The zone whose clock counts; the machine's when none.
        zone: Option<String>,
    },
}

impl Schedule {
    /// Reads a schedule and checks it.
    pub fn read(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let number = |name: &str| value.get(name).and_then(Value::as_i64);
        match text("kind").unwrap_or_default() {
            "at" => {
                let at = text("at").ok_or("schedule.at is missing")?;
                Ok(Self::At { at_ms: moment(at)? })
            }
            "every" => {
                let every_ms = number("everyMs").filter(|every| *every > 0);
                Ok(Self::Every {
                    every_ms: every_ms.ok_or("schedule.everyMs must be >= 1")?,
                    anchor_ms: number("anchorMs"),
                })
            }
            "cron" => {
                let expr = text("expr").ok_or("schedule.expr is missing")?.to_owned();
                parse(&expr)?;
                let zone = text("tz").map(str::trim).filter(|zone| !zone.is_empty());
                if let Some(zone) = zone {
                    TimeZone::get(zone).map_err(|_| format!("unknown time zone \"{zone}\""))?;
                }
                let zone = zone.map(str::to_owned);
                Ok(Self::Cron { expr, zone })
            }
            other => Err(format!(
                "schedule.kind \"{other}\" is not known: at, every or cron"
            )),
        }
    }

    /// The first time strictly after a moment; none when there is none any more.
    pub fn next_after(&self, after_ms: i64, local: &TimeZone) -> Result<Option<i64>, String> {
        match self {
            Self::At { at_ms } => Ok((*at_ms > after_ms).then_some(*at_ms)),
            Self::Every {
                every_ms,
                anchor_ms,
            } => {
                let anchor = anchor_ms.unwrap_or(after_ms);
                if anchor > after_ms {
                    return Ok(Some(anchor));
                }
                let steps = after_ms.saturating_sub(anchor) / every_ms + 1;
                Ok(anchor.checked_add(steps.saturating_mul(*every_ms)))
            }
            Self::Cron { expr, zone } => {
                let zone = match zone {
                    Some(zone) => TimeZone::get(zone).map_err(|error| error.to_string())?,
                    None => local.clone(),
                };
                let after = Timestamp::from_millisecond(after_ms)
                    .map_err(|error| error.to_string())?
                    .to_zoned(zone);
                let next = parse(expr)?.find_next_occurrence(&after, false);
                // A pattern that never comes again, such as the thirtieth of February.
                Ok(next
                    .ok()
                    .map(|next: Zoned| next.timestamp().as_millisecond()))
            }
        }
    }
}

fn parse(expr: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    let parsed = parser.parse(expr.trim());
    parsed.map_err(|error| format!("CronPattern: invalid configuration format ('{expr}'): {error}"))
}

/// A moment as people and programs write it; without a zone it is UTC.
pub fn moment(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    if let Ok(at) = text.parse::<DateTime>() {
        let at = at
            .to_zoned(TimeZone::UTC)
            .map_err(|error| error.to_string())?;
        return Ok(at.timestamp().as_millisecond());
    }
    match text.parse::<i64>() {
        Ok(ms) if ms > 1_000_000_000_000 => Ok(ms),
        _ => Err(format!(
            "\"{text}\" is no time: write it as 2030-01-01T09:00:00Z"
        )),
    }
}
