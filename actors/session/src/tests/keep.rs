//! What conversations keep between turns, and that nothing depends on it.

use openclaw_protocol::SessionKey;
use openclaw_runtime::memory::Budget;

use super::house::*;

fn session(n: u32) -> SessionKey {
    SessionKey::parse(&format!("agent:main:telegram:direct:{n}")).unwrap()
}

/// What each request of the model had, as roles and texts.
fn asked() -> Vec<Vec<String>> {
    ASKED.with(|asked| {
        let asked = asked.borrow();
        let line = |request: &openclaw_provider::ModelRequest| {
            let messages = request.messages.iter();
            messages
                .map(|message| format!("{}: {}", message.role(), message.text()))
                .collect()
        };
        asked.iter().map(line).collect()
    })
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_finds_no_room_is_read_anew_and_goes_on_as_before() {
    static NOTHING: Budget = Budget::new(0, 0);
    let scripts = || [say("first"), say("second"), say("third")];
    let roomy = House::new(scripts()).await;
    let narrow = Plan {
        kept: &NOTHING,
        ..Plan::default()
    };
    let narrow = narrow.build(scripts()).await;
    for house in [&roomy, &narrow] {
        for text in ["one", "two", "three"] {
            let run = house.hear(text).await;
            house.answer_to(&run).await;
            house
                .sessions
                .inject(&key(), "noted".to_owned(), None)
                .await
                .unwrap();
            assert_eq!(NOTHING.taken(), 0, "kept without room");
        }
    }
    let asked = asked();
    let (in_memory, from_rows) = asked.split_at(3);
    assert_eq!(in_memory, from_rows);
    assert_eq!(from_rows[2].len(), 7, "two turns, two notes, the message");
    assert_eq!(roomy.transcript(), narrow.transcript());
}

#[tokio::test(start_paused = true)]
async fn conversations_keep_no_more_than_there_is_room_for_and_leave_it_when_they_go() {
    static FEW: Budget = Budget::new(4_000, 0);
    let plan = Plan {
        kept: &FEW,
        ..Plan::default()
    };
    let house = plan.build([]).await;
    for n in 0..20 {
        house.hear_as(&session(n), &format!("run-{n}"), "hi").await;
        house.answer_to(&format!("run-{n}")).await;
    }
    let kept = FEW.taken();
    assert!((1_000..=4_000).contains(&kept), "{kept} bytes are kept");
    // Nobody speaks: the actors leave, and what they kept goes with them.
    let deadline = tokio::time::Instant::now() + crate::IDLE * 2;
    while FEW.taken() > 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} bytes stay",
            FEW.taken()
        );
        tokio::time::sleep(crate::IDLE / 20).await;
    }
}
