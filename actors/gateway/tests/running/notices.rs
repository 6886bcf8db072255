//! A part that is set aside tells its owner, over an account that works.

use std::time::Duration;

use openclaw_support::gateway::wait_until;
use openclaw_support::telegram::FakeTelegram;
use openclaw_support::telegram::Person;
use openclaw_support::telegram::TOKEN as HOME;
use serde_json::Value;
use serde_json::json;

use crate::live::Live;
use crate::live::SOON;
use crate::live::settings;

const WORK: &str = "777:AAf-the_second-bot";

fn accounts(telegram: &FakeTelegram) -> Value {
    settings(json!({ "channels": { "telegram": {
        "apiRoot": telegram.root(),
        "accounts": {
            "home": { "botToken": HOME, "dmPolicy": "allowlist", "allowFrom": ["42", "43"] },
            "work": { "botToken": WORK, "dmPolicy": "allowlist", "allowFrom": ["42"] },
        },
    }}}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_set_aside_tells_its_owner_once_over_one_that_works() {
    let telegram = FakeTelegram::start().await;
    telegram.add_bot(WORK, "WorkBot");
    let owner = Person::new(42, "Ada");
    // Bots can write only to people who wrote first.
    telegram.push_message(HOME, &owner, "hello");
    let config = accounts(&telegram);
    let live = Live::start(&config).await;
    telegram.wait_sent_to(42, 1, Duration::from_secs(30)).await;

    telegram.revoke(WORK);
    let sent = telegram.wait_sent_to(42, 2, Duration::from_secs(60)).await;
    let notice = &sent[1].text;
    assert!(
        notice.starts_with("The account telegram/work keeps failing and is set aside: "),
        "{notice}"
    );
    assert!(
        notice.ends_with("openclaw supervisor unpark channels/telegram/work"),
        "{notice}"
    );
    assert!(!notice.contains(WORK), "{notice}");
    // A restart of the gateway does not say it again: what was told is in the ledger.
    let dir = live.stop().await;
    let live = Live::start_in(dir, &config).await;
    wait_until("the account is set aside again", SOON, || {
        let poll = live.node("channels/telegram/work/poll");
        poll.and_then(|node| node.note)
            .is_some_and(|note| note.starts_with("parked"))
    })
    .await;
    let looks = || live.node("notices").map_or(0, |node| node.handled);
    let before = looks();
    wait_until("somebody looked", SOON, || looks() >= before + 2).await;
    let note = live.node("notices").unwrap().note;
    assert_eq!(note.as_deref(), Some("1 set aside"));
    telegram.push_message(HOME, &owner, "still there?");
    telegram.wait_sent_to(42, 3, Duration::from_secs(30)).await;
    let notices = telegram.sent_to(42);
    let told = notices
        .iter()
        .filter(|sent| sent.text.contains("set aside"));
    assert_eq!(told.count(), 1, "{notices:?}");
    live.stop().await;
}
