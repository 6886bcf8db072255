use std::time::Duration;

use openclaw_protocol::SessionKey;
use serde_json::json;

use super::house::*;
use crate::What;
use crate::sessions::Filter;

#[tokio::test(start_paused = true)]
async fn a_reset_ends_the_run_and_keeps_the_old_transcript() {
    let house = House::new([say("one"), Script::Hang("two")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let before = house.deps.ledger.session_entry(&key()).unwrap();
    let second = house.hear("more").await;
    house
        .until(|event| {
            let is_second = event.run_id.as_str() == second;
            (is_second && matches!(&event.what, What::Assistant { .. })).then_some(())
        })
        .await;
    let entry = house.sessions.reset(&key()).await.unwrap();
    assert!(matches!(house.end_of(&second).await, What::Aborted { .. }));
    assert_ne!(json!(entry["sessionId"]), before["sessionId"]);
    assert!(entry.get("totalTokens").is_none());
    assert_eq!(entry["lastTo"], "telegram:42");
    let history = house.sessions.history(&key(), 10).await.unwrap();
    assert!(history.texts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn history_has_bare_texts_and_places() {
    let house = House::new([say("one")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let injected = house
        .sessions
        .inject(&key(), "by the way".to_owned(), None)
        .await
        .unwrap();
    let history = house.sessions.history(&key(), 10).await.unwrap();
    assert_eq!(history.total, 3);
    assert_eq!(history.messages()[0]["content"][0]["text"], "hi");
    assert_eq!(
        history.messages()[2]["__openclaw"]["id"],
        json!(injected.message_id)
    );
    let previews = house.sessions.preview(&[key()], 2, 240).await;
    assert_eq!(previews[0].status, "ok");
    assert_eq!(previews[0].items[1]["text"], "by the way");
    // The next turn chains to the note.
    let second = house.hear("go on").await;
    house.answer_to(&second).await;
    ASKED.with(|asked| assert_eq!(asked.borrow()[1].messages.len(), 4));
}

#[tokio::test(start_paused = true)]
async fn a_patch_sets_and_clears_and_refuses_nonsense() {
    let house = House::new([say("one")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let patch = |value: serde_json::Value| value.as_object().unwrap().clone();
    let entry = house
        .sessions
        .patch(
            &key(),
            &patch(json!({"label": "Home", "model": "other/two"})),
        )
        .await
        .unwrap();
    assert_eq!(entry["label"], "Home");
    assert_eq!(entry["modelOverride"], "two");
    let cleared = patch(json!({"label": null, "model": null}));
    let entry = house.sessions.patch(&key(), &cleared).await.unwrap();
    assert!(entry.get("label").is_none() && entry.get("modelOverride").is_none());
    for nonsense in [json!({"thinkingLevel": "very"}), json!({"shoeSize": "43"})] {
        let refused = house.sessions.patch(&key(), &patch(nonsense)).await;
        assert!(refused.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_is_archived_and_gone() {
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
    let deleted = house.sessions.delete(&key(), true).await.unwrap();
    assert!(deleted.deleted);
    assert!(
        deleted.archived[0].contains(".jsonl.deleted."),
        "{deleted:?}"
    );
    assert!(std::path::Path::new(&deleted.archived[0]).is_file());
    assert!(house.sessions.list(&Filter::default()).await.is_empty());
    let main = SessionKey::main(&agent);
    let refused = house.sessions.delete(&main, true).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("Cannot delete the main session")
    );
}

#[tokio::test(start_paused = true)]
async fn the_list_shows_what_was_touched_last_first() {
    let house = House::new([]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let main = SessionKey::main(&key().agent());
    house.hear_as(&main, "other", "hi").await;
    house.answer_to("other").await;
    let filter = Filter {
        derived_titles: true,
        last_message: true,
        ..Filter::default()
    };
    let rows: Vec<_> = house
        .sessions
        .list(&filter)
        .await
        .iter()
        .map(|l| l.row())
        .collect();
    assert_eq!(rows.len(), 2);
    // The same as text, in parts, and whether entries are looked into or not.
    let searched = Filter {
        search: Some("agent".to_owned()),
        ..filter.clone()
    };
    for filter in [&filter, &searched] {
        let page = house.sessions.page(filter, 0, None).await.unwrap();
        assert_eq!((page.total, page.count), (2, 2));
        assert_eq!(page.pieces.concat(), json!(rows).to_string().into_bytes());
        let page = house.sessions.page(filter, 1, Some(1)).await.unwrap();
        assert_eq!((page.total, page.count), (2, 1));
        assert_eq!(
            page.pieces.concat(),
            json!(rows[1..]).to_string().into_bytes()
        );
        let page = house.sessions.page(filter, 2, None).await.unwrap();
        assert_eq!(page.pieces.concat(), b"[]");
    }
    for row in &rows {
        assert_eq!(row["derivedTitle"], "hi");
        assert_eq!(row["lastMessagePreview"], "ok");
        assert_eq!(row["model"], "one");
    }
}

#[tokio::test(start_paused = true)]
async fn old_sessions_are_only_named_until_they_are_to_be_forgotten() {
    for (mode, is_forgotten) in [("warn", false), ("enforce", true)] {
        let mut plan = Plan::default();
        let maintenance = json!({"session": {"maintenance": {"mode": mode, "maxEntries": 1}}});
        plan.config.session = openclaw_protocol::Config::from_value(maintenance)
            .config
            .session;
        let house = plan.build([say("one"), say("two")]).await;
        let old = "agent:main:telegram:direct:7".parse().unwrap();
        house.hear_as(&old, "first", "hi").await;
        house.answer_to("first").await;
        let run = house.hear("hi").await;
        house.answer_to(&run).await;
        let newer = serde_json::json!({"updatedAt": i64::MAX / 2});
        let ledger = &house.deps.ledger;
        ledger.patch_session_entry(&key(), newer).await.unwrap();
        let id = ledger.session_entry(&old).unwrap()["sessionId"].clone();
        let agent = key().agent();
        let within = Duration::from_secs(9);
        assert!(house.sessions.settle_files(&agent, within).await);
        let note = crate::upkeep::look(house.deps.clone()).await;
        assert!(note.starts_with('1'), "{note}");
        assert_eq!(ledger.session_entry(&old).is_none(), is_forgotten);
        assert!(ledger.session_entry(&key()).is_some());
        if is_forgotten {
            assert_eq!(ledger.transcript_len(id.as_str().unwrap()), 0);
            let dir = house.deps.folders.sessions("main");
            let archived = std::fs::read_dir(dir).unwrap().flatten();
            let mut names = archived.map(|file| file.file_name().into_string().unwrap());
            assert!(names.any(|name| name.contains(".jsonl.deleted.")));
        }
    }
}
