//! Any life of supervised actors, on a clock that runs by itself: what is promised of restarts holds in all of them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use openclaw_runtime::Change;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::KillReason;
use openclaw_runtime::Root;
use openclaw_runtime::State;
use openclaw_runtime::Strategy as Order;
use openclaw_runtime::SupervisionEvent;
use proptest::prelude::*;
use support::*;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

const IDS: [&str; 3] = ["a", "b", "c"];
const INTENSITY: u32 = 3;
const PERIOD: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
enum Step {
    Panic(usize),
    Fail(usize),
    Quit(usize),
    Kill(usize),
    Stop(usize),
    Restart(usize),
    Park(usize),
    Unpark(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS.len();
    prop_oneof![
        6 => id.clone().prop_map(Step::Panic),
        8 => id.clone().prop_map(Step::Fail),
        2 => id.clone().prop_map(Step::Quit),
        3 => id.clone().prop_map(Step::Kill),
        2 => id.clone().prop_map(Step::Stop),
        2 => id.clone().prop_map(Step::Restart),
        1 => id.clone().prop_map(Step::Park),
        2 => id.prop_map(Step::Unpark),
        4 => (0u64..400).prop_map(Step::Pass),
    ]
}

/// What was seen of one child.
#[derive(Default)]
struct Seen {
    generation: u64,
    restarts: Vec<Instant>,
    /// Stopped or parked by order: it must not come back by itself.
    held: bool,
}

struct Life {
    directory: Directory,
    root: Root,
    events: Receiver<SupervisionEvent>,
    seen: HashMap<String, Seen>,
}

impl Life {
    async fn begin() -> Self {
        let directory = Directory::new();
        let events = directory.watch();
        let spec = |id: &&str| {
            puppet(id, &PuppetArgs::default())
                .intensity(INTENSITY, PERIOD)
                .backoff(Duration::ZERO, Duration::from_secs(5), PERIOD)
                .park(RETRY)
        };
        let group = ChildSpec::supervisor("g", Order::OneForOne, IDS.iter().map(spec).collect());
        let root = Root::start(directory.clone(), "gateway", vec![group]).await;
        let mut life = Self {
            directory,
            root,
            events,
            seen: HashMap::new(),
        };
        life.look();
        life
    }

    async fn take(&mut self, step: Step) {
        let handle = self.directory.supervisor(&path("g"));
        let id = |at: usize| ChildId::from(IDS[at]);
        let tell = |at: usize, mail| {
            // It may be down.
            let address = self.directory.address(&path("g").join(&id(at)));
            drop(address.try_send(mail));
        };
        match step {
            Step::Panic(at) => tell(at, Strings::Panic),
            Step::Fail(at) => tell(at, Strings::Fail),
            Step::Quit(at) => tell(at, Strings::Stop),
            Step::Kill(at) => {
                let path = path("g").join(&id(at));
                let _there = self.directory.kill(&path, KillReason::Operator);
            }
            Step::Stop(at) => {
                handle.stop(&id(at)).await.expect("known");
                self.hold(at);
            }
            Step::Park(at) => {
                handle.park(&id(at)).await.expect("known");
                self.hold(at);
            }
            Step::Restart(at) => {
                self.pardon(at);
                handle.restart(&id(at)).await.expect("known");
            }
            Step::Unpark(at) => {
                let vitals = self.directory.vitals(&path("g").join(&id(at)));
                if vitals.is_some_and(|vitals| vitals.state() == State::Parked) {
                    self.pardon(at);
                }
                handle.unpark(&id(at)).await.expect("known");
            }
            Step::Pass(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        }
        // The clock moves only when everyone waits: then all that follows at once has happened.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.look();
    }

    fn child(&mut self, at: usize) -> &mut Seen {
        self.seen.entry(format!("g/{}", IDS[at])).or_default()
    }

    fn hold(&mut self, at: usize) {
        // What it did before the order was carried out is its own.
        self.look();
        self.child(at).held = true;
    }

    fn pardon(&mut self, at: usize) {
        self.look();
        let child = self.child(at);
        child.held = false;
        child.restarts.clear();
    }

    fn look(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            let child = self.seen.entry(event.path.to_string()).or_default();
            match event.what {
                Change::Started => {
                    assert!(!child.held, "{} came back by itself", event.path);
                    assert!(event.generation > child.generation, "{event:?}");
                    child.generation = event.generation;
                }
                Change::Restarting { .. } => {
                    let now = Instant::now();
                    child.restarts.push(now);
                    child.restarts.retain(|at| now - *at <= PERIOD);
                    let lately = child.restarts.len();
                    assert!(lately <= INTENSITY as usize, "{}: {lately}", event.path);
                }
                Change::Parked(_) => child.restarts.clear(),
                Change::Exited(_) | Change::Unparked | Change::Stopped => {}
            }
        }
    }

    /// In the end everyone is where it belongs.
    async fn end(mut self) {
        tokio::time::sleep(RETRY * 2).await;
        self.look();
        for (at, id) in IDS.iter().enumerate() {
            let state = self
                .directory
                .vitals(&path("g").join(&ChildId::from(*id)))
                .map(|vitals| vitals.state());
            let held = self.child(at).held;
            match state {
                Some(State::Running) => assert!(!held, "{id} was held"),
                Some(State::Stopped | State::Parked) => assert!(held, "{id} was not held"),
                other => panic!("{id} got stuck: {other:?}"),
            }
        }
        self.root.shutdown(SOON).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_life_breaks_the_rules_of_supervision(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let mut life = Life::begin().await;
            for step in steps {
                life.take(step).await;
            }
            life.end().await;
        });
    }
}
