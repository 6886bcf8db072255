//! One mistake anywhere never takes the control plane down, and its remedy mends it.

use super::full::full;
use super::*;
use proptest::prelude::*;

/// Every path of the example, objects and lists included.
fn paths(value: &Value, path: &Path, found: &mut Vec<Path>) {
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

fn any_value() -> impl Strategy<Value = Value> {
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
enum Mutation {
    Replace(Value),
    Remove,
    Add(String, Value),
    Rename(String),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => any_value().prop_map(Mutation::Replace),
        1 => Just(Mutation::Remove),
        1 => ("[a-zA-Z.]{1,10}", any_value()).prop_map(|(key, value)| Mutation::Add(key, value)),
        1 => "[a-zA-Z]{1,10}".prop_map(Mutation::Rename),
    ]
}

fn mutate(tree: &mut Value, path: &Path, mutation: &Mutation) {
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

fn same(a: &Issue, b: &Issue) -> bool {
    a.path == b.path && a.message == b.message && a.value == b.value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_mistake_never_takes_the_control_plane_down(
        place in any::<prop::sample::Index>(),
        mutation in any_mutation(),
    ) {
        let mut all = Vec::new();
        paths(&full(), &Path::root(), &mut all);
        let mut tree = full();
        mutate(&mut tree, place.get(&all), &mutation);

        let loaded = Config::from_value(tree.clone());
        let gateway = &loaded.config.gateway;
        prop_assert!(gateway.port > 0);
        if loaded.issues.is_empty() || gateway.auth.is_valid() {
            // Reachable, and not wider than the file says.
            prop_assert!(gateway.bind == Bind::Loopback || tree["gateway"]["bind"] != "loopback");
        }
        for issue in &loaded.issues {
            let Some(fix) = &issue.fix else {
                prop_assert!(issue.severity == Severity::Note, "no remedy: {}", issue);
                continue;
            };
            let before = loaded.issues.iter().filter(|other| same(other, issue)).count();
            let mut mended = tree.clone();
            mend(&mut mended, fix);
            let after = Config::from_value(mended);
            let left = after.issues.iter().filter(|other| same(other, issue)).count();
            // Removing one of two like entries of a list moves the other into its place.
            let is_mended = left < before || after.issues.len() < loaded.issues.len();
            prop_assert!(is_mended, "{} does not mend it: {:#?}", issue, after.issues);
        }
    }
}
