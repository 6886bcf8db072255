//! The policy against random lives: whatever happens in whatever order, the promises hold.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::path::ChildId;
use crate::supervision::backoff::Luck;
use crate::supervision::policy::Action;
use crate::supervision::policy::Ended;
use crate::supervision::policy::Phase;
use crate::supervision::policy::Policy;
use crate::supervision::policy::Rules;
use crate::supervision::spec::Backoff;
use crate::supervision::spec::Intensity;
use crate::supervision::spec::Past;
use crate::supervision::spec::Restart;
use crate::supervision::spec::Strategy as Order;

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
enum Step {
    Add(usize, Rules),
    Started(usize),
    Exit(usize, Ended),
    /// Fires any timer ever armed, also stale ones, also twice.
    Timer(usize),
    Stop(usize),
    Park(usize),
    Unpark(usize),
    Restart(usize),
    Remove(usize),
    Replace(usize),
    WantAgain(usize),
    Pass(Duration),
    Close,
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let restart = prop_oneof![
        3 => Just(Restart::Permanent),
        2 => Just(Restart::Transient),
        1 => Just(Restart::Temporary),
    ];
    let past = prop_oneof![
        1 => Just(Past::Escalate),
        4 => (1u64..100).prop_map(|s| Past::Park { retry: Duration::from_secs(s) }),
    ];
    let base = prop_oneof![Just(0u64), 1u64..5000];
    (restart, past, base, 0u32..5, 1u64..200, any::<bool>()).prop_map(
        |(restart, past, base, restarts, period, fixed)| Rules {
            restart,
            backoff: Backoff {
                base: Duration::from_millis(base),
                cap: Duration::from_secs(30),
                stable: Duration::from_secs(20),
            },
            intensity: Intensity {
                restarts,
                period: Duration::from_secs(period),
            },
            past,
            fixed,
        },
    )
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![
        20 => Just(Ended::Badly),
        6 => Just(Ended::Clean),
        3 => Just(Ended::CleanButMissed),
        1 => Just(Ended::Fatally),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0usize..IDS.len();
    prop_oneof![
        6 => (id.clone(), rules()).prop_map(|(id, rules)| Step::Add(id, rules)),
        14 => id.clone().prop_map(Step::Started),
        14 => (id.clone(), ended()).prop_map(|(id, ended)| Step::Exit(id, ended)),
        8 => (0usize..64).prop_map(Step::Timer),
        2 => id.clone().prop_map(Step::Stop),
        1 => id.clone().prop_map(Step::Park),
        2 => id.clone().prop_map(Step::Unpark),
        3 => id.clone().prop_map(Step::Restart),
        1 => id.clone().prop_map(Step::Remove),
        2 => id.clone().prop_map(Step::Replace),
        1 => id.prop_map(Step::WantAgain),
        6 => (0u64..60_000).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
        1 => Just(Step::Close),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Stopped,
    Parked,
    Gone,
}

/// What the world looks like from outside.
struct World {
    policy: Policy,
    now: Duration,
    order: Vec<ChildId>,
    rules: HashMap<ChildId, Rules>,
    alive: HashSet<ChildId>,
    running: HashSet<ChildId>,
    /// Stopped, parked or removed on purpose.
    held: HashMap<ChildId, Held>,
    pausing: HashSet<ChildId>,
    timers: Vec<(ChildId, u64)>,
    restarts: HashMap<ChildId, Vec<Duration>>,
    fatal: bool,
    ending: bool,
    closed: bool,
}

impl World {
    fn new(strategy: Order) -> Self {
        Self {
            policy: Policy::new(strategy, 7),
            now: Duration::ZERO,
            order: Vec::new(),
            rules: HashMap::new(),
            alive: HashSet::new(),
            running: HashSet::new(),
            held: HashMap::new(),
            pausing: HashSet::new(),
            timers: Vec::new(),
            restarts: HashMap::new(),
            fatal: false,
            ending: false,
            closed: false,
        }
    }

    fn take(&mut self, step: Step) {
        let id = |at: usize| ChildId::from(IDS[at]);
        match step {
            Step::Add(at, rules) => {
                let known = self.policy.contains(&id(at));
                let added = self.policy.add(id(at), rules.clone());
                assert_eq!(added, !known && !self.ending);
                if added {
                    self.order.push(id(at));
                    self.rules.insert(id(at), rules);
                    self.held.remove(&id(at));
                    self.restarts.remove(&id(at));
                }
            }
            Step::Started(at) => {
                if self.alive.contains(&id(at)) {
                    self.running.insert(id(at));
                    self.policy.started(&id(at), self.now);
                }
            }
            Step::Exit(at, ended) => {
                if self.alive.remove(&id(at)) {
                    self.running.remove(&id(at));
                    self.fatal |= ended == Ended::Fatally;
                    self.policy.exited(&id(at), ended, self.now, Duration::ZERO);
                }
            }
            Step::Timer(at) => {
                if let Some((id, tick)) = self.timers.get(at % self.timers.len().max(1)).cloned() {
                    self.policy.timer(&id, tick);
                }
            }
            Step::Stop(at) => {
                if self.policy.stop(&id(at)) {
                    self.held.insert(id(at), Held::Stopped);
                }
            }
            Step::Park(at) => {
                if self.policy.park(&id(at)) {
                    self.held.insert(id(at), Held::Parked);
                }
            }
            Step::Remove(at) => {
                if self.policy.remove(&id(at)) {
                    self.held.insert(id(at), Held::Gone);
                }
            }
            Step::Unpark(at) => {
                let by_hand = self.held.get(&id(at)) == Some(&Held::Parked);
                if self.policy.unpark(&id(at)) && by_hand && !self.ending {
                    self.pardon(&id(at));
                }
            }
            Step::Restart(at) => {
                if self.policy.restart(&id(at)) {
                    self.pardon(&id(at));
                }
            }
            Step::Replace(at) => {
                if let Some(rules) = self.rules.get(&id(at)).cloned()
                    && self.policy.contains(&id(at))
                    && !self.ending
                {
                    self.policy.replace(&id(at), rules);
                    self.pardon(&id(at));
                }
            }
            Step::WantAgain(at) => self.policy.want_again(&id(at)),
            Step::Pass(time) => self.now += time,
            Step::Close => {
                self.policy.close();
                self.ending = true;
            }
        }
        self.check();
    }

    fn pardon(&mut self, id: &ChildId) {
        self.held.remove(id);
        self.restarts.remove(id);
    }

    fn check(&mut self) {
        for action in self.policy.take_actions() {
            match action {
                Action::Start(id) => {
                    assert!(!self.ending, "{id} started while ending");
                    assert!(
                        !self.held.contains_key(&id),
                        "{id} came back though it was stopped on purpose"
                    );
                    self.check_order(&id);
                    self.pausing.remove(&id);
                    assert!(self.alive.insert(id.clone()), "two incarnations of {id}");
                }
                Action::Stop(id) => assert!(self.alive.contains(&id), "{id} is not there to stop"),
                Action::Timer { id, tick, .. } => {
                    assert!(
                        self.timers.iter().all(|(_, known)| *known < tick),
                        "ticks rise"
                    );
                    self.timers.push((id, tick));
                }
                Action::Pausing { id, .. } => {
                    let Intensity { restarts, period } = self.rules[&id].intensity;
                    let times = self.restarts.entry(id.clone()).or_default();
                    times.push(self.now);
                    let oldest = self.now.saturating_sub(period);
                    let lately = times.iter().filter(|at| **at >= oldest).count();
                    assert!(lately <= restarts as usize, "{id}: {lately} restarts");
                    self.pausing.insert(id);
                }
                Action::Parked { id, retry, again } => {
                    assert!(!again || retry.is_some(), "by hand is news each time");
                    self.restarts.remove(&id);
                    self.pausing.remove(&id);
                    assert!(!self.alive.contains(&id));
                    assert_eq!(
                        retry.is_none(),
                        self.held.contains_key(&id),
                        "by itself with a retry, by hand without"
                    );
                }
                Action::Unparked(id) => {
                    self.held.remove(&id);
                }
                Action::Stopped(id) => {
                    assert!(!self.alive.contains(&id));
                    self.pausing.remove(&id);
                }
                Action::Forget(id) => {
                    assert!(!self.alive.contains(&id), "{id} forgotten while alive");
                    assert!(!self.policy.contains(&id));
                    self.order.retain(|known| *known != id);
                    self.pausing.remove(&id);
                }
                Action::Escalate(id) => {
                    assert!(
                        self.fatal || self.rules[&id].past == Past::Escalate,
                        "{id} is an edge"
                    );
                    self.ending = true;
                }
                Action::Closed => {
                    assert!(self.ending && self.alive.is_empty() && !self.closed);
                    self.closed = true;
                }
            }
        }
    }

    /// Rest-for-one starts a child only when everything before it is settled.
    fn check_order(&self, id: &ChildId) {
        if self.policy.strategy != Order::RestForOne {
            return;
        }
        for earlier in self.order.iter().take_while(|known| *known != id) {
            let starting = self.alive.contains(earlier) && !self.running.contains(earlier);
            assert!(
                !starting,
                "{id} started while {earlier} was starting or stopping"
            );
            assert!(
                !self.pausing.contains(earlier),
                "{id} started while {earlier} paused"
            );
        }
    }

    /// Lets everything happen that is under way.
    fn settle(&mut self) {
        for _ in 0..200 {
            for at in 0..IDS.len() {
                self.take(Step::Started(at));
            }
            let down: Vec<_> = (0..IDS.len())
                .filter(|at| {
                    let child = self
                        .policy
                        .children
                        .iter()
                        .find(|child| child.id == ChildId::from(IDS[*at]));
                    child.is_some_and(|child| child.phase == Phase::Stopping)
                })
                .collect();
            for at in down {
                self.take(Step::Exit(at, Ended::Clean));
            }
            for (id, tick) in self.timers.clone() {
                self.policy.timer(&id, tick);
                self.check();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn promises_hold_in_any_life(
        rest_for_one in any::<bool>(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let strategy = if rest_for_one { Order::RestForOne } else { Order::OneForOne };
        let mut world = World::new(strategy);
        for step in steps {
            world.take(step);
        }
        world.settle();
        if world.ending {
            prop_assert!(world.closed, "{:?}", world.policy);
        } else {
            for child in &world.policy.children {
                let there = matches!(child.phase, Phase::Running { .. });
                let resting = matches!(child.phase, Phase::Stopped | Phase::Parked);
                prop_assert!(there || resting, "{child:?} got stuck");
                prop_assert_eq!(there, world.alive.contains(&child.id));
            }
        }
    }

    #[test]
    fn pauses_stay_within_their_cap(base in 0u64..10_000, cap in 0u64..100_000, streak in 0u32..100, seed: u64) {
        let backoff = Backoff {
            base: Duration::from_millis(base),
            cap: Duration::from_millis(cap),
            stable: Duration::ZERO,
        };
        let mut luck = Luck::new(seed);
        let pause = backoff.pause(streak, &mut luck);
        prop_assert!(pause <= backoff.cap);
        if streak == 0 {
            prop_assert!(pause <= backoff.base);
        }
    }
}

fn rule(restart: Restart, past: Past) -> Rules {
    Rules {
        restart,
        backoff: Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(64),
            stable: Duration::from_secs(60),
        },
        intensity: Intensity {
            restarts: 3,
            period: Duration::from_secs(3600),
        },
        past,
        fixed: true,
    }
}

#[test]
fn pauses_grow_with_failures_and_shrink_after_a_stable_time() {
    let mut policy = Policy::new(Order::OneForOne, 1);
    let id = ChildId::from("a");
    let mut rules = rule(Restart::Permanent, Past::Escalate);
    rules.intensity.restarts = 100;
    policy.add(id.clone(), rules);
    let streak = |policy: &Policy| policy.children[0].streak;
    let mut now = Duration::ZERO;
    for failures in 1..=5 {
        policy.started(&id, now);
        policy.exited(&id, Ended::Badly, now, Duration::ZERO);
        assert_eq!(streak(&policy), failures);
        let tick = policy.tick;
        policy.timer(&id, tick);
        now += Duration::from_secs(1);
    }
    policy.started(&id, now);
    policy.exited(
        &id,
        Ended::Badly,
        now + Duration::from_secs(61),
        Duration::ZERO,
    );
    assert_eq!(streak(&policy), 1, "an hour of work wipes the slate");
}

#[test]
fn out_of_parking_one_failure_is_enough() {
    let mut policy = Policy::new(Order::OneForOne, 1);
    let id = ChildId::from("a");
    policy.add(
        id.clone(),
        rule(
            Restart::Permanent,
            Past::Park {
                retry: Duration::from_secs(300),
            },
        ),
    );
    let fail = |policy: &mut Policy, now: u64| {
        policy.started(&id, Duration::from_secs(now));
        policy.exited(&id, Ended::Badly, Duration::from_secs(now), Duration::ZERO);
        let tick = policy.tick;
        let parked = policy
            .take_actions()
            .iter()
            .any(|action| matches!(action, Action::Parked { .. }));
        policy.timer(&id, tick);
        parked
    };
    assert_eq!(
        [
            fail(&mut policy, 1),
            fail(&mut policy, 2),
            fail(&mut policy, 3)
        ],
        [false; 3]
    );
    assert!(fail(&mut policy, 4), "one too many");
    assert!(fail(&mut policy, 400), "and again at once");
    // A stable time ends the probation.
    policy.started(&id, Duration::from_secs(1000));
    policy.exited(&id, Ended::Badly, Duration::from_secs(2000), Duration::ZERO);
    assert!(
        !policy
            .take_actions()
            .iter()
            .any(|action| matches!(action, Action::Parked { .. }))
    );
}
