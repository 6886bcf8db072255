use super::*;

async fn call(fake: &FakeTelegram, method: &str, params: Value) -> Result<Value, reqwest::Error> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = format!("{}/bot{TOKEN}/{method}", fake.root());
    let answer = reqwest::Client::new()
        .post(url)
        .json(&params)
        .send()
        .await?;
    answer.json().await
}

fn ann() -> Person {
    Person::new(7, "Ann").username("ann")
}

#[tokio::test]
async fn an_update_is_repeated_until_an_offset_confirms_it() {
    let fake = FakeTelegram::start().await;
    fake.push_message(TOKEN, &ann(), "one");
    fake.push_message(TOKEN, &ann(), "two");
    let first = call(&fake, "getUpdates", json!({})).await.unwrap();
    assert_eq!(first["result"].as_array().unwrap().len(), 2);
    let again = call(&fake, "getUpdates", json!({})).await.unwrap();
    assert_eq!(first, again);
    let last = first["result"][1]["update_id"].as_i64().unwrap();
    let second = call(&fake, "getUpdates", json!({"offset": last}))
        .await
        .unwrap();
    assert_eq!(second["result"][0]["message"]["text"], "two");
    assert_eq!(fake.unconfirmed(TOKEN), 1);
}

#[tokio::test]
async fn a_second_poller_ends_the_first() {
    let fake = FakeTelegram::start().await;
    let first = call(&fake, "getUpdates", json!({"timeout": 50}));
    let second = async {
        fake.wait_calls("getUpdates", 1, Duration::from_secs(5))
            .await;
        call(&fake, "getUpdates", json!({"timeout": 0})).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap()["error_code"], 409);
    assert_eq!(second.unwrap()["ok"], true);
}

#[tokio::test]
async fn a_long_poll_waits_for_news() {
    let fake = FakeTelegram::start().await;
    let poll = call(&fake, "getUpdates", json!({"timeout": 50}));
    let push = async {
        fake.wait_calls("getUpdates", 1, Duration::from_secs(5))
            .await;
        fake.push_message(TOKEN, &ann(), "late");
    };
    let (polled, ()) = tokio::join!(poll, push);
    assert_eq!(polled.unwrap()["result"][0]["message"]["text"], "late");
}

#[tokio::test]
async fn what_the_bot_api_refuses_is_refused() {
    let fake = FakeTelegram::start().await;
    fake.push_message(TOKEN, &ann(), "hi");
    fake.add_group(&Group::forum(-100, "Home", &[17]));
    let long = "x".repeat(4097);
    let refused = [
        (json!({"chat_id": 8, "text": "x"}), "chat not found"),
        (json!({"chat_id": 7, "text": " "}), "empty"),
        (json!({"chat_id": 7, "text": long}), "too long"),
        (
            json!({"chat_id": 7, "text": "<x>", "parse_mode": "HTML"}),
            "can't parse entities",
        ),
        (
            json!({"chat_id": 7, "text": "<b>x", "parse_mode": "HTML"}),
            "can't parse entities",
        ),
        (
            json!({"chat_id": -100, "text": "x", "message_thread_id": 18}),
            "thread not found",
        ),
        (
            json!({"chat_id": -100, "text": "x", "message_thread_id": 1}),
            "thread not found",
        ),
        (
            json!({"chat_id": 7, "text": "x", "reply_parameters": {"message_id": 999}}),
            "replied not found",
        ),
        (
            json!({"chat_id": 7, "text": "x", "reply_to": 3}),
            "no parameter",
        ),
    ];
    for (params, why) in refused {
        let answer = call(&fake, "sendMessage", params.clone()).await.unwrap();
        assert_eq!(answer["error_code"], 400, "{params}");
        assert!(
            answer["description"].as_str().unwrap().contains(why),
            "{params}: {answer}"
        );
    }
    assert!(fake.sent().is_empty());
    let taken = call(
        &fake,
        "sendMessage",
        json!({"chat_id": -100, "text": "x", "message_thread_id": 17}),
    )
    .await;
    assert_eq!(taken.unwrap()["ok"], true);
    assert_eq!(fake.sent()[0].thread, Some(17));
}

#[tokio::test]
async fn a_cut_connection_has_an_effect_or_none() {
    let fake = FakeTelegram::start().await;
    fake.push_message(TOKEN, &ann(), "hi");
    let message = json!({"chat_id": 7, "text": "x"});
    fake.inject(Fault::once("sendMessage", FaultKind::CutBefore));
    assert!(call(&fake, "sendMessage", message.clone()).await.is_err());
    assert_eq!(fake.sent().len(), 0);
    fake.inject(Fault::once("sendMessage", FaultKind::CutAfter));
    assert!(call(&fake, "sendMessage", message.clone()).await.is_err());
    assert_eq!(fake.sent().len(), 1);
    fake.inject(Fault::once("sendMessage", FaultKind::slow_down(3)));
    let slow = call(&fake, "sendMessage", message).await.unwrap();
    assert_eq!(slow["parameters"]["retry_after"], 3);
}

#[tokio::test]
async fn a_bad_token_is_unauthorised() {
    let fake = FakeTelegram::start().await;
    fake.revoke(TOKEN);
    assert_eq!(
        call(&fake, "getMe", json!({})).await.unwrap()["error_code"],
        401
    );
}
