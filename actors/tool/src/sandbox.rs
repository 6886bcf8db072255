//! Walls around what a session runs.

mod setting;

pub use self::setting::Access;
pub use self::setting::Mode;
pub use self::setting::Scope;
pub use self::setting::Setting;
pub(crate) use self::setting::agent_entry;
