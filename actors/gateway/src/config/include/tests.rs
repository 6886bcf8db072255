use serde_json::json;

use super::*;

fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn resolved(main: &str, more: &[(&str, &str)]) -> (Value, Includes) {
    let dir = files(more);
    let tree = source::parse(main).unwrap();
    resolve(tree, &dir.path().join("openclaw.json"))
}

fn problems(includes: &Includes) -> Vec<String> {
    let text = |broken: &Broken| broken.issue.to_string();
    includes.broken.iter().map(text).collect()
}

#[test]
fn a_name_stands_for_the_file() {
    let (tree, includes) = resolved(
        "{ agents: { $include: './parts/agents.json5' }, session: { dmScope: 'main' } }",
        &[("parts/agents.json5", "{ list: [{ id: 'ops' }] }")],
    );
    assert_eq!(
        tree,
        json!({"agents": {"list": [{"id": "ops"}]}, "session": {"dmScope": "main"}})
    );
    assert_eq!(includes.files[0].at.to_string(), "agents");
}

#[test]
fn several_files_are_merged_and_own_keys_come_last() {
    let (tree, _) = resolved(
        "{ $include: ['a.json', 'b.json'], x: { own: 1 } }",
        &[
            ("a.json", "{ x: { a: 1, both: 'a', own: 0 }, list: [1] }"),
            ("b.json", "{ x: { both: 'b' }, list: [2] }"),
        ],
    );
    assert_eq!(
        tree,
        json!({"x": {"a": 1, "both": "b", "own": 1}, "list": [1, 2]})
    );
}

#[test]
fn names_are_relative_to_the_file_they_stand_in() {
    let (tree, includes) = resolved(
        "{ a: { $include: 'sub/one.json' } }",
        &[
            ("sub/one.json", "{ b: { $include: 'two.json' } }"),
            ("sub/two.json", "{ deep: true }"),
        ],
    );
    assert_eq!(tree, json!({"a": {"b": {"deep": true}}}));
    assert_eq!(includes.files[1].at.to_string(), "a.b");
}

#[test]
fn mistakes_are_reported_and_the_rest_stays() {
    let (tree, includes) = resolved(
        "{ a: { $include: 'none.json' }, b: { $include: 'loop.json', own: 1 }, c: { $include: 5 }, d: { $include: 'bad.json' } }",
        &[
            ("loop.json", "{ again: { $include: 'loop.json' } }"),
            ("bad.json", "{ x:"),
        ],
    );
    assert_eq!(tree["b"], json!({"again": {}, "own": 1}));
    let problems = problems(&includes);
    assert_eq!(problems.len(), 4);
    assert!(
        problems[0].contains("none.json does not exist"),
        "{problems:?}"
    );
    assert!(
        problems[0].contains("openclaw config unset 'a.$include'")
            || problems[0].contains("openclaw config unset")
    );
    assert!(problems[1].contains("includes itself"));
    assert!(problems[2].contains("a file's name"));
    assert!(problems[3].contains("bad.json"));
}

#[test]
fn ten_levels_are_enough() {
    let names: Vec<String> = (0..12).map(|n| format!("f{n}.json")).collect();
    let texts: Vec<String> = (0..12)
        .map(|n| format!("{{ n{n}: {{ $include: 'f{}.json' }} }}", n + 1))
        .collect();
    let more: Vec<(&str, &str)> = names
        .iter()
        .zip(&texts)
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    let (_, includes) = resolved("{ $include: 'f0.json' }", &more);
    assert!(
        problems(&includes)[0].contains("more than 10 levels"),
        "{:?}",
        problems(&includes)
    );
}
