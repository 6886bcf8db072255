//! The threads: started when there is work, gone when there has been none for a while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use crate::cpu::Load;

/// An idle thread costs memory that an always-on process had better not hold.
const IDLE: Duration = Duration::from_secs(10);

/// On Linux: how much lower than the others its threads rank. At 10 an async worker gets nine times their share of a contended core.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// At most `threads` jobs at a time, at most `bound` that wait.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: usize,
    bound: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    refused: u64,
}

impl Pool {
    pub(super) fn new(threads: usize, bound: usize) -> Self {
        Self {
            shared: Arc::default(),
            threads: threads.max(1),
            bound,
        }
    }

    /// False = too many wait already.
    pub(super) fn submit(&self, job: Job) -> bool {
        let mut state = self.shared.state();
        if state.queue.len() >= self.bound {
            state.refused += 1;
            return false;
        }
        state.queue.push_back(job);
        // A thread that was woken for an earlier job still counts as idle until it has run: there may be more jobs than it can take.
        if state.idle >= state.queue.len() || state.threads >= self.threads {
            drop(state);
            self.shared.work.notify_one();
            return true;
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let spawned = thread::Builder::new()
            .name("cpu".to_owned())
            .spawn(move || shared.work_off());
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for work on the processor");
            self.shared.state().threads -= 1;
            // Without any thread nobody would ever come for what waits.
            if self.shared.state().threads == 0 {
                drop(std::mem::take(&mut self.shared.state().queue));
            }
        }
        true
    }

    pub(super) fn load(&self) -> Load {
        let state = self.shared.state();
        Load {
            running: state.threads - state.idle,
            waiting: state.queue.len(),
            refused: state.refused,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_off(&self) {
        lower_priority();
        while let Some(job) = self.next() {
            job();
        }
    }

    /// The next job; `None` after a while without any. The thread is then no longer counted.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        state.idle += 1;
        let (mut state, _timeout) = self
            .work
            .wait_timeout_while(state, IDLE, |state| state.queue.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        let job = state.queue.pop_front();
        if job.is_none() {
            state.threads -= 1;
        }
        job
    }
}

/// Elsewhere than on Linux this would rank down the whole process.
#[cfg(target_os = "linux")]
fn lower_priority() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the priority of a thread could not be lowered");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_beyond_the_threads_wait_and_beyond_the_bound_are_refused() {
        let pool = Pool::new(2, 3);
        let (started, starts) = channel();
        let release = Arc::new(std::sync::Barrier::new(3));
        for _ in 0..2 {
            let (started, release) = (started.clone(), Arc::clone(&release));
            assert!(pool.submit(Box::new(move || {
                started.send(()).unwrap();
                release.wait();
            })));
            starts.recv().unwrap();
        }
        let (done, ends) = channel();
        for n in 0..3 {
            let done = done.clone();
            assert!(pool.submit(Box::new(move || done.send(n).unwrap())));
        }
        assert!(!pool.submit(Box::new(|| {})), "the queue has a bound");
        let expected = Load {
            running: 2,
            waiting: 3,
            refused: 1,
        };
        assert_eq!(pool.load(), expected);
        release.wait();
        let mut ended: Vec<_> = (0..3).map(|_| ends.recv().unwrap()).collect();
        ended.sort_unstable();
        assert_eq!(ended, [0, 1, 2]);
    }
}
