use openclaw_protocol::Inbound;
use openclaw_protocol::Route;
use openclaw_protocol::Sender;
use openclaw_protocol::SessionKey;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn row(seq: u64, sender: &str, text: &str) -> InboxRow {
    InboxRow {
        session: SessionKey::parse("agent:main:telegram:group:-1").unwrap(),
        seq,
        state: InboxState::Pending,
        attempts: 0,
        changed_at_ms: 0,
        source: "telegram/home".to_owned(),
        source_id: seq.to_string(),
        run_id: format!("run-{seq}").as_str().into(),
        body: Inbound {
            text: text.to_owned(),
            deliver: true,
            sender: Some(Sender {
                id: sender.to_owned(),
                ..Sender::default()
            }),
            ..Inbound::default()
        },
        reply: Some(Route {
            channel: "telegram".to_owned(),
            account: "home".to_owned(),
            to: "-1".to_owned(),
            ..Route::default()
        }),
        received_at_ms: 0,
        traceparent: None,
        reason: None,
        crash: None,
    }
}

fn rules(mode: Mode, cap: usize, surplus: Surplus) -> Rules {
    Rules {
        mode,
        debounce: Duration::from_secs(1),
        cap: Some(cap),
        surplus,
    }
}

fn crowd(count: u64) -> Vec<InboxRow> {
    (1..=count)
        .map(|n| row(n, "ann", &format!("word {n}")))
        .collect()
}

#[test]
fn the_session_s_own_rule_counts_before_the_channel_s_and_that_before_the_usual() {
    let config: Queue = serde_json::from_value(json!({
        "mode": "collect", "byChannel": { "telegram": "steer+backlog" }, "debounceMs": 250, "cap": 3,
        "drop": "old",
    }))
    .unwrap();
    let of = |channel, stored: Option<&serde_json::Value>| {
        Rules::of(
            &config,
            channel,
            stored.and_then(serde_json::Value::as_object),
        )
    };
    assert_eq!(of(Some("slack"), None).mode, Mode::Collect);
    assert_eq!(of(Some("telegram"), None).mode, Mode::SteerBacklog);
    let own =
        json!({"queueMode": "interrupt", "queueCap": 7, "queueDrop": "new", "queueDebounceMs": 9});
    let rules = of(Some("telegram"), Some(&own));
    assert_eq!(
        (
            rules.mode,
            rules.cap,
            rules.surplus,
            rules.debounce.as_millis()
        ),
        (Mode::Interrupt, Some(7), Surplus::New, 9)
    );
    assert_eq!(
        Rules::of(&Queue::default(), Some("telegram"), None),
        Rules::PLAIN
    );
    for known in [
        Mode::Followup,
        Mode::Collect,
        Mode::Steer,
        Mode::SteerBacklog,
        Mode::Interrupt,
    ] {
        assert_eq!(mode(known.name()), Some(known));
    }
    for known in [Surplus::Old, Surplus::New, Surplus::Summarize] {
        assert_eq!(surplus(known.name()), Some(known));
    }
}

#[test]
fn only_neighbours_of_one_voice_are_put_together() {
    let collect = rules(Mode::Collect, 20, Surplus::Summarize);
    let count = |rows: &[InboxRow]| next(rows, &collect, &Config::default()).count;
    assert_eq!(count(&crowd(5)), 5);
    let mut rows = crowd(5);
    rows[2] = row(3, "bob", "mine");
    assert_eq!(count(&rows), 2, "another's words stay apart");
    rows[2] = row(3, "ann", "/status");
    assert_eq!(count(&rows), 2, "a command stays apart");
    let cases: [fn(&mut InboxRow); 5] = [
        |row| row.attempts = 1,
        |row| row.source = "telegram/work".to_owned(),
        |row| row.reply.as_mut().unwrap().thread = Some("7".to_owned()),
        |row| row.body.deliver = false,
        |row| row.body.thinking = Some("high".to_owned()),
    ];
    for change in cases {
        let mut rows = crowd(5);
        change(&mut rows[2]);
        assert_eq!(count(&rows), 2);
        change(&mut rows[0]);
        change(&mut rows[1]);
        let shares = may_share(&rows[0], &Config::default());
        assert_eq!(count(&rows), if shares { 3 } else { 1 });
    }
    let mut job = crowd(2);
    job[0].source = "cron".to_owned();
    assert_eq!(count(&job), 1, "what a job waits for is its own turn");
}

#[test]
fn what_is_too_much_goes_as_the_rule_says() {
    let take = |mode, surplus| next(&crowd(5), &rules(mode, 3, surplus), &Config::default());
    for mode in [Mode::Collect, Mode::Followup, Mode::Interrupt] {
        assert_eq!(take(mode, Surplus::Old).left_out, [1, 2]);
        assert_eq!(take(mode, Surplus::New).left_out, [4, 5]);
        assert!(take(mode, Surplus::Summarize).left_out.is_empty());
    }
    assert_eq!(take(Mode::Collect, Surplus::Summarize).count, 5);
    assert_eq!(rules(Mode::Collect, 3, Surplus::Summarize).shortened(5), 2);
    assert_eq!(take(Mode::Followup, Surplus::Summarize).count, 3);
    assert_eq!(rules(Mode::Followup, 3, Surplus::Summarize).shortened(3), 2);
    assert_eq!(
        next(&crowd(5), &Rules::PLAIN, &Config::default()),
        Take {
            count: 1,
            left_out: vec![]
        }
    );
}

#[test]
fn quiet_is_waited_for_but_not_for_ever() {
    let rules = rules(Mode::Collect, 3, Surplus::Summarize);
    let since = tokio::time::Instant::now();
    let second = Duration::from_secs(1);
    assert_eq!(rules.due(since, since - second), since + second);
    assert_eq!(rules.due(since, since + 3 * second), since + 4 * second);
    assert_eq!(rules.due(since, since + 60 * second), since + 10 * second);
    let now = Rules {
        mode: Mode::Interrupt,
        ..rules
    };
    assert_eq!(now.due(since, since + second), since);
}

#[test]
fn the_model_reads_each_message_once_and_a_line_of_what_is_too_much() {
    let rows = crowd(4);
    let words: Vec<(String, String)> = rows
        .iter()
        .map(|row| (row.body.text.clone(), format!("[stamp] {}", row.body.text)))
        .collect();
    assert_eq!(together(&words[..1], 0), "[stamp] word 1");
    assert_eq!(
        together(&words, 2),
        "[2 more messages waited than are shown in full; a line of each]\n- word 1\n- word 2\n\n\
         [These messages came while you were busy. Answer them together.]\n\n---\n#1\n[stamp] word 3\n\
         \n---\n#2\n[stamp] word 4"
    );
    assert!(together(&words[..2], 1).ends_with("- word 1\n\n[stamp] word 2"));
    let long = "ä ".repeat(500);
    let pair = [(long.clone(), String::new()), (long, "x".to_owned())];
    let shown = together(&pair, 1);
    assert!(shown.contains('…') && shown.chars().count() < 300);
}

#[test]
fn a_running_turn_sees_its_own_person_only() {
    let live = row(1, "ann", "go");
    let mut waiting = vec![
        row(2, "ann", "left"),
        row(3, "bob", "right"),
        row(4, "ann", "up"),
    ];
    let seen = |waiting: &[InboxRow]| -> Vec<u64> {
        guests(&live, waiting, &Config::default())
            .iter()
            .map(|row| row.seq)
            .collect()
    };
    assert_eq!(seen(&waiting), [2]);
    waiting.remove(1);
    assert_eq!(seen(&waiting), [2, 4]);
}

proptest! {
    /// Over any queue, taking again and again comes to an end, in order, with each row once.
    #[test]
    fn every_row_is_taken_once_and_in_order(
        senders in prop::collection::vec(0..4_u8, 1..40),
        mode in prop::sample::select(vec![Mode::Followup, Mode::Collect, Mode::Steer, Mode::Interrupt]),
        surplus in prop::sample::select(vec![Surplus::Old, Surplus::New, Surplus::Summarize]),
        cap in 1..8_usize,
    ) {
        let rules = rules(mode, cap, surplus);
        let mut rows: Vec<InboxRow> = (1..)
            .zip(&senders)
            .map(|(seq, who)| row(seq, &who.to_string(), if *who == 3 { "/status" } else { "hi" }))
            .collect();
        let all = rows.len();
        let (mut answered, mut left_out) = (Vec::new(), Vec::new());
        while !rows.is_empty() {
            let take = next(&rows, &rules, &Config::default());
            prop_assert_eq!(take.count == 0, !take.left_out.is_empty());
            prop_assert!(take.count <= rows.len());
            if surplus != Surplus::Summarize && take.count > 0 {
                prop_assert!(take.count <= cap);
            }
            prop_assert!(rules.shortened(take.count) < take.count.max(1));
            answered.extend(rows.drain(..take.count).map(|row| row.seq));
            rows.retain(|row| !take.left_out.contains(&row.seq));
            left_out.extend(take.left_out);
        }
        prop_assert!(answered.is_sorted());
        prop_assert_eq!(answered.len() + left_out.len(), all);
        if surplus == Surplus::Summarize {
            prop_assert!(left_out.is_empty());
        }
    }
}
