//! A test that can't run here says so, where it can be counted: a promise whose test was skipped is not proven.

use std::fs::File;
use std::io::Write;

/// Prints why, and appends the test's name to `$OPENCLAW_SKIPPED`.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    if let Some(path) = std::env::var_os("OPENCLAW_SKIPPED") {
        let file = File::options().create(true).append(true).open(path);
        let mut file = file.expect("the list of skipped tests");
        writeln!(file, "{name}").expect("the list of skipped tests");
    }
}

/// Skips a test that needs a build with fault points; true when it has to end here.
pub fn without_faults() -> bool {
    let is_missing = std::env::var_os("OPENCLAW_BIN").is_none();
    if is_missing {
        skipped("needs a build with fault points in OPENCLAW_BIN; tests/run makes one");
    }
    is_missing
}
