use proptest::prelude::*;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::splice;
use crate::config::source;

const TEXT: &str = r#"// my gateway
{
  gateway: { port: 18789, auth: { token: 'a "quoted" one' } }, // keep this
  agents: {
    /* two of them */
    list: [ { id: "main" }, { id: "ops" } ],
    defaults: {
      model: "a/b",   // the good one
    },
  },
  "cron": { enabled: true }
}
"#;

fn changed(edit: impl FnOnce(&mut Value)) -> String {
    let from = source::parse(TEXT).unwrap();
    let mut to = from.clone();
    edit(&mut to);
    splice(TEXT, &from, &to).unwrap()
}

#[test]
fn what_is_not_named_keeps_every_byte() {
    let text = changed(|tree| tree["gateway"]["port"] = json!(19000));
    assert_eq!(text, TEXT.replace("18789", "19000"));
    let text = changed(|tree| tree["agents"]["defaults"]["model"] = json!("c/d"));
    assert_eq!(text, TEXT.replace("\"a/b\"", "\"c/d\""));
}

#[test]
fn keys_come_and_go_with_their_commas() {
    let text = changed(|tree| drop(tree.as_object_mut().unwrap().shift_remove("cron")));
    assert!(
        text.ends_with("    },\n  }\n}\n") && text.contains("// keep this"),
        "{text}"
    );
    let text = changed(|tree| tree["cron"]["store"] = json!("x"));
    assert!(
        text.contains("{ enabled: true, \"store\": \"x\" }"),
        "{text}"
    );
    let text = changed(|tree| tree["hooks"] = json!({ "enabled": true }));
    assert!(
        text.contains("{ enabled: true },\n  \"hooks\": {\n    \"enabled\": true\n  }\n}"),
        "{text}"
    );
    let text = changed(|tree| tree["agents"]["defaults"]["workspace"] = json!("/w"));
    assert!(
        text.contains("model: \"a/b\",\n      \"workspace\": \"/w\"   // the good one"),
        "{text}"
    );
    let text = changed(|tree| drop(tree["agents"].as_object_mut().unwrap().shift_remove("list")));
    assert!(text.contains("defaults") && !text.contains("ops"), "{text}");
}

#[test]
fn an_item_of_a_list_is_changed_where_it_stands() {
    let text = "{ list: [\n  { id: 'a', n: 1 }, // the first\n  { id: 'b', n: 2 },\n] }";
    let from = json!({ "list": [{ "id": "a", "n": 1 }, { "id": "b", "n": 2 }] });
    let to = json!({ "list": [{ "id": "a", "n": 7 }, { "id": "b", "n": 2 }] });
    assert_eq!(
        splice(text, &from, &to).unwrap(),
        text.replace("n: 1", "n: 7")
    );
}

#[test]
fn an_empty_object_is_filled_and_a_doubtful_text_is_left_alone() {
    let to = json!({ "a": { "b": 1 } });
    assert_eq!(
        splice("{}", &json!({}), &to).unwrap(),
        "{\n  \"a\": {\n    \"b\": 1\n  }\n}"
    );
    assert!(splice("{ a: 1, a: 2 }", &json!({ "a": 2 }), &json!({ "a": 3 })).is_none());
    assert!(splice("{ a: 1", &json!({ "a": 1 }), &json!({ "a": 3 })).is_none());
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"/, ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-e]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn any_change_of_any_text_gives_the_wanted_tree(
        from in prop::collection::btree_map("[a-e]", tree(), 0..5),
        to in prop::collection::btree_map("[a-e]", tree(), 0..5),
        is_pretty in any::<bool>(),
    ) {
        let from = Value::Object(from.into_iter().collect());
        let to = Value::Object(to.into_iter().collect());
        let text = if is_pretty { serde_json::to_string_pretty(&from) } else { serde_json::to_string(&from) };
        let spliced = splice(&text.unwrap(), &from, &to);
        prop_assert_eq!(source::parse(&spliced.expect("it can be done in place")).unwrap(), to);
    }
}
