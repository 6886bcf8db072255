//! As whom an agent's tools call the gateway. Pure.

use std::sync::Arc;

use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::connect::ClientInfo;
use openclaw_tool::Caller;

use crate::ingress::auth::Verified;
use crate::ingress::principal::Principal;
use crate::ingress::principal::Role;

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The conversation that the turn belongs to. Whoever is let in may read it and be answered in it, as they are
    /// without any tool.
    OwnConversation,
    /// Anything else.
    House,
}

/// The principal of a turn's call: what was granted to whom it acts for.
pub(super) fn principal(caller: &Caller, about: About) -> Principal {
    let own: Scopes = match about {
        About::OwnConversation => [Scope::Read, Scope::Write].into_iter().collect(),
        About::House => Scopes::NONE,
    };
    Principal {
        verified: Verified::turn(),
        role: Role::Operator,
        scopes: caller.scopes.union(own),
        version: Protocol::V4,
        client: Arc::new(ClientInfo {
            id: "agent".to_owned(),
            display_name: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: std::env::consts::OS.to_owned(),
            device_family: None,
            model_identifier: None,
            mode: "agent".to_owned(),
            instance_id: None,
        }),
        device: None,
        user: None,
        takes_tools: false,
        // What only somebody at this machine may do is not for agents.
        is_local: false,
        connection: 0,
    }
}
