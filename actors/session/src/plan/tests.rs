use openclaw_protocol::message::ToolResultMessage;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn answer(text: &str, calls: &[&str]) -> AssistantMessage {
    let mut content = Vec::new();
    if !text.is_empty() {
        content.push(Content::text(text));
    }
    for id in calls {
        content.push(Content::tool_call(*id, "note", json!({"id": id})));
    }
    AssistantMessage {
        content,
        ..AssistantMessage::default()
    }
}

fn result(id: &str) -> ToolResultMessage {
    ToolResultMessage {
        tool_call_id: id.to_owned(),
        ..ToolResultMessage::default()
    }
}

fn failure(retryable: bool) -> CallFailure {
    CallFailure {
        retryable,
        retry_after: None,
        is_too_long: false,
        notice: "m is down".to_owned(),
        message: answer("", &[]),
    }
}

fn claimed() -> Event {
    Event::Claimed(Claim::default())
}

fn abort() -> Event {
    Event::Abort {
        reason: "rpc",
        partial: Some(answer("hal", &[])),
        now_ms: 9,
    }
}

#[test]
fn a_plain_turn_calls_commits_and_finishes() {
    let mut plan = Plan::new();
    assert!(plan.on(claimed()).is_empty());
    assert_eq!(plan.on(Event::Prepared { early: true }), [Effect::Call]);
    assert_eq!(
        plan.on(Event::CallDone(answer("hi", &[]))),
        [Effect::Commit(Outcome::Done)]
    );
    assert_eq!(plan.on(Event::Committed), [Effect::Finish(Outcome::Done)]);
    assert!(plan.on(abort()).is_empty());
}

#[test]
fn the_call_may_start_before_the_claim_but_the_commit_waits_for_it() {
    let mut plan = Plan::new();
    assert_eq!(plan.on(Event::Prepared { early: true }), [Effect::Call]);
    assert!(plan.on(Event::CallDone(answer("hi", &[]))).is_empty());
    assert_eq!(plan.on(claimed()), [Effect::Commit(Outcome::Done)]);
}

/// Asks for a tool and gives it a result, as a model and a tool would.
fn round(plan: &mut Plan, id: &str, content: &str) -> Vec<Effect> {
    let asked = plan.on(Event::CallDone(answer("", &[id])));
    let [Effect::StoreIntent { k, call }] = &asked[..] else {
        panic!("no intent: {asked:?}");
    };
    plan.on(Event::IntentStored(*k));
    let brought = ToolResultMessage {
        tool_name: call.name.clone(),
        content: vec![Content::text(content)],
        ..result(&call.id)
    };
    plan.on(Event::ToolDone(*k, brought));
    plan.on(Event::ResultStored(*k))
}

#[test]
fn the_same_call_with_the_same_result_three_times_ends_the_turn() {
    let mut plan = Plan::new();
    plan.on(claimed());
    plan.on(Event::Prepared { early: false });
    for content in ["1", "2", "1", "3", "4"] {
        assert_eq!(round(&mut plan, "a", content), [Effect::Call]);
    }
    let effects = round(&mut plan, "a", "1");
    let [Effect::Commit(Outcome::Failed { notice })] = &effects[..] else {
        panic!("it goes on: {effects:?}");
    };
    assert!(
        notice.contains("3 times with the same arguments"),
        "{notice}"
    );
}

#[test]
fn a_tool_runs_between_its_intent_and_its_result() {
    let mut plan = Plan::new();
    plan.on(claimed());
    plan.on(Event::Prepared { early: false });
    let effects = plan.on(Event::CallDone(answer("", &["a", "b"])));
    assert!(matches!(&effects[..], [Effect::StoreIntent { k: 0, call }] if call.message.is_some()));
    assert!(matches!(
        &plan.on(Event::IntentStored(0))[..],
        [Effect::RunTool { k: 0, .. }]
    ));
    assert!(matches!(
        &plan.on(Event::ToolDone(0, result("a")))[..],
        [Effect::StoreResult { k: 0, .. }]
    ));
    let effects = plan.on(Event::ResultStored(0));
    assert!(matches!(&effects[..], [Effect::StoreIntent { k: 1, call }] if call.message.is_none()));
    plan.on(Event::IntentStored(1));
    plan.on(Event::ToolDone(1, result("b")));
    assert_eq!(plan.on(Event::ResultStored(1)), [Effect::Call]);
    plan.on(Event::CallDone(answer("done", &[])));
    assert_eq!(plan.said().len(), 4);
}

#[test]
fn a_call_of_a_client_s_tool_ends_the_turn_and_leaves_no_call_open() {
    let mut plan = Plan::new();
    plan.leaves_to_client(vec!["note".to_owned()]);
    plan.on(claimed());
    plan.on(Event::Prepared { early: false });
    let effects = plan.on(Event::CallDone(answer("", &["a"])));
    assert_eq!(effects, [Effect::Commit(Outcome::Done)]);
    assert!(plan.said()[1].text().contains("handed to the client"));
}

#[test]
fn a_resumed_turn_skips_what_is_done_and_never_repeats_an_unknown_effect() {
    let step = |k: u32, id: &str, idempotent, done: bool| PastStep {
        k,
        call_id: id.to_owned(),
        message: (k == 0).then(|| answer("", &["a", "b", "c", "d"])),
        idempotent,
        result: done.then(|| result(id)),
    };
    let mut plan = Plan::new();
    plan.on(Event::Claimed(Claim {
        steps: vec![
            step(0, "a", false, true),
            step(1, "b", false, false),
            step(2, "c", true, false),
        ],
        ..Claim::default()
    }));
    // c is idempotent: run again without a second intent. d was never begun: an intent first.
    let effects = plan.on(Event::Prepared { early: false });
    assert!(matches!(&effects[..], [Effect::RunTool { k: 2, call }] if call.id == "c"));
    plan.on(Event::ToolDone(2, result("c")));
    let effects = plan.on(Event::ResultStored(2));
    assert!(matches!(&effects[..], [Effect::StoreIntent { k: 3, call }] if call.id == "d"));
    let unknown = plan.said()[2].text();
    assert!(
        unknown.contains("interrupted, outcome unknown"),
        "{unknown}"
    );
}

#[test]
fn a_failure_that_may_pass_is_tried_thrice_then_told() {
    let mut plan = Plan::new();
    plan.on(claimed());
    plan.on(Event::Prepared { early: true });
    for pause in [1, 3] {
        assert_eq!(
            plan.on(Event::CallFailed(failure(true))),
            [Effect::Pause(Duration::from_secs(pause))]
        );
        assert_eq!(plan.on(Event::PauseOver), [Effect::Call]);
    }
    let effects = plan.on(Event::CallFailed(failure(true)));
    assert!(
        matches!(&effects[..], [Effect::Commit(Outcome::Failed { notice })] if notice == "m is down")
    );
    let Message::Assistant(last) = &plan.said()[0] else {
        panic!("no error message")
    };
    assert_eq!(last.stop_reason, StopReason::Error);
    assert_eq!(last.error_message.as_deref(), Some("m is down"));
}

#[test]
fn an_empty_answer_is_a_failure_not_a_silence() {
    let mut plan = Plan::new();
    plan.on(claimed());
    plan.on(Event::Prepared { early: true });
    assert!(matches!(
        &plan.on(Event::CallDone(answer("", &[])))[..],
        [Effect::Pause(_)]
    ));
}

#[test]
fn an_abort_keeps_what_was_said_and_pairs_open_calls() {
    let mut plan = Plan::new();
    plan.on(claimed());
    plan.on(Event::Prepared { early: true });
    plan.on(Event::CallDone(answer("", &["a", "b"])));
    plan.on(Event::IntentStored(0));
    let effects = plan.on(abort());
    assert_eq!(
        effects,
        [
            Effect::Cancel,
            Effect::Commit(Outcome::Aborted { reason: "rpc" })
        ]
    );
    assert_eq!(plan.said().len(), 4);
    assert!(plan.said()[1].text().contains("outcome unknown"));
    assert!(plan.said()[2].text().contains("not run"));
}

#[test]
fn the_fourth_attempt_goes_to_the_dead_letters_without_a_call() {
    let mut plan = Plan::new();
    let effects = plan.on(Event::Claimed(Claim {
        exhausted: true,
        ..Claim::default()
    }));
    assert!(matches!(
        &effects[..],
        [Effect::Commit(Outcome::Dead { .. })]
    ));
}

/// What the outside may report, in any order.
fn any_event() -> impl Strategy<Value = Event> {
    let k = 0u32..4;
    prop_oneof![
        Just(claimed()),
        any::<bool>().prop_map(|exhausted| Event::Claimed(Claim {
            exhausted,
            steps: vec![PastStep {
                k: 0,
                call_id: "a".to_owned(),
                message: Some(answer("", &["a", "b"])),
                idempotent: exhausted,
                result: None,
            }],
            joined: vec![(1, Message::user("and this", 0))],
            now_ms: 1,
        })),
        any::<bool>().prop_map(|early| Event::Prepared { early }),
        Just(Event::Unprepared {
            notice: "no model".to_owned()
        }),
        Just(Event::Answered(answer("help", &[]))),
        Just(Event::CallDone(answer("hi", &[]))),
        k.clone().prop_map(|k| Event::Joined {
            k,
            message: Message::user("left", 0)
        }),
        Just(Event::CallDone(answer("", &["a", "b"]))),
        Just(Event::CallDone(answer("", &[]))),
        any::<bool>().prop_map(|again| Event::CallFailed(failure(again))),
        Just(Event::PauseOver),
        k.clone().prop_map(Event::IntentStored),
        k.clone().prop_map(|k| Event::ToolDone(k, result("a"))),
        k.prop_map(Event::ResultStored),
        Just(abort()),
        Just(Event::Deadline {
            notice: "too slow".to_owned(),
            partial: None,
            now_ms: 5
        }),
        Just(Event::Committed),
    ]
}

proptest! {
    #[test]
    fn any_order_of_events_ends_in_exactly_one_outcome(
        events in prop::collection::vec(any_event(), 0..40),
        ends_with_tools in any::<bool>(),
    ) {
        let mut plan = Plan::new();
        let mut commits = 0;
        let mut finished: Vec<Outcome> = Vec::new();
        let mut open: VecDeque<Effect> = VecDeque::new();
        let take = |effects: Vec<Effect>,
                        commits: &mut usize,
                        finished: &mut Vec<Outcome>,
                        open: &mut VecDeque<Effect>| {
            for effect in effects {
                assert!(finished.is_empty(), "{effect:?} after the end");
                match effect {
                    Effect::Cancel => open.clear(),
                    Effect::Commit(outcome) => {
                        *commits += 1;
                        open.push_back(Effect::Commit(outcome));
                    }
                    Effect::Finish(outcome) => finished.push(outcome),
                    other => open.push_back(other),
                }
            }
        };
        for event in events {
            let effects = plan.on(event);
            take(effects, &mut commits, &mut finished, &mut open);
        }
        // Now the outside behaves: whatever is owed is delivered.
        let mut owed = VecDeque::from([claimed(), Event::Prepared { early: true }]);
        let mut rounds = 0;
        while finished.is_empty() {
            let event = match owed.pop_front() {
                Some(event) => event,
                None => match open.pop_front() {
                    Some(Effect::Call) => {
                        rounds += 1;
                        if ends_with_tools && rounds < 60 {
                            Event::CallDone(answer("", &["x"]))
                        } else {
                            Event::CallDone(answer("hi", &[]))
                        }
                    }
                    Some(Effect::Pause(_)) => Event::PauseOver,
                    Some(Effect::StoreIntent { k, .. }) => Event::IntentStored(k),
                    Some(Effect::RunTool { k, call }) => Event::ToolDone(k, result(&call.id)),
                    Some(Effect::StoreResult { k, .. }) => Event::ResultStored(k),
                    Some(Effect::Commit(_)) => Event::Committed,
                    other => panic!("the turn hangs: {other:?} in {plan:?}"),
                },
            };
            let effects = plan.on(event);
            take(effects, &mut commits, &mut finished, &mut open);
        }
        prop_assert_eq!(commits, 1);
        prop_assert_eq!(finished.len(), 1);
        // Every call in what was said has exactly one result.
        let mut calls: Vec<String> = Vec::new();
        for message in plan.said() {
            match message {
                Message::Assistant(message) => {
                    calls.extend(tool_uses(message).into_iter().map(|call| call.id));
                }
                Message::ToolResult(result) => {
                    let at = calls.iter().position(|id| *id == result.tool_call_id);
                    // The events above invent results for "a"; only a missing one is a fault.
                    if let Some(at) = at {
                        calls.remove(at);
                    } else {
                        calls.clear();
                    }
                }
                _ => {}
            }
        }
        prop_assert!(calls.is_empty(), "unpaired: {calls:?}");
    }
}
