use serde_json::json;

use super::*;

fn me() -> User {
    serde_json::from_value(
        json!({"id": 99, "is_bot": true, "first_name": "Bot", "username": "HomeBot"}),
    )
    .unwrap()
}

fn incoming(message: Value) -> Incoming {
    match decode(json!({"update_id": 5, "message": message}), &me()).unwrap() {
        (5, PlatformEvent::Message(incoming)) => *incoming,
        other => panic!("{other:?}"),
    }
}

fn kind(update: Value) -> &'static str {
    match decode(update, &me()).unwrap().1 {
        PlatformEvent::Other { kind } => kind,
        PlatformEvent::Message(message) => panic!("{message:?}"),
    }
}

fn ann() -> Value {
    json!({"id": 7, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "username": "ann"})
}

fn group() -> Value {
    json!({"id": -100, "type": "supergroup", "title": "Home"})
}

#[test]
fn a_direct_message_names_its_sender_by_id() {
    let got = incoming(json!({
        "message_id": 3, "date": 1_700_000_000, "from": ann(), "text": "hello",
        "chat": {"id": 7, "type": "private", "first_name": "Ann"},
    }));
    assert_eq!(got.source_id, "7:3");
    assert_eq!(got.chat.kind, ChatKind::Direct);
    assert_eq!(got.timestamp_ms, 1_700_000_000_000);
    let sender = got.sender.unwrap();
    assert_eq!(
        (sender.id.as_str(), sender.name.as_deref()),
        ("7", Some("Ann Lee"))
    );
    assert!(!got.addressed && !got.from_bot);
}

#[test]
fn a_mention_counts_in_utf16_and_in_any_case() {
    let text = "😀 @homebot hi";
    let got = incoming(json!({
        "message_id": 3, "date": 1, "from": ann(), "chat": group(), "text": text,
        "entities": [{"type": "mention", "offset": 3, "length": 8}],
    }));
    assert!(got.addressed);
    assert_eq!(got.text, text);
    let not_me = incoming(json!({
        "message_id": 3, "date": 1, "from": ann(), "chat": group(), "text": "@homebots hi",
        "entities": [{"type": "mention", "offset": 0, "length": 9}],
    }));
    assert!(!not_me.addressed);
}

#[test]
fn a_command_for_this_bot_loses_the_bot_s_name() {
    let command = |text: &str, length: usize| {
        incoming(json!({
            "message_id": 3, "date": 1, "from": ann(), "chat": group(), "text": text,
            "entities": [{"type": "bot_command", "offset": 0, "length": length}],
        }))
    };
    let mine = command("/status@HomeBot now", 15);
    assert!(mine.addressed && !mine.for_another);
    assert_eq!(mine.text, "/status now");
    let other = command("/status@OtherBot", 16);
    assert!(!other.addressed && other.for_another);
    let bare = command("/status", 7);
    assert!(!bare.addressed && !bare.for_another);
}

#[test]
fn a_reply_to_the_bot_addresses_it_and_is_quoted() {
    let got = incoming(json!({
        "message_id": 4, "date": 1, "from": ann(), "chat": group(), "text": "why?",
        "reply_to_message": {
            "message_id": 3, "date": 1, "chat": group(), "text": "Because.",
            "from": {"id": 99, "is_bot": true, "first_name": "Bot"},
        },
    }));
    assert!(got.addressed);
    let reply = got.reply_to.unwrap();
    assert_eq!(
        (reply.message_id.as_deref(), reply.text.as_str()),
        (Some("3"), "Because.")
    );
    assert_eq!(reply.sender.as_deref(), Some("Bot"));
}

#[test]
fn topics_have_threads_and_the_general_topic_is_one() {
    let forum = json!({"id": -100, "type": "supergroup", "title": "Home", "is_forum": true});
    let topic = incoming(json!({
        "message_id": 4, "date": 1, "from": ann(), "chat": forum.clone(), "text": "x",
        "message_thread_id": 17, "is_topic_message": true,
        "reply_to_message": {"message_id": 17, "date": 1, "chat": forum.clone(),
            "from": {"id": 99, "is_bot": true, "first_name": "Bot"},
            "forum_topic_created": {"name": "t"}},
    }));
    assert_eq!(topic.chat.thread.as_deref(), Some("17"));
    assert!(!topic.addressed && topic.reply_to.is_none());
    let general =
        incoming(json!({"message_id": 4, "date": 1, "from": ann(), "chat": forum, "text": "x"}));
    assert_eq!(general.chat.thread.as_deref(), Some("1"));
    let plain = incoming(json!({
        "message_id": 4, "date": 1, "from": ann(), "chat": group(), "text": "x", "message_thread_id": 3,
    }));
    assert_eq!(plain.chat.thread, None);
}

#[test]
fn media_become_placeholders_with_their_captions() {
    let photo = incoming(json!({
        "message_id": 4, "date": 1, "from": ann(), "chat": group(), "photo": [{}], "caption": "look @HomeBot",
        "caption_entities": [{"type": "mention", "offset": 5, "length": 8}],
    }));
    assert_eq!(photo.text, "<media:image>\nlook @HomeBot");
    assert!(photo.addressed);
    let voice =
        incoming(json!({"message_id": 4, "date": 1, "from": ann(), "chat": group(), "voice": {}}));
    assert_eq!(voice.text, "<media:audio>");
}

#[test]
fn an_anonymous_admin_is_the_chat_and_not_telegram_s_bot() {
    let got = incoming(json!({
        "message_id": 4, "date": 1, "chat": group(), "sender_chat": group(), "text": "x",
        "from": {"id": 1_087_968_824, "is_bot": true, "first_name": "Group"},
    }));
    assert_eq!(got.sender.unwrap().id, "-100");
    assert!(!got.from_bot);
}

#[test]
fn every_other_kind_is_named_and_not_a_message() {
    assert_eq!(
        kind(json!({"update_id": 1, "edited_message": {"text": "x"}})),
        "edit"
    );
    assert_eq!(
        kind(json!({"update_id": 1, "callback_query": {"id": "1", "from": ann(), "data": "x"}})),
        "button"
    );
    assert_eq!(
        kind(json!({"update_id": 1, "my_chat_member": {}})),
        "membership"
    );
    assert_eq!(kind(json!({"update_id": 1, "poll": {}})), "other");
    assert_eq!(
        kind(json!({"update_id": 1, "message": {"message_id": "x"}})),
        "unreadable"
    );
    let joined =
        json!({"message_id": 4, "date": 1, "from": ann(), "chat": group(), "new_chat_members": []});
    assert_eq!(kind(json!({"update_id": 1, "message": joined})), "service");
    assert!(decode(json!({"message": {}}), &me()).is_none());
}

#[test]
fn what_is_forwarded_or_quoted_of_others_is_not_the_sender_s_word() {
    let direct = json!({"id": 7, "type": "private", "first_name": "Ann"});
    let said = |more: Value| {
        let mut message = json!({
            "message_id": 3, "date": 1, "from": ann(), "text": "look", "chat": direct,
        });
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        incoming(message).outside
    };
    let by = |id: i64| json!({"id": id, "is_bot": false, "first_name": "X"});
    let earlier = |from: Value| json!({"message_id": 2, "date": 1, "from": from, "chat": direct, "text": "do this"});
    assert_eq!(said(json!({})), None);
    for own in [
        json!({"forward_origin": {"type": "user", "date": 1, "sender_user": ann()}}),
        json!({"reply_to_message": earlier(ann())}),
        json!({"reply_to_message": earlier(by(99))}),
    ] {
        assert_eq!(said(own.clone()), None, "{own}");
    }
    for other in [
        json!({"forward_origin": {"type": "user", "date": 1, "sender_user": by(8)}}),
        json!({"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Ann"}}),
        json!({"forward_origin": {"type": "channel", "date": 1, "chat": group(), "message_id": 1}}),
        json!({"reply_to_message": earlier(by(8))}),
        json!({"quote": {"text": "do this"}, "external_reply": {}}),
    ] {
        assert!(said(other.clone()).is_some(), "{other}");
    }
}

#[test]
fn a_button_is_its_command_and_nothing_else_is_taken() {
    let press = |data: &str| {
        json!({ "update_id": 5, "callback_query": { "id": "1", "from": ann(), "chat_instance": "x", "data": data,
            "message": { "message_id": 9, "date": 0, "chat": group(), "message_thread_id": 4, "is_topic_message": true } } })
    };
    let taken = decode(press("/approve 1f deny"), &me()).unwrap().1;
    let PlatformEvent::Message(taken) = taken else {
        panic!("{taken:?}");
    };
    assert_eq!(taken.text, "/approve 1f deny");
    assert_eq!(taken.sender.as_ref().unwrap().id, "7");
    assert_eq!(
        (taken.chat.id.as_str(), taken.chat.thread.as_deref()),
        ("-100", Some("4"))
    );
    assert!(taken.is_press && taken.addressed && !taken.from_bot);
    assert_eq!(taken.source_id, "-100:9:7:1f:deny");
    for data in [
        "/new",
        "/approve",
        "/approve 1f allow-once x",
        "/approve 1f  x y",
        "hello",
        "",
        "/elevated full",
    ] {
        assert_eq!(kind(press(data)), "button", "{data}");
    }
    let mut inline = press("/approve 1f deny");
    inline["callback_query"]["message"] = Value::Null;
    assert_eq!(kind(inline), "button");
}
