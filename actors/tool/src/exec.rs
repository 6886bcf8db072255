//! Running programs: what is started, who decides on it, and how it is owned.
//!
//! A call becomes a [`Launch`]; a [`Gate`] decides on it, and the launch it gives back is what is executed. Each run is a
//! group of processes that its owner ends at a deadline, and that ends with the gateway however that ends.

mod environment;
mod gate;
mod keys;
mod launch;
mod output;
mod outside;
mod process;
mod programs;
mod run;
mod secrets;
mod tool;

#[cfg(test)]
mod tests;

pub use self::environment::base as base_environment;
pub use self::environment::is_passed_on;
pub use self::environment::shell;
pub use self::gate::Gate;
pub use self::launch::Launch;
pub use self::launch::argv;
pub use self::launch::is_shell;
pub use self::launch::resolve;
pub use self::launch::words;
pub use self::process::Process;
pub use self::programs::Held;
pub use self::programs::Notify;
pub use self::programs::OwnerArgs;
pub use self::programs::Programs;
pub use self::programs::ProgramsMail;
pub use self::run::End;
pub use self::run::Run;
pub use self::secrets::Secrets;
pub use self::secrets::SecretsOf;
pub use self::tool::Exec;
pub use self::tool::ExecRules;
pub use self::tool::ExecRulesNow;
pub use self::tool::is_program;
