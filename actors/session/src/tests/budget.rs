//! Budgets that bind.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::Ledger;
use openclaw_ledger::UnknownPolicy;
use openclaw_protocol::SessionKey;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::config::Section;
use openclaw_runtime::BoxFuture;
use openclaw_tool::Tool;
use openclaw_tool::ToolCall;
use openclaw_tool::ToolOutcome;
use openclaw_tool::Toolbox;
use serde_json::Value;
use serde_json::json;

use super::house::*;
use crate::What;

fn plan(budgets: Value) -> Plan {
    let mut plan = Plan::default();
    plan.config.budgets = Section::Valid(serde_json::from_value(budgets).unwrap());
    if let Section::Valid(defaults) = &mut plan.config.agents.defaults {
        // No more is kept back for an answer than it takes.
        let settings = json!({ "params": { "maxTokens": 10 } });
        let settings = serde_json::from_value(settings).unwrap();
        defaults.models.insert("fake/one".to_owned(), settings);
        defaults.max_concurrent = 20;
    }
    plan
}

async fn refusal(house: &House, run: &str) -> String {
    match house.end_of(run).await {
        What::Failed { message } => message,
        other => panic!("not refused: {other:?}"),
    }
}

/// A tool that brings something else each time: nothing but a budget ends a model that loves it.
struct Endless {
    spec: ToolSpec,
    runs: std::sync::atomic::AtomicU64,
}

impl Tool for Endless {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn run(&self, _call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let n = self.runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move { ToolOutcome::text(format!("and {n}")) })
    }
}

fn endless() -> Toolbox {
    Toolbox::empty().with(Arc::new(Endless {
        spec: ToolSpec {
            name: "more".to_owned(),
            description: "brings more".to_owned(),
            parameters: json!({ "type": "object" }),
        },
        runs: Default::default(),
    }))
}

#[tokio::test(start_paused = true)]
async fn twenty_turns_at_once_stay_within_a_cap() {
    // A call keeps back what its request holds, some hundred tokens, and says that it took 20.
    let cap = 8_000;
    let house = plan(json!({ "agents": { "main": { "perDay": { "tokens": cap } } } }))
        .build([])
        .await;
    *house.models.always.lock().unwrap() = Some(Script::Say("so it is", Duration::from_secs(1)));
    for n in 0..20 {
        let key = SessionKey::parse(&format!("agent:main:telegram:direct:{n}")).unwrap();
        house.hear_as(&key, &format!("at-once-{n}"), "hello").await;
    }
    let mut answered = 0;
    for n in 0..20 {
        match house.end_of(&format!("at-once-{n}")).await {
            What::Final { .. } => answered += 1,
            What::Failed { message } => assert!(message.contains("budget"), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    let spent = house.deps.ledger.usage(0, i64::MAX).total;
    assert_eq!(spent.calls, answered);
    assert!(
        answered >= 1 && spent.tokens() <= cap,
        "{answered}: {spent:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_never_ends_spends_no_more_than_the_budget_in_a_day() {
    let budgets = json!({
        "total": { "perDay": { "usd": 0.02 } },
        "accounts": { "*": { "perRun": { "usd": 0.004 } } },
    });
    let house = Plan {
        toolbox: endless(),
        ..plan(budgets)
    }
    .build([])
    .await;
    *house.models.always.lock().unwrap() = Some(Script::Tool("more"));
    let begun = tokio::time::Instant::now();
    let mut refused = 0;
    while begun.elapsed() < Duration::from_secs(24 * 3600) {
        let run = house.hear("go on").await;
        let message = refusal(&house, &run).await;
        refused += usize::from(message.contains("budget"));
        // A new run begins a new budget of its own; that of the day holds all the same.
        tokio::time::advance(Duration::from_secs(1800)).await;
    }
    assert!(refused >= 40, "{refused}");
    let zone = jiff::tz::TimeZone::UTC;
    let (_, today) = crate::budget::day(crate::event::now_ms(), &zone);
    for (from, until) in [(0, today), (today, i64::MAX)] {
        let spent = house.deps.ledger.usage(from, until).total;
        assert!(spent.cost_usd <= 0.02, "{spent:?}");
    }
    assert!(house.deps.ledger.usage(0, i64::MAX).total.cost_usd > 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_job_has_a_budget_of_its_own() {
    let budgets = json!({ "jobs": { "news": { "perDay": { "tokens": 30 } } } });
    let house = plan(budgets).build([]).await;
    let key = SessionKey::parse("agent:main:cron:news:run:1").unwrap();
    house.hear_as(&key, "cron:news:1", "what is new?").await;
    let told = refusal(&house, "cron:news:1").await;
    assert!(told.contains("Today's budget for job news"), "{told}");
    let run = house.hear("hello").await;
    assert_eq!(house.answer_to(&run).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn budgets_that_cannot_be_read_let_nothing_be_spent() {
    let mut plan = Plan::default();
    plan.config.budgets = Section::Invalid(Vec::new());
    let house = plan.build([]).await;
    let run = house.hear("hello").await;
    let told = refusal(&house, &run).await;
    assert!(told.contains("openclaw config validate"), "{told}");
    assert!(ASKED.with(|asked| asked.borrow().is_empty()));
}

#[tokio::test]
async fn a_call_whose_process_died_counts_against_the_budget_in_full() {
    const FILE: &str = "ledger/openclaw.redb";
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let (ledger, _thread) = Ledger::open(dir.path().join(FILE)).unwrap();
    let budgets = json!({ "total": { "perDay": { "tokens": 100_000 } } });
    let house = Plan {
        ledger,
        dir: dir.clone(),
        ..plan(budgets)
    }
    .build([Script::Hang("so")])
    .await;
    let run = house.hear("hello").await;
    house
        .until(|event| matches!(event.what, What::Assistant { .. }).then_some(()))
        .await;
    assert_eq!(house.deps.ledger.usage(0, i64::MAX).total.calls, 0);
    let next = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(next.path().join("ledger")).unwrap();
    std::fs::copy(dir.path().join(FILE), next.path().join(FILE)).unwrap();
    let (ledger, _next) = Ledger::open(next.path().join(FILE)).unwrap();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let sums = ledger.usage(0, i64::MAX);
    assert_eq!(sums.total.calls, 1);
    assert!(sums.total.input > 10 && sums.total.output >= 10, "{sums:?}");
    assert!(!run.is_empty());
}
