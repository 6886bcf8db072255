//! Against a Bot API server that others wrote. Runs when `OPENCLAW_TELEGRAM_TEST_API_URL` names one
//! (`node tests/support/telegram-test-api/start.mjs` starts it and prints its address).

use std::time::Duration;

use openclaw_ledger::Ledger;
use openclaw_ledger::OutboxState;
use openclaw_support::telegram::FakeTelegram;
use serde_json::Value;
use serde_json::json;

use crate::rig::Rig;
use crate::rig::account;

const TOKEN: &str = "555:third-party";

#[tokio::test]
async fn a_conversation_over_telegram_test_api() {
    let Ok(url) = std::env::var("OPENCLAW_TELEGRAM_TEST_API_URL") else {
        eprintln!("skipped: OPENCLAW_TELEGRAM_TEST_API_URL is not set");
        return;
    };
    let home = account(&url, "home", TOKEN);
    let rig = Rig::on(FakeTelegram::start().await, Ledger::memory(), vec![home]).await;
    let bot = rig.until("connected", |rig| rig.status("home").bot).await;
    assert_eq!(bot.username.as_deref(), Some("TestNameBot"));

    let http = reqwest::Client::new();
    let post = async |path: &str, body: Value| -> Value {
        let answer = http
            .post(format!("{url}/{path}"))
            .json(&body)
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    };
    let from = json!({"id": 7, "first_name": "Ann", "username": "ann", "is_bot": false});
    let chat = json!({"id": 7, "first_name": "Ann", "type": "private"});
    for text in ["one", "two"] {
        let message =
            json!({"botToken": TOKEN, "date": 1, "from": from, "chat": chat, "text": text});
        post("sendMessage", message).await;
    }
    let rows = rig
        .until("both stored", |rig| {
            Some(rig.inbox()).filter(|rows| rows.len() == 2)
        })
        .await;
    assert_eq!(rows[0].body.text, "one");

    rig.say_via(rows[0].reply.clone().unwrap(), &["**first**", "second"])
        .await;
    let all_sent = |rig: &Rig| {
        let sent = rig
            .outbox()
            .iter()
            .filter(|row| row.state == OutboxState::Sent)
            .count();
        (sent == 2).then_some(())
    };
    rig.until("both sent", all_sent).await;
    let heard = post("getUpdates", json!({"token": TOKEN, "chatId": 7})).await;
    let texts: Vec<&str> = heard["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|update| update["message"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["<b>first</b>", "second"]);

    // This server answers at once when it has nothing; that must not become a busy loop.
    let history = rig.status("home").last_poll_at;
    tokio::time::timeout(Duration::from_secs(5), async {
        rig.until("another poll", |rig| {
            (rig.status("home").last_poll_at > history).then_some(())
        })
        .await;
    })
    .await
    .unwrap();
}
