//! Devices that offer their abilities: who is connected, who was let in, and what they may be asked.
//!
//! Each connection of a node is an actor of its own ([`link`]) below `nodes`; what is known of it stands on the
//! [`board`], which answers without mail. What a node may be asked is decided by [`policy`].

pub mod board;
pub mod desk;
pub mod kept;
pub mod link;
pub mod policy;

use openclaw_runtime::ChildSpec;
use openclaw_runtime::Strategy;

pub use self::board::Link;
pub use self::board::NodeBoard;
pub use self::board::Offer;
pub use self::desk::NodeDesk;
pub use self::desk::Pairings;

/// Where the connections of nodes stand in the tree.
pub const NODES: &str = "nodes";

/// The supervisor of the connections: they come with their sockets, and none is restarted.
pub fn spec() -> ChildSpec {
    ChildSpec::supervisor(NODES, Strategy::OneForOne, Vec::new())
}
