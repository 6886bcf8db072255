use std::fs;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::house::*;

#[tokio::test(start_paused = true)]
async fn files_follow_the_rows_in_the_known_form() {
    let house = House::new([say("one")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let agent = key().agent();
    assert!(
        house
            .sessions
            .settle_files(&agent, Duration::from_secs(9))
            .await
    );
    let dir = house.deps.folders.sessions("main");
    let store: Value =
        serde_json::from_slice(&fs::read(dir.join("sessions.json")).unwrap()).unwrap();
    let entry = &store[key().as_str()];
    let file = entry["sessionFile"].as_str().unwrap();
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0]["type"], "session");
    assert_eq!(lines[0]["version"], 3);
    assert_eq!(lines[5]["message"]["usage"]["totalTokens"], 12);
    assert_eq!(lines[5]["message"]["stopReason"], "stop");
    assert_eq!(entry["totalTokens"], 12);
    assert!(house.dir.path().join("workspace/AGENTS.md").is_file());
}

#[tokio::test(start_paused = true)]
async fn an_existing_installation_is_taken_in_at_first_touch() {
    let plan = Plan::default();
    let dir = plan.dir.path().join("agents/main/sessions");
    fs::create_dir_all(&dir).unwrap();
    let store = json!({
        // Older stores spell direct messages `dm`.
        "agent:main:telegram:dm:42": {"sessionId": "old", "updatedAt": 5, "fromTheFuture": [1]},
        "agent:main:other": {"sessionId": "b", "updatedAt": 6},
        "global": {"sessionId": "g"},
    });
    fs::write(dir.join("sessions.json"), store.to_string()).unwrap();
    let old = concat!(
        "{\"type\":\"session\",\"version\":3,\"id\":\"old\",\"timestamp\":\"t\",\"cwd\":\"/ws\"}\n",
        "{\"type\":\"message\",\"id\":\"aaaaaaaa\",\"parentId\":null,\"timestamp\":\"t\",",
        "\"message\":{\"role\":\"user\",\"content\":\"remember me\",\"timestamp\":1}}\n",
        "{\"type\":\"label\",\"id\":\"bbbbbbbb\",\"parentId\":\"aaaaaaaa\",\"timestamp\":\"t\",",
        "\"targetId\":\"aaaaaaaa\",\"label\":\"x\"}\n",
    );
    fs::write(dir.join("old.jsonl"), old).unwrap();
    let house = plan.build([say("I do")]).await;
    assert_eq!(house.sessions.list(&Default::default()).await.len(), 2);
    let run = house.hear("still there?").await;
    assert_eq!(house.answer_to(&run).await, "I do");
    ASKED.with(|asked| assert_eq!(asked.borrow()[0].messages.len(), 2));
    let agent = key().agent();
    assert!(
        house
            .sessions
            .settle_files(&agent, Duration::from_secs(9))
            .await
    );
    // The file goes on where it was; what nobody spoke to stays as it is.
    let text = fs::read_to_string(dir.join("old.jsonl")).unwrap();
    assert!(text.starts_with(old), "{text}");
    let store: Value =
        serde_json::from_slice(&fs::read(dir.join("sessions.json")).unwrap()).unwrap();
    assert_eq!(store["global"]["sessionId"], "g");
    assert_eq!(store["agent:main:other"]["sessionId"], "b");
    assert_eq!(store[key().as_str()]["fromTheFuture"], json!([1]));
    assert_eq!(store[key().as_str()]["sessionId"], "old");
}

#[tokio::test(start_paused = true)]
async fn a_torn_transcript_is_completed_at_the_next_start() {
    let plan = Plan::default();
    let (ledger, dir) = (plan.ledger.clone(), plan.dir.clone());
    let house = plan.build([say("one")]).await;
    let run = house.hear("hi").await;
    house.answer_to(&run).await;
    let agent = key().agent();
    assert!(
        house
            .sessions
            .settle_files(&agent, Duration::from_secs(9))
            .await
    );
    let entry = ledger.session_entry(&key()).unwrap();
    let file = entry["sessionFile"].as_str().unwrap().to_owned();
    let whole = fs::read(&file).unwrap();
    house.root.shutdown(Duration::from_secs(9)).await;
    fs::write(&file, &whole[..whole.len() - 40]).unwrap();
    let house = Plan {
        ledger,
        dir,
        ..Plan::default()
    }
    .build([])
    .await;
    assert!(
        house
            .sessions
            .settle_files(&agent, Duration::from_secs(9))
            .await
    );
    assert_eq!(fs::read(&file).unwrap(), whole);
}
