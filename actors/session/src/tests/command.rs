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

/// A tool that says how far the turn's programs may go.
struct Level(openclaw_protocol::ToolSpec);

impl openclaw_tool::Tool for Level {
    fn spec(&self) -> &openclaw_protocol::ToolSpec {
        &self.0
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run(
        &self,
        call: openclaw_tool::ToolCall,
    ) -> openclaw_runtime::BoxFuture<'static, openclaw_tool::ToolOutcome> {
        let told = format!("{:?}", call.caller.elevated);
        Box::pin(async move { openclaw_tool::ToolOutcome::text(told) })
    }
}

#[tokio::test(start_paused = true)]
async fn elevated_mode_is_kept_for_its_session_and_reaches_whoever_may_have_it_only() {
    let plan = Plan {
        toolbox: Toolbox::empty().with(Arc::new(Level(openclaw_protocol::ToolSpec {
            name: "level".to_owned(),
            description: "level".to_owned(),
            parameters: json!({"type": "object"}),
        }))),
        ..config(json!({
            "channels": { "telegram": { "allowFrom": [42] } },
            "tools": { "elevated": { "allowFrom": { "telegram": [42, 7] } } },
        }))
    };
    let turn = || [Script::Tool("level"), say("done")];
    let house = plan.build((0..5).flat_map(|_| turn())).await;
    let said = async |id: &str, run: &str, text: &str| {
        let sender = openclaw_protocol::Sender {
            id: id.to_owned(),
            ..openclaw_protocol::Sender::default()
        };
        house.hear_from(Some(sender), run, text).await;
        house.answer_to(run).await
    };
    let level = || {
        let mut results = house.transcript().into_iter();
        let last = results.rfind(|line| line.starts_with("toolResult"));
        last.unwrap()
    };
    said("42", "1", "go").await;
    assert_eq!(level(), "toolResult: Off");
    said("42", "2", "/elevated:full go").await;
    assert_eq!(level(), "toolResult: Full", "it holds for its message");
    assert!(said("7", "3", "/elevated full").await.contains("owner"));
    assert!(
        said("9", "4", "/elevated on")
            .await
            .contains("does not name 9")
    );
    assert!(
        said("42", "5", "/elevated full")
            .await
            .contains("nobody is asked")
    );
    said("42", "6", "go").await;
    assert_eq!(level(), "toolResult: Full");
    said("7", "7", "go").await;
    assert_eq!(
        level(),
        "toolResult: Ask",
        "what an owner chose is not another's"
    );
    said("42", "8", "/new").await;
    said("42", "9", "go").await;
    assert_eq!(level(), "toolResult: Off", "it ended with its conversation");
}
