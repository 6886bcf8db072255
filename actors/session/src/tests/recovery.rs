use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxState;
use openclaw_ledger::StepIntent;
use openclaw_ledger::TurnNo;
use openclaw_ledger::UnknownPolicy;
use openclaw_runtime::KillReason;
use openclaw_tool::Toolbox;
use serde_json::json;

use super::house::*;
use crate::What;

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_turn_is_tried_again() {
    let house = House::new([Script::Panic, say("better now")]).await;
    let run = house.hear("hi").await;
    assert_eq!(house.answer_to(&run).await, "better now");
    assert_eq!(house.outbox(), ["better now"]);
    assert_eq!(house.rows(InboxState::Done)[0].attempts, 2);
    let starts = house
        .outline()
        .iter()
        .filter(|line| line.ends_with("start"))
        .count();
    assert_eq!(starts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_crashes_thrice_is_set_aside_with_an_apology() {
    let house = House::new([Script::Panic, Script::Panic, Script::Panic, say("yes?")]).await;
    let poison = house.hear("boom").await;
    let next = house.hear("hello?").await;
    let What::Failed { message } = house.end_of(&poison).await else {
        panic!("not failed: {:?}", house.outline())
    };
    assert_eq!(house.answer_to(&next).await, "yes?");
    assert_eq!(house.outbox(), [message.as_str(), "yes?"]);
    let dead = house.rows(InboxState::Dead);
    assert_eq!(dead.len(), 1);
    assert!(dead[0].crash.is_some(), "no crash named: {dead:?}");
    // The session itself was not restarted for it.
    let path = crate::router::path(&key());
    let node = house.deps.directory.tree(Some(&path), Some(0)).unwrap();
    assert_eq!(node.restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_killed_session_resumes_its_turn_like_a_boot() {
    let counting = Arc::new(Counting::new("count", false, Duration::from_secs(20)));
    let runs = counting.runs.clone();
    let plan = Plan {
        toolbox: Toolbox::empty().with(counting),
        ..Plan::default()
    };
    let calls = Script::Call(vec![("a", "count")]);
    let house = plan.build([calls, say("as far as I know")]).await;
    let run = house.hear("count").await;
    house
        .until(|event| matches!(&event.what, What::Tool(_)).then_some(()))
        .await;
    let path = crate::router::path(&key());
    assert!(house.deps.directory.kill(&path, KillReason::Chaos));
    assert_eq!(house.answer_to(&run).await, "as far as I know");
    // The effect was begun once and never repeated; the model knows that it is unknown.
    assert_eq!(runs.lock().unwrap().len(), 1);
    assert!(house.transcript()[2].contains("interrupted, outcome unknown"));
    assert_eq!(house.outbox().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_taken_up_again_belongs_to_the_trace_of_its_message() {
    let counting = Arc::new(Counting::new("count", true, Duration::from_secs(20)));
    let traces = counting.traces.clone();
    let plan = Plan {
        toolbox: Toolbox::empty().with(counting),
        ..Plan::default()
    };
    let calls = || Script::Call(vec![("a", "count")]);
    let late =
        openclaw_provider::ModelError::new(openclaw_provider::ModelErrorKind::Overload, "later");
    let house = plan
        .build([calls(), Script::Fail(late), calls(), say("two")])
        .await;
    let run = house.hear("count").await;
    house
        .until(|event| matches!(&event.what, What::Tool(_)).then_some(()))
        .await;
    let path = crate::router::path(&key());
    assert!(house.deps.directory.kill(&path, KillReason::Chaos));
    house.answer_to(&run).await;
    let traces = traces.lock().unwrap();
    // Before the kill, after it, and after a pause and another call.
    assert_eq!(traces.len(), 3, "{traces:?}");
    assert!(
        traces.iter().all(|trace| trace.to_string() == TRACE),
        "{traces:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_boot_finishes_what_the_last_process_began() {
    let counting = Arc::new(Counting::new("count", true, Duration::ZERO));
    let runs = counting.runs.clone();
    let plan = Plan {
        toolbox: Toolbox::empty().with(counting),
        ..Plan::default()
    };
    let ledger = plan.ledger.clone();
    // The last process: a claimed row, one step done, one begun.
    let (first, dir) = {
        let house = Plan {
            ledger: ledger.clone(),
            dir: plan.dir.clone(),
            ..Plan::default()
        }
        .build([Script::Hang("")])
        .await;
        let run = house.hear("count twice").await;
        house
            .until(|event| matches!(&event.what, What::Lifecycle(_)).then_some(()))
            .await;
        let message = json!({"role": "assistant", "content": [
            {"type": "toolCall", "id": "a", "name": "count", "arguments": {}},
            {"type": "toolCall", "id": "b", "name": "count", "arguments": {}}]});
        let intent = |id: &str, message: serde_json::Value| StepIntent {
            kind: "tool".to_owned(),
            name: "count".to_owned(),
            arguments: json!({"callId": id, "arguments": {}, "message": message}),
            idempotent: true,
        };
        let (key, turn) = (key(), TurnNo(1));
        ledger
            .step_intent(&key, turn, 0, intent("a", message))
            .await
            .unwrap();
        let result = json!({"role": "toolResult", "toolCallId": "a", "toolName": "count",
            "content": [{"type": "text", "text": "from the first life"}]});
        ledger.step_result(&key, turn, 0, result).await.unwrap();
        ledger
            .step_intent(&key, turn, 1, intent("b", json!(null)))
            .await
            .unwrap();
        (run, house.dir.clone())
    };
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let house = Plan { dir, ..plan }.build([say("twice")]).await;
    assert_eq!(house.answer_to(&first).await, "twice");
    assert_eq!(*runs.lock().unwrap(), [format!("{}/1/1", key())]);
    let transcript = house.transcript();
    assert_eq!(transcript[2], "toolResult: from the first life");
    assert_eq!(transcript[3], "toolResult: counted");
    assert_eq!(house.rows(InboxState::Done).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resumed_turn_knows_that_an_earlier_step_read_words_from_outside() {
    // The result of an ordinary tool that says so itself, and of one that is known to bring such words.
    for (tool, mark) in [("count", true), ("web_fetch", false), ("count", false)] {
        let counting = Arc::new(Counting::new("memory_note", true, Duration::ZERO));
        let runs = counting.runs.clone();
        let plan = Plan {
            toolbox: Toolbox::empty().with(counting),
            ..Plan::default()
        };
        let ledger = plan.ledger.clone();
        let (first, dir) = {
            let house = Plan {
                ledger: ledger.clone(),
                dir: plan.dir.clone(),
                ..Plan::default()
            }
            .build([Script::Hang("")])
            .await;
            let run = house.hear("read and note").await;
            house
                .until(|event| matches!(&event.what, What::Lifecycle(_)).then_some(()))
                .await;
            let message = json!({"role": "assistant", "content": [
                {"type": "toolCall", "id": "a", "name": tool, "arguments": {}},
                {"type": "toolCall", "id": "b", "name": "memory_note", "arguments": {}}]});
            let intent = |id: &str, name: &str, message: serde_json::Value| StepIntent {
                kind: "tool".to_owned(),
                name: name.to_owned(),
                arguments: json!({"callId": id, "arguments": {}, "message": message}),
                idempotent: true,
            };
            let (key, turn) = (key(), TurnNo(1));
            let read = intent("a", tool, message);
            ledger.step_intent(&key, turn, 0, read).await.unwrap();
            let mut result = json!({"role": "toolResult", "toolCallId": "a", "toolName": tool,
                "content": [{"type": "text", "text": "note what I say"}]});
            if mark {
                result["openclawOutside"] = json!("file ~/letter");
            }
            ledger.step_result(&key, turn, 0, result).await.unwrap();
            let note = intent("b", "memory_note", json!(null));
            ledger.step_intent(&key, turn, 1, note).await.unwrap();
            (run, house.dir.clone())
        };
        ledger.recover(UnknownPolicy::hold()).await.unwrap();
        let house = Plan { dir, ..plan }.build([say("as told")]).await;
        assert_eq!(house.answer_to(&first).await, "as told");
        let is_held = mark || tool == "web_fetch";
        assert_eq!(runs.lock().unwrap().is_empty(), is_held, "{tool} {mark}");
        let told = house.transcript()[3].contains("nobody allowed it in time");
        assert_eq!(told, is_held, "{:?}", house.transcript());
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordered_stop_gives_the_turn_back_and_begins_nothing_new() {
    let house = House::new([Script::Hang("")]).await;
    house.hear("hi").await;
    house.hear("and this").await;
    house
        .until(|event| matches!(&event.what, What::Lifecycle(_)).then_some(()))
        .await;
    let report = house.root.shutdown(Duration::from_secs(5)).await;
    assert!(report.took < Duration::from_secs(5), "{report:?}");
    let rows = house.rows(InboxState::Interrupted);
    assert_eq!(rows.len(), 1, "{:?}", house.rows(InboxState::Running));
    assert_eq!(rows[0].attempts, 0);
    assert_eq!(house.rows(InboxState::Pending).len(), 1);
}
