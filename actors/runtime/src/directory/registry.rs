//! The nodes of the tree by path. Plain data behind the directory's lock, which nobody holds while running foreign code.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::incarnation::LaunchPad;
use crate::incarnation::Leash;
use crate::mail::AnySlot;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::tree::TreeNode;
use crate::vitals::State;
use crate::vitals::Vitals;

#[derive(Default)]
pub(crate) struct Registry {
    nodes: HashMap<ActorPath, Node>,
    /// The children of each incarnation in the order of their first start; they leave the tree with it.
    owned: HashMap<u64, BTreeMap<u64, ActorPath>>,
    next: u64,
}

struct Node {
    name: Arc<str>,
    kind: &'static str,
    above: Option<ActorPath>,
    owner: u64,
    order: u64,
    /// The latest incarnation that was put here; 0 = none yet.
    generation: u64,
    vitals: Arc<Vitals>,
    is_task: bool,
    /// Held, not read: addresses find the same slot after a restart.
    _slot: Option<Arc<dyn AnySlot>>,
}

impl Registry {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn vitals(&self, path: &ActorPath) -> Option<Arc<Vitals>> {
        self.nodes.get(path).map(|node| Arc::clone(&node.vitals))
    }

    pub(crate) fn kind(&self, path: &ActorPath) -> Option<&'static str> {
        self.nodes.get(path).map(|node| node.kind)
    }

    pub(crate) fn above(&self, path: &ActorPath) -> Option<(ActorPath, ChildId)> {
        let node = self.nodes.get(path)?;
        Some((node.above.clone()?, ChildId::new(&node.name)))
    }

    /// Puts an incarnation in its place, keeping the order of the one before.
    pub(crate) fn add(
        &mut self,
        leash: &Leash,
        vitals: &Arc<Vitals>,
        slot: Option<Arc<dyn AnySlot>>,
        pad: &LaunchPad,
    ) {
        let place = Place {
            above: pad.above.clone(),
            owner: pad.owner,
            name: &pad.name,
            kind: pad.kind,
        };
        self.put(
            &leash.path,
            place,
            leash.generation,
            Arc::clone(vitals),
            slot,
        );
    }

    /// Makes a place for a child that has not run yet.
    pub(crate) fn place(
        &mut self,
        path: &ActorPath,
        (above, owner): (&ActorPath, u64),
        name: &ChildId,
        kind: &'static str,
    ) {
        if self.nodes.contains_key(path) {
            return;
        }
        let vitals = Arc::new(Vitals::new());
        vitals.set_state(State::Starting, None);
        let name = name.as_str().into();
        self.put(
            path,
            Place {
                above: Some(above.clone()),
                owner,
                name: &name,
                kind,
            },
            0,
            vitals,
            None,
        );
    }

    fn put(
        &mut self,
        path: &ActorPath,
        place: Place<'_>,
        generation: u64,
        vitals: Arc<Vitals>,
        slot: Option<Arc<dyn AnySlot>>,
    ) {
        let before = self.nodes.remove(path);
        let kept = before
            .filter(|node| node.owner == place.owner)
            .map(|node| node.order);
        let order = kept.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        self.owned
            .entry(place.owner)
            .or_default()
            .insert(order, path.clone());
        let node = Node {
            name: Arc::clone(place.name),
            kind: place.kind,
            above: place.above,
            owner: place.owner,
            order,
            generation,
            vitals,
            is_task: slot.is_none() && generation != 0,
            _slot: slot,
        };
        self.nodes.insert(path.clone(), node);
    }

    /// Takes a node out; with a generation, only if that incarnation is the latest there.
    pub(crate) fn remove(
        &mut self,
        path: &ActorPath,
        generation: Option<u64>,
    ) -> Option<Arc<Vitals>> {
        let node = self.nodes.get(path)?;
        if generation.is_some_and(|generation| generation != node.generation) {
            return None;
        }
        let node = self.nodes.remove(path)?;
        if let Some(siblings) = self.owned.get_mut(&node.owner) {
            siblings.remove(&node.order);
            if siblings.is_empty() {
                self.owned.remove(&node.owner);
            }
        }
        Some(node.vitals)
    }

    /// Takes out what belonged to an incarnation that is over.
    pub(crate) fn remove_owned(&mut self, owner: u64) {
        for (_, path) in self.owned.remove(&owner).unwrap_or_default() {
            let Some(node) = self.nodes.get(&path).filter(|node| node.owner == owner) else {
                continue;
            };
            let generation = node.generation;
            node.vitals.renew();
            self.nodes.remove(&path);
            if generation != 0 {
                self.remove_owned(generation);
            }
        }
    }

    /// The paths of all nodes in a state, sorted. Reads one counter of each node and copies nothing of the others.
    pub(crate) fn in_state(&self, state: State) -> Vec<ActorPath> {
        let nodes = self.nodes.iter();
        let found = nodes.filter(|(_, node)| node.vitals.state() == state);
        let mut paths: Vec<ActorPath> = found.map(|(path, _)| path.clone()).collect();
        paths.sort_unstable();
        paths
    }

    pub(crate) fn tree(&self, path: &ActorPath, depth: usize) -> Option<TreeNode> {
        let node = self.nodes.get(path)?;
        let vitals = &node.vitals;
        let mut children = Vec::new();
        if depth > 0 && node.generation != 0 {
            let owned = self.owned.get(&node.generation);
            children = owned
                .into_iter()
                .flat_map(BTreeMap::values)
                .filter_map(|path| self.tree(path, depth - 1))
                .collect();
        }
        Some(TreeNode {
            path: path.clone(),
            name: Arc::clone(&node.name),
            kind: node.kind,
            is_task: node.is_task,
            state: vitals.state(),
            health: vitals.health(),
            generation: vitals.generation(),
            restarts: vitals.restarts(),
            queued: vitals.queued(),
            capacity: vitals.capacity(),
            handled: vitals.handled(),
            stalls: vitals.stalls(),
            refused: vitals.refused(),
            poison: vitals.poison(),
            busy: vitals.busy(),
            current: vitals.current(),
            started_at_ms: vitals.started_at_ms(),
            until_ms: vitals.until_ms(),
            last_exit: vitals.last_exit(),
            crash: vitals.crash(),
            note: vitals.note(),
            children,
        })
    }
}

struct Place<'a> {
    above: Option<ActorPath>,
    owner: u64,
    name: &'a Arc<str>,
    kind: &'static str,
}
