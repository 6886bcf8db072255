//! What goes wrong, and how far it reaches.

use openclaw_channel::status::AccountState;
use openclaw_channel::telegram::TokenSource;
use openclaw_ledger::Ledger;
use openclaw_ledger::OutboxState;
use openclaw_runtime::KillReason;
use openclaw_support::telegram::FakeTelegram;
use openclaw_support::telegram::Fault;
use openclaw_support::telegram::FaultKind;
use openclaw_support::telegram::TOKEN;

use crate::rig::Rig;
use crate::rig::SOON;
use crate::rig::account;
use crate::rig::ann;

const OTHER: &str = "77:other";

async fn two_accounts() -> Rig {
    let fake = FakeTelegram::start().await;
    fake.add_bot(OTHER, "WorkBot");
    let accounts = vec![
        account(&fake.root(), "home", TOKEN),
        account(&fake.root(), "work", OTHER),
    ];
    Rig::on(fake, Ledger::memory(), accounts).await
}

#[tokio::test]
async fn a_refused_token_parks_its_account_and_says_what_mends_it() {
    let rig = two_accounts().await;
    rig.until("live", |rig| rig.status("home").bot).await;
    rig.fake.revoke(TOKEN);
    let status = rig
        .until("parked", |rig| {
            Some(rig.status("home")).filter(|s| s.state == AccountState::Parked)
        })
        .await;
    let issue = &status.issues[0];
    assert!(issue.message.contains("401"), "{}", issue.message);
    assert!(
        issue
            .fix
            .starts_with("openclaw config set channels.telegram.accounts.home.botToken")
    );
    assert!(
        !format!("{status:?}").contains("AAf-the_first-bot"),
        "the token leaks"
    );
    rig.fake.push_message(OTHER, &ann(), "still here");
    rig.until("the other account", |rig| rig.inbox().pop())
        .await;
    assert!(rig.restarts().values().all(|restarts| *restarts == 0));
}

#[tokio::test]
async fn a_rival_poller_is_survived() {
    let rig = Rig::start().await;
    rig.until("live", |rig| rig.status("home").bot).await;
    rig.fake.wait_calls("getUpdates", 1, SOON).await;
    rig.fake.inject(Fault::once(
        "getUpdates",
        FaultKind::Refuse {
            code: 409,
            description: "Conflict: terminated by other getUpdates request".into(),
            retry_after: None,
        },
    ));
    rig.fake.push_message(TOKEN, &ann(), "one");
    let status = rig
        .until("degraded", |rig| {
            Some(rig.status("home")).filter(|s| s.state == AccountState::Degraded)
        })
        .await;
    assert!(
        status.issues[0]
            .message
            .contains("another program polls with the same token")
    );
    rig.fake.push_message(TOKEN, &ann(), "two");
    rig.until("both stored", |rig| (rig.inbox().len() == 2).then_some(()))
        .await;
    rig.until("live again", |rig| {
        (rig.status("home").state == AccountState::Live).then_some(())
    })
    .await;
    assert!(rig.status("home").issues.is_empty());
    assert_eq!(rig.restarts()["channels/telegram/home/poll"], 0);
}

#[tokio::test]
async fn one_poll_at_a_time_over_many_restarts() {
    let rig = Rig::start().await;
    let path = "channels/telegram/home".into();
    for n in 1..=20 {
        rig.fake.wait_calls("getUpdates", n, SOON).await;
        let supervisor = rig.directory.supervisor(&path);
        supervisor.restart(&"poll".into()).await.unwrap();
    }
    rig.fake.push_message(TOKEN, &ann(), "after all that");
    rig.until("stored", |rig| rig.inbox().pop()).await;
    let conflicts = rig
        .fake
        .calls()
        .iter()
        .filter(|call| call.status == 409)
        .count();
    // The server may learn of the end of a cut poll only when the next one comes; it is never ours to see.
    assert!(
        rig.status("home").last_error.is_none(),
        "{conflicts} conflicts"
    );
}

#[tokio::test]
async fn a_webhook_left_behind_is_removed() {
    let fake = FakeTelegram::start().await;
    fake.set_webhook(TOKEN, "https://example.org/hook");
    let home = account(&fake.root(), "home", TOKEN);
    let rig = Rig::on(fake, Ledger::memory(), vec![home]).await;
    rig.fake.push_message(TOKEN, &ann(), "hello");
    rig.until("stored", |rig| rig.inbox().pop()).await;
    assert_eq!(rig.fake.count("deleteWebhook"), 1);
}

#[tokio::test]
async fn a_second_account_with_the_same_token_does_not_poll() {
    let fake = FakeTelegram::start().await;
    let accounts = vec![
        account(&fake.root(), "home", TOKEN),
        account(&fake.root(), "twin", TOKEN),
    ];
    let rig = Rig::on(fake, Ledger::memory(), accounts).await;
    let both = |rig: &Rig| {
        let (home, twin) = (rig.status("home"), rig.status("twin"));
        let live = [&home, &twin].iter().filter(|s| s.bot.is_some()).count();
        let told = [&home, &twin].iter().any(|s| {
            s.issues
                .iter()
                .any(|i| i.message.contains("of this gateway"))
        });
        (live == 1 && told).then_some(())
    };
    rig.until("one polls and the other is told", both).await;
    rig.fake.push_message(TOKEN, &ann(), "hello");
    rig.until("stored", |rig| rig.inbox().pop()).await;
    assert!(rig.fake.calls().iter().all(|call| call.status != 409));
}

#[tokio::test]
async fn a_killed_poller_is_back_and_nothing_is_lost_or_doubled() {
    let rig = two_accounts().await;
    rig.fake.wait_calls("getUpdates", 2, SOON).await;
    for n in 1..=3 {
        rig.fake.push_message(TOKEN, &ann(), &format!("{n}"));
        rig.directory
            .kill(&"channels/telegram/home/poll".into(), KillReason::Chaos);
        rig.until("stored", |rig| (rig.inbox().len() == n).then_some(()))
            .await;
    }
    rig.fake.wait_confirmed(TOKEN, SOON).await;
    assert_eq!(rig.inbox().len(), 3);
    let restarts = rig.restarts();
    assert_eq!(restarts["channels/telegram/work/poll"], 0);
    assert_eq!(restarts["channels/telegram/home/send"], 0);
}

#[tokio::test]
async fn a_sender_killed_in_the_middle_leaves_an_unknown_row_and_goes_on() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.fake
        .inject(Fault::once("sendMessage", FaultKind::Delay(SOON * 6)));
    rig.say("home", 7, &["caught"]).await;
    rig.fake.wait_calls("sendMessage", 1, SOON).await;
    rig.directory
        .kill(&"channels/telegram/home/send".into(), KillReason::Chaos);
    rig.until("unknown", |rig| {
        rig.outbox()
            .iter()
            .any(|row| row.state == OutboxState::Unknown)
            .then_some(())
    })
    .await;
    rig.say("home", 7, &["next"]).await;
    let sent = rig.fake.wait_sent(1, SOON).await;
    assert_eq!(sent[0].text, "next");
}

#[tokio::test]
async fn an_ordered_stop_lets_a_send_end() {
    let rig = Rig::start().await;
    rig.knows(&ann());
    rig.fake.inject(Fault::once(
        "sendMessage",
        FaultKind::Delay(std::time::Duration::from_millis(300)),
    ));
    rig.say("home", 7, &["last words"]).await;
    rig.fake.wait_calls("sendMessage", 1, SOON).await;
    rig.root.shutdown(SOON).await;
    assert_eq!(rig.fake.sent().len(), 1);
    assert!(
        rig.outbox()
            .iter()
            .all(|row| row.state == OutboxState::Sent)
    );
}

#[tokio::test]
async fn a_new_token_in_the_file_is_taken_up_by_a_restart() {
    let fake = FakeTelegram::start().await;
    fake.add_bot(OTHER, "WorkBot");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "1:revoked\n").unwrap();
    let mut home = account(&fake.root(), "home", TOKEN);
    let openclaw_channel::PlatformConfig::Telegram(telegram) = &mut home.platform;
    telegram.token = TokenSource::File(file.clone());
    let rig = Rig::on(fake, Ledger::memory(), vec![home]).await;
    rig.until("parked", |rig| {
        (rig.status("home").state == AccountState::Parked).then_some(())
    })
    .await;
    std::fs::write(&file, OTHER).unwrap();
    let supervisor = rig.directory.supervisor(&"channels/telegram/home".into());
    supervisor.restart(&"poll".into()).await.unwrap();
    let bot = rig.until("connected", |rig| rig.status("home").bot).await;
    assert_eq!(bot.username.as_deref(), Some("WorkBot"));
}

#[tokio::test]
async fn a_server_that_is_down_is_waited_for() {
    let rig = Rig::start().await;
    rig.until("live", |rig| rig.status("home").bot).await;
    rig.fake
        .inject(Fault::times(2, "getUpdates", FaultKind::Gateway(502)));
    rig.fake.push_message(TOKEN, &ann(), "one");
    rig.until("stored", |rig| rig.inbox().pop()).await;
    rig.fake.push_message(TOKEN, &ann(), "two");
    rig.until("both", |rig| (rig.inbox().len() == 2).then_some(()))
        .await;
    assert_eq!(rig.restarts()["channels/telegram/home/poll"], 0);
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_the_token() {
    let fake = FakeTelegram::start().await;
    // Nobody listens on the discard port.
    let home = account("http://127.0.0.1:9", "home", TOKEN);
    let rig = Rig::on(fake, Ledger::memory(), vec![home]).await;
    let error = rig
        .until("an error", |rig| rig.status("home").last_error)
        .await;
    assert!(error.contains("getMe: connect failed"), "{error}");
    assert!(!error.contains("AAf"), "{error}");
    let tree = rig.directory.tree(None, None).unwrap().render(0);
    assert!(tree.contains("degraded") && !tree.contains("AAf"), "{tree}");
}
