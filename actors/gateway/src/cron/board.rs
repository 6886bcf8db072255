//! What is known of the jobs, readable by anyone without mail.

use std::sync::Arc;
use std::sync::RwLock;

use super::job::Job;

/// The jobs as they are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CronBoard {
    shown: Arc<RwLock<Arc<Shown>>>,
}

/// What the scheduler last showed.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Whether jobs fire.
    pub is_enabled: bool,
    /// The jobs, in the file's order.
    pub jobs: Vec<Job>,
    /// Why the file can't be used, if so.
    pub problem: Option<String>,
}

impl CronBoard {
    /// What the scheduler last showed.
    pub fn now(&self) -> Arc<Shown> {
        let shown = self.shown.read();
        Arc::clone(&shown.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// One job.
    pub fn job(&self, id: &str) -> Option<Job> {
        self.now().jobs.iter().find(|job| job.id == id).cloned()
    }

    pub(super) fn show(&self, shown: Shown) {
        let mut place = self
            .shown
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *place = Arc::new(shown);
    }
}

impl Shown {
    /// When a job is due next.
    pub fn next_wake_at_ms(&self) -> Option<i64> {
        let enabled = self.jobs.iter().filter(|job| job.enabled);
        enabled.filter_map(|job| job.state.next_run_at_ms).min()
    }
}
