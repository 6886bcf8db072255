//! What goes out.

use std::time::Duration;

use openclaw_channel::chunk;
use openclaw_channel::chunk::ChunkMode;
use openclaw_ledger::OutboxState;
use openclaw_protocol::Route;
use openclaw_support::telegram::FakeTelegram;
use openclaw_support::telegram::Fault;
use openclaw_support::telegram::FaultKind;
use openclaw_support::telegram::Person;
use openclaw_support::telegram::TOKEN;

use crate::rig::Rig;
use crate::rig::SOON;
use crate::rig::account;
use crate::rig::ann;
use crate::rig::route;

fn bob() -> Person {
    Person::new(8, "Bob")
}

async fn state_of_only(rig: &Rig, wanted: OutboxState) {
    let what = format!("the row is {wanted:?}");
    rig.until(&what, |rig| {
        rig.outbox()
            .iter()
            .any(|row| row.state == wanted)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_long_answer_arrives_whole_and_in_order() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    let code: String = (0..400)
        .map(|n| format!("let value_{n} = {n};\n"))
        .collect();
    let answer = format!("Look at **this**:\n\n```rust\n{code}```\n\nThat is `all`.");
    let parts = chunk::split(&answer, 4000, ChunkMode::Length);
    assert!(parts.len() >= 2);
    let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
    rig.say("home", 7, &texts).await;
    let sent = rig.fake.wait_sent(parts.len(), SOON).await;
    assert!(
        sent.iter()
            .all(|sent| sent.parse_mode.as_deref() == Some("HTML"))
    );
    assert!(sent[0].text.starts_with("Look at this:"));
    let lines = sent
        .iter()
        .flat_map(|sent| sent.text.lines())
        .filter(|line| line.starts_with("let"));
    assert_eq!(
        lines.map(|line| format!("{line}\n")).collect::<String>(),
        code
    );
    assert!(sent.last().unwrap().text.ends_with("That is all."));
}

#[tokio::test]
async fn text_that_telegram_will_not_format_goes_out_plain() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.fake.inject(Fault::once(
        "sendMessage",
        FaultKind::Refuse {
            code: 400,
            description: "Bad Request: can't parse entities: something new".into(),
            retry_after: None,
        },
    ));
    rig.say("home", 7, &["**bold** & <odd>"]).await;
    let sent = rig.fake.wait_sent(1, SOON).await;
    assert_eq!(
        (sent[0].text.as_str(), sent[0].parse_mode.as_deref()),
        ("**bold** & <odd>", None)
    );
    state_of_only(&rig, OutboxState::Sent).await;
}

#[tokio::test]
async fn a_pause_that_telegram_asks_for_is_kept_and_no_one_else_waits() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.knows(&bob());
    rig.fake
        .inject(Fault::once("sendMessage", FaultKind::slow_down(1)).to(7));
    rig.say("home", 7, &["one", "two"]).await;
    rig.say("home", 8, &["other"]).await;
    let sent = rig.fake.wait_sent(3, SOON).await;
    let order: Vec<&str> = sent.iter().map(|sent| sent.text.as_str()).collect();
    assert_eq!(order, ["other", "one", "two"]);
    let first_try = rig
        .fake
        .calls()
        .into_iter()
        .find(|call| call.status == 429)
        .unwrap();
    assert!(sent[1].at.duration_since(first_try.at) >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_chat_that_hangs_delays_no_other() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.knows(&bob());
    rig.fake
        .inject(Fault::once("sendMessage", FaultKind::Delay(Duration::from_secs(60))).to(7));
    rig.say("home", 7, &["stuck"]).await;
    rig.fake.wait_calls("sendMessage", 1, SOON).await;
    rig.say("home", 8, &["a", "b", "c"]).await;
    rig.fake.wait_sent_to(8, 3, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_message_that_may_have_arrived_is_held_as_unknown_and_not_sent_twice() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.fake
        .inject(Fault::once("sendMessage", FaultKind::CutAfter));
    rig.say("home", 7, &["once"]).await;
    state_of_only(&rig, OutboxState::Unknown).await;
    rig.say("home", 7, &["next"]).await;
    let sent = rig.fake.wait_sent(2, SOON).await;
    assert_eq!(sent.iter().filter(|sent| sent.text == "once").count(), 1);
    let status = rig.status("home");
    assert_eq!(status.unknown, 1);
    assert!(
        status
            .issues
            .iter()
            .any(|issue| issue.fix.contains("onUnknownSend"))
    );
}

#[tokio::test]
async fn where_the_policy_says_so_it_is_sent_again() {
    let rig = Rig::with(|home| home.resends_unknown = true).await;
    rig.knows(&ann());
    rig.fake
        .inject(Fault::once("sendMessage", FaultKind::CutBefore));
    rig.say("home", 7, &["again"]).await;
    rig.fake.wait_sent(1, SOON).await;
    state_of_only(&rig, OutboxState::Sent).await;
}

#[tokio::test]
async fn a_refusal_is_final_and_a_server_error_is_not() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.knows(&bob());
    rig.fake.block(&bob());
    let refuse = FaultKind::Refuse {
        code: 500,
        description: "Internal Server Error".into(),
        retry_after: None,
    };
    rig.fake.inject(Fault::once("sendMessage", refuse).to(7));
    rig.say("home", 8, &["to a wall"]).await;
    rig.say("home", 7, &["twice tried"]).await;
    rig.fake.wait_sent(1, SOON).await;
    state_of_only(&rig, OutboxState::Dead).await;
    let dead = rig
        .outbox()
        .into_iter()
        .find(|row| row.state == OutboxState::Dead)
        .unwrap();
    assert!(dead.error.unwrap().contains("blocked by the user"));
}

#[tokio::test]
async fn an_answer_quotes_what_its_route_names_even_if_that_is_gone() {
    let rig = Rig::with(|home| {
        let openclaw_channel::PlatformConfig::Telegram(telegram) = &mut home.platform;
        telegram.link_preview = false;
    })
    .await;
    let id = rig.fake.push_message(TOKEN, &ann(), "hello");
    let row = rig.until("stored", |rig| rig.inbox().pop()).await;
    let quoting = |id: &str| Route {
        reply_to: Some(id.to_owned()),
        ..row.reply.clone().unwrap()
    };
    rig.say_via(quoting(&id.to_string()), &["one"]).await;
    rig.say_via(quoting("99999"), &["two"]).await;
    let sent = rig.fake.wait_sent(2, SOON).await;
    assert_eq!(
        sent.iter().map(|sent| sent.reply_to).collect::<Vec<_>>(),
        [Some(id), None]
    );
    assert!(sent.iter().all(|sent| !sent.has_preview));
}

#[tokio::test]
async fn typing_is_shown_while_someone_writes_and_ends_with_them() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.until("live", |rig| rig.status("home").bot).await;
    let guard = rig.deps.typing.start(&route("home", 7));
    rig.fake.wait_calls("sendChatAction", 2, SOON).await;
    drop(guard);
    let shown = rig.fake.count("sendChatAction");
    rig.say("home", 7, &["done"]).await;
    rig.fake.wait_sent(1, SOON).await;
    assert_eq!(rig.fake.count("sendChatAction"), shown);
}

#[tokio::test]
async fn what_waited_during_an_outage_goes_out_in_order() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.fake
        .inject(Fault::times(2, "sendMessage", FaultKind::slow_down(0)));
    rig.say("home", 7, &["1", "2", "3", "4", "5"]).await;
    let sent = rig.fake.wait_sent(5, SOON).await;
    assert_eq!(
        sent.iter()
            .map(|sent| sent.text.as_str())
            .collect::<String>(),
        "12345"
    );
}

#[tokio::test]
async fn an_approved_person_can_be_told_without_a_gateway() {
    let fake = FakeTelegram::start().await;
    fake.push_message(TOKEN, &ann(), "let me in");
    let home = account(&fake.root(), "home", TOKEN);
    let text = openclaw_channel::pairing::approved_text();
    openclaw_channel::tell(&home, "7", text).await.unwrap();
    assert_eq!(fake.sent()[0].text, text);
    let refused = openclaw_channel::tell(&home, "8", text).await.unwrap_err();
    assert!(refused.to_string().contains("chat not found"), "{refused}");
}
