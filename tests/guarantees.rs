//! Every promise of docs/guarantees.md names the test that proves it, and that test exists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_promise_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/guarantees.md")).expect("docs/guarantees.md");
    let mut tests = BTreeSet::new();
    for folder in ["tests", "actors", "protocol", "src"] {
        collect(&root.join(folder), &mut tests);
    }
    let mut promises = 0;
    for line in page.lines().filter(|line| line.starts_with("- ")) {
        promises += 1;
        let name = line
            .rsplit('`')
            .nth(1)
            .unwrap_or_else(|| panic!("no test named in: {line}"));
        let function = name.rsplit("::").next().unwrap_or(name);
        assert!(
            tests.contains(function),
            "{name} does not exist, named in: {line}"
        );
    }
    assert!(promises > 0, "the page lists no promise");
}

/// Names of all functions that carry a test attribute below `folder`.
fn collect(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path
                .file_name()
                .is_some_and(|name| name != "node_modules" && name != "target")
            {
                collect(&path, into);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            // The ledger's suite is run over both stores by a macro that carries the attribute.
            let suite = path.to_string_lossy().contains("/tests/suite/");
            let mut attributed = suite;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    attributed = true;
                } else if attributed && let Some((_, rest)) = line.split_once("fn ") {
                    into.insert(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
                    attributed = suite;
                }
            }
        }
    }
}
