use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::Sender;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::Tree;
use openclaw_runtime::BoxFuture;
use openclaw_tool::Tool;
use openclaw_tool::ToolCall;
use openclaw_tool::ToolOutcome;
use openclaw_tool::Toolbox;
use openclaw_tool::approval::Decision;
use openclaw_tool::approval::Desk;
use openclaw_tool::approval::Request;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::house::*;
use crate::What;
use crate::event::ToolEvent;

/// A desk that remembers what it was told.
#[derive(Clone)]
pub(super) struct Said(watch::Sender<Vec<String>>);

impl Default for Said {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Desk for Said {
    fn config(&self) -> Tree {
        Tree::default()
    }

    fn file(&self) -> BoxFuture<'static, Result<Option<Value>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn allow(&self, _: &AgentId, _: Vec<String>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn ask(&self, _: Request) -> BoxFuture<'static, Result<Option<Decision>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn resolve(
        &self,
        id: &str,
        decision: Decision,
        by: &str,
    ) -> BoxFuture<'static, Result<Value, String>> {
        let said = format!("{id} {} {by}", decision.as_str());
        self.0.send_if_modified(|all| {
            let is_new = !all.contains(&said);
            if is_new {
                all.push(said);
            }
            is_new
        });
        Box::pin(async { Ok(json!({})) })
    }
}

/// A tool that waits until something was said.
struct Waits(ToolSpec, Said);

impl Tool for Waits {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run(&self, _: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let mut said = self.1.0.subscribe();
        Box::pin(async move {
            let heard = said.wait_for(|said| !said.is_empty()).await;
            ToolOutcome::text(heard.map(|said| said.join(", ")).unwrap_or_default())
        })
    }
}

async fn house(scripts: impl IntoIterator<Item = Script>) -> House {
    let said = Said::default();
    let spec = ToolSpec {
        name: "waits".to_owned(),
        description: "waits".to_owned(),
        parameters: json!({"type": "object"}),
    };
    let tree = json!({ "channels": { "telegram": { "allowFrom": [42] } } });
    let plan = Plan {
        toolbox: Toolbox::empty().with(Arc::new(Waits(spec, said.clone()))),
        config: Config::from_value(tree).config,
        desk: said,
        ..Plan::default()
    };
    plan.build(scripts).await
}

fn from(id: &str) -> Option<Sender> {
    Some(Sender {
        id: id.to_owned(),
        ..Sender::default()
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_while_the_turn_that_asked_waits_for_it() {
    let house = house([Script::Tool("waits"), say("done")]).await;
    house.hear_from(from("42"), "first", "go").await;
    house
        .until(|event| matches!(event.what, What::Tool(ToolEvent::Start { .. })).then_some(()))
        .await;
    house
        .hear_from(from("42"), "second", "/approve 1f allow-once")
        .await;
    assert_eq!(house.answer_to("first").await, "done");
    assert_eq!(house.answer_to("second").await, "Allowed this time.");
    let transcript = house.transcript();
    assert!(
        transcript
            .iter()
            .any(|line| line == "toolResult: 1f allow-once telegram/home:42"),
        "{transcript:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_somebody_who_may_not_is_text_like_any_other() {
    let house = house([say("I can't do that."), say("nor that")]).await;
    house
        .hear_from(from("7"), "first", "/approve 1f allow-always")
        .await;
    assert_eq!(house.answer_to("first").await, "I can't do that.");
    house
        .hear_from(None, "second", "/approve 1f allow-once")
        .await;
    assert_eq!(house.answer_to("second").await, "nor that");
}

#[tokio::test(start_paused = true)]
async fn a_button_counts_for_whoever_may_press_it_and_is_no_words_for_the_agent() {
    let house = house([Script::Tool("waits"), say("done")]).await;
    house.hear_from(from("42"), "first", "go").await;
    house
        .until(|event| matches!(event.what, What::Tool(ToolEvent::Start { .. })).then_some(()))
        .await;
    house
        .press(from("7"), "vain", "/approve 1f allow-always")
        .await;
    house
        .press(from("42"), "second", "/approve 1f allow-once")
        .await;
    assert_eq!(house.answer_to("first").await, "done");
    assert_eq!(house.answer_to("second").await, "Allowed this time.");
    assert!(house.answer_to("vain").await.contains("owner"));
    let transcript = house.transcript();
    assert!(
        transcript
            .iter()
            .any(|line| line == "toolResult: 1f allow-once telegram/home:42"),
        "{transcript:?}"
    );
}
