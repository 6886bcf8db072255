//! Every promise of docs/guarantees.md names the test that proves it; that test exists, and in a full run it ran and passed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use openclaw_support::skip;

#[test]
fn every_promise_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for folder in ["tests", "actors", "protocol", "src"] {
        collect(&root.join(folder), &mut tests);
    }
    for (line, test) in promises() {
        assert!(
            tests.contains(&test),
            "{test} does not exist, named in: {line}"
        );
    }
}

/// `tests/run` collects what the test runner says in `$OPENCLAW_RAN`, and what was skipped in `$OPENCLAW_SKIPPED`.
#[test]
fn every_promise_was_proven_in_this_run() {
    let Some(ran) = std::env::var_os("OPENCLAW_RAN") else {
        skip::skipped("looks at a whole run; tests/run makes one");
        return;
    };
    let ran = fs::read_to_string(ran).expect("what the test runner said");
    let skipped = std::env::var_os("OPENCLAW_SKIPPED");
    let skipped = skipped.and_then(|path| fs::read_to_string(path).ok());
    let runs = runs(&ran, &skipped.unwrap_or_default());
    for (line, test) in promises() {
        let run = runs.get(&test).copied().unwrap_or_default();
        assert!(run.failed == 0, "{test} failed, named in: {line}");
        assert!(
            run.passed > run.skipped,
            "{test} was not run ({run:?}), named in: {line}"
        );
    }
}

#[test]
fn a_skipped_test_proves_nothing() {
    let ran = "running 3 tests\n\
               test files::tests::torn_lines_are_kept ... ok\n\
               test a_kill ... ok\n\
               test a_hang ... FAILED\n\
               test result: FAILED.\n";
    let runs = runs(ran, "a_kill\n");
    assert_eq!((runs["torn_lines_are_kept"].passed, 0), (1, 0));
    assert_eq!((runs["a_kill"].passed, runs["a_kill"].skipped), (1, 1));
    assert_eq!(runs["a_hang"].failed, 1);
    assert!(!runs.contains_key("result:"));
}

/// How often a test ran.
#[derive(Debug, Default, Clone, Copy)]
struct Runs {
    passed: usize,
    failed: usize,
    /// Of those that passed, how many only said that they can't run here.
    skipped: usize,
}

/// What the runner said of each test, by the name of its function.
fn runs(ran: &str, skipped: &str) -> BTreeMap<String, Runs> {
    let mut runs: BTreeMap<String, Runs> = BTreeMap::new();
    for line in ran.lines() {
        let Some(rest) = line.strip_prefix("test ") else {
            continue;
        };
        let Some((name, end)) = rest.split_once(" ... ") else {
            continue;
        };
        let run = runs.entry(function(name)).or_default();
        match end.trim() {
            "ok" => run.passed += 1,
            end if end.starts_with("FAILED") => run.failed += 1,
            _ => {}
        }
    }
    for name in skipped.lines() {
        runs.entry(function(name)).or_default().skipped += 1;
    }
    runs
}

fn function(name: &str) -> String {
    let name = name.trim().split(" - ").next().unwrap_or_default();
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

/// The lines of the page that promise something, and the test each names.
fn promises() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/guarantees.md")).expect("docs/guarantees.md");
    let promises: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("- "))
        .map(|line| {
            let name = line
                .rsplit('`')
                .nth(1)
                .unwrap_or_else(|| panic!("no test named in: {line}"));
            (line.to_owned(), function(name))
        })
        .collect();
    assert!(!promises.is_empty(), "the page lists no promise");
    promises
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
