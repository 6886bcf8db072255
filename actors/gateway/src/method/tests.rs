//! All methods, all sets of rights, both roles, both versions: who is let through, and nobody else.
//!
//! [`permit`] is given no address, page or way of entry, so these can't change its answer.

use openclaw_protocol::ErrorCode;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::method::METHODS;
use openclaw_protocol::method::Need;
use openclaw_protocol::method::is_for_nodes;
use openclaw_protocol::method::known_names;
use openclaw_protocol::method::need;
use serde_json::json;

use super::permit;
use crate::ingress::principal::Role;

/// What a caller must hold one of, told without the table that is tested: by the list of what existing gateways ask for.
fn enough(scope: Scope) -> Vec<Scope> {
    let more: &[Scope] = match scope {
        Scope::Read | Scope::Talk => &[Scope::Write],
        Scope::SessionsRead => &[Scope::Read, Scope::Write, Scope::SessionsWrite],
        Scope::SessionsWrite => &[Scope::Write],
        _ => &[],
    };
    [&[Scope::Admin, scope][..], more].concat()
}

fn names() -> Vec<&'static str> {
    let made_up = [
        "",
        "no.such",
        "device.pair",
        "DEVICE.PAIR.LIST",
        "health ",
        "connect",
    ];
    let mut names: Vec<&str> = known_names().chain(made_up).collect();
    names.extend(METHODS.iter().map(|method| method.name));
    names.sort_unstable();
    names.dedup();
    names
}

fn every_set() -> impl Iterator<Item = Scopes> {
    (0..1u32 << Scope::ALL.len()).map(|bits| {
        let is_in = |(at, _): &(usize, &Scope)| bits & 1 << at != 0;
        let scopes = Scope::ALL.iter().enumerate().filter(is_in);
        scopes.map(|(_, scope)| *scope).collect()
    })
}

#[test]
fn nobody_calls_what_their_role_and_rights_do_not_give() {
    let params = json!({ "message": "/reset", "key": "main", "execHost": "x" });
    let sets: Vec<Scopes> = every_set().collect();
    for name in names() {
        for version in [Protocol::V3, Protocol::V4] {
            let listed = need(name, version);
            for scopes in &sets {
                let as_node = permit(name, &params, Role::Node, *scopes, version);
                if is_for_nodes(name) {
                    // Theirs, whatever else they claim; or it is not there.
                    let message = as_node.err().map(|error| error.message);
                    let unknown = format!("unknown method: {name}");
                    assert!(message.is_none_or(|message| message == unknown), "{name}");
                } else {
                    let message = as_node.unwrap_err().message;
                    assert_eq!(message, "unauthorized role: node", "{name}");
                }
                let verdict = permit(name, &params, Role::Operator, *scopes, version);
                if scopes.contains(Scope::Admin) {
                    let message = verdict.err().map(|error| error.message);
                    let is_missing = message.as_deref() == Some(&format!("unknown method: {name}"));
                    let is_for_nodes = message.as_deref() == Some("unauthorized role: operator");
                    assert!(
                        message.is_none() || is_missing || is_for_nodes,
                        "{name}: {message:?}"
                    );
                    continue;
                }
                let is_enough = match listed {
                    Some(Need::Scope(scope)) => {
                        enough(scope).iter().any(|scope| scopes.contains(*scope))
                    }
                    Some(Need::Node) => false,
                    // Ours alone: nobody without reading gets anywhere.
                    None => scopes.allows(Scope::Read) || scopes.allows(Scope::Pairing),
                };
                let Err(error) = verdict else {
                    assert!(is_enough, "{name} let {scopes:?} through in {version:?}");
                    continue;
                };
                if !is_enough {
                    // Nothing about what exists: only what is lacking.
                    let is_blunt = error.message.starts_with("missing scope: operator.")
                        || error.message == "unauthorized role: operator";
                    assert!(is_blunt, "{name}: {}", error.message);
                    let expected = match version {
                        Protocol::V4 if error.message.starts_with("missing") => {
                            ErrorCode::Forbidden
                        }
                        _ => ErrorCode::InvalidRequest,
                    };
                    assert_eq!(error.code, expected, "{name}");
                }
            }
        }
    }
}

#[test]
fn whoever_has_no_right_learns_nothing_of_what_exists() {
    for name in names() {
        let error = permit(name, &json!({}), Role::Operator, Scopes::NONE, Protocol::V4);
        let error = error.unwrap_err();
        assert!(
            !error.message.contains("unknown"),
            "{name}: {}",
            error.message
        );
    }
}

#[test]
fn what_only_later_clients_know_does_not_exist_for_earlier_ones() {
    let is_late =
        |method: &&openclaw_protocol::Method| method.since == Protocol::V4 && !method.is_of_nodes();
    for method in METHODS.iter().filter(is_late) {
        let verdict = permit(
            method.name,
            &json!({}),
            Role::Operator,
            Scopes::all(),
            Protocol::V3,
        );
        assert_eq!(
            verdict.unwrap_err().message,
            format!("unknown method: {}", method.name)
        );
    }
}
