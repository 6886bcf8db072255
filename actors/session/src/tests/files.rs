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

/// Hurts a file in one of the ways a disk or a cut write does; the same number hurts it in the same way.
fn hurt(bytes: &mut Vec<u8>, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    match seed % 4 {
        0 => bytes.truncate(next(bytes.len())),
        1 => {
            let from = next(bytes.len());
            bytes.drain(from..(from + 1 + next(60)).min(bytes.len()));
        }
        _ => {
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                bytes[at] ^= 1 << next(8);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damage_to_session_files_stays_their_own_is_mended_from_the_ledger_and_kept_aside() {
    let other: openclaw_protocol::SessionKey = "agent:main:telegram:direct:7".parse().unwrap();
    for seed in 0..40 {
        let plan = Plan::default();
        let (ledger, dir) = (plan.ledger.clone(), plan.dir.clone());
        let house = plan.build([say("one"), say("two"), say("three")]).await;
        for (n, session) in [key(), other.clone(), key()].iter().enumerate() {
            let run = format!("first-{n}");
            house.hear_as(session, &run, "hi").await;
            house.answer_to(&run).await;
        }
        house.root.shutdown(Duration::from_secs(9)).await;

        let folder = house.deps.folders.sessions("main");
        let file_of = |key: &openclaw_protocol::SessionKey| {
            let entry = ledger.session_entry(key).unwrap();
            std::path::PathBuf::from(entry["sessionFile"].as_str().unwrap())
        };
        let (mine, theirs, store) = (
            file_of(&key()),
            file_of(&other),
            folder.join("sessions.json"),
        );
        let whole = [&mine, &theirs, &store].map(|path| fs::read(path).unwrap());
        let mut left = Vec::new();
        for (path, bytes) in [(&mine, &whole[0]), (&store, &whole[2])] {
            let mut bytes = bytes.clone();
            hurt(&mut bytes, seed + if path == &mine { 1 } else { 0 });
            fs::write(path, &bytes).unwrap();
            left.push((path.clone(), bytes));
        }

        let house = Plan {
            ledger: ledger.clone(),
            dir,
            ..Plan::default()
        }
        .build([])
        .await;
        let is_settled = house
            .sessions
            .settle_files(&key().agent(), Duration::from_secs(9))
            .await;
        assert!(is_settled, "seed {seed}");
        assert_eq!(fs::read(&mine).unwrap(), whole[0], "seed {seed}");
        assert_eq!(fs::read(&theirs).unwrap(), whole[1], "seed {seed}");
        let healed: Value = serde_json::from_slice(&fs::read(&store).unwrap()).unwrap();
        for session in [key(), other.clone()] {
            assert_eq!(
                Some(&healed[session.as_str()]),
                ledger.session_entry(&session).as_ref(),
                "seed {seed}"
            );
        }
        let copies: Vec<Vec<u8>> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains(".bak-"))
            .map(|path| fs::read(path).unwrap())
            .collect();
        for (path, bytes) in left {
            let now = fs::read(&path).unwrap();
            let is_kept = now.starts_with(&bytes) || copies.contains(&bytes);
            assert!(is_kept, "seed {seed}: what {} held is gone", path.display());
        }
        for (session, run) in [(&key(), "mine"), (&other, "theirs")] {
            house.hear_as(session, run, "still there?").await;
            assert_eq!(house.answer_to(run).await, "ok", "seed {seed}");
        }
    }
}
