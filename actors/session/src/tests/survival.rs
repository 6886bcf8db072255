//! A turn over the death of its process: real rows on a real disk, each life begun from a copy of the file that the
//! last one had open, as a power cut would leave it.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxState;
use openclaw_ledger::Ledger;
use openclaw_ledger::UnknownPolicy;
use openclaw_tool::Toolbox;

use super::house::*;
use crate::What;
use crate::event::ToolEvent;

const FILE: &str = "ledger/openclaw.redb";

/// The tools of a household: one that is done at once, one that never ends. Neither may run twice.
struct Tools {
    quick: Arc<Counting>,
    endless: Arc<Counting>,
}

impl Tools {
    fn new() -> Self {
        Self {
            quick: Arc::new(Counting::new("quick", false, Duration::ZERO)),
            endless: Arc::new(Counting::new("endless", false, Duration::from_secs(3600))),
        }
    }

    fn runs(&self) -> (usize, usize) {
        let count = |tool: &Counting| tool.runs.lock().unwrap().len();
        (count(&self.quick), count(&self.endless))
    }
}

/// The first life, over an empty folder.
async fn begin(tools: &Tools, scripts: impl IntoIterator<Item = Script>) -> House {
    live(Arc::new(tempfile::tempdir().unwrap()), tools, scripts).await
}

/// The next life, over what the disk had at this moment.
async fn reborn(last: House, tools: &Tools, scripts: impl IntoIterator<Item = Script>) -> House {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    std::fs::create_dir_all(dir.path().join("ledger")).unwrap();
    std::fs::copy(last.dir.path().join(FILE), dir.path().join(FILE)).unwrap();
    let house = live(dir, tools, scripts).await;
    drop(last);
    house
}

async fn live(
    dir: Arc<tempfile::TempDir>,
    tools: &Tools,
    scripts: impl IntoIterator<Item = Script>,
) -> House {
    let (ledger, _thread) = Ledger::open(dir.path().join(FILE)).unwrap();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let plan = Plan {
        ledger,
        dir,
        toolbox: Toolbox::empty()
            .with(tools.quick.clone())
            .with(tools.endless.clone()),
        ..Plan::default()
    };
    plan.build(scripts).await
}

async fn words(house: &House, text: &str) {
    house
        .until(|event| match &event.what {
            What::Assistant { text: said, .. } if said.trim() == text => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn a_turn_goes_on_from_its_last_recorded_step_over_real_rows() {
    let tools = Tools::new();
    let calls = Script::Call(vec![("a", "quick"), ("b", "endless")]);
    let house = begin(&tools, [calls]).await;
    house.hear_as(&key(), "work", "do both").await;
    house
        .until(|event| match &event.what {
            What::Tool(ToolEvent::Start { id, .. }) if id == "b" => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(tools.runs().0, 1);

    let house = reborn(
        house,
        &tools,
        [say("the first is done, the second I can't say")],
    )
    .await;
    house.answer_to("work").await;
    // Done is not done again, and what nobody knows is never repeated in silence.
    assert_eq!(tools.runs(), (1, 1));
    ASKED.with(|asked| {
        let asked = asked.borrow();
        assert_eq!(asked.len(), 2, "asked once a life");
        let seen: Vec<String> = asked[1].messages.iter().map(|m| m.text()).collect();
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert_eq!(seen[2], "counted");
        assert!(seen[3].contains("outcome unknown"), "{seen:?}");
    });
    // The person reads the answer and nothing about the death.
    assert_eq!(
        house.outbox(),
        ["the first is done, the second I can't say"]
    );
    let row = &house.rows(InboxState::Done)[0];
    assert_eq!(row.attempts, 2);
    let roles: Vec<String> = house
        .transcript()
        .iter()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        roles,
        ["user", "assistant", "toolResult", "toolResult", "assistant"]
    );
}

#[tokio::test]
async fn after_three_deaths_a_message_is_set_aside_with_one_apology_and_the_next_proceeds() {
    let tools = Tools::new();
    let call = Script::Call(vec![("a", "quick")]);
    let mut house = begin(&tools, [call, Script::Hang("life 1")]).await;
    house.hear_as(&key(), "poison", "do it").await;
    words(&house, "life 1").await;
    for life in ["life 2", "life 3"] {
        house = reborn(house, &tools, [Script::Hang(life)]).await;
        words(&house, life).await;
    }
    let house = reborn(house, &tools, [say("yes?")]).await;
    house.hear_as(&key(), "next", "are you there?").await;
    let What::Failed { message } = house.end_of("poison").await else {
        panic!("not set aside: {:?}", house.outline())
    };
    assert_eq!(house.answer_to("next").await, "yes?");
    assert_eq!(house.outbox(), [message.as_str(), "yes?"]);
    assert_eq!(tools.runs(), (1, 0));
    let dead = house.rows(InboxState::Dead);
    assert_eq!(dead.len(), 1);
    assert!(
        dead[0]
            .crash
            .as_deref()
            .is_some_and(|crash| crash.contains("the gateway ended")),
        "{dead:?}"
    );
    assert_eq!(dead[0].reason.as_deref(), Some(message.as_str()));
    // What may have been the poison is not shown to the next turn's model.
    ASKED.with(|asked| assert_eq!(asked.borrow().last().unwrap().messages.len(), 1));
}

#[tokio::test(start_paused = true)]
async fn mail_that_comes_while_the_gateway_ends_is_stored_and_answered_after_the_next_start() {
    let plan = Plan::default();
    let (ledger, dir) = (plan.ledger.clone(), plan.dir.clone());
    let house = plan.build([Script::Hang("so")]).await;
    house.hear_as(&key(), "before", "tell me").await;
    words(&house, "so").await;
    let path = crate::router::path(&key());
    let late = async {
        let is_ending = |node: Option<&openclaw_runtime::TreeNode>| {
            node.is_none_or(|node| node.note.as_deref() == Some("finishes its turn"))
        };
        let directory = &house.deps.directory;
        assert!(
            directory
                .wait_for(&path, is_ending, Duration::from_secs(5))
                .await
        );
        house.hear_as(&key(), "during", "and this?").await;
        let other = "agent:main:telegram:direct:7".parse().unwrap();
        house.hear_as(&other, "other", "me too").await;
    };
    tokio::join!(house.root.shutdown(Duration::from_secs(5)), late);
    assert_eq!(house.rows(InboxState::Pending).len(), 2);
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let house = Plan {
        ledger,
        dir,
        ..Plan::default()
    }
    .build([])
    .await;
    for run in ["before", "during", "other"] {
        assert_eq!(house.answer_to(run).await, "ok");
    }
}
