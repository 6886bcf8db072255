//! What an account notices of another one that is flooded, and of one that keeps failing: all in one run, in turns, so that
//! whatever else the machine does falls on all of them.

use std::time::{Duration, Instant};

use openclaw_support::gateway::{Home, merge, pause};
use openclaw_support::model::{FakeModel, Reply, Wire};
use openclaw_support::telegram::{FakeTelegram, Fault, FaultKind, Person, TOKEN as BOT};
use serde_json::json;

use crate::sample::{Sample, ms};
use crate::table::Table;

const QUIET_BOT: &str = "777000:QUIET-test-token-0123456789-abcdefghij";
const FALLING_BOT: &str = "888000:FALLS-test-token-0123456789-abcdefghij";
const ASKER: i64 = 9;
/// Messages of the flood that wait at any time, each of another person.
const CROWD: i64 = 50;
/// A model takes its time; without it only the processor would be measured.
const THINKS: Duration = Duration::from_millis(40);

/// The answers of a quiet account alone, beside a flooded one, and beside one that keeps failing.
pub(crate) async fn beside_trouble(bin: &str, scale: usize, table: &mut Table) {
    let quiet = FakeTelegram::start().await;
    let (loud, falling) = (FakeTelegram::start().await, FakeTelegram::start().await);
    quiet.add_bot(QUIET_BOT, "QuietBot");
    falling.add_bot(FALLING_BOT, "FallingBot");
    let model = FakeModel::start().await;
    model.stop_recording();
    model.answer_with(|request| {
        let messages = request["messages"].as_array();
        let last = messages.and_then(|messages| messages.last());
        let said = last.map(|message| message["content"].to_string());
        Reply::text(&said.unwrap_or_default().replace('"', "")).delay(THINKS)
    });
    let account = |telegram: &FakeTelegram, token: &str| json!({ "botToken": token, "apiRoot": telegram.root(), "dmPolicy": "open", "allowFrom": ["*"] });
    let mut settings = model.config(Wire::Openai);
    merge(
        &mut settings,
        json!({ "channels": { "telegram": { "accounts": {
            "quiet": account(&quiet, QUIET_BOT), "loud": account(&loud, BOT), "falling": account(&falling, FALLING_BOT),
        } } } }),
    );
    let home = Home::new(bin).config(settings);
    let mut gateway = home.start("");
    gateway.ready().await;
    ask(&quiet, "warm-up.").await;

    let (mut alone, mut flooded, mut failing) =
        (Sample::default(), Sample::default(), Sample::default());
    let mut flood = 0;
    for round in 0..4 * scale {
        for n in 0..25 {
            alone.push(ask(&quiet, &format!("alone-{round}-{n}.")).await);
        }
        for n in 0..25 {
            while flood < loud.sent_count() as i64 + CROWD {
                let person = Person::new(1_000 + flood % CROWD, "Crowd");
                loud.push_message(BOT, &person, &format!("flood-{flood}."));
                flood += 1;
            }
            flooded.push(ask(&quiet, &format!("flooded-{round}-{n}.")).await);
        }
        while (loud.sent_count() as i64) < flood {
            pause().await;
        }
        let fault = FaultKind::Gateway(502);
        falling.inject(Fault::times(usize::MAX, "getUpdates", fault));
        for n in 0..25 {
            failing.push(ask(&quiet, &format!("failing-{round}-{n}.")).await);
        }
        falling.heal();
    }
    let calm = alone.at(990);
    table.row("an answer on a quiet account, p50", ms(alone.at(500)), "");
    table.row("the same, p99", ms(calm), "");
    let more = |sample: &mut Sample| {
        let ratio = sample.at(990).as_secs_f64() / calm.as_secs_f64() - 1.0;
        format!("{} ({:+.0} %)", ms(sample.at(990)), ratio * 100.0)
    };
    table.row(
        "p99 beside a flooded account",
        more(&mut flooded),
        "≤ +10 %",
    );
    table.row(
        "p99 beside an account that keeps failing",
        more(&mut failing),
        "≤ +10 %",
    );
}

async fn ask(telegram: &FakeTelegram, text: &str) -> Duration {
    let began = Instant::now();
    telegram.push_message(QUIET_BOT, &Person::new(ASKER, "Asker"), text);
    let what = format!("an answer to {text}");
    telegram
        .wait(&what, Duration::from_secs(30), |fake| {
            fake.last_text().filter(|last| last.contains(text))
        })
        .await;
    began.elapsed()
}
