//! Measures the release binary from outside, all figures in one run, and prints them as a table.
//!
//!     cargo run --release -p openclaw-bench -- [--quick] [--bin PATH] [--write]
//!
//! `--quick` takes fewer samples. `--write` puts the table into docs/benchmarks.md.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

mod gateway;
mod ledger;
mod process;
mod restart;
mod sample;
mod socket;
mod table;

use crate::table::Table;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let bin = arguments
        .iter()
        .position(|argument| argument == "--bin")
        .and_then(|at| arguments.get(at + 1).cloned())
        .unwrap_or_else(|| "target/release/openclaw".into());
    let scale = if has("--quick") { 1 } else { 5 };

    let mut table = Table::default();
    gateway::starts(&bin, scale, &mut table).await;
    gateway::idle(&bin, scale, &mut table).await;
    gateway::turns(&bin, scale, &mut table).await;
    ledger::rows(scale, &mut table).await;
    restart::after_a_panic(scale, &mut table).await;

    print!("{table}");
    if has("--write") {
        table
            .write("docs/benchmarks.md")
            .expect("docs/benchmarks.md");
    }
}
