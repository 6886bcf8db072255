//! Tasks of sub-agents: their outcome reaches the parent once, whatever ends in between.

use std::time::Duration;

use openclaw_ledger::InboxFilter;
use openclaw_ledger::InboxRow;
use openclaw_ledger::InboxState;
use openclaw_ledger::NewInbound;
use openclaw_ledger::UnknownPolicy;
use openclaw_protocol::Inbound;
use openclaw_protocol::SessionKey;
use openclaw_protocol::message::Spawn;
use openclaw_runtime::KillReason;

use super::house::*;
use crate::What;
use crate::subagent;

fn child(n: usize) -> SessionKey {
    subagent::child_key(&key(), "main", &n.to_string()).unwrap()
}

/// A task, as the tool gives it.
fn task(n: usize) -> NewInbound {
    NewInbound {
        session: child(n),
        source: subagent::SOURCE.to_owned(),
        source_id: format!("task/{n}"),
        run_id: format!("child-{n}").as_str().into(),
        body: Inbound {
            text: format!("[Task] number {n}"),
            timestamp_ms: 1_771_147_800_000,
            spawn: Some(Box::new(Spawn {
                run_timeout_seconds: None,
                parent: key(),
                label: Some(format!("errand {n}")),
                reply: Some(route()),
                account: None,
                sender: None,
                chat: None,
            })),
            ..Inbound::default()
        },
        reply: None,
        received_at_ms: 1_771_147_800_000,
        traceparent: None,
    }
}

/// What the parent was told.
fn told(house: &House) -> Vec<InboxRow> {
    let rows = house.deps.ledger.inbox(&InboxFilter {
        session: Some(key()),
        ..InboxFilter::default()
    });
    let is_outcome = |row: &InboxRow| row.source == subagent::SOURCE;
    rows.into_iter().filter(is_outcome).collect()
}

/// Waits until the parent has answered so many outcomes.
async fn answered(house: &House, count: usize) {
    let all = async {
        loop {
            let done = told(house);
            let done = done.iter().filter(|row| row.state == InboxState::Done);
            if done.count() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(600), all).await;
    assert!(waited.is_ok(), "told: {:#?}", told(house));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_told_to_the_parent_which_tells_the_person() {
    let house = House::new([say("it is 42"), say("They found 42.")]).await;
    house.intake.accept(task(1), None).await.unwrap();
    answered(&house, 1).await;
    let told = told(&house);
    assert_eq!(told.len(), 1);
    let text = &told[0].body.text;
    assert!(
        text.contains("\"errand 1\" is done") && text.contains("it is 42"),
        "{text}"
    );
    assert!(told[0].body.scopes.is_empty() && told[0].body.spawn.is_none());
    // The child's words go to nobody but its parent.
    assert_eq!(house.outbox(), ["They found 42."]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_longer_than_it_may_is_ended_and_told() {
    let house = House::new([Script::Hang("so"), say("It took too long.")]).await;
    let mut task = task(1);
    task.body.spawn.as_mut().unwrap().run_timeout_seconds = Some(5);
    let begun = tokio::time::Instant::now();
    house.intake.accept(task, None).await.unwrap();
    answered(&house, 1).await;
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert!(told(&house)[0].body.text.contains("\"errand 1\" failed"));
    assert_eq!(house.outbox(), ["It took too long."]);
}

#[tokio::test(start_paused = true)]
async fn what_a_sub_agent_said_can_be_read() {
    let house = House::new([say("it is 42"), say("They found 42.")]).await;
    let mut fields = serde_json::Map::new();
    fields.insert("spawnedBy".to_owned(), key().as_str().into());
    house.sessions.patch(&child(1), &fields).await.unwrap();
    house.intake.accept(task(1), None).await.unwrap();
    answered(&house, 1).await;
    let run = house.hear("/subagents log errand-1").await;
    assert!(
        house
            .answer_to(&run)
            .await
            .contains("no sub-agent errand-1")
    );
    let run = house.hear("/subagents log 1").await;
    let log = house.answer_to(&run).await;
    assert!(
        log.starts_with("user: ") && log.ends_with("assistant: it is 42"),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_told_once_wherever_the_process_died() {
    // Before the claim, between the claim and the commit, and between the commit and the parent's turn.
    for died in ["queued", "claimed", "ended"] {
        let plan = Plan::default();
        let ledger = plan.ledger.clone();
        let dir = plan.dir.clone();
        ledger.append_inbound(vec![task(1)], None).await.unwrap();
        if died == "claimed" {
            ledger.begin_turn(&child(1), 0).await.unwrap().unwrap();
        }
        if died == "ended" {
            let house = plan.build([say("it is 42"), Script::Hang("so")]).await;
            house
                .until(|event| {
                    matches!(&event.what, What::Assistant { text, .. } if **text == *"so")
                        .then_some(())
                })
                .await;
            house.root.shutdown(Duration::from_secs(5)).await;
        }
        ledger.recover(UnknownPolicy::hold()).await.unwrap();
        let again = || Plan {
            ledger: ledger.clone(),
            dir: dir.clone(),
            ..Plan::default()
        };
        let scripts = match died {
            "ended" => vec![say("They found 42.")],
            _ => vec![say("it is 42"), say("They found 42.")],
        };
        let house = again().build(scripts).await;
        // The call that gave the task comes again, too.
        house.intake.accept(task(1), None).await.unwrap();
        answered(&house, 1).await;
        house.root.shutdown(Duration::from_secs(5)).await;
        ledger.recover(UnknownPolicy::hold()).await.unwrap();
        let house = again().build([]).await;
        house.intake.accept(task(1), None).await.unwrap();
        let run = house.hear("and now?").await;
        assert_eq!(house.answer_to(&run).await, "ok");
        assert_eq!(told(&house).len(), 1, "{died}");
        assert_eq!(house.outbox(), ["They found 42.", "ok"], "{died}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_killed_goes_on_and_one_that_crashes_or_fails_says_so() {
    let house = House::new([Script::Hang("so"), say("done"), say("thanks")]).await;
    house.intake.accept(task(1), None).await.unwrap();
    house
        .until(|event| {
            matches!(&event.what, What::Assistant { text, .. } if **text == *"so").then_some(())
        })
        .await;
    let path = crate::router::path(&child(1));
    assert!(house.deps.directory.kill(&path, KillReason::Chaos));
    answered(&house, 1).await;
    assert!(
        told(&house)[0].body.text.contains("done"),
        "{:?}",
        told(&house)
    );

    let crashes = [Script::Panic, Script::Panic, Script::Panic, say("a pity")];
    let house = House::new(crashes).await;
    house.intake.accept(task(1), None).await.unwrap();
    answered(&house, 1).await;
    let text = &told(&house)[0].body.text;
    assert!(text.contains("\"errand 1\" failed"), "{text}");
    assert_eq!(house.rows(InboxState::Dead).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn sub_agents_are_shown_and_stopped_by_number_and_with_their_parent() {
    let house = House::new([Script::Hang("so"), Script::Hang("so")]).await;
    house.intake.accept(task(1), None).await.unwrap();
    let begun = house.until(|event| {
        (event.run_id.as_str() == "child-1" && matches!(event.what, What::Assistant { .. }))
            .then_some(())
    });
    begun.await;
    house.intake.accept(task(2), None).await.unwrap();
    let begun = house.until(|event| {
        (event.run_id.as_str() == "child-2" && matches!(event.what, What::Assistant { .. }))
            .then_some(())
    });
    begun.await;
    let run = house.hear("/subagents").await;
    let list = house.answer_to(&run).await;
    assert!(
        list.contains("errand 1: running") && list.contains("errand 2: running"),
        "{list}"
    );
    let run = house.hear("/subagents info errand-3").await;
    assert!(
        house
            .answer_to(&run)
            .await
            .contains("no sub-agent errand-3")
    );
    let first = list.lines().next().unwrap();
    let (stopped, other) = match first.contains("errand 1") {
        true => ("child-1", "child-2"),
        false => ("child-2", "child-1"),
    };
    let run = house.hear("/subagents stop 1").await;
    assert!(house.answer_to(&run).await.starts_with("Stopped errand"));
    assert!(matches!(house.end_of(stopped).await, What::Aborted { .. }));
    answered(&house, 1).await;
    assert!(told(&house)[0].body.text.contains("was stopped"));

    house.hear("/stop").await;
    assert!(matches!(house.end_of(other).await, What::Aborted { .. }));
    answered(&house, 2).await;
    let run = house.hear("/subagents").await;
    let list = house.answer_to(&run).await;
    assert!(!list.contains("running"), "{list}");
    assert!(subagent::open_tasks(&house.deps.ledger, None).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_tasks_of_ten_parents_have_a_hundred_outcomes() {
    let mut plan = Plan::default();
    // One place for turns: nobody holds one while it waits for another.
    limit(&mut plan.config, 1);
    let house = plan.build([]).await;
    house.allow(1);
    let parent = |n: usize| SessionKey::parse(&format!("agent:main:telegram:direct:{n}")).unwrap();
    for n in 0..100 {
        let mut row = task(n);
        row.session = subagent::child_key(&parent(n / 10), "main", &n.to_string()).unwrap();
        if let Some(spawn) = &mut row.body.spawn {
            spawn.parent = parent(n / 10);
        }
        house.intake.accept(row, None).await.unwrap();
    }
    let all = async {
        loop {
            let done = house.rows(InboxState::Done);
            if done
                .iter()
                .filter(|row| row.source_id.starts_with("end/"))
                .count()
                == 100
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), all)
        .await
        .unwrap();
    for n in 0..10 {
        let rows = house.deps.ledger.inbox(&InboxFilter {
            session: Some(parent(n)),
            ..InboxFilter::default()
        });
        assert_eq!(rows.len(), 10, "of {n}");
    }
}
