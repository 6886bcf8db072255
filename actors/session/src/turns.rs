//! Who may run a turn now: so many at once, and no lane can take them all.
//!
//! How many is `agents.defaults.maxConcurrent`, as it is now: a higher number lets those in who wait, a lower one lets
//! running turns end and hands out no new place until there is room. Who waits holds nothing.
//!
//! A lane is where messages come from: one account, or the operator's clients. A place that becomes free goes to the
//! lanes in turn, so a flood on one account waits behind itself and nobody waits behind the flood.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::oneshot;

/// The places. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<Places>>);

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    turns: Turns,
    lane: Arc<str>,
}

/// How the places for turns are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Places in all.
    pub limit: usize,
    /// How many of them one lane may have.
    pub share: usize,
    /// Places in use.
    pub taken: usize,
    /// The lanes that have or want one, by name.
    pub lanes: Vec<LaneLoad>,
}

/// One lane's part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneLoad {
    /// The account, or what stands for it.
    pub name: String,
    /// Turns at work.
    pub running: usize,
    /// Turns that wait.
    pub waiting: usize,
}

struct Places {
    limit: usize,
    taken: usize,
    /// How many places one lane may have.
    share: usize,
    lanes: HashMap<Arc<str>, Lane>,
    /// Lanes in which somebody waits; the first is next.
    queue: VecDeque<Arc<str>>,
}

#[derive(Default)]
struct Lane {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

impl Turns {
    /// `places` in all, and `share` of them at most for one lane.
    pub(crate) fn new(places: usize, share: usize) -> Self {
        Self(Arc::new(Mutex::new(Places {
            limit: places,
            taken: 0,
            share,
            lanes: HashMap::new(),
            queue: VecDeque::new(),
        })))
    }

    /// How many places there are from now on; one lane may have three quarters of them.
    pub(crate) fn set_limit(&self, limit: usize) {
        let limit = limit.max(1);
        let mut places = self.places();
        if places.limit == limit {
            return;
        }
        places.limit = limit;
        places.share = (limit.saturating_mul(3) / 4).max(1);
        drop(places);
        self.hand_out();
    }

    /// How the places are taken.
    pub(crate) fn load(&self) -> Load {
        let places = self.places();
        let lane = |(name, lane): (&Arc<str>, &Lane)| LaneLoad {
            name: name.to_string(),
            running: lane.running,
            waiting: lane.waiting.len(),
        };
        let mut lanes: Vec<LaneLoad> = places.lanes.iter().map(lane).collect();
        lanes.sort_by(|a, b| a.name.cmp(&b.name));
        Load {
            limit: places.limit,
            share: places.share,
            taken: places.taken,
            lanes,
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if one is free for this lane and nobody of it has waited longer.
    pub(crate) fn try_take(&self, lane: &str) -> Option<Permit> {
        let mut places = self.places();
        let lane: Arc<str> = Arc::from(lane);
        let is_behind = places
            .lanes
            .get(&lane)
            .is_some_and(|lane| !lane.waiting.is_empty());
        (!is_behind && places.take(&lane)).then(|| Permit {
            turns: self.clone(),
            lane,
        })
    }

    /// The lane's next place; whoever drops the receiver waits no longer.
    pub(crate) fn wait(&self, lane: &str) -> oneshot::Receiver<Permit> {
        let (sender, receiver) = oneshot::channel();
        let lane: Arc<str> = Arc::from(lane);
        {
            let mut places = self.places();
            let waiting = &mut places.lanes.entry(lane.clone()).or_default().waiting;
            waiting.push_back(sender);
            if waiting.len() == 1 {
                places.queue.push_back(lane);
            }
        }
        self.hand_out();
        receiver
    }

    /// Gives free places to those who wait.
    fn hand_out(&self) {
        loop {
            let Some((lane, sender)) = self.places().next() else {
                return;
            };
            let turns = self.clone();
            // Who left in this instant gives the place back by dropping it, which hands it out again.
            drop(sender.send(Permit { turns, lane }));
        }
    }
}

impl Places {
    fn is_full(&self) -> bool {
        self.taken >= self.limit
    }

    fn take(&mut self, lane: &Arc<str>) -> bool {
        if self.is_full() {
            return false;
        }
        let running = &mut self.lanes.entry(lane.clone()).or_default().running;
        if *running >= self.share {
            return false;
        }
        *running += 1;
        self.taken += 1;
        true
    }

    /// The next who waits and may have a place, which is taken for it.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<Permit>)> {
        for _ in 0..self.queue.len() {
            if self.is_full() {
                return None;
            }
            let lane = self.queue.pop_front()?;
            let entry = self.lanes.entry(lane.clone()).or_default();
            while entry
                .waiting
                .front()
                .is_some_and(oneshot::Sender::is_closed)
            {
                entry.waiting.pop_front();
            }
            let may = entry.running < self.share;
            let sender = if may { entry.waiting.pop_front() } else { None };
            if !entry.waiting.is_empty() {
                self.queue.push_back(lane.clone());
            }
            if let Some(sender) = sender
                && self.take(&lane)
            {
                return Some((lane, sender));
            }
        }
        None
    }

    fn give_back(&mut self, lane: &Arc<str>) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(entry) = self.lanes.get_mut(lane) {
            entry.running = entry.running.saturating_sub(1);
            if entry.running == 0 && entry.waiting.is_empty() {
                self.lanes.remove(lane);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.turns.places().give_back(&self.lane);
        self.turns.hand_out();
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places();
        f.debug_struct("Turns")
            .field("limit", &places.limit)
            .field("taken", &places.taken)
            .field("lanes_waiting", &places.queue.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_never_has_more_than_its_share() {
        let turns = Turns::new(4, 3);
        let held: Vec<_> = (0..5).filter_map(|_| turns.try_take("loud")).collect();
        assert_eq!(held.len(), 3);
        assert!(
            turns.try_take("quiet").is_some(),
            "a place is left for others"
        );
    }

    #[test]
    fn places_go_to_the_lanes_in_turn() {
        let turns = Turns::new(2, 2);
        let held = [turns.try_take("loud"), turns.try_take("loud")];
        let mut crowd: Vec<_> = (0..100).map(|_| turns.wait("loud")).collect();
        let mut quiet = turns.wait("quiet");
        drop(held);
        let first = crowd[0].try_recv().expect("the first of the crowd");
        let mine = quiet
            .try_recv()
            .expect("the quiet one is not behind the crowd");
        assert!(crowd[1].try_recv().is_err());
        drop((first, mine));
        assert!(crowd[1].try_recv().is_ok());
    }

    #[test]
    fn the_limit_changes_while_turns_run() {
        let turns = Turns::new(1, 1);
        let first = turns.try_take("a");
        let (mut second, mut third) = (turns.wait("b"), turns.wait("c"));
        turns.set_limit(2);
        let second = second.try_recv().expect("the new place");
        turns.set_limit(1);
        drop(first);
        assert!(third.try_recv().is_err(), "more than the new limit run");
        drop(second);
        let _third = third.try_recv().expect("its turn");
        turns.set_limit(0);
        assert!(turns.try_take("d").is_none(), "one place is the least");
    }

    #[test]
    fn who_left_is_passed_over_and_nothing_is_lost() {
        let turns = Turns::new(1, 1);
        let held = turns.try_take("a");
        let gone: Vec<_> = (0..3).map(|_| turns.wait("a")).collect();
        let mut stays = turns.wait("a");
        drop(gone);
        drop(held);
        let permit = stays.try_recv().expect("its turn");
        assert!(turns.try_take("a").is_none());
        drop(permit);
        assert!(turns.try_take("a").is_some());
        assert!(
            turns.places().lanes.is_empty(),
            "an empty lane is forgotten"
        );
    }

    #[test]
    fn who_comes_later_does_not_overtake_its_own_lane() {
        let turns = Turns::new(2, 1);
        let held = turns.try_take("a");
        let mut waits = turns.wait("a");
        assert!(turns.try_take("a").is_none());
        drop(held);
        assert!(waits.try_recv().is_ok());
    }
}
