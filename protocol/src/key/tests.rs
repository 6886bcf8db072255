use proptest::prelude::*;

use super::*;

fn agent() -> AgentId {
    AgentId::main()
}

#[test]
fn keys_are_lower_cased_and_split() {
    let key = SessionKey::parse("Agent:Main:Telegram:Direct:ABC").unwrap();
    assert_eq!(key.as_str(), "agent:main:telegram:direct:abc");
    assert_eq!(key.agent(), AgentId::main());
    assert_eq!(key.rest(), "telegram:direct:abc");
}

#[test]
fn dm_of_older_stores_reads_as_direct() {
    for (old, new) in [
        ("agent:main:dm:1", "agent:main:direct:1"),
        ("agent:main:telegram:dm:1", "agent:main:telegram:direct:1"),
        (
            "agent:main:telegram:home:dm:1",
            "agent:main:telegram:home:direct:1",
        ),
        ("agent:main:dm", "agent:main:dm"),
    ] {
        assert_eq!(SessionKey::parse(old).unwrap().as_str(), new);
    }
}

#[test]
fn short_forms_expand_to_the_default_agent() {
    let ops = AgentId::parse("ops").unwrap();
    let expand = |short| SessionKey::expand(short, &ops).map(|key| key.as_str().to_owned());
    assert_eq!(expand("main").unwrap(), "agent:ops:main");
    assert_eq!(expand("hook:abc").unwrap(), "agent:ops:hook:abc");
    assert_eq!(expand("agent:main:main").unwrap(), "agent:main:main");
    assert!(matches!(expand("global"), Err(KeyError::Reserved(_))));
    assert!(matches!(expand(" "), Err(KeyError::Empty(_))));
}

#[test]
fn direct_follows_the_scope() {
    let key = |scope| {
        SessionKey::direct(&agent(), scope, "Telegram", "home", "42")
            .rest()
            .to_owned()
    };
    assert_eq!(key(DmScope::Main), "main");
    assert_eq!(key(DmScope::PerPeer), "direct:42");
    assert_eq!(key(DmScope::PerChannelPeer), "telegram:direct:42");
    assert_eq!(
        key(DmScope::PerAccountChannelPeer),
        "telegram:home:direct:42"
    );
    let topic = SessionKey::group(&agent(), "telegram", "-100", Some("7"));
    assert_eq!(topic.rest(), "telegram:group:-100:topic:7");
}

#[test]
fn bad_keys_say_why() {
    for bad in [
        "",
        "main",
        "agent:main:",
        "agent:ma in:x",
        "agent:main:a b",
        "agent:-x:main",
    ] {
        assert!(SessionKey::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_shard_of_a_key_never_changes() {
    // Rows on disk are stored under it: these values are a promise to existing ledgers.
    let shard = |key: &str| SessionKey::parse(key).unwrap().shard();
    assert_eq!(shard("agent:main:main"), shard("AGENT:main:MAIN"));
    let mut seen = std::collections::BTreeSet::new();
    for peer in 0..1_000 {
        seen.insert(shard(&format!("agent:main:telegram:direct:{peer}")));
    }
    assert_eq!(seen.len(), 64);
}

#[test]
fn accounts_and_models_round_trip_as_text() {
    let account: AccountKey = "telegram/Home".parse().unwrap();
    assert_eq!(account.to_string(), "telegram/home");
    let model: ModelRef = "openrouter/meta/llama-3".parse().unwrap();
    assert_eq!(model, ModelRef::new("openrouter", "meta/llama-3"));
    assert_eq!(
        serde_json::to_string(&model).unwrap(),
        "\"openrouter/meta/llama-3\""
    );
    assert!("nothing".parse::<ModelRef>().is_err());
}

proptest! {
    #[test]
    fn whatever_a_platform_calls_a_peer_gives_a_valid_key(peer in ".{0,300}", channel in ".{0,40}") {
        for scope in [DmScope::PerPeer, DmScope::PerChannelPeer, DmScope::PerAccountChannelPeer] {
            let key = SessionKey::direct(&agent(), scope, &channel, "default", &peer);
            // The tail may be cut, so only long multi-byte names can exceed the bound.
            if key.as_str().len() <= 512 {
                prop_assert_eq!(SessionKey::parse(key.as_str()).unwrap().shard() , SessionKey::parse(key.as_str()).unwrap().shard());
            }
        }
    }
}
