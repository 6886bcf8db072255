//! The indexes that are held in memory. One that only had vectors made is given back at once; one that was searched is
//! kept for the next question.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::AgentId;

use super::room::Room;

/// The indexes by agent.
#[derive(Debug)]
pub(super) struct Rooms {
    /// Where vectors are kept; nowhere in tests of words.
    pub(super) folder: Option<PathBuf>,
    held: Mutex<HashMap<AgentId, Held>>,
}

#[derive(Debug)]
struct Held {
    room: Arc<Room>,
    /// When somebody searched in it.
    asked: Option<Instant>,
}

impl Held {
    /// Whether somebody works in it now. Handles are given out under the lock only, so this can't change meanwhile.
    fn is_in_use(&self, handles: usize) -> bool {
        Arc::strong_count(&self.room) > handles
    }
}

impl Rooms {
    /// None yet.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            held: Mutex::default(),
        }
    }

    /// An agent's index, for a search.
    pub(super) fn ask(&self, agent: &AgentId, workspace: &Path) -> Arc<Room> {
        let mut rooms = self.lock();
        let held = self.find(&mut rooms, agent, workspace);
        held.asked = Some(Instant::now());
        held.room.clone()
    }

    /// An agent's index, for a moment: [`Rooms::leave`] it afterwards.
    pub(super) fn enter(&self, agent: &AgentId, workspace: &Path) -> Arc<Room> {
        let mut rooms = self.lock();
        self.find(&mut rooms, agent, workspace).room.clone()
    }

    /// Gives an index back that nobody searched and nobody else works in.
    pub(super) fn leave(&self, agent: &AgentId, room: Arc<Room>) {
        let mut rooms = self.lock();
        if rooms.get(agent).is_some_and(|held| {
            Arc::ptr_eq(&held.room, &room) && held.asked.is_none() && !held.is_in_use(2)
        }) {
            rooms.remove(agent);
        }
    }

    /// Gives the indexes back that nobody searched for so long.
    pub(super) fn forget_idle(&self, idle: Duration) {
        self.lock().retain(|_, held| {
            let is_fresh = held.asked.is_some_and(|asked| asked.elapsed() < idle);
            is_fresh || held.is_in_use(1)
        });
    }

    /// Whether none is held.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn find<'r>(
        &self,
        rooms: &'r mut HashMap<AgentId, Held>,
        agent: &AgentId,
        workspace: &Path,
    ) -> &'r mut Held {
        let make = || {
            let file = self.folder.as_ref();
            let file = file.map(|folder| folder.join(format!("{agent}.vectors")));
            Held {
                room: Arc::new(Room::new(workspace, file)),
                asked: None,
            }
        };
        let held = rooms.entry(agent.clone()).or_insert_with(make);
        if held.room.workspace != workspace {
            *held = make();
        }
        held
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_nobody_searches_is_not_kept() {
        let rooms = Rooms::new(None);
        let (agent, place) = (AgentId::main(), Path::new("/w"));
        let one = rooms.enter(&agent, place);
        let other = rooms.enter(&agent, place);
        assert!(Arc::ptr_eq(&one, &other));
        // Whoever works in it keeps it: two of the same agent's would be paid for twice.
        rooms.leave(&agent, one);
        rooms.forget_idle(Duration::ZERO);
        assert!(!rooms.is_empty());
        rooms.leave(&agent, other);
        assert!(rooms.is_empty());

        drop(rooms.ask(&agent, place));
        let again = rooms.enter(&agent, place);
        rooms.leave(&agent, again);
        rooms.forget_idle(Duration::from_secs(3600));
        assert!(!rooms.is_empty());
        rooms.forget_idle(Duration::ZERO);
        assert!(rooms.is_empty());
    }
}
