//! A connection that is a node's: its place among the nodes, from the greeting to the end.

use std::sync::Arc;

use openclaw_runtime::ActorPath;

use super::WsConnection;
use crate::ingress::outbound::Goodbye;
use crate::ingress::principal::Principal;
use crate::ingress::websocket::close;
use crate::node::Link;
use crate::node::NODES;
use crate::node::board::Lately;
use crate::node::link::LinkArgs;
use crate::node::link::NodeLink;
use crate::node::link::leave;
use crate::services::now_ms;

impl WsConnection {
    /// Puts the node up, with an actor of its own, in the place of its earlier connection.
    pub(super) fn link(&mut self, principal: &Principal) {
        let node_id = principal.device.clone();
        let node_id = node_id.unwrap_or_else(|| Arc::from(principal.client.id.as_str()));
        let link = Arc::new(Link {
            node_id,
            connection: self.origin.connection,
            shared: Arc::clone(&self.shared),
            version: principal.version,
            client: Arc::clone(&principal.client),
            is_paired: principal.device.is_some(),
            offer: std::mem::take(&mut self.offer),
            remote_ip: (!self.origin.ip.is_loopback()).then(|| self.origin.ip.to_string()),
            since_ms: now_ms(),
            lately: Lately::default(),
        });
        let services = &self.services;
        if let Some(earlier) = services.node_board.arrive(&link) {
            let goodbye = Goodbye::new(close::NORMAL, "replaced by a newer connection");
            earlier.shared.queue.close(goodbye);
            leave(services, &earlier);
        }
        let args = LinkArgs {
            link: Arc::clone(&link),
            board: services.node_board.clone(),
            ledger: services.ledger.clone(),
        };
        let nodes = services.directory.supervisor(&ActorPath::new(NODES));
        if !nodes.ensure(NodeLink::spec(args)) {
            self.close(Goodbye::new(
                close::TRY_AGAIN_LATER,
                "nodes are not served right now",
            ));
        }
        self.node = Some(link);
    }

    /// Gives the node's place up.
    pub(super) fn unlink(&mut self) {
        if let Some(link) = self.node.take() {
            let board = &self.services.node_board;
            board.leave(&link.node_id, link.connection);
            leave(&self.services, &link);
        }
    }
}
