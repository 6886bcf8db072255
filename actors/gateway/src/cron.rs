//! Jobs that run by the clock: kept in `cron/jobs.json`, fired by one supervised scheduler.
//!
//! Each due occurrence becomes one row in the inbox under a key made of the job and the due time, so
//! it runs once whatever dies in between. What a person edits in the file wins.

mod board;
pub mod job;
mod run;
mod runs;
pub mod schedule;
mod scheduler;
mod store;

#[cfg(test)]
mod tests;

pub use self::board::CronBoard;
pub use self::runs::read as read_runs;
pub use self::scheduler::Change;
pub use self::scheduler::CronError;
pub use self::scheduler::CronMail;
pub use self::scheduler::Scheduler;
pub use self::scheduler::path;
pub use self::store::runs_folder;
pub use self::store::store_path;
