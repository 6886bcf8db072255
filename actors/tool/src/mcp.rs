//! MCP servers: programs and services that bring tools along.
//!
//! Each server of the configuration is an actor of its own under `tools`, which keeps the connection and puts the server's
//! tools on the [`Shelf`] as `<server>__<tool>`. A call goes straight to the connection: a server that hangs costs the call
//! that asked it its deadline, and nobody else anything.

mod client;
mod http;
mod link;
mod listing;
mod message;
mod result;
mod server;
mod stdio;
#[cfg(test)]
mod tests;

use std::time::Duration;

use openclaw_protocol::Config;
use openclaw_protocol::config::McpServer;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Strategy;

use self::server::Server;
use self::server::ServerArgs;
use crate::Shelf;

/// What stands between a server and a tool of it in the tool's name; in no other tool's.
pub(crate) const BETWEEN: &str = "__";
/// The supervisor of the servers.
pub const TOOLS: &str = "tools";

/// A program has two seconds to end by itself; then its process group is killed.
const STOP: Duration = Duration::from_secs(3);
/// A server that fails so often is set aside, and tried again after as long.
const PARK: Duration = Duration::from_secs(120);

/// The servers of a configuration; none if it has none.
pub fn spec(config: &Config, shelf: &Shelf) -> Option<ChildSpec> {
    let servers: Vec<ChildSpec> = on(config)
        .map(|(name, settings)| {
            let args = ServerArgs::new(name, settings, shelf);
            ChildSpec::actor::<Server>(format!("mcp/{name}"), args)
                .fingerprint_of(settings)
                .intensity(5, Duration::from_secs(60))
                .backoff(Duration::from_secs(1), PARK, PARK)
                .park(PARK)
                .shutdown(Shutdown::Within(STOP))
        })
        .collect();
    (!servers.is_empty()).then(|| {
        ChildSpec::supervisor(TOOLS, Strategy::OneForOne, servers).shutdown(Shutdown::Within(STOP))
    })
}

/// Takes off the shelf what was brought by servers that are not in the configuration any more.
pub fn follow_config(config: &Config, shelf: &Shelf) {
    shelf.keep(|owner| on(config).any(|(name, _)| name == owner));
}

/// The servers that are to be started.
fn on(config: &Config) -> impl Iterator<Item = (&str, &McpServer)> {
    let servers = config.mcp.iter();
    let servers = servers.filter_map(|(name, server)| Some((name.as_str(), server.get()?)));
    servers.filter(|(_, server)| server.is_on())
}
