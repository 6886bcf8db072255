//! What people type, and what it changes.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxState;
use openclaw_protocol::ChatKind;
use openclaw_protocol::config::Config;
use openclaw_tool::Toolbox;
use serde_json::json;

use super::house::*;

async fn answer(house: &House, text: &str) -> String {
    let run = house.hear(text).await;
    house.answer_to(&run).await
}

#[tokio::test(start_paused = true)]
async fn a_directive_holds_for_its_message_and_is_not_read_by_the_model() {
    let house = House::new([say("done"), say("again")]).await;
    assert_eq!(
        answer(&house, "/think:high /model other/one add these").await,
        "done"
    );
    let (model, thinking, words) = ASKED.with(|asked| {
        let asked = asked.borrow();
        let request = asked.last().unwrap();
        let words = request.messages.last().unwrap().text();
        (
            request.model.to_string(),
            request.params["thinking"].clone(),
            words,
        )
    });
    assert_eq!((model.as_str(), thinking), ("other/one", json!("high")));
    assert!(words.ends_with("] add these"), "{words}");
    answer(&house, "and these").await;
    let model = ASKED.with(|asked| asked.borrow().last().unwrap().model.to_string());
    assert_eq!(model, "fake/one", "it held for its message");
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    assert!(entry.get("modelOverride").is_none() && entry.get("thinkingLevel").is_none());
}

#[tokio::test(start_paused = true)]
async fn directives_alone_are_kept_for_the_session() {
    let house = House::new([]).await;
    assert_eq!(
        answer(&house, "/think:high /verbose:on").await,
        "Noted for this session."
    );
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    assert_eq!(
        (&entry["thinkingLevel"], &entry["verboseLevel"]),
        (&json!("high"), &json!("on"))
    );
    assert!(
        ASKED.with(|asked| asked.borrow().is_empty()),
        "no model was asked"
    );
    let status = answer(&house, "/status").await;
    assert!(
        status.contains("Thinking: high") && status.contains("Queue: empty (followup)"),
        "{status}"
    );
}

#[tokio::test(start_paused = true)]
async fn tools_are_named_where_somebody_wants_it() {
    let plan = Plan {
        toolbox: Toolbox::empty().with(Arc::new(Counting::new("count", false, Duration::ZERO))),
        ..Plan::default()
    };
    let calls = || Script::Call(vec![("a", "count"), ("b", "count")]);
    let house = plan.build([calls(), say("two"), calls(), say("two")]).await;
    answer(&house, "count").await;
    answer(&house, "/verbose on").await;
    answer(&house, "count").await;
    let sent = house.outbox();
    assert_eq!(sent[0], "two");
    assert_eq!(sent[2], "two\n\nTools: count ×2");
}

fn config(tree: serde_json::Value) -> Plan {
    let mut config = Config::from_value(tree).config;
    if let openclaw_protocol::config::Section::Valid(defaults) = &mut config.agents.defaults {
        defaults.user_timezone = Some("UTC".to_owned());
    }
    Plan {
        config,
        ..Plan::default()
    }
}

#[tokio::test(start_paused = true)]
async fn answers_stay_in_the_session_where_nothing_may_be_sent() {
    let denied = json!({"session": {"sendPolicy": {"rules": [
        {"action": "deny", "match": {"channel": "telegram"}}]}}});
    let house = config(denied).build([say("quiet")]).await;
    assert_eq!(answer(&house, "hi").await, "quiet");
    assert!(house.outbox().is_empty());
    assert!(
        house
            .transcript()
            .iter()
            .any(|line| line.ends_with("quiet"))
    );
    // What the gateway answers itself is heard, and says so.
    assert!(answer(&house, "/status").await.contains("/send on"));
    assert_eq!(house.outbox().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_a_group_a_stranger_s_command_is_ordinary_text() {
    let house = House::new([say("I read it")]).await;
    let group = openclaw_protocol::SessionKey::parse("agent:main:telegram:group:-1").unwrap();
    let row = |run: &str, text: &str| openclaw_ledger::NewInbound {
        session: group.clone(),
        source: "telegram/home".to_owned(),
        source_id: run.to_owned(),
        run_id: run.into(),
        body: openclaw_protocol::Inbound {
            text: text.to_owned(),
            deliver: true,
            sender: Some(openclaw_protocol::Sender {
                id: "7".to_owned(),
                ..Default::default()
            }),
            chat: openclaw_protocol::Chat {
                kind: ChatKind::Group,
                id: "-1".to_owned(),
                ..Default::default()
            },
            ..Default::default()
        },
        reply: Some(route()),
        received_at_ms: 1_771_147_800_000,
        traceparent: None,
    };
    house
        .intake
        .accept(row("a", "/model evil/one"), None)
        .await
        .unwrap();
    assert_eq!(house.answer_to("a").await, "I read it");
    let words = ASKED.with(|asked| {
        asked
            .borrow()
            .last()
            .unwrap()
            .messages
            .last()
            .unwrap()
            .text()
    });
    assert!(words.ends_with("7: /model evil/one"), "{words}");
    house
        .intake
        .accept(row("b", "/whoami"), None)
        .await
        .unwrap();
    assert!(house.answer_to("b").await.starts_with("You are"));
    assert_eq!(house.rows(InboxState::Done).len(), 2);
    let entry = house.deps.ledger.session_entry(&group).unwrap();
    assert!(entry.get("modelOverride").is_none());
}
