use openclaw_protocol::AccountKey;
use openclaw_protocol::Chat;
use openclaw_protocol::ChatKind;
use openclaw_protocol::ModelRef;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::Entry;
use crate::SessionKind;

fn subject(key: &str, caller: Caller) -> Subject {
    let session = SessionKey::parse(key).unwrap();
    Subject {
        agent: session.agent(),
        caller: Caller {
            session: SessionKind::of(&session),
            ..caller
        },
        session,
    }
}

fn owner() -> Caller {
    Caller {
        is_owner: true,
        entry: Entry::Rpc,
        model: Some(ModelRef::new("anthropic", "claude")),
        ..Caller::default()
    }
}

fn in_group(sender: &str) -> Caller {
    Caller {
        entry: Entry::Chat,
        account: Some(AccountKey::new("telegram", "home")),
        sender: Some(sender.to_owned()),
        chat: Some(Chat {
            kind: ChatKind::Group,
            id: "-100".to_owned(),
            ..Chat::default()
        }),
        ..owner()
    }
}

fn allowed(tree: &Value, subject: &Subject) -> Vec<&'static str> {
    let policy = Policy::new(Tree::new(tree.clone()), Toolbox::empty());
    let layers = policy.layers(subject);
    known()
        .filter(|tool| layers.verdict(tool).allowed)
        .collect()
}

#[track_caller]
fn check(tree: Value, subject: &Subject, yes: &[&str], no: &[&str]) {
    let allowed = allowed(&tree, subject);
    for tool in yes {
        assert!(
            allowed.contains(tool),
            "{tool} should be allowed: {allowed:?}"
        );
    }
    for tool in no {
        assert!(
            !allowed.contains(tool),
            "{tool} should be refused: {allowed:?}"
        );
    }
}

#[test]
fn each_layer_says_what_it_says() {
    let main = subject("agent:main:main", owner());
    check(json!({}), &main, &["exec", "cron", "read", "message"], &[]);
    let profile = |name: &str| json!({ "tools": { "profile": name } });
    check(
        profile("minimal"),
        &main,
        &["session_status"],
        &["exec", "read", "message"],
    );
    check(
        profile("coding"),
        &main,
        &["exec", "read", "grep", "image"],
        &["message", "web_fetch"],
    );
    check(
        profile("messaging"),
        &main,
        &["message", "sessions_send"],
        &["exec", "sessions_spawn"],
    );
    check(profile("full"), &main, &["exec", "message", "cron"], &[]);
    check(profile("unheard of"), &main, &["session_status"], &["exec"]);
    let tree = json!({ "tools": { "profile": "minimal", "alsoAllow": ["group:web", "EXEC "] } });
    check(tree, &main, &["exec", "web_fetch"], &["process", "read"]);
    let tree = json!({ "tools": { "allow": ["group:fs", "exec"], "deny": ["Write", "e*t"] } });
    check(
        tree,
        &main,
        &["read", "exec"],
        &["write", "edit", "web_fetch"],
    );
    let tree = json!({ "tools": { "allow": ["bash", "file.*"] } });
    check(tree, &main, &["exec", "read"], &["process"]);
    let tree = json!({ "tools": { "allow": ["reed"] } });
    check(tree, &main, &["exec", "read"], &[]);
    let tree = json!({ "tools": { "deny": ["*"] } });
    check(tree, &main, &[], &["exec", "session_status"]);
}

#[test]
fn agents_providers_groups_and_senders_have_their_own_word() {
    let main = subject("agent:main:main", owner());
    let ops = subject("agent:ops:main", owner());
    let tree = json!({
        "tools": { "profile": "messaging", "byProvider": { "Anthropic": { "deny": ["message"] },
            "anthropic/claude": { "deny": ["sessions_send"] } } },
        "agents": { "list": [{ "id": "ops", "tools": { "profile": "coding", "deny": ["exec"] } }] },
    });
    check(
        tree.clone(),
        &main,
        &["message"],
        &["exec", "sessions_send"],
    );
    check(
        tree,
        &ops,
        &["read", "process"],
        &["exec", "message", "sessions_send"],
    );

    let tree = json!({ "channels": { "telegram": {
        "groups": {
            "-100": { "tools": { "allow": ["read"] },
                "toolsBySender": { "7": { "deny": ["exec"] }, "telegram:8": {} } },
            "*": { "tools": { "deny": ["*"] } },
        },
    } } });
    let key = "agent:main:telegram:group:-100";
    check(
        tree.clone(),
        &subject(key, in_group("7")),
        &["read", "write"],
        &["exec"],
    );
    check(tree.clone(), &subject(key, in_group("8")), &["exec"], &[]);
    check(
        tree.clone(),
        &subject(key, in_group("9")),
        &["read"],
        &["write", "exec"],
    );
    // Whoever comes another way into the group's session has what the group has.
    check(tree.clone(), &subject(key, owner()), &["read"], &["exec"]);
    let elsewhere = subject("agent:main:telegram:group:-5", owner());
    check(tree, &elsewhere, &[], &["read", "exec"]);
}

#[test]
fn sandboxes_sub_agents_and_strangers_have_less() {
    let tree = json!({ "agents": { "defaults": { "sandbox": { "mode": "non-main" } } } });
    let main = subject("agent:main:main", owner());
    let direct = subject("agent:main:telegram:direct:7", owner());
    check(tree.clone(), &main, &["exec", "cron", "browser"], &[]);
    check(
        tree.clone(),
        &direct,
        &["exec"],
        &[
            "cron",
            "browser",
            "message",
            "gateway",
            "read",
            "memory_get",
        ],
    );
    let mut asking = tree;
    asking["tools"] = json!({ "sandbox": { "tools": { "allow": ["*"], "deny": [] } } });
    check(
        asking,
        &direct,
        &["exec", "message"],
        &["read", "write", "memory_note"],
    );
    let child = subject("agent:main:subagent:1", owner());
    check(
        json!({}),
        &child,
        &["exec", "read"],
        &["sessions_spawn", "cron", "memory_get"],
    );
    let more = json!({ "tools": { "subagents": { "tools": { "alsoAllow": ["sessions_spawn"], "deny": ["exec"] } } } });
    check(
        more,
        &child,
        &["sessions_spawn"],
        &["sessions_send", "exec"],
    );
    let guest = Caller {
        is_owner: false,
        ..in_group("9")
    };
    let guest = subject("agent:main:telegram:direct:9", guest);
    check(
        json!({ "tools": { "allow": ["*"] } }),
        &guest,
        &["exec", "message"],
        OWNER_ONLY,
    );
}

#[test]
fn a_verdict_says_which_layer_and_what_lifts_it() {
    let tree = json!({ "tools": { "profile": "coding", "deny": ["group:runtime"] } });
    let policy = Policy::new(Tree::new(tree), Toolbox::empty());
    let said = verdict(&policy, &subject("agent:main:main", owner()), "bash");
    let said: Vec<(&str, bool, &str)> = said
        .reasons
        .iter()
        .map(|reason| (reason.layer.as_str(), reason.allows, reason.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                "tools.profile \"coding\"",
                true,
                "allowed by \"group:runtime\""
            ),
            (
                "tools",
                false,
                "refused by \"group:runtime\"; change tools.allow or tools.deny"
            ),
        ]
    );
}

/// Where a rule can stand.
const PLACES: [&str; 8] = [
    "/tools",
    "/tools/byProvider/anthropic",
    "/agents/list/0/tools",
    "/agents/list/0/tools/byProvider/anthropic~1claude",
    "/channels/telegram/groups/-100/tools",
    "/tools/sandbox/tools",
    "/agents/defaults/sandbox",
    "/caller",
];

fn name() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "exec",
        "read",
        "group:fs",
        "group:web",
        "mem*",
        "*",
        "cron",
        "GROUP:openclaw",
        "x*",
        "message",
    ];
    proptest::sample::select(NAMES).prop_map(str::to_owned)
}

fn rule() -> impl Strategy<Value = Value> {
    let names = || proptest::collection::vec(name(), 0..4);
    (names(), names()).prop_map(|(allow, deny)| json!({ "allow": allow, "deny": deny }))
}

/// The tree in which these layers stand, and who asks.
fn built(layers: &[Option<Value>]) -> (Value, Subject) {
    let mut tree = json!({
        "tools": { "byProvider": {}, "sandbox": {} },
        "agents": { "defaults": {}, "list": [{ "id": "main", "tools": { "byProvider": {} } }] },
        "channels": { "telegram": { "groups": { "-100": {} } } },
    });
    let mut caller = in_group("7");
    for (place, rule) in PLACES.iter().zip(layers) {
        let Some(rule) = rule else { continue };
        match *place {
            "/caller" => caller.is_owner = false,
            "/agents/defaults/sandbox" => {
                tree["agents"]["defaults"]["sandbox"] = json!({ "mode": "all" });
            }
            place => {
                let (parent, last) = place.rsplit_once('/').unwrap();
                let parent = tree.pointer_mut(parent).unwrap();
                let last = last.replace("~1", "/");
                match &mut parent[last.as_str()] {
                    Value::Object(there) => there.extend(rule.as_object().unwrap().clone()),
                    nothing => *nothing = rule.clone(),
                }
            }
        }
    }
    (tree, subject("agent:main:telegram:group:-100", caller))
}

proptest! {
    /// Whatever the other layers say, one more takes away or leaves as it is.
    #[test]
    fn a_layer_more_never_lets_more_through(
        rules in proptest::collection::vec(proptest::option::of(rule()), PLACES.len()),
        added in 0..PLACES.len(),
    ) {
        let (mut without, mut with) = (rules.clone(), rules);
        with[added].get_or_insert_with(|| json!({ "allow": ["read", "cron"], "deny": ["exec"] }));
        without[added] = None;
        // The sandbox's own list stands in for the usual one, so it is a layer only together with the sandbox.
        if added == 5 {
            without[6] = None;
        }
        let ((tree, asks), (more, asks_more)) = (built(&without), built(&with));
        let before = allowed(&tree, &asks);
        let after = allowed(&more, &asks_more);
        prop_assert!(after.iter().all(|tool| before.contains(tool)), "{before:?} {after:?}");
    }

    /// A tool that a layer refuses is refused, whatever allows it.
    #[test]
    fn a_refusal_wins(rules in proptest::collection::vec(proptest::option::of(rule()), PLACES.len())) {
        let (tree, asks) = built(&rules);
        let policy = Policy::new(Tree::new(tree.clone()), Toolbox::empty());
        for tool in known() {
            let said = verdict(&policy, &asks, tool);
            prop_assert_eq!(said.allowed, !said.reasons.iter().any(|reason| !reason.allows));
        }
        for (place, rule) in PLACES.iter().zip(&rules).filter(|(place, _)| !["/tools/sandbox/tools",
            "/agents/defaults/sandbox", "/caller"].contains(place)) {
            let refused = rule.as_ref().is_some_and(|rule| rule["deny"].as_array().unwrap().contains(&json!("exec")));
            prop_assert!(!refused || !allowed(&tree, &asks).contains(&"exec"), "{}", place);
        }
    }
}

/// A list that names only such tools holds also while the server that brings them is not there.
#[test]
fn tools_of_mcp_servers_are_held_to_the_same_rules() {
    let judge = |tree: Value, subject: &Subject, tool: &str| {
        let policy = Policy::new(Tree::new(tree), Toolbox::empty());
        verdict(&policy, subject, tool).allowed
    };
    let main = subject("agent:main:main", owner());
    assert!(judge(json!({}), &main, "docs__read"));
    for denied in ["docs__read", "Docs__Read", "docs__*", "*__*", "*"] {
        let tree = json!({ "tools": { "deny": [denied] } });
        assert!(!judge(tree.clone(), &main, "docs__read"), "{denied}");
        assert!(!judge(tree, &main, "Docs__Read"), "{denied}");
    }
    let only = json!({ "tools": { "allow": ["docs__read"] } });
    assert!(judge(only.clone(), &main, "docs__read"));
    assert!(!judge(only.clone(), &main, "docs__write"));
    assert!(
        !judge(only, &main, "exec"),
        "the list holds without the server"
    );
    let coding = json!({ "tools": { "profile": "coding" } });
    assert!(!judge(coding, &main, "docs__read"));
    let coding = json!({ "tools": { "profile": "coding", "alsoAllow": ["docs__*"] } });
    assert!(judge(coding, &main, "docs__read"));
    let sandboxed = json!({ "agents": { "defaults": { "sandbox": { "mode": "all" } } } });
    assert!(!judge(sandboxed, &main, "docs__read"));
    let group = json!({ "channels": { "telegram": { "groups": { "-100": {
        "tools": { "deny": ["docs__*"] }
    } } } } });
    let in_group = subject("agent:main:telegram:group:-100", in_group("1"));
    assert!(!judge(group, &in_group, "docs__read"));
}
