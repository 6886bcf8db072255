use openclaw_ledger::OutboxFilter;

use super::*;

fn desk(dir: &std::path::Path, ledger: &Ledger, config: Value) -> HouseDesk {
    let config = Arc::new(Config::from_value(config).config);
    HouseDesk {
        approvals: ApprovalDesk::open(ledger.clone(), now_ms()),
        rules: StateFile::new(dir.join("exec-approvals.json")),
        config: Arc::new(move || config.clone()),
        hub: Hub::new(),
        ledger: ledger.clone(),
        directory: Directory::new(),
        uses: Uses::default(),
        skills: Arc::new(openclaw_session::skill::NoSkills),
    }
}

fn request(id: &str, wait: Duration) -> Request {
    Request {
        id: id.to_owned(),
        facts: json!({ "command": "uptime", "agentId": "main", "sessionKey": "agent:main:main", "canBeListed": true }),
        reply: Some(Route {
            channel: "telegram".to_owned(),
            account: "home".to_owned(),
            to: "42".to_owned(),
            ..Route::default()
        }),
        is_private: true,
        wait,
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_answer_that_came_while_nobody_waited_counts_once_after_a_restart() {
    let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::memory());
    let before = desk(dir.path(), &ledger, json!({}));
    let mut waiting = before.ask(request("a1", LONG));
    let asked = async {
        while before.approvals.waiting(now_ms()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = &mut waiting => panic!("nobody answered: {answer:?}"),
        found = tokio::time::timeout(Duration::from_secs(10), asked) => found.unwrap(),
    }
    // The turn dies, and the process with it; the answer comes to the next one.
    drop(waiting);
    drop(before);
    let after = desk(dir.path(), &ledger, json!({}));
    after
        .resolve("a1", Decision::AllowOnce, "telegram/home:42")
        .await
        .unwrap();
    // The same row is read again in its own turn.
    after
        .resolve("a1", Decision::AllowOnce, "telegram/home:42")
        .await
        .unwrap();
    assert!(
        after
            .resolve("a1", Decision::Deny, "telegram/home:42")
            .await
            .is_err()
    );
    drop(after);
    let last = desk(dir.path(), &ledger, json!({}));
    // Something else under the same name gets nothing of it.
    let other = Request {
        facts: json!({ "command": "rm" }),
        ..request("a1", Duration::from_millis(1))
    };
    assert_eq!(last.approvals.take("a1", &other.facts).await.unwrap(), None);
    assert_eq!(
        last.ask(request("a1", LONG)).await.unwrap(),
        Some(Decision::AllowOnce)
    );
    assert_eq!(
        last.ask(request("a1", Duration::from_millis(1)))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn the_chat_the_turn_came_from_is_told_unless_it_must_not() {
    let private = || request("b", Duration::from_millis(1));
    let group = || Request {
        is_private: false,
        ..private()
    };
    let on = json!({ "approvals": { "exec": { "enabled": true, "mode": "both",
        "targets": [{ "channel": "telegram", "to": 7, "accountId": "other" }] } } });
    let off = json!({ "approvals": { "exec": { "enabled": false } } });
    let filtered = json!({ "approvals": { "exec": { "enabled": true, "agentFilter": ["ops"] } } });
    for (config, request, told) in [
        (json!({}), private(), vec!["42"]),
        (json!({}), group(), vec![]),
        (on.clone(), group(), vec!["42", "7"]),
        (on, private(), vec!["42", "7"]),
        (off, private(), vec![]),
        (filtered, private(), vec![]),
    ] {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::memory());
        let desk = desk(dir.path(), &ledger, config.clone());
        assert_eq!(desk.ask(request).await.unwrap(), None);
        let rows = ledger.outbox(&OutboxFilter::default());
        let mut to: Vec<String> = rows.iter().map(|row| row.route.to.clone()).collect();
        to.sort();
        assert_eq!(to, told, "{config}");
    }
}

#[tokio::test]
async fn what_is_allowed_for_good_stands_in_the_file_beside_what_was_there() {
    let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::memory());
    let desk = desk(dir.path(), &ledger, json!({}));
    let before = json!({ "version": 1, "socket": { "token": "t" }, "agents": { "*": { "ask": "always" } }, "own": 1 });
    desk.rules.replace(&before).await.unwrap();
    let main = AgentId::main();
    for _ in 0..2 {
        desk.allow(&main, vec!["/usr/bin/uptime".to_owned()])
            .await
            .unwrap();
    }
    let file = desk.file().await.unwrap().unwrap();
    assert_eq!(
        file["agents"]["main"]["allowlist"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        file["agents"]["main"]["allowlist"][0]["pattern"],
        "/usr/bin/uptime"
    );
    assert_eq!(
        (
            &file["socket"]["token"],
            &file["agents"]["*"]["ask"],
            &file["own"]
        ),
        (&json!("t"), &json!("always"), &json!(1))
    );
    std::fs::write(dir.path().join("exec-approvals.json"), "{ broken").unwrap();
    assert!(desk.file().await.is_err());
    assert!(desk.allow(&main, vec!["/bin/ls".to_owned()]).await.is_err());
}

#[tokio::test]
async fn a_question_has_buttons_for_what_may_be_answered() {
    let asked = |facts: Value| Request {
        facts,
        ..request("c1", Duration::from_millis(1))
    };
    for (facts, labels) in [
        (
            json!({ "command": "uptime", "canBeListed": true }),
            vec!["Allow once", "Always allow", "Deny"],
        ),
        (
            json!({ "command": "sh -c x", "canBeListed": false }),
            vec!["Allow once", "Deny"],
        ),
        (
            json!({ "command": "x".repeat(SHOWN + 1), "canBeListed": true }),
            vec!["Deny"],
        ),
    ] {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::memory());
        let desk = desk(dir.path(), &ledger, json!({}));
        desk.ask(asked(facts)).await.unwrap();
        let row = ledger.outbox(&OutboxFilter::default()).remove(0);
        let buttons = row.payload.buttons;
        let on: Vec<&str> = buttons.iter().map(|button| button.label.as_str()).collect();
        assert_eq!(on, labels);
        assert!(buttons.last().unwrap().command == "/approve c1 deny");
        // Platforms take so much and no more, also of the ids that clients give.
        assert!("/approve 0d4f2a86-6a1e-4bd5-9c8e-2f4b7f3a1c55 allow-always".len() <= 64);
        let late = desk
            .resolve("c1", Decision::AllowOnce, "telegram/home:42")
            .await;
        assert!(late.unwrap_err().contains("in time it was a no"));
    }
}
