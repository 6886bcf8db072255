//! The policy against a model of what OTP's supervisors do, written from their documentation and not from the policy: one-for-one,
//! intensity and period for each child, and parking where OTP gives up.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::ReferenceStateMachine;
use proptest_state_machine::StateMachineTest;
use proptest_state_machine::prop_state_machine;

use super::Action;
use super::Ended;
use super::Policy;
use super::child::Phase;
use super::child::Rules;
use super::tests::rules;
use crate::path::ChildId;
use crate::supervision::spec::Past;
use crate::supervision::spec::Restart;

const CHILDREN: usize = 3;

/// The model: no queue of actions, no timers, no wants; a child is in one place.
#[derive(Clone, Debug, Default)]
struct Otp {
    now: Duration,
    children: BTreeMap<usize, Kid>,
    ending: bool,
}

#[derive(Clone, Debug)]
struct Kid {
    rules: Rules,
    is: Is,
    up_since: Duration,
    restarts: Vec<Duration>,
    failures: u32,
    on_probation: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Up,
    /// Told to stop, and what follows.
    Leaving(Then),
    Pausing,
    Parked {
        by_hand: bool,
    },
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Up,
    Down,
    Parked,
    Gone,
}

#[derive(Clone, Debug)]
enum Event {
    Add(usize, Rules),
    Crash(usize),
    Quit(usize),
    QuitWanted(usize),
    Fatal(usize),
    /// A child that was told to stop has.
    Left(usize),
    /// Its pause, or its time in parking, is over.
    Wake(usize),
    /// A timer of earlier.
    Stale(usize),
    Stop(usize),
    Park(usize),
    Unpark(usize),
    Restart(usize),
    Remove(usize),
    Pass(Duration),
    Close,
}

impl Otp {
    fn is(&self, id: usize) -> Option<Is> {
        self.children.get(&id).map(|kid| kid.is)
    }

    fn end(&mut self) {
        self.ending = true;
        for kid in self.children.values_mut() {
            if kid.is == Is::Up {
                kid.is = Is::Leaving(Then::Down);
            }
        }
    }

    fn ended(&mut self, id: usize, event: &Event) {
        let now = self.now;
        let Some(kid) = self.children.get_mut(&id) else {
            return;
        };
        let bad = matches!(event, Event::Crash(_));
        let wanted = matches!(event, Event::QuitWanted(_));
        let back = match kid.rules.restart {
            Restart::Permanent => true,
            Restart::Transient => bad || wanted,
            Restart::Temporary => false,
        };
        if !back {
            kid.is = Is::Down;
            if !kid.rules.fixed {
                self.children.remove(&id);
            }
            return;
        }
        if wanted {
            // It left in peace: no restart in OTP's sense.
            kid.up_since = now;
            return;
        }
        if now - kid.up_since >= kid.rules.backoff.stable {
            kid.failures = 0;
            kid.on_probation = false;
        }
        // OTP: more than `intensity` restarts within `period` are too many.
        let period = kid.rules.intensity.period;
        kid.restarts.retain(|at| now - *at <= period);
        kid.restarts.push(now);
        let too_many = kid.restarts.len() > kid.rules.intensity.restarts as usize;
        if too_many || kid.on_probation {
            kid.forgive();
            match kid.rules.past {
                Past::Park { .. } => kid.is = Is::Parked { by_hand: false },
                Past::Escalate => {
                    kid.is = Is::Down;
                    self.end();
                }
            }
            return;
        }
        kid.failures += 1;
        if kid.rules.backoff.base.is_zero() && kid.failures == 1 {
            kid.up_since = now;
        } else {
            kid.is = Is::Pausing;
        }
    }

    fn order(&mut self, id: usize, then: Then) {
        let Some(kid) = self.children.get_mut(&id) else {
            return;
        };
        match kid.is {
            Is::Up | Is::Leaving(_) => kid.is = Is::Leaving(then),
            _ => self.arrive(id, then),
        }
    }

    /// It is down; this follows.
    fn arrive(&mut self, id: usize, then: Then) {
        let now = self.now;
        let Some(kid) = self.children.get_mut(&id) else {
            return;
        };
        match then {
            Then::Up => {
                kid.is = Is::Up;
                kid.up_since = now;
            }
            Then::Down => kid.is = Is::Down,
            Then::Parked => kid.is = Is::Parked { by_hand: true },
            Then::Gone => drop(self.children.remove(&id)),
        }
    }

    fn restart(&mut self, id: usize) {
        if let Some(kid) = self.children.get_mut(&id)
            && kid.is != Is::Leaving(Then::Gone)
        {
            kid.forgive();
            self.order(id, Then::Up);
        }
    }
}

impl Kid {
    fn forgive(&mut self) {
        self.restarts.clear();
        self.failures = 0;
        self.on_probation = false;
    }
}

impl ReferenceStateMachine for Otp {
    type State = Otp;
    type Transition = Event;

    fn init_state() -> BoxedStrategy<Otp> {
        Just(Otp::default()).boxed()
    }

    fn transitions(_: &Otp) -> BoxedStrategy<Event> {
        let id = 0..CHILDREN;
        prop_oneof![
            8 => (id.clone(), rules()).prop_map(|(id, rules)| Event::Add(id, rules)),
            24 => id.clone().prop_map(Event::Crash),
            3 => id.clone().prop_map(Event::Quit),
            2 => id.clone().prop_map(Event::QuitWanted),
            1 => id.clone().prop_map(Event::Fatal),
            10 => id.clone().prop_map(Event::Left),
            16 => id.clone().prop_map(Event::Wake),
            6 => (0usize..64).prop_map(Event::Stale),
            3 => id.clone().prop_map(Event::Stop),
            2 => id.clone().prop_map(Event::Park),
            3 => id.clone().prop_map(Event::Unpark),
            3 => id.clone().prop_map(Event::Restart),
            2 => id.prop_map(Event::Remove),
            6 => (0u64..60_000).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
            1 => Just(Event::Close),
        ]
        .boxed()
    }

    fn preconditions(state: &Otp, event: &Event) -> bool {
        match event {
            Event::Crash(id) | Event::Quit(id) | Event::QuitWanted(id) | Event::Fatal(id) => {
                state.is(*id) == Some(Is::Up)
            }
            Event::Left(id) => matches!(state.is(*id), Some(Is::Leaving(_))),
            Event::Wake(id) => matches!(
                state.is(*id),
                Some(Is::Pausing | Is::Parked { by_hand: false })
            ),
            _ => true,
        }
    }

    fn apply(mut state: Otp, event: &Event) -> Otp {
        match event {
            Event::Pass(time) => state.now += *time,
            Event::Stale(_) => {}
            Event::Left(id) if state.ending => state.arrive(*id, Then::Down),
            Event::Left(id) => {
                if let Some(Is::Leaving(then)) = state.is(*id) {
                    state.arrive(*id, then);
                }
            }
            _ if state.ending => {}
            Event::Add(id, rules) => {
                let now = state.now;
                state.children.entry(*id).or_insert_with(|| Kid {
                    rules: rules.clone(),
                    is: Is::Up,
                    up_since: now,
                    restarts: Vec::new(),
                    failures: 0,
                    on_probation: false,
                });
            }
            Event::Crash(id) | Event::Quit(id) | Event::QuitWanted(id) => state.ended(*id, event),
            Event::Fatal(id) => {
                state.arrive(*id, Then::Down);
                state.end();
            }
            Event::Wake(id) => {
                if let Some(kid) = state.children.get_mut(id) {
                    kid.on_probation |= kid.is != Is::Pausing;
                }
                state.arrive(*id, Then::Up);
            }
            Event::Stop(id) => state.order(*id, Then::Down),
            Event::Park(id) => state.order(*id, Then::Parked),
            Event::Remove(id) => state.order(*id, Then::Gone),
            Event::Unpark(id) => {
                let parked = matches!(
                    state.is(*id),
                    Some(Is::Parked { .. } | Is::Leaving(Then::Parked))
                );
                if parked {
                    state.restart(*id);
                }
            }
            Event::Restart(id) => state.restart(*id),
            Event::Close => state.end(),
        }
        state
    }
}

/// The policy and what its actions did to the world.
struct Real {
    policy: Policy,
    alive: HashSet<ChildId>,
    armed: HashMap<ChildId, u64>,
    timers: Vec<(ChildId, u64)>,
    closed: usize,
}

fn name(id: usize) -> ChildId {
    ChildId::new(format!("child-{id}"))
}

impl Real {
    fn ends(&mut self, id: usize, ended: Ended, now: Duration) {
        assert!(self.alive.remove(&name(id)), "{id} is not there to end");
        self.policy.exited(&name(id), ended, now, Duration::ZERO);
    }

    fn act(&mut self, now: Duration) {
        loop {
            let actions = self.policy.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Start(id) => {
                        assert!(self.alive.insert(id.clone()), "two of {id}");
                        self.policy.started(&id, now);
                    }
                    Action::Timer { id, tick, .. } => {
                        self.timers.push((id.clone(), tick));
                        self.armed.insert(id, tick);
                    }
                    Action::Closed => self.closed += 1,
                    _ => {}
                }
            }
        }
    }
}

impl StateMachineTest for Real {
    type SystemUnderTest = Real;
    type Reference = Otp;

    fn init_test(_: &Otp) -> Real {
        Real {
            policy: Policy::new(crate::supervision::spec::Strategy::OneForOne, 11),
            alive: HashSet::new(),
            armed: HashMap::new(),
            timers: Vec::new(),
            closed: 0,
        }
    }

    fn apply(mut real: Real, otp: &Otp, event: Event) -> Real {
        let now = otp.now;
        let policy = &mut real.policy;
        match event {
            Event::Add(id, rules) => drop(policy.add(name(id), rules)),
            Event::Crash(id) => real.ends(id, Ended::Badly, now),
            Event::Quit(id) => real.ends(id, Ended::Clean, now),
            Event::QuitWanted(id) => real.ends(id, Ended::CleanButMissed, now),
            Event::Fatal(id) => real.ends(id, Ended::Fatally, now),
            // In whatever way: it was told to.
            Event::Left(id) if id % 2 == 0 => real.ends(id, Ended::Clean, now),
            Event::Left(id) => real.ends(id, Ended::Badly, now),
            Event::Wake(id) => {
                if let Some(tick) = real.armed.get(&name(id)).copied() {
                    policy.timer(&name(id), tick);
                }
            }
            Event::Stale(at) => {
                let stale = real.timers.get(at % real.timers.len().max(1)).cloned();
                if let Some((id, tick)) =
                    stale.filter(|(id, tick)| real.armed.get(id) != Some(tick))
                {
                    policy.timer(&id, tick);
                }
            }
            Event::Stop(id) => drop(policy.stop(&name(id))),
            Event::Park(id) => drop(policy.park(&name(id))),
            Event::Unpark(id) => drop(policy.unpark(&name(id))),
            Event::Restart(id) => drop(policy.restart(&name(id))),
            Event::Remove(id) => drop(policy.remove(&name(id))),
            Event::Pass(_) => {}
            Event::Close => policy.close(),
        }
        real.act(now);
        real
    }

    fn check_invariants(real: &Real, otp: &Otp) {
        let known = real.policy.children.len();
        assert_eq!(known, otp.children.len(), "{:?}", real.policy);
        for (id, kid) in &otp.children {
            let child = real
                .policy
                .children
                .iter()
                .find(|child| child.id == name(*id));
            let child = child.unwrap_or_else(|| panic!("{id} is gone"));
            let same = match kid.is {
                Is::Up => matches!(child.phase, Phase::Running { .. }),
                Is::Leaving(_) => child.phase == Phase::Stopping,
                // Once in a million the jitter is nothing.
                Is::Pausing => child.phase == Phase::Backoff,
                Is::Parked { .. } => child.phase == Phase::Parked,
                Is::Down => child.phase == Phase::Stopped,
            };
            assert!(same || otp.ending, "{kid:?} is really {child:?}");
            let alive = matches!(kid.is, Is::Up | Is::Leaving(_));
            assert_eq!(alive, real.alive.contains(&name(*id)), "{kid:?} {child:?}");
        }
        let all_down = otp.ending && real.alive.is_empty();
        assert_eq!(
            real.closed,
            usize::from(all_down),
            "closed once, when all are down"
        );
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 512, ..Config::default() })]

    #[test]
    fn the_policy_does_what_otp_would(sequential 1..120 => Real);
}
