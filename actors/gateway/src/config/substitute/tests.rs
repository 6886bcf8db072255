use serde_json::json;

use super::*;

fn env() -> Environment {
    [("A", "one"), ("B_2", "two"), ("EMPTY", "")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn variables_are_put_in_and_escapes_stay() {
    for (text, expected) in [
        ("${A}", "one"),
        ("x${A}y${B_2}z", "xoneytwoz"),
        ("$${A}", "${A}"),
        ("$${A}${A}", "${A}one"),
        ("${a}", "${a}"),
        ("${A", "${A"),
        ("$A ${} $", "$A ${} $"),
        ("${${A}}", "${one}"),
        ("é${A}é", "éoneé"),
    ] {
        assert_eq!(expand(text, &env()).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(expand("${A}${NONE}", &env()), Err("NONE".to_owned()));
    assert_eq!(expand("${EMPTY}", &env()), Err("EMPTY".to_owned()));
}

#[test]
fn what_is_not_set_is_named_with_its_place() {
    let mut tree = json!({"a": ["${A}", {"b": "${NONE}"}], "c": 5});
    let broken = substitute(&mut tree, &env());
    assert_eq!(tree, json!({"a": ["one", {"b": "${NONE}"}], "c": 5}));
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].issue.path, "a[1].b");
    assert_eq!(
        broken[0].issue.fix.as_deref(),
        Some("openclaw config unset 'a[1].b'")
    );
    assert_eq!(wanted(&json!({"x": "${A}${B_2}$${C}"})), ["A", "B_2"]);
}
