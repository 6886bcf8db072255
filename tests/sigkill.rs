//! `kill -9` at every named point: nothing is lost, nothing is doubled, nothing stays claimed.
//!
//! Each round starts the gateway with one fault point armed to kill the process at its n-th pass, gives it traffic
//! over Telegram and over the WebSocket, and waits for its death. The next round boots on what is left. At the end
//! one clean run drains everything, and the oracle compares what the fakes saw with what was sent.
//!
//! 200 deaths by default, in an order drawn from a printed seed; `OPENCLAW_KILLS=2000` for the long run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use openclaw_support::dice::Dice;
use openclaw_support::gateway::{Home, merge, pause};
use openclaw_support::line::{self, NoAnswer};
use openclaw_support::model::{FakeModel, Reply, Wire};
use openclaw_support::skip;
use openclaw_support::telegram::{FakeTelegram, Person, TOKEN as BOT};
use serde_json::{Value, json};

mod oracle;

/// Points on the way of a message, in its order. `ledger.*.<op>` are the commits themselves.
const POINTS: &[&str] = &[
    "channel.before_poll",
    "channel.after_poll",
    "ledger.before_commit.append_inbound",
    "ledger.after_commit.append_inbound",
    "ledger.before_commit.accept",
    "ledger.after_commit.accept",
    "ws.before_ack",
    "ws.after_ack",
    "ledger.before_commit.begin_turn",
    "ledger.after_commit.begin_turn",
    "turn.before_call",
    "turn.after_call",
    "ledger.before_commit.step_intent",
    "ledger.after_commit.step_intent",
    "tool.before_run",
    "tool.after_run",
    "ledger.before_commit.step_result",
    "ledger.after_commit.step_result",
    "turn.before_commit",
    "ledger.before_commit.commit_turn",
    "ledger.after_commit.commit_turn",
    "turn.after_commit",
    "transcript.before_append",
    "transcript.after_append",
    "ledger.before_commit.claim_outbox",
    "ledger.after_commit.claim_outbox",
    "channel.before_send",
    "channel.after_send",
    "ledger.before_commit.mark_sent",
    "ledger.after_commit.mark_sent",
];

/// A death that is no point's: from outside, at any moment.
const OUTSIDE: &str = "from outside";
/// How many deaths the run must see unless told otherwise.
const KILLS: usize = 200;
/// How many people write; each has a chat of their own. Enough of them that no conversation grows without end.
const PEOPLE: i64 = 24;
/// Conversations of the clients.
const ROOMS: u64 = 8;

/// States of rows that somebody still has to do something about.
const OPEN: [&str; 5] = [
    "\"pending\"",
    "\"running\"",
    "\"interrupted\"",
    "\"prepared\"",
    "\"attempting\"",
];

struct Scene {
    home: Home,
    telegram: FakeTelegram,
    _model: FakeModel,
    /// What was pushed: marker → chat.
    pushed: BTreeMap<String, i64>,
    /// What was sent over the socket: idempotency key → whether it was acknowledged.
    said: BTreeMap<String, bool>,
    /// Deaths by point.
    deaths: BTreeMap<&'static str, usize>,
    dice: Dice,
    /// Points of which each is drawn once before any is drawn again.
    deck: Vec<&'static str>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_update_is_answered_once_whatever_dies() {
    if skip::without_faults() {
        return;
    }
    let wanted =
        std::env::var("OPENCLAW_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let mut scene = Scene::new().await;
    let started = Instant::now();
    let mut round = 0;
    while scene.kills() < wanted || scene.deaths.len() <= POINTS.len() {
        scene.round().await;
        round += 1;
        assert!(
            round < wanted * 2,
            "too few of the points are passed: {:?}",
            scene.deaths
        );
    }
    println!(
        "{} kills in {:?}: {:?}",
        scene.kills(),
        started.elapsed(),
        scene.deaths
    );
    scene.drain().await;
    scene.compare();
}

impl Scene {
    async fn new() -> Self {
        let telegram = FakeTelegram::start().await;
        let model = FakeModel::start().await;
        model.answer_with(echo_or_note);
        let mut settings = model.config(Wire::Openai);
        merge(
            &mut settings,
            json!({ "channels": { "telegram": {
            "botToken": BOT, "apiRoot": telegram.root(), "dmPolicy": "open", "allowFrom": ["*"],
        } } }),
        );
        let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(settings);
        Self {
            home,
            telegram,
            _model: model,
            pushed: BTreeMap::new(),
            said: BTreeMap::new(),
            deaths: BTreeMap::new(),
            dice: Dice::from_environment("sigkill"),
            deck: Vec::new(),
        }
    }

    fn kills(&self) -> usize {
        self.deaths.values().sum()
    }

    fn draw(&mut self) -> &'static str {
        if self.deck.is_empty() {
            self.deck = [POINTS, &[OUTSIDE]].concat();
            self.dice.shuffle(&mut self.deck);
        }
        self.deck.pop().expect("a point")
    }

    /// One life of the gateway: traffic, and death at a point that is drawn.
    async fn round(&mut self) {
        let point = self.draw();
        // At the 1st to 3rd pass: most rows get on between two deaths.
        let pass = self.dice.between(1, 4);
        let until = self.dice.between(0, 120);
        let mut gateway = match point {
            OUTSIDE => self.home.start(""),
            point => self.home.start(&format!("{point}=abort@{pass}")),
        };
        let deadline = Instant::now() + Duration::from_secs(8);
        let mut beat = 0;
        loop {
            if gateway.try_exit().is_some() {
                *self.deaths.entry(point).or_default() += 1;
                return;
            }
            if Instant::now() > deadline {
                gateway.kill();
                return;
            }
            // Fresh traffic until it dies: the recovery of old rows passes some points, but not all.
            if beat % 20 == 0 {
                self.traffic().await;
            }
            if point == OUTSIDE && beat >= until {
                gateway.kill();
                *self.deaths.entry(point).or_default() += 1;
                return;
            }
            beat += 1;
            pause().await;
        }
    }

    async fn traffic(&mut self) {
        let n = self.pushed.len() + 1;
        let person = 101 + i64::try_from(n).expect("a number") % PEOPLE;
        let marker = format!("m{n}x{person}y");
        // Every second message makes the model use a tool first.
        let text = if n.is_multiple_of(2) {
            format!("tool {marker}")
        } else {
            marker.clone()
        };
        self.telegram
            .push_message(BOT, &Person::new(person, "Someone"), &text);
        self.pushed.insert(marker, person);
        let said = format!("s{n}y");
        let acknowledged = say(self.home.port(), &said).await.is_ok();
        self.said.insert(said, acknowledged);
    }

    /// A clean run: waits until nothing is open any more.
    async fn drain(&mut self) {
        let mut gateway = self.home.start("");
        gateway.ready().await;
        for (key, acknowledged) in &mut self.said {
            if !*acknowledged {
                let deadline = Instant::now() + Duration::from_secs(60);
                while let Err(reason) = say(self.home.port(), key).await {
                    let is_late = Instant::now() > deadline;
                    assert!(!is_late, "a healthy gateway does not take {key}: {reason}");
                    pause().await;
                }
                *acknowledged = true;
            }
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let status = line::metrics(gateway.port()).await;
            let open: f64 = status
                .iter()
                .filter(|(name, _)| {
                    name.contains("box_rows{") && OPEN.iter().any(|state| name.contains(state))
                })
                .map(|(_, count)| count)
                .sum();
            // An empty page is one that could not be read.
            if !status.is_empty() && open == 0.0 {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "rows stay open: {status:?}\n{}",
                gateway.output()
            );
            pause().await;
        }
        gateway.signal("TERM");
        let status = gateway.exit(Duration::from_secs(5)).await;
        assert_eq!(
            status.and_then(|s| s.code()),
            Some(0),
            "{}",
            gateway.output()
        );
    }

    fn compare(&self) {
        let oracle = oracle::Oracle::open(&self.home);
        let ends = oracle.messages("telegram", &self.pushed, &self.telegram.sent());
        let (requests, dead) = oracle.requests(self.said.keys());
        println!("{} updates: {ends:?}", self.pushed.len());
        println!("{} requests: {requests:?}", self.said.len());
        // A message whose turn died more than three times is given up with an apology: that is a promise, too.
        assert!(
            (ends.dead + requests.dead) * 10 <= self.pushed.len() + self.said.len(),
            "{ends:?} {requests:?}"
        );
        assert_eq!(ends.failed + requests.failed, 0, "no model call went wrong");
        // Only a death between the claim and the record of a send may leave a row unknown.
        let windows: usize = self
            .deaths
            .iter()
            .filter(|(p, _)| {
                **p == OUTSIDE
                    || p.contains("send")
                    || p.contains("mark_sent")
                    || p.contains("claim_outbox")
            })
            .map(|(_, deaths)| deaths)
            .sum();
        assert!(
            ends.unknown <= windows * 8,
            "{} unknown sends from {windows} deaths around a send",
            ends.unknown
        );
        let users = oracle.transcripts(&self.home);
        for said in self.said.keys() {
            let times = users
                .iter()
                .filter(|text| text.contains(said.as_str()))
                .count();
            // What was given up never got as far as a transcript.
            let wanted = usize::from(!dead.contains(&said.as_str()));
            assert_eq!(
                times, wanted,
                "{said} stands {times} times in the transcript"
            );
        }
    }
}

/// Answers with what was said; on "tool …" only after the model's call of a tool was answered.
fn echo_or_note(request: &Value) -> Reply {
    let messages = request["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let said = messages
        .iter()
        .rfind(|message| message["role"] == "user")
        .map(|m| m["content"].to_string());
    let said = said.unwrap_or_default();
    let is_answered = messages
        .last()
        .is_some_and(|message| message["role"] == "tool");
    if said.contains("tool ") && !is_answered {
        return Reply::call("memory_note", json!({ "text": said }));
    }
    Reply::text(&format!("You said {}", said.replace('"', "")))
}

/// Says something over the socket; whether it was acknowledged before the gateway died.
async fn say(port: u16, key: &str) -> Result<(), String> {
    let room = key.bytes().map(u64::from).sum::<u64>() % ROOMS;
    let params = json!({
        "sessionKey": format!("agent:main:kill{room}"), "message": key, "idempotencyKey": key,
    });
    let scopes = ["operator.write"];
    let within = Duration::from_secs(10);
    match line::call_with(port, &scopes, "chat.send", params, within).await {
        Ok(_) => Ok(()),
        Err(NoAnswer::Lost) => Err("no answer".to_owned()),
        // It may be asked while it starts; anything else it says no to is a mistake.
        Err(NoAnswer::Refused(error)) if error["retryable"] == true => Err(error.to_string()),
        Err(NoAnswer::Refused(error)) => panic!("{key} was refused: {error}"),
    }
}
