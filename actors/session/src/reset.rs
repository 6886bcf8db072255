//! When a conversation begins anew by itself.

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Inbound;
use openclaw_protocol::config::Session;
use openclaw_protocol::config::session::Reset;
use openclaw_protocol::config::session::ResetMode;

/// The hour of a daily reset unless told otherwise.
const AT_HOUR: i8 = 4;
/// The silence of an idle reset unless told otherwise, in minutes.
const IDLE_MINUTES: u64 = 60;

/// The rule for a message: that of its channel, else of its kind of chat, else of all.
pub(crate) fn rule(session: &Session, channel: Option<&str>, inbound: &Inbound) -> Reset {
    let kind = match (inbound.chat.kind, &inbound.chat.thread) {
        (ChatKind::Direct, _) => "direct",
        (_, Some(_)) => "thread",
        _ => "group",
    };
    let by_type = &session.reset_by_type;
    channel
        .and_then(|channel| session.reset_by_channel.get(channel))
        .or_else(|| by_type.get(kind))
        .or_else(|| by_type.get("dm").filter(|_| kind == "direct"))
        .copied()
        .unwrap_or(session.reset)
}

/// Whether a session that was last touched at `last_ms` begins anew at `now_ms`.
pub(crate) fn is_due(rule: &Reset, last_ms: i64, now_ms: i64, zone: &TimeZone) -> bool {
    let idle = |minutes: u64| {
        let silence = i64::try_from(minutes).unwrap_or(i64::MAX / 60_000);
        now_ms.saturating_sub(last_ms) >= silence.saturating_mul(60_000)
    };
    match rule.mode {
        ResetMode::None => false,
        ResetMode::Idle => idle(rule.idle_minutes.unwrap_or(IDLE_MINUTES)),
        ResetMode::Daily => {
            let hour = rule
                .at_hour
                .and_then(|hour| i8::try_from(hour).ok())
                .filter(|hour| (0..24).contains(hour))
                .unwrap_or(AT_HOUR);
            let by_idle = rule.idle_minutes.is_some_and(idle);
            by_idle || boundary(now_ms, hour, zone).is_some_and(|at| last_ms < at)
        }
    }
}

/// The last moment before `now_ms` at which the local clock showed the hour.
fn boundary(now_ms: i64, hour: i8, zone: &TimeZone) -> Option<i64> {
    let now = Timestamp::from_millisecond(now_ms)
        .ok()?
        .to_zoned(zone.clone());
    let at = Time::new(hour, 0, 0, 0).ok()?;
    let today = now.date().to_datetime(at).to_zoned(zone.clone()).ok()?;
    let at = if today <= now {
        today
    } else {
        let yesterday = now.date().checked_sub(1.day()).ok()?;
        yesterday.to_datetime(at).to_zoned(zone.clone()).ok()?
    };
    Some(at.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const SUNDAY_9_30: i64 = 1_771_147_800_000; // 2026-02-15 09:30 UTC

    fn rule(mode: ResetMode) -> Reset {
        Reset {
            mode,
            ..Reset::default()
        }
    }

    #[test]
    fn nothing_is_reset_unless_told() {
        assert!(!is_due(&rule(ResetMode::None), 0, i64::MAX, &TimeZone::UTC));
    }

    #[test]
    fn a_daily_reset_happens_once_at_its_hour() {
        let daily = rule(ResetMode::Daily);
        let due = |last| is_due(&daily, last, SUNDAY_9_30, &TimeZone::UTC);
        assert!(due(SUNDAY_9_30 - 6 * HOUR)); // 03:30
        assert!(!due(SUNDAY_9_30 - 5 * HOUR)); // 04:30
        let early = SUNDAY_9_30 - 6 * HOUR; // before the hour, yesterday's counts
        assert!(!is_due(&daily, early - 2 * HOUR, early, &TimeZone::UTC));
        assert!(is_due(&daily, early - 24 * HOUR, early, &TimeZone::UTC));
    }

    #[test]
    fn an_idle_reset_counts_silence() {
        let idle = Reset {
            idle_minutes: Some(30),
            ..rule(ResetMode::Idle)
        };
        assert!(!is_due(
            &idle,
            SUNDAY_9_30 - HOUR / 3,
            SUNDAY_9_30,
            &TimeZone::UTC
        ));
        assert!(is_due(
            &idle,
            SUNDAY_9_30 - HOUR / 2,
            SUNDAY_9_30,
            &TimeZone::UTC
        ));
    }
}
