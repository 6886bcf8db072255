use serde_json::json;

use super::*;
use crate::cooldown::Cooldowns;
use crate::cooldown::Failed;
use crate::cooldown::Rests;
use crate::cooldown::Standing;

const ID: &str = "openai:default";

fn failed(board: &mut Cooldowns, model: &str, kind: ModelErrorKind, now_ms: i64) {
    let failed = Failed {
        kind,
        wait: None,
        message: "no",
    };
    board.failed((ID, model), &failed, &Rests::default(), now_ms, 0.0);
}

fn page(past: Past) -> Page {
    Page {
        provider: "openai".into(),
        accounts: vec![(ID.into(), past)],
        passing: Vec::new(),
        breaker: None,
    }
}

fn stats(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap();
    let root: Value = serde_json::from_str(&text).unwrap();
    root["usageStats"][ID].clone()
}

#[test]
fn what_is_written_is_read_back_to_the_last_rest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth-profiles.json");
    let mut board = Cooldowns::default();
    failed(&mut board, "m", ModelErrorKind::RateLimit, 1000);
    failed(&mut board, "gone", ModelErrorKind::ModelNotFound, 2000);
    failed(&mut board, "m", ModelErrorKind::Billing, 3000);
    let past = Past {
        used_ms: Some(3000),
        records: board.records(ID),
        mark: Some("ab".into()),
    };
    keep(&file, &page(past.clone())).unwrap();
    let stats = stats(&file);
    assert_eq!(stats["cooldownUntil"], 61_000);
    assert_eq!(stats["disabledUntil"], 3000 + 5 * 3_600_000);
    assert_eq!(stats["disabledReason"], "billing");
    assert_eq!(
        (&stats["lastUsed"], &stats["errorCount"]),
        (&json!(3000), &json!(1))
    );
    assert_eq!(stats["failureCounts"]["rate_limit"], 1);
    let mut back = Cooldowns::default();
    back.restore(ID, read(&stats, None).records);
    assert_eq!(read(&stats, past.mark.clone()), past);
    // Somebody set another key.
    assert_eq!(read(&stats, Some("cd".into())).records, []);
    for model in ["m", "gone", "other"] {
        assert_eq!(
            back.standing(ID, model, 4000),
            board.standing(ID, model, 4000)
        );
    }
}

#[test]
fn a_rest_that_another_program_wrote_counts_for_the_whole_account() {
    let stats = json!({ "lastUsed": 5, "cooldownUntil": 9000, "errorCount": 2, "lastFailureAt": 10,
        "failureCounts": { "rate_limit": 2 } });
    let past = read(&stats, None);
    let mut board = Cooldowns::default();
    board.restore(ID, past.records);
    let Standing::Resting(rest) = board.standing(ID, "any", 20) else {
        panic!("it does not rest");
    };
    assert_eq!((rest.until_ms, past.used_ms), (9000, Some(5)));
    // The next failure is the third in a row.
    failed(&mut board, "m", ModelErrorKind::Auth, 9000);
    let Standing::Resting(rest) = board.standing(ID, "any", 9001) else {
        panic!("it does not rest");
    };
    assert_eq!(rest.until_ms, 9000 + 25 * 60_000);
    // One that took our rest away is believed too.
    let mut ours = Map::new();
    write(
        &Past {
            used_ms: None,
            records: board.records(ID),
            ..Past::default()
        },
        &mut ours,
    );
    ours.shift_remove("cooldownUntil");
    ours.insert("errorCount".into(), json!(0));
    assert_eq!(read(&Value::Object(ours), None).records, []);
}

#[test]
fn what_others_keep_in_the_file_stays_and_an_end_of_a_rest_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth-profiles.json");
    let before = json!({ "version": 1, "tomorrow": [1, 2],
        "profiles": { ID: { "type": "api_key", "provider": "openai", "key": "k", "metadata": { "a": 1 } } },
        "usageStats": { ID: { "cooldownModel": "x", "lastUsed": 1 }, "other:default": { "lastUsed": 7 } } });
    std::fs::write(&file, before.to_string()).unwrap();
    let mut board = Cooldowns::default();
    failed(&mut board, "m", ModelErrorKind::Network, 0);
    let resting = Past {
        used_ms: Some(8),
        records: board.records(ID),
        ..Past::default()
    };
    let mut first = page(resting);
    first.breaker = Some(Breaker::default());
    keep(&file, &first).unwrap();
    assert!(stats(&file)["cooldownUntil"].is_number());
    keep(
        &file,
        &page(Past {
            used_ms: Some(9),
            records: Vec::new(),
            ..Past::default()
        }),
    )
    .unwrap();
    let after: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut expected = before;
    expected["usageStats"][ID] =
        json!({ "cooldownModel": "x", "lastUsed": 9, "errorCount": 0, "lastFailureAt": 0 });
    assert_eq!(after, expected);
}

/// Who has a key in a variable only gets no file before there is something to remember.
#[test]
fn an_account_without_a_stored_credential_leaves_no_trace_while_it_is_well() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent/auth-profiles.json");
    let well = |used_ms| Page {
        passing: vec![ID.into()],
        ..page(Past {
            used_ms,
            records: Vec::new(),
            ..Past::default()
        })
    };
    keep(&file, &well(Some(1))).unwrap();
    assert!(!file.exists());
    let mut board = Cooldowns::default();
    failed(&mut board, "m", ModelErrorKind::RateLimit, 0);
    let ill = Page {
        passing: vec![ID.into()],
        ..page(Past {
            used_ms: Some(2),
            records: board.records(ID),
            ..Past::default()
        })
    };
    keep(&file, &ill).unwrap();
    assert!(stats(&file)["rests"].is_array());
    keep(&file, &well(Some(3))).unwrap();
    assert_eq!(stats(&file), Value::Null);
}

#[test]
fn a_breaker_that_is_open_is_open_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth-profiles.json");
    let mut open = Breaker::default();
    for _ in 0..5 {
        open.ended(Some(ModelErrorKind::Network), 1000, 0.0);
    }
    let mut page = page(Past::default());
    page.breaker = Some(open);
    keep(&file, &page).unwrap();
    let root: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let back = breaker(&root["breakers"], "openai");
    assert_eq!(back, open);
    assert!(back.is_shut());
    assert_eq!(breaker(&root["breakers"], "other"), Breaker::default());
}
