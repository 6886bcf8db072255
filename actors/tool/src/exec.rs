//! Running programs: what is started, who decides on it, and how it is owned.

mod gate;
mod launch;

pub use self::gate::Gate;
pub use self::gate::Security;
pub use self::launch::Launch;
pub use self::launch::argv;
pub use self::launch::is_shell;
pub use self::launch::resolve;
pub use self::launch::words;
