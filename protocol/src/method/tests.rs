use serde_json::json;

use super::METHODS;
use super::Method;
use super::Scope;
use super::Scopes;
use crate::frame::Protocol;

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_scope_includes_what_it_should_and_nothing_else() {
    let included = |scope: Scope| match scope {
        Scope::Admin => Scope::ALL.to_vec(),
        Scope::Write => vec![
            Scope::Read,
            Scope::Write,
            Scope::Talk,
            Scope::SessionsRead,
            Scope::SessionsWrite,
        ],
        Scope::Read => vec![Scope::Read, Scope::SessionsRead],
        Scope::SessionsWrite => vec![Scope::SessionsWrite, Scope::SessionsRead],
        other => vec![other],
    };
    for held in Scope::ALL {
        let set: Scopes = [held].into_iter().collect();
        for needed in Scope::ALL {
            assert_eq!(
                set.allows(needed),
                included(held).contains(&needed),
                "{held:?} {needed:?}"
            );
        }
    }
    for needed in Scope::ALL {
        assert!(!Scopes::NONE.allows(needed));
    }
}

#[test]
fn unknown_names_grant_nothing() {
    let names = [
        "operator.root",
        "admin",
        "operator.admin ",
        "OPERATOR.ADMIN",
        "",
    ];
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(Scopes::named(&names), Scopes::NONE);
}

#[test]
fn the_scope_depends_on_the_version_and_the_parameters_where_it_must() {
    let scope = |name: &str, params: serde_json::Value, version| {
        Method::find(name).unwrap().scope(&params, version)
    };
    let (v3, v4) = (Protocol::V3, Protocol::V4);
    let label = json!({ "key": "main", "label": "x" });
    let exec = json!({ "key": "main", "label": "x", "execSecurity": "full" });
    let table = [
        ("config.get", json!({}), v3, Scope::Admin),
        ("config.get", json!({}), v4, Scope::Read),
        ("sessions.patch", label.clone(), v3, Scope::Admin),
        ("sessions.patch", label, v4, Scope::Write),
        ("sessions.patch", exec, v4, Scope::Admin),
        ("sessions.delete", json!({ "key": "a" }), v4, Scope::Admin),
        (
            "sessions.delete",
            json!({ "key": "a", "archivedOnly": true }),
            v4,
            Scope::Write,
        ),
        (
            "sessions.delete",
            json!({ "key": "a", "archivedOnly": true }),
            v3,
            Scope::Admin,
        ),
        ("agent", json!({ "message": "hi" }), v4, Scope::Write),
        (
            "agent",
            json!({ "message": " /reset now" }),
            v4,
            Scope::Admin,
        ),
        ("agent", json!({ "message": "/newer" }), v4, Scope::Write),
    ];
    for (name, params, version, expected) in table {
        assert_eq!(
            scope(name, params.clone(), version),
            expected,
            "{name} {params}"
        );
    }
}
