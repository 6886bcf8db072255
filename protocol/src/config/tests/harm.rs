//! One mistake anywhere in a configuration. Shared with the tests of the gateway, which run the remedies on files.

use proptest::prelude::*;

use super::*;

/// Every path of the example, objects and lists included.
pub(crate) fn paths(value: &Value, path: &Path, found: &mut Vec<Path>) {
    if !path.is_root() {
        found.push(path.clone());
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                paths(value, &path.key(key.as_str()), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                paths(value, &path.index(index), found);
            }
        }
        _ => {}
    }
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-5i64..100_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,8}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "open", "none", "lan", "custom", "all", "off", "true", "7", "*"
        ])
        .prop_map(Value::from),
        prop::collection::vec(any::<i32>(), 0..3).prop_map(Value::from),
        prop::collection::vec("[a-z ]{0,4}", 0..3).prop_map(Value::from),
        Just(json!({})),
        Just(json!([{}])),
        Just(json!([5, {"id": "x"}])),
        Just(json!({"id": "x", "enabled": "maybe"})),
        ("[a-zA-Z]{1,8}", any::<i32>()).prop_map(|(key, value)| json!({ key: value })),
    ]
}

#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    Replace(Value),
    Remove,
    Add(String, Value),
    Rename(String),
}

pub(crate) fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => any_value().prop_map(Mutation::Replace),
        1 => Just(Mutation::Remove),
        1 => ("[a-zA-Z.]{1,10}", any_value()).prop_map(|(key, value)| Mutation::Add(key, value)),
        1 => "[a-zA-Z]{1,10}".prop_map(Mutation::Rename),
    ]
}

pub(crate) fn mutate(tree: &mut Value, path: &Path, mutation: &Mutation) {
    match mutation {
        Mutation::Replace(value) => drop(path.set(tree, value.clone())),
        Mutation::Remove => drop(path.unset(tree)),
        Mutation::Add(key, value) => {
            if path.get(tree).is_some_and(Value::is_object) {
                drop(path.key(key.as_str()).set(tree, value.clone()));
            }
        }
        Mutation::Rename(key) => {
            if let Some(value) = path.unset(tree) {
                let above = path.parent().unwrap_or_default();
                drop(above.key(key.as_str()).set(tree, value));
            }
        }
    }
}
