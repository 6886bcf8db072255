//! The tree as a value, joined with the counters of the moment.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::crash::CrashId;
use crate::path::ActorPath;
use crate::poison::Poison;
use crate::vitals::Health;
use crate::vitals::State;

/// One actor or task, and what is under it.
#[derive(Clone, Debug)]
pub struct TreeNode {
    pub path: ActorPath,
    /// What to call it under its parent.
    pub name: Arc<str>,
    pub kind: &'static str,
    /// A future run by its parent, not an actor.
    pub is_task: bool,
    pub state: State,
    pub health: Health,
    pub generation: u64,
    pub restarts: u32,
    pub queued: usize,
    pub capacity: usize,
    pub handled: u64,
    /// Runs that kept their thread too long.
    pub stalls: u32,
    /// Mail refused because the mailbox was full.
    pub refused: u64,
    /// Mail that crashed it and was not handled since.
    pub poison: Vec<Poison>,
    /// How long the handler at work has been running.
    pub busy: Option<Duration>,
    /// The mail it is handling.
    pub current: Option<&'static str>,
    pub started_at_ms: Option<i64>,
    /// When a parked or pausing actor is tried again.
    pub until_ms: Option<i64>,
    pub last_exit: Option<Arc<str>>,
    pub crash: Option<CrashId>,
    pub note: Option<Arc<str>>,
    pub children: Vec<TreeNode>,
}

impl TreeNode {
    /// Draws the tree as text, as of `now_ms`.
    pub fn render(&self, now_ms: i64) -> String {
        let mut rows = Vec::new();
        self.rows("", "", now_ms, &mut rows);
        let width = rows
            .iter()
            .map(|(left, _)| left.chars().count())
            .max()
            .unwrap_or(0);
        rows.into_iter()
            .fold(String::new(), |mut text, (left, right)| {
                // Writing to a string cannot fail.
                let _ok = writeln!(text, "{left:width$}  {right}");
                text
            })
    }

    /// The node at a path, here or below.
    pub fn find(&self, path: &ActorPath) -> Option<&TreeNode> {
        if self.path == *path {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(path))
    }

    /// Every node, parents first.
    pub fn walk(&self) -> Vec<&TreeNode> {
        let mut all = vec![self];
        all.extend(self.children.iter().flat_map(TreeNode::walk));
        all
    }

    fn rows(&self, branch: &str, below: &str, now_ms: i64, rows: &mut Vec<(String, String)>) {
        rows.push((format!("{branch}{}", self.name), self.facts(now_ms)));
        let last = self.children.len().saturating_sub(1);
        for (at, child) in self.children.iter().enumerate() {
            let (tip, beam) = if at == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            child.rows(
                &format!("{below}{tip}"),
                &format!("{below}{beam}"),
                now_ms,
                rows,
            );
        }
    }

    fn facts(&self, now_ms: i64) -> String {
        let mut facts = vec![match (self.state, self.health) {
            (State::Running, Health::Connecting | Health::Degraded) => {
                self.health.as_str().to_owned()
            }
            (state, _) => state.as_str().to_owned(),
        }];
        let since = |at: i64| span(now_ms.saturating_sub(at));
        match self.state {
            State::Running | State::Stopping => {
                facts.extend(self.started_at_ms.map(|at| format!("up {}", since(at))));
            }
            State::Backoff | State::Parked => {
                let wait = self.until_ms.map(|at| span(at.saturating_sub(now_ms)));
                facts.extend(wait.map(|wait| format!("next try in {wait}")));
            }
            State::Absent | State::Starting | State::Stopped => {}
        }
        if self.restarts > 0 {
            facts.push(format!("restarts {}", self.restarts));
        }
        if self.capacity > 1 && self.queued > 0 {
            facts.push(format!("q {}/{}", self.queued, self.capacity));
        }
        if let (Some(mail), Some(busy)) = (
            self.current,
            self.busy.filter(|busy| busy.as_millis() >= 10),
        ) {
            facts.push(format!(
                "in {mail} for {}",
                span(i64::try_from(busy.as_millis()).unwrap_or(0))
            ));
        }
        if self.refused > 0 {
            facts.push(format!("refused {}", self.refused));
        }
        if self.stalls > 0 {
            facts.push(format!("stalls {}", self.stalls));
        }
        facts.extend(self.poison.iter().map(poison));
        facts.extend(self.note.as_ref().map(ToString::to_string));
        if self.restarts > 0
            || matches!(self.state, State::Backoff | State::Parked | State::Stopped)
        {
            facts.extend(self.last_exit.as_ref().map(|exit| format!("last: {exit}")));
        }
        facts.join("  ")
    }
}

/// `import crashed it 3 times, 2 dropped`.
fn poison(poison: &Poison) -> String {
    let times = match poison.in_a_row {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    let mut text = format!("{} crashed it {times}", poison.mail);
    if poison.dropped > 0 {
        // Writing to a string cannot fail.
        let _ok = write!(text, ", {} dropped", poison.dropped);
    }
    text
}

/// A time span as people read it: `3d 4h`, `2m 13s`, `0.4s`.
fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, state: State) -> TreeNode {
        TreeNode {
            path: ActorPath::new(name),
            name: name.into(),
            kind: "puppet",
            is_task: false,
            state,
            health: Health::Ok,
            generation: 1,
            restarts: 0,
            queued: 0,
            capacity: 256,
            handled: 0,
            stalls: 0,
            refused: 0,
            poison: Vec::new(),
            busy: None,
            current: None,
            started_at_ms: Some(0),
            until_ms: None,
            last_exit: None,
            crash: None,
            note: None,
            children: Vec::new(),
        }
    }

    #[test]
    fn a_tree_reads_at_a_glance() {
        let parked = TreeNode {
            restarts: 6,
            until_ms: Some(3 * 86_400_000 + 47_000),
            last_exit: Some("panicked: c-81f2".into()),
            poison: vec![Poison {
                mail: "import",
                in_a_row: 3,
                dropped: 2,
            }],
            ..node("poll", State::Parked)
        };
        let busy = TreeNode {
            queued: 3,
            stalls: 2,
            note: Some("turn 17".into()),
            busy: Some(Duration::from_millis(1200)),
            current: Some("work"),
            health: Health::Degraded,
            ..node("send", State::Running)
        };
        let account = TreeNode {
            children: vec![parked, busy],
            ..node("telegram/home", State::Running)
        };
        let root = TreeNode {
            children: vec![account, node("ledger", State::Stopping)],
            ..node("gateway", State::Running)
        };
        let expected = "\
gateway           running  up 3d 0h
├─ telegram/home  running  up 3d 0h
│  ├─ poll        parked  next try in 47s  restarts 6  import crashed it 3 times, 2 dropped  last: panicked: c-81f2
│  └─ send        degraded  up 3d 0h  q 3/256  in work for 1.2s  stalls 2  turn 17
└─ ledger         stopping  up 3d 0h
";
        assert_eq!(root.render(3 * 86_400_000), expected);
        assert_eq!(root.walk().len(), 5);
        assert!(root.find(&"poll".into()).is_some());
    }
}
