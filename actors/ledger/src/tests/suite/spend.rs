use proptest::prelude::*;

use super::on_both;
use crate::tests::fixture::*;
use crate::{
    Ledger, Limit, Owner, Reservation, Reserved, Scope, Shortage, TurnOutcome, UnknownPolicy,
    UsageRow,
};

on_both! {
    a_budget_binds_and_says_what_is_left,
    money_binds_as_tokens_do,
    what_was_spent_before_a_budget_counts,
    a_reservation_of_a_dead_process_counts_in_full,
    a_reservation_of_an_earlier_attempt_counts_in_full,
    a_call_that_a_turn_leaves_open_counts_with_its_end,
    twenty_at_once_stay_within_the_cap,
}

const DAY: &str = "2026-02-15";

fn call(turn: u64, call: u32, input: u64, output: u64) -> UsageRow {
    UsageRow {
        turn,
        call,
        day: DAY.to_owned(),
        run: format!("run-{turn}"),
        channel: "telegram/home".to_owned(),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        input,
        output,
        ..UsageRow::new(session("a"), 1_000 + i64::from(call))
    }
}

fn limit(tokens: Option<u64>, micro_usd: Option<u64>) -> Limit {
    Limit {
        scope: Scope::day(DAY, &Owner::All),
        since_ms: 0,
        tokens,
        micro_usd,
    }
}

fn asked(call: UsageRow, limit: Limit) -> Reservation {
    Reservation {
        call,
        least_output: 10,
        price: (1.0, 10.0),
        limits: vec![limit],
    }
}

async fn reserve(ledger: &Ledger, call: UsageRow, most: u64) -> Reserved {
    let asked = asked(call, limit(Some(most), None));
    ledger.reserve(asked).await.unwrap()
}

fn granted(output: u64) -> Reserved {
    Reserved::Granted { output }
}

fn spent(ledger: &Ledger) -> u64 {
    ledger.usage(0, i64::MAX).total.tokens()
}

async fn a_budget_binds_and_says_what_is_left(ledger: &Ledger) {
    assert_eq!(reserve(ledger, call(1, 0, 100, 50), 220).await, granted(50));
    // It may write less where less is left.
    assert_eq!(reserve(ledger, call(1, 1, 50, 50), 220).await, granted(20));
    let Reserved::Refused(shortage) = reserve(ledger, call(1, 2, 5, 50), 220).await else {
        panic!("granted");
    };
    let expected = Shortage {
        limit: 0,
        is_money: false,
        most: 220,
        spent: 0,
        held: 220,
        needed: 15,
    };
    assert_eq!(shortage, expected);
    assert!(shortage.may_pass());
    ledger
        .spend(vec![call(1, 0, 100, 20), call(1, 1, 50, 10)])
        .await
        .unwrap();
    assert_eq!(reserve(ledger, call(1, 2, 5, 50), 220).await, granted(35));
}

async fn money_binds_as_tokens_do(ledger: &Ledger) {
    let most = limit(None, Some(1_000));
    let first = asked(call(1, 0, 100, 200), most.clone());
    assert_eq!(ledger.reserve(first).await.unwrap(), granted(90));
    let next = asked(call(1, 1, 10, 10), most);
    let Reserved::Refused(shortage) = ledger.reserve(next).await.unwrap() else {
        panic!("granted");
    };
    assert!(shortage.is_money);
    assert_eq!((shortage.held, shortage.needed), (1_000, 110));
}

async fn what_was_spent_before_a_budget_counts(ledger: &Ledger) {
    ledger.spend(vec![call(1, 0, 100, 20)]).await.unwrap();
    let of_yesterday = UsageRow {
        day: "2026-02-14".to_owned(),
        ..call(1, 1, 1_000, 0)
    };
    ledger.spend(vec![of_yesterday]).await.unwrap();
    assert_eq!(reserve(ledger, call(1, 2, 50, 50), 200).await, granted(30));
}

async fn a_reservation_of_a_dead_process_counts_in_full(ledger: &Ledger) {
    reserve(ledger, call(1, 0, 100, 50), 1_000).await;
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    assert_eq!(spent(ledger), 150);
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    assert_eq!(spent(ledger), 150);
    assert_eq!(reserve(ledger, call(1, 0, 100, 50), 310).await, granted(50));
}

async fn a_reservation_of_an_earlier_attempt_counts_in_full(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    reserve(ledger, call(turn.0, 0, 100, 50), 1_000).await;
    ledger.begin_turn(&session("a"), 3_000).await.unwrap();
    assert_eq!(spent(ledger), 150);
}

async fn a_call_that_a_turn_leaves_open_counts_with_its_end(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    reserve(ledger, call(turn.0, 0, 100, 50), 1_000).await;
    reserve(ledger, call(turn.0, 1, 100, 50), 1_000).await;
    let mut end = commit("a", turn, TurnOutcome::Done);
    end.usage = vec![call(turn.0, 1, 90, 5)];
    ledger.commit_turn(end).await.unwrap();
    assert_eq!(spent(ledger), 150 + 95);
}

async fn twenty_at_once_stay_within_the_cap(ledger: &Ledger) {
    let calls = (0..20).map(|n| reserve(ledger, call(n, 0, 100, 100), 1_050));
    let answers = join_all(calls.collect()).await;
    let mut written = 0;
    for (n, answer) in (0..).zip(&answers) {
        if let Reserved::Granted { output } = answer {
            written += 1;
            ledger.spend(vec![call(n, 0, 100, *output)]).await.unwrap();
        }
    }
    assert_eq!(written, 5, "{answers:?}");
    assert!(spent(ledger) <= 1_050);
}

#[derive(Debug, Clone)]
enum Step {
    Reserve { input: u64, output: u64 },
    End { part: u64 },
    Recover,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..300, 0u64..300).prop_map(|(input, output)| Step::Reserve { input, output }),
        3 => (0u64..=100).prop_map(|part| Step::End { part }),
        1 => Just(Step::Recover),
    ]
}

proptest! {
    #[test]
    fn no_order_of_calls_spends_more_than_the_budget(
        steps in prop::collection::vec(any_step(), 1..60),
        tokens in 0u64..2_000,
        micro in 0u64..20_000,
    ) {
        let ledger = Ledger::memory();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut open = Vec::new();
            for (n, step) in (0u32..).zip(steps) {
                match step {
                    Step::Reserve { input, output } => {
                        let call = call(1, n, input, output);
                        let asked = asked(call.clone(), limit(Some(tokens), Some(micro)));
                        if let Reserved::Granted { output } = ledger.reserve(asked).await.unwrap() {
                            open.push(UsageRow { output, ..call });
                        }
                    }
                    Step::End { part } => {
                        if let Some(mut call) = open.pop() {
                            call.output = call.output * part / 100;
                            let usd = call.input as f64 + call.output as f64 * 10.0;
                            call.cost_usd = usd / 1_000_000.0;
                            ledger.spend(vec![call]).await.unwrap();
                        }
                    }
                    Step::Recover => {
                        ledger.recover(UnknownPolicy::hold()).await.unwrap();
                        open.clear();
                    }
                }
                let sum = ledger.usage(0, i64::MAX).total;
                prop_assert!(sum.tokens() <= tokens);
                prop_assert!(sum.cost_usd <= micro as f64 / 1_000_000.0 + 1e-9);
            }
            Ok(())
        })?;
    }
}
