use jiff::tz::TimeZone;
use serde_json::Value;
use serde_json::json;

use super::job::Job;
use super::schedule::Schedule;
use super::schedule::moment;

fn next(schedule: &Value, after: &str) -> Option<String> {
    let schedule = Schedule::read(schedule).unwrap();
    let next = schedule
        .next_after(moment(after).unwrap(), &TimeZone::UTC)
        .unwrap();
    next.map(|ms| jiff::Timestamp::from_millisecond(ms).unwrap().to_string())
}

#[test]
fn a_pattern_keeps_the_clock_of_its_zone_over_the_change_of_hours() {
    let nine = json!({ "kind": "cron", "expr": "0 9 * * *", "tz": "Europe/Berlin" });
    let days = [
        ("2026-03-28T12:00:00Z", "2026-03-29T07:00:00Z"),
        ("2026-10-24T12:00:00Z", "2026-10-25T08:00:00Z"),
    ];
    for (after, expected) in days {
        assert_eq!(next(&nine, after).as_deref(), Some(expected));
    }
    // An hour that does not exist is made up for once; one that comes twice is not run twice.
    let gap = json!({ "kind": "cron", "expr": "30 2 * * *", "tz": "Europe/Berlin" });
    let first = next(&gap, "2026-03-28T12:00:00Z").unwrap();
    assert!(first.starts_with("2026-03-29T01:"), "{first}");
    assert_eq!(next(&gap, &first).as_deref(), Some("2026-03-30T00:30:00Z"));
    let twice = next(&gap, "2026-10-24T12:00:00Z").unwrap();
    let after = next(&gap, &twice).unwrap();
    assert!(after.starts_with("2026-10-26T"), "{twice} then {after}");
}

#[test]
fn every_counts_from_its_anchor_and_never_lands_on_now() {
    let anchor = moment("2026-01-01T00:00:00Z").unwrap();
    let every = json!({ "kind": "every", "everyMs": 3_600_000, "anchorMs": anchor });
    assert_eq!(
        next(&every, "2026-01-01T10:20:00Z").as_deref(),
        Some("2026-01-01T11:00:00Z")
    );
    assert_eq!(
        next(&every, "2026-01-01T11:00:00Z").as_deref(),
        Some("2026-01-01T12:00:00Z")
    );
    assert_eq!(
        next(&every, "2025-12-31T00:00:00Z").as_deref(),
        Some("2026-01-01T00:00:00Z")
    );
}

#[test]
fn a_time_that_is_over_does_not_come_again() {
    let at = json!({ "kind": "at", "at": "2030-01-01T00:00:00" });
    assert_eq!(
        next(&at, "2029-01-01T00:00:00Z").as_deref(),
        Some("2030-01-01T00:00:00Z")
    );
    assert_eq!(next(&at, "2030-01-01T00:00:00Z"), None);
    let never = json!({ "kind": "cron", "expr": "0 0 30 2 *" });
    assert_eq!(next(&never, "2026-01-01T00:00:00Z"), None);
}

#[test]
fn nonsense_is_refused_with_what_would_do() {
    for (schedule, word) in [
        (
            json!({ "kind": "cron", "expr": "not a cron" }),
            "not a cron",
        ),
        (
            json!({ "kind": "cron", "expr": "0 9 * * *", "tz": "Mars/Base" }),
            "Mars/Base",
        ),
        (json!({ "kind": "every", "everyMs": 0 }), "everyMs"),
        (json!({ "kind": "at", "at": "tomorrow" }), "tomorrow"),
        (json!({ "kind": "often" }), "at, every or cron"),
    ] {
        let error = Schedule::read(&schedule).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

fn said(target: &str, payload: Value) -> Value {
    json!({
        "name": "n", "schedule": { "kind": "every", "everyMs": 1000 },
        "sessionTarget": target, "wakeMode": "now", "payload": payload, "kept": { "x": 1 },
    })
}

#[test]
fn a_job_is_made_changed_and_keeps_what_it_does_not_know() {
    let turn = json!({ "kind": "agentTurn", "message": "hi" });
    let mut job = Job::create(&said("isolated", turn.clone()), "id".to_owned(), 5).unwrap();
    assert_eq!(job.schedule["anchorMs"], 5);
    assert_eq!(job.extra["kept"], json!({ "x": 1 }));
    assert_eq!(job.announces(), Some((None, None)));
    job.state.next_run_at_ms = Some(9);
    job.patch(
        &json!({ "payload": { "model": "m" }, "delivery": { "mode": "none" } }),
        6,
    )
    .unwrap();
    assert_eq!(
        job.payload,
        json!({ "kind": "agentTurn", "message": "hi", "model": "m" })
    );
    assert_eq!((job.state.next_run_at_ms, job.announces()), (Some(9), None));
    job.patch(&json!({ "enabled": false }), 7).unwrap();
    assert_eq!((job.enabled, job.state.next_run_at_ms), (false, None));
    let wrong = Job::create(&said("main", turn), "id".to_owned(), 5).unwrap_err();
    assert!(wrong.contains("systemEvent"), "{wrong}");
}

#[test]
fn older_shapes_are_understood() {
    let old = json!({
        "jobId": "old", "name": "o", "schedule": { "cron": "0 9 * * *" }, "text": "good morning",
    });
    let job = Job::read(old).unwrap();
    assert_eq!(
        (job.id.as_str(), job.session_target.as_str()),
        ("old", "main")
    );
    assert_eq!(job.schedule, json!({ "expr": "0 9 * * *", "kind": "cron" }));
    assert_eq!(job.payload["kind"], "systemEvent");
}
