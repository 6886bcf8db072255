use super::*;

fn store() -> (tempfile::TempDir, PairingStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = PairingStore::new(dir.path().join("credentials"), "telegram");
    (dir, store)
}

fn stranger<'a>(id: &'a str, source_id: &'a str) -> Stranger<'a> {
    Stranger {
        id,
        username: Some("ann"),
        name: None,
        source_id,
    }
}

fn noon() -> Timestamp {
    "2026-02-14T12:00:00Z".parse().unwrap()
}

fn code_of(asked: Asked) -> String {
    match asked {
        Asked::New(code) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_gets_one_code_and_then_silence() {
    let (_dir, store) = store();
    let code = code_of(store.ask("default", stranger("7", "7:1"), noon()).unwrap());
    assert_eq!(code.len(), 8);
    assert!(code.bytes().all(|letter| ALPHABET.contains(&letter)));
    let later = noon() + SignedDuration::from_mins(5);
    assert_eq!(
        store.ask("default", stranger("7", "7:2"), later).unwrap(),
        Asked::Known
    );
    let pending = store.list(later).unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (pending[0].created_at, pending[0].last_seen_at),
        (noon(), later)
    );
}

#[test]
fn a_repeated_event_gets_the_same_answer_again() {
    let (_dir, store) = store();
    let first = store.ask("default", stranger("7", "7:1"), noon()).unwrap();
    assert_eq!(
        store.ask("default", stranger("7", "7:1"), noon()).unwrap(),
        first
    );
}

#[test]
fn three_may_wait_and_a_code_lapses_after_an_hour() {
    let (_dir, store) = store();
    for id in ["1", "2", "3"] {
        code_of(store.ask("default", stranger(id, id), noon()).unwrap());
    }
    assert_eq!(
        store.ask("default", stranger("4", "4"), noon()).unwrap(),
        Asked::Full
    );
    code_of(store.ask("work", stranger("4", "4"), noon()).unwrap());
    let later = noon() + CODE_TTL;
    code_of(store.ask("default", stranger("4", "5"), later).unwrap());
    assert_eq!(store.list(later).unwrap().len(), 1);
}

#[test]
fn an_approved_code_admits_its_sender_once() {
    let (_dir, store) = store();
    let code = code_of(store.ask("default", stranger("7", "7:1"), noon()).unwrap());
    let spelled = format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..]);
    let approved = store.approve(&spelled, noon()).unwrap().unwrap();
    assert_eq!(
        (approved.id.as_str(), approved.account.as_str()),
        ("7", "default")
    );
    assert!(store.paired("default").unwrap().contains("7"));
    assert_eq!(store.approve(&code, noon()).unwrap(), None);
    assert!(store.list(noon()).unwrap().is_empty());
}

#[test]
fn an_approval_for_one_account_does_not_open_another() {
    let (_dir, store) = store();
    let code = code_of(store.ask("work", stranger("7", "7:1"), noon()).unwrap());
    store.approve(&code, noon()).unwrap().unwrap();
    assert!(store.paired("work").unwrap().contains("7"));
    assert!(store.paired("default").unwrap().is_empty());
}

#[test]
fn the_files_have_the_shape_of_existing_installations() {
    let (dir, store) = store();
    let code = code_of(store.ask("default", stranger("7", "7:1"), noon()).unwrap());
    let read = |name: &str| -> Value {
        let bytes = std::fs::read(dir.path().join("credentials").join(name)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let requests = read("telegram-pairing.json");
    assert_eq!(requests["version"], 1);
    assert_eq!(requests["requests"][0]["id"], "7");
    assert_eq!(requests["requests"][0]["code"], code.as_str());
    assert_eq!(
        requests["requests"][0]["createdAt"],
        "2026-02-14T12:00:00.000Z"
    );
    assert_eq!(requests["requests"][0]["meta"]["username"], "ann");
    store.approve(&code, noon()).unwrap();
    assert_eq!(
        read("telegram-allowFrom.json"),
        serde_json::json!({"version": 1, "allowFrom": ["7"]})
    );
}

#[test]
fn a_pinned_name_keeps_its_id() {
    let (_dir, store) = store();
    assert!(store.pin("@Ann", "7").unwrap());
    assert!(!store.pin("ann", "8").unwrap());
    assert_eq!(
        store.pinned().unwrap().get("ann").map(String::as_str),
        Some("7")
    );
}

#[test]
fn a_broken_file_is_an_error_and_not_an_empty_list() {
    let (dir, store) = store();
    store.pin("ann", "7").unwrap();
    let path = dir.path().join("credentials/telegram-allowFrom.json");
    std::fs::write(&path, "{").unwrap();
    let error = store.paired("default").unwrap_err().to_string();
    assert!(
        error.contains("telegram-allowFrom.json") && error.contains("mend"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = store();
    store.pin("ann", "7").unwrap();
    let mode = |name: &str| {
        std::fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("credentials") & 0o777, 0o700);
    assert_eq!(mode("credentials/telegram-usernames.json") & 0o777, 0o600);
}

#[test]
fn the_message_keeps_its_lines() {
    let text = pairing_text(
        "telegram",
        "Your Telegram user id: 7",
        "ABCD2345",
        Some("work"),
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "OpenClaw: access not configured.");
    assert_eq!(lines[1], "");
    assert_eq!(lines[2], "Your Telegram user id: 7");
    assert_eq!(lines[4], "Pairing code: ABCD2345");
    assert_eq!(lines[5], "");
    assert!(lines[6].contains("bot owner"));
    assert_eq!(
        lines[7],
        "openclaw --profile work pairing approve telegram ABCD2345"
    );
}
