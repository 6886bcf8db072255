//! What comes in.

use openclaw_channel::access::AllowList;
use openclaw_channel::access::DmPolicy;
use openclaw_channel::access::GroupPolicy;
use openclaw_ledger::NewInbound;
use openclaw_protocol::Button;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::RunId;
use openclaw_runtime::TraceContext;
use openclaw_support::telegram::Group;
use openclaw_support::telegram::Person;
use openclaw_support::telegram::TOKEN;
use serde_json::json;

use crate::rig::Rig;
use crate::rig::SOON;
use crate::rig::account;
use crate::rig::ann;
use crate::rig::route;

#[tokio::test]
async fn a_listed_person_s_message_is_stored_and_wakes_its_session() {
    let rig = Rig::start().await;
    let id = rig.fake.push_message(TOKEN, &ann(), "hello");
    let row = rig.until("stored", |rig| rig.inbox().pop()).await;
    assert_eq!(row.session.as_str(), "agent:main:telegram:direct:7");
    assert_eq!(row.body.text, "hello");
    assert_eq!(row.source_id, format!("7:{id}"));
    assert!(
        row.traceparent
            .is_some_and(|trace| TraceContext::parse(&trace).is_some())
    );
    let reply = row.reply.unwrap();
    assert_eq!((reply.to.as_str(), reply.account.as_str()), ("7", "home"));
    rig.until("woken", |rig| {
        (rig.woken.lock().unwrap().len() == 1).then_some(())
    })
    .await;
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    let status = rig.status("home");
    assert_eq!(status.admitted, 1);
    assert_eq!(status.bot.unwrap().username.as_deref(), Some("HomeBot"));
}

#[tokio::test]
async fn an_update_is_confirmed_only_after_it_is_stored() {
    let rig = Rig::start().await;
    rig.fake.push_message(TOKEN, &ann(), "hello");
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(rig.inbox().len(), 1);
}

#[tokio::test]
async fn who_writes_too_far_ahead_is_told_so_once() {
    let rig = Rig::start().await;
    rig.fake.push_message(TOKEN, &ann(), "first");
    let first = rig.until("stored", |rig| rig.inbox().pop()).await;
    let another = |n: u32| NewInbound {
        session: first.session.clone(),
        source: "test".to_owned(),
        source_id: n.to_string(),
        run_id: RunId(n.to_string()),
        body: first.body.clone(),
        reply: None,
        received_at_ms: first.received_at_ms,
        traceparent: None,
    };
    let ahead = rig
        .ledger
        .append_inbound((1..1000).map(another).collect(), None);
    assert!(ahead.await.unwrap().iter().all(|row| !row.crowded));

    rig.fake.push_message(TOKEN, &ann(), "one too many");
    let sent = rig.fake.wait_sent(1, SOON).await;
    assert!(sent[0].text.contains("not taken up"), "{}", sent[0].text);
    rig.fake.push_message(TOKEN, &ann(), "and another");
    rig.until("both are dead letters", |rig| {
        (rig.ledger.dead_letters().0.len() == 2).then_some(())
    })
    .await;
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(rig.fake.sent().len(), 1);
    // Who wrote elsewhere is not concerned.
    let outbox = rig.outbox();
    assert!(
        outbox.iter().all(|row| row.notice && row.route.to == "7"),
        "{outbox:?}"
    );
}

#[tokio::test]
async fn a_stranger_gets_a_code_once_and_nothing_else_until_approved() {
    let rig = Rig::start().await;
    let bob = Person::new(8, "Bob");
    rig.fake.push_message(TOKEN, &bob, "let me in");
    let sent = rig.fake.wait_sent(1, SOON).await;
    let lines: Vec<&str> = sent[0].text.lines().collect();
    assert_eq!(lines[0], "OpenClaw: access not configured.");
    assert_eq!(lines[2], "Your Telegram user id: 8");
    let code = lines[4].strip_prefix("Pairing code: ").unwrap().to_owned();
    assert_eq!(
        lines[7],
        format!("openclaw pairing approve telegram {code}")
    );

    rig.fake.push_message(TOKEN, &bob, "hello?");
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert!(rig.inbox().is_empty());
    assert_eq!(rig.fake.sent().len(), 1);

    let now = jiff::Timestamp::now();
    let approved = rig.pairing().approve(&code, now).unwrap().unwrap();
    assert_eq!(approved.id, "8");
    rig.fake.push_message(TOKEN, &bob, "now?");
    let row = rig.until("stored", |rig| rig.inbox().pop()).await;
    assert_eq!(row.body.text, "now?");
}

#[tokio::test]
async fn every_kind_of_event_from_a_stranger_with_a_friend_s_name_stores_nothing() {
    let rig = Rig::with(|home| home.rules.dm = DmPolicy::Allowlist).await;
    let impostor = Person::new(666, "Ann").username("ann");
    let user = impostor.to_user();
    let message =
        json!({"message_id": 5, "date": 1, "from": user, "chat": impostor.to_chat(), "text": "hi"});
    let group = json!({"id": -5, "type": "supergroup", "title": "Home"});
    for kind in ["message", "edited_message"] {
        rig.fake.push_update(TOKEN, json!({ kind: message }));
    }
    rig.fake.push_update(
        TOKEN,
        json!({"callback_query": {"id": "1", "from": user, "message": message, "data": "x"}}),
    );
    rig.fake.push_update(
        TOKEN,
        json!({"my_chat_member": {"from": user, "chat": impostor.to_chat(), "date": 1}}),
    );
    rig.fake.push_update(
        TOKEN,
        json!({"channel_post": {"message_id": 6, "date": 1, "chat": group, "text": "x"}}),
    );
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert!(rig.inbox().is_empty());
    assert!(rig.outbox().is_empty());
}

#[tokio::test]
async fn a_name_in_the_list_stands_for_the_first_id_that_bears_it() {
    let rig = Rig::with(|home| {
        home.rules.dm = DmPolicy::Allowlist;
        home.rules.allow_from = AllowList::parse("telegram", ["@Ann"]);
    })
    .await;
    rig.fake.push_message(TOKEN, &ann(), "me");
    rig.until("stored", |rig| rig.inbox().pop()).await;
    rig.fake
        .push_message(TOKEN, &Person::new(9, "Eve").username("ann"), "me too");
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(rig.inbox().len(), 1);
}

#[tokio::test]
async fn a_group_is_answered_on_mention_only() {
    let rig = Rig::with(|home| {
        home.mention_patterns = vec!["hey iris".into()];
        home.rules.groups.insert("*".into(), Default::default());
    })
    .await;
    let group = Group::new(-100, "Home");
    for text in [
        "just talk",
        "/status@OtherBot",
        "hi @homebot",
        "Hey Iris!",
        "/status@HomeBot",
    ] {
        rig.fake.push_group_message(TOKEN, &ann(), &group, text);
    }
    rig.fake
        .push_group_message(TOKEN, &Person::new(8, "Bob"), &group, "hi @HomeBot");
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    let texts: Vec<String> = rig.inbox().into_iter().map(|row| row.body.text).collect();
    assert_eq!(texts, ["hi @homebot", "Hey Iris!", "/status"]);
    let session = &rig.inbox()[0].session;
    let heard = |rig: &Rig, before| -> Vec<String> {
        let rows = rig.deps.ledger.heard(session, before);
        rows.into_iter().map(|row| row.body.text).collect()
    };
    assert_eq!(heard(&rig, 9), ["just talk"], "of listed people only");
    rig.fake.push_group_message(TOKEN, &ann(), &group, "so");
    rig.fake
        .push_group_message(TOKEN, &ann(), &group, "@HomeBot?");
    for text in ["a", "b", "c"] {
        rig.fake.push_group_message(TOKEN, &ann(), &group, text);
    }
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(heard(&rig, 9), ["a", "b", "c"], "so many of the last");
    assert!(heard(&rig, 4).is_empty(), "all of it was said after that");
    assert!(rig.outbox().is_empty(), "a group gets no pairing codes");
    assert!(
        rig.status("home")
            .last_refusal
            .unwrap()
            .contains("groupAllowFrom")
    );
}

#[tokio::test]
async fn a_topic_is_a_session_of_its_own_and_its_answers_go_there() {
    let rig = Rig::with(|home| home.rules.group = GroupPolicy::Open).await;
    let forum = Group::forum(-100, "Home", &[17]);
    rig.fake
        .push_topic_message(TOKEN, &ann(), &forum, 17, "@HomeBot in the topic");
    rig.fake
        .push_group_message(TOKEN, &ann(), &forum, "@HomeBot in general");
    let rows = rig
        .until("both", |rig| {
            Some(rig.inbox()).filter(|rows| rows.len() == 2)
        })
        .await;
    let mut keys: Vec<&str> = rows.iter().map(|row| row.session.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "agent:main:telegram:group:-100:topic:1",
            "agent:main:telegram:group:-100:topic:17"
        ]
    );
    for row in &rows {
        rig.say_via(row.reply.clone().unwrap(), &[row.session.as_str()])
            .await;
    }
    let sent = rig.fake.wait_sent(2, SOON).await;
    let thread = |key: &str| {
        sent.iter()
            .find(|sent| sent.text.ends_with(key))
            .unwrap()
            .thread
    };
    assert_eq!(thread("topic:17"), Some(17));
    assert_eq!(thread("topic:1"), None);
}

#[tokio::test]
async fn a_message_delivered_twice_is_one_row() {
    let rig = Rig::start().await;
    let message = json!({
        "message_id": 41, "date": 1, "from": ann().to_user(), "chat": ann().to_chat(), "text": "twice",
    });
    rig.fake.push_update(TOKEN, json!({ "message": message }));
    rig.fake.push_update(TOKEN, json!({ "message": message }));
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(rig.inbox().len(), 1);
}

#[tokio::test]
async fn a_restart_goes_on_where_the_ledger_says() {
    let rig = Rig::start().await;
    rig.fake.push_message(TOKEN, &ann(), "one");
    rig.until("stored", |rig| rig.inbox().pop()).await;
    let home = account(&rig.fake.root(), "home", TOKEN);
    let rig = rig.restart(vec![home]).await;
    rig.fake.push_message(TOKEN, &ann(), "two");
    rig.until("both", |rig| (rig.inbox().len() == 2).then_some(()))
        .await;
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(rig.inbox().len(), 2);
}

#[tokio::test]
async fn a_pressed_button_is_stored_as_its_command_and_answered() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    let button = |label: &str, decision: &str| Button {
        label: label.to_owned(),
        command: format!("/approve 1f {decision}"),
    };
    let payload = OutboundPayload::plain("May I?").with_buttons(vec![
        button("Allow once", "allow-once"),
        button("Deny", "deny"),
    ]);
    rig.put(route("home", 7), payload).await;
    let sent = rig.fake.wait_sent(1, SOON).await.remove(0);
    for _ in 0..3 {
        rig.fake.press(TOKEN, &ann(), sent.message_id, "Allow once");
    }
    rig.fake.forge_press(TOKEN, &ann(), &sent, "/elevated full");
    // Whom the gate doesn't let in presses in vain too.
    let bob = Person::new(8, "Bob");
    rig.knows(&bob);
    rig.fake.press(TOKEN, &bob, sent.message_id, "Deny");
    rig.fake
        .wait("presses answered", SOON, |fake| {
            (fake.unanswered_presses() == 0).then_some(())
        })
        .await;
    let rows = rig.inbox();
    assert_eq!(
        rows.len(),
        1,
        "the same press again is the same row: {rows:?}"
    );
    assert_eq!(rows[0].body.text, "/approve 1f allow-once");
    assert_eq!(rows[0].body.sender.as_ref().unwrap().id, "7");
    assert!(rows[0].body.is_press);
    assert_eq!(rows[0].session.as_str(), "agent:main:telegram:direct:7");
}
