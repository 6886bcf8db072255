//! Measures the release binary from outside, all figures in one run, and prints them as a table.
//!
//!     cargo run --release -p openclaw-bench -- [--quick] [--only PART] [--bin PATH] [--write]
//!
//! `--quick` takes fewer samples. `--only` takes one part: gateway, turns, connect, views, crowd, stream, neighbours, ledger, memory, restart. `--write` puts the table into docs/benchmarks.md.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

mod connect;
mod crowd;
mod gateway;
mod ledger;
mod memory;
mod neighbours;
mod process;
mod restart;
mod sample;
mod socket;
mod stream;
mod table;
mod views;

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

    let only = arguments
        .iter()
        .position(|argument| argument == "--only")
        .and_then(|at| arguments.get(at + 1));
    let wanted = |part: &str| only.is_none_or(|only| only == part);

    let mut table = Table::default();
    if wanted("gateway") {
        gateway::starts(&bin, scale, &mut table).await;
        gateway::idle(&bin, scale, &mut table).await;
    }
    if wanted("gateway") || wanted("turns") {
        gateway::turns(&bin, scale, &mut table).await;
    }
    if wanted("connect") {
        connect::known_device(&bin, scale, &mut table).await;
    }
    if wanted("views") {
        views::list(&bin, scale, &mut table).await;
        views::history(&bin, scale, &mut table).await;
        views::of_a_hung_one(&bin, scale, &mut table).await;
    }
    if wanted("crowd") {
        crowd::followed(&bin, scale, &mut table).await;
    }
    if wanted("stream") {
        stream::first_delta(&bin, scale, &mut table).await;
        stream::long_answer(&bin, &mut table).await;
        stream::beside_a_hung_one(&bin, scale, &mut table).await;
    }
    if wanted("neighbours") {
        neighbours::beside_trouble(&bin, scale, &mut table).await;
    }
    if wanted("ledger") {
        ledger::rows(scale, &mut table).await;
    }
    if wanted("memory") {
        memory::search(scale, &mut table).await;
    }
    if wanted("restart") {
        restart::after_a_panic(scale, &mut table).await;
    }

    print!("{table}");
    if has("--write") {
        table
            .write("docs/benchmarks.md")
            .expect("docs/benchmarks.md");
    }
}
