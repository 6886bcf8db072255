//! The gateway under faults, and the service manager that starts it again.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_support::disk::Disk;
use openclaw_support::gateway::{Gateway, Home, pause};
use openclaw_support::line::{self, NoAnswer};
use openclaw_support::model::{FakeModel, Reply};
use openclaw_support::proxy::{Proxy, Weather};
use serde_json::{Value, json};

use crate::load::Load;
use crate::plan::{Fault, Means, Place, Trouble};

/// As `RestartSec=` of a unit.
const RESTART_AFTER: Duration = Duration::from_millis(100);
/// As `WatchdogSec=` of our units: a gateway that says nothing for so long is killed.
const WATCHDOG: Duration = Duration::from_secs(30);
/// How long one call into the gateway may take.
const CALL: Duration = Duration::from_secs(5);

pub(crate) struct Scene {
    gateway: Option<Gateway>,
    disk: Option<Disk>,
    clock: Option<PathBuf>,
    pub(crate) home: Home,
    pub(crate) load: Arc<Load>,
    pub(crate) model: FakeModel,
    pub(crate) wires: BTreeMap<&'static str, Proxy>,
    /// Ends of the process by their kind.
    pub(crate) exits: BTreeMap<String, usize>,
    /// Ends that no fault explains.
    pub(crate) strange: Vec<String>,
    pub(crate) starts: usize,
    pub(crate) largest_rss: f64,
    skew: i64,
    started_at: Instant,
    alive_at: Instant,
    asked_at: Instant,
}

impl Scene {
    pub(crate) fn new(
        home: Home,
        disk: Option<Disk>,
        clock: Option<PathBuf>,
        load: Arc<Load>,
        model: FakeModel,
        wires: BTreeMap<&'static str, Proxy>,
    ) -> Self {
        let now = Instant::now();
        Self {
            gateway: None,
            disk,
            clock,
            home,
            load,
            model,
            wires,
            exits: BTreeMap::new(),
            strange: Vec::new(),
            starts: 0,
            largest_rss: 0.0,
            skew: 0,
            started_at: now,
            alive_at: now,
            asked_at: now,
        }
    }

    pub(crate) fn means(&self) -> Means {
        Means {
            clock: self.clock.is_some(),
            disk: self.disk.is_some(),
        }
    }

    /// What a service manager does: starts what has ended, kills what says nothing any more.
    pub(crate) async fn tend(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            let Some(status) = gateway.try_exit() else {
                return self.watch().await;
            };
            let kind = match (status.signal(), status.code()) {
                (Some(9), _) => "SIGKILL".to_owned(),
                (Some(signal), _) => format!("signal {signal}"),
                (None, code) => format!("code {}", code.unwrap_or(-1)),
            };
            let is_known = matches!(
                kind.as_str(),
                // The parts of the core end the process with a code of their own; 0 is an ordered end.
                "SIGKILL" | "code 0" | "code 70" | "code 74"
            );
            if !is_known {
                self.strange.push(kind.clone());
                println!("a strange end: {kind}\n{}", tail(&gateway.output()));
            }
            *self.exits.entry(kind).or_default() += 1;
            self.gateway = None;
        }
        if self.started_at.elapsed() >= RESTART_AFTER {
            self.starts += 1;
            self.started_at = Instant::now();
            self.alive_at = Instant::now();
            self.gateway = Some(self.home.start(""));
        }
    }

    async fn watch(&mut self) {
        if self.asked_at.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.asked_at = Instant::now();
        let seen = line::metrics(self.home.port()).await;
        if let Some(bytes) = seen.get("resident_memory_bytes") {
            self.largest_rss = self.largest_rss.max(*bytes);
        }
        if !seen.is_empty() {
            self.alive_at = Instant::now();
        } else if self.alive_at.elapsed() > WATCHDOG {
            let kind = "silent for 30 s".to_owned();
            println!("{kind}:\n{}", tail(&self.output()));
            *self.exits.entry(kind).or_default() += 1;
            self.kill();
        }
    }

    fn kill(&mut self) {
        if let Some(gateway) = &self.gateway {
            gateway.signal("KILL");
        }
    }

    pub(crate) fn output(&self) -> String {
        let gateway = self.gateway.as_ref();
        gateway.map(Gateway::output).unwrap_or_default()
    }

    /// Lets the time pass, with somebody looking after the process.
    pub(crate) async fn hold(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.tend().await;
            pause().await;
        }
    }

    /// Makes it go wrong, and right again. Says what was done.
    pub(crate) async fn inflict(&mut self, fault: &Fault) -> String {
        match fault {
            Fault::Panic(draw) => return self.order(*draw, "panic").await,
            Fault::Kill(draw) => return self.order(*draw, "kill").await,
            Fault::Hang(draw, time) => {
                let done = self.order(*draw, "hang").await;
                self.hold(*time).await;
                let disarm = json!({ "action": "disarm" });
                // Nobody there to disarm: then nothing hangs either.
                drop(line::call(self.home.port(), "supervisor.chaos", disarm, CALL).await);
                return done;
            }
            Fault::Point(point, action) => {
                let arm = json!({ "action": "arm", "faults": format!("{point}={action}") });
                drop(line::call(self.home.port(), "supervisor.chaos", arm, CALL).await);
            }
            Fault::Sigkill => self.kill(),
            Fault::Sigterm => {
                if let Some(gateway) = &self.gateway {
                    gateway.signal("TERM");
                }
            }
            Fault::Freeze(time) => {
                if let Some(gateway) = &self.gateway {
                    gateway.signal("STOP");
                    tokio::time::sleep(*time).await;
                    gateway.signal("CONT");
                }
            }
            Fault::Clock(by) => {
                // It stays near the truth, or an hour would end in another year.
                self.skew = (self.skew + by).clamp(-7_200, 7_200);
                self.set_clock();
            }
            Fault::Wire(place, weather, time) => {
                self.wire(*place).set(*weather);
                self.hold(*time).await;
                self.wire(*place).set(Weather::Clear);
            }
            Fault::Cut(place) => self.wire(*place).cut(),
            Fault::FullDisk(time) => {
                if let Some(disk) = &self.disk {
                    disk.fill();
                }
                self.hold(*time).await;
                if let Some(disk) = &self.disk {
                    disk.free();
                }
            }
            Fault::Model(trouble, times) => {
                for _ in 0..*times {
                    self.model.push(trouble.reply());
                }
            }
        }
        String::new()
    }

    fn wire(&self, place: Place) -> &Proxy {
        &self.wires[match place {
            Place::Alpha => "alpha",
            Place::Beta => "beta",
            Place::Model => "model",
        }]
    }

    fn set_clock(&self) {
        if let Some(clock) = &self.clock {
            let temp = clock.with_extension("new");
            std::fs::write(&temp, format!("{:+}", self.skew)).expect("the clock");
            std::fs::rename(temp, clock).expect("the clock");
        }
    }

    /// Breaks one of the actors that live now.
    async fn order(&self, draw: u64, action: &str) -> String {
        let port = self.home.port();
        let Ok(tree) = line::call(port, "supervisor.tree", json!({}), CALL).await else {
            return "nobody there".to_owned();
        };
        let mut paths = Vec::new();
        collect(&tree["tree"], &mut paths);
        // The root is the process itself: SIGKILL stands for it.
        paths.retain(|path| path != "gateway" && !path.is_empty());
        if paths.is_empty() {
            return "nobody there".to_owned();
        }
        let at = usize::try_from(draw % paths.len() as u64).expect("an index");
        let order = json!({ "action": action, "path": paths[at] });
        match line::call(port, "supervisor.chaos", order, CALL).await {
            Ok(_) => paths[at].clone(),
            Err(NoAnswer::Lost) => format!("{} (no answer)", paths[at]),
            Err(NoAnswer::Refused(_)) => format!("{} (gone)", paths[at]),
        }
    }

    /// All is well again; waits until nothing is open any more, and ends the process in order.
    pub(crate) async fn drain(&mut self, within: Duration) {
        for wire in self.wires.values() {
            wire.set(Weather::Clear);
        }
        if let Some(disk) = &self.disk {
            disk.free();
        }
        self.model.forget_script();
        drop(
            line::call(
                self.home.port(),
                "supervisor.chaos",
                json!({ "action": "disarm" }),
                CALL,
            )
            .await,
        );
        let deadline = Instant::now() + within;
        let mut last = BTreeMap::new();
        loop {
            self.tend().await;
            let unsaid: Vec<String> = {
                let book = self.load.book();
                let open = book.said.iter().filter(|(_, is_done)| !**is_done);
                open.map(|(key, _)| key.clone()).collect()
            };
            for key in &unsaid {
                self.load.say_once(key).await;
            }
            let waiting =
                self.load.alpha.unconfirmed(crate::ALPHA) + self.load.beta.unconfirmed(crate::BETA);
            let seen = line::metrics(self.home.port()).await;
            let open: f64 = seen
                .iter()
                .filter(|(name, _)| name.contains("box_rows{") && is_open(name))
                .map(|(_, count)| count)
                .sum();
            if !seen.is_empty() && open == 0.0 && waiting == 0 && unsaid.is_empty() {
                break;
            }
            last = seen;
            assert!(
                Instant::now() < deadline,
                "not drained: {waiting} unconfirmed, {} unsaid, {last:#?}\n{}",
                unsaid.len(),
                tail(&self.output())
            );
            pause().await;
        }
        drop(last);
        let Some(gateway) = &mut self.gateway else {
            panic!("drained without a gateway");
        };
        gateway.signal("TERM");
        let status = gateway.exit(Duration::from_secs(6)).await;
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(0),
            "the last end was not in order:\n{}",
            tail(&gateway.output())
        );
    }
}

impl Trouble {
    fn reply(self) -> Reply {
        match self {
            Self::Down => Reply::error(500, "server_error", "The server had an error"),
            Self::Busy => Reply::error(429, "rate_limit_error", "Slow down").retry_after(1),
            Self::Silent => Reply::hang(),
            Self::Cut => Reply::cut(),
            Self::CutInside => Reply::text("this will not be finished").cut_after(2),
            Self::SilentInside => Reply::text("this will not be finished").hang_after(2),
            Self::ErrorInside => Reply::text("this will not be finished").error_after(2),
        }
    }
}

/// States of rows that somebody still has to do something about.
fn is_open(name: &str) -> bool {
    let open = [
        "pending",
        "running",
        "interrupted",
        "prepared",
        "attempting",
    ];
    open.iter()
        .any(|state| name.contains(&format!("\"{state}\"")))
}

fn collect(node: &Value, into: &mut Vec<String>) {
    into.extend(node["path"].as_str().map(str::to_owned));
    for child in node["children"].as_array().into_iter().flatten() {
        collect(child, into);
    }
}

fn tail(text: &str) -> String {
    let from = text.len().saturating_sub(6_000);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
    text[from.unwrap_or(0)..].to_owned()
}
