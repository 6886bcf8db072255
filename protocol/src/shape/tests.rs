use serde_json::json;

use super::COUNT;
use super::Fields;
use super::Shape;
use super::TEXT;
use super::closed;
use super::open;
use super::opt;
use super::req;

const INNER: Fields = open(&[req("id", TEXT)]);
const OUTER: Fields = closed(&[
    req("key", TEXT),
    opt("limit", Shape::Int { min: 1, max: 5 }),
    opt(
        "names",
        Shape::List {
            of: &TEXT,
            min: 1,
            max: 2,
        },
    ),
    opt("mode", Shape::OneOf(&["a", "b"])),
    opt("label", Shape::Nullable(&Shape::Text { min: 0, max: 3 })),
    opt(
        "fast",
        Shape::Either(&Shape::Bool, &Shape::OneOf(&["auto"])),
    ),
    opt("inner", Shape::Object(&INNER)),
    opt("flags", Shape::Map(&Shape::Bool)),
    opt("count", COUNT),
]);

#[test]
fn what_fits_passes() {
    let good = [
        json!({ "key": "k" }),
        json!({ "key": "k", "limit": 5, "names": ["a"], "mode": "b", "label": null, "count": 0 }),
        json!({ "key": "k", "fast": "auto", "inner": { "id": "x", "new": 1 }, "flags": { "a": true } }),
    ];
    for value in good {
        assert_eq!(OUTER.check(&value), Ok(()), "{value}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let table = [
        (json!([]), "at root: must be object"),
        (json!({}), "at root: must have required property 'key'"),
        (
            json!({ "key": "" }),
            "at /key: must NOT have fewer than 1 characters",
        ),
        (json!({ "key": 1 }), "at /key: must be string"),
        (
            json!({ "key": "k", "bogus": 1 }),
            "at root: unexpected property 'bogus'",
        ),
        (json!({ "key": "k", "limit": 9 }), "at /limit: must be <= 5"),
        (
            json!({ "key": "k", "limit": 1.5 }),
            "at /limit: must be integer",
        ),
        (
            json!({ "key": "k", "names": ["a", ""] }),
            "at /names/1: must NOT have fewer than 1 characters",
        ),
        (
            json!({ "key": "k", "mode": "c" }),
            "at /mode: must be one of a, b",
        ),
        (
            json!({ "key": "k", "label": "long" }),
            "at /label: must NOT have more than 3 characters",
        ),
        (
            json!({ "key": "k", "fast": 1 }),
            "at /fast: must be boolean",
        ),
        (
            json!({ "key": "k", "inner": {} }),
            "at /inner: must have required property 'id'",
        ),
        (
            json!({ "key": "k", "flags": { "a": 1 } }),
            "at /flags/a: must be boolean",
        ),
        (
            json!({ "limit": 0, "x": 1 }),
            "at root: must have required property 'key'; at /limit: must be >= 1; at root: unexpected property 'x'",
        ),
    ];
    for (value, expected) in table {
        assert_eq!(OUTER.check(&value), Err(expected.to_owned()), "{value}");
    }
}
