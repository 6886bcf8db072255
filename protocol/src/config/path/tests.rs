use proptest::prelude::*;
use serde_json::json;

use super::*;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

#[test]
fn paths_are_written_as_they_are_read() {
    for text in [
        "gateway.port",
        "bindings[0].match.channel",
        "agents.defaults.models[\"openai/gpt-5.2\"].alias",
        "channels.telegram.groups.-1001234.requireMention",
        "channels.telegram.groups.*",
        "a[\"quote\\\"d\"][2][\"\"]",
    ] {
        assert_eq!(path(text).to_string(), text);
    }
    assert_eq!(path(r"a.b\.c").to_string(), r#"a["b.c"]"#);
    assert_eq!(path("a['b.c']"), path(r"a.b\.c"));
}

#[test]
fn what_is_no_path_says_so() {
    for text in [
        "", ".", "a..b", "a.", "[", "a[", "a[]", "a[\"b\"", "a.[0]", "a[0]b",
    ] {
        assert!(
            matches!(text.parse::<Path>(), Err(PathError::Syntax(_))),
            "{text}"
        );
    }
}

#[test]
fn setting_makes_what_is_missing() {
    let mut tree = json!({});
    path("agents.list[0].id")
        .set(&mut tree, json!("ops"))
        .unwrap();
    path("agents.list.0.name")
        .set(&mut tree, json!("Ops"))
        .unwrap();
    path("agents.list[1].id")
        .set(&mut tree, json!("two"))
        .unwrap();
    assert_eq!(
        tree,
        json!({"agents": {"list": [{"id": "ops", "name": "Ops"}, {"id": "two"}]}})
    );
    let far = path("agents.list[5].id").set(&mut tree, json!(1));
    assert!(matches!(far, Err(PathError::OutOfBounds { len: 2, .. })));
    let named = path("agents.list.first").set(&mut tree, json!(1));
    assert!(matches!(named, Err(PathError::IsAList(_))));
    let below = path("agents.list[0].id.x").set(&mut tree, json!(1));
    assert!(matches!(below, Err(PathError::NotAContainer(_))));
}

#[test]
fn unsetting_takes_out_one_value() {
    let mut tree = json!({"a": [{"b": 1, "c": 2}, {"b": 3}], "d": 4});
    assert_eq!(path("a[0].b").unset(&mut tree), Some(json!(1)));
    assert_eq!(path("a[1]").unset(&mut tree), Some(json!({"b": 3})));
    assert_eq!(path("a[7]").unset(&mut tree), None);
    assert_eq!(path("d.e").unset(&mut tree), None);
    assert_eq!(tree, json!({"a": [{"c": 2}], "d": 4}));
}

proptest! {
    #[test]
    fn any_keys_survive_being_written_and_read(keys in prop::collection::vec(".{0,12}", 1..6)) {
        let built = keys.iter().fold(Path::root(), |path, key| path.key(key.clone()));
        prop_assert_eq!(path(&built.to_string()), built);
    }

    #[test]
    fn what_was_set_is_found_and_can_be_unset(keys in prop::collection::vec("[a-z.\\[\\]0-9]{1,5}", 1..5)) {
        let built = keys.iter().fold(Path::root(), |path, key| path.key(key.clone()));
        let mut tree = json!({});
        built.set(&mut tree, json!(7)).unwrap();
        prop_assert_eq!(built.get(&tree), Some(&json!(7)));
        prop_assert_eq!(built.unset(&mut tree), Some(json!(7)));
        prop_assert_eq!(built.get(&tree), None);
    }
}
