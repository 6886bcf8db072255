//! The table of methods, one family a file.

mod agent;
mod approval;
mod audit;
mod channel;
mod chat;
mod config;
mod cron;
mod device;
mod memory;
mod message;
mod model;
mod node;
mod page;
mod session;
mod supervisor;
mod system;
mod usage;
mod voice;
mod wizard;

use super::Method;

/// The families, in the order of the greeting.
const FAMILIES: &[&[Method]] = &[
    system::ROWS,
    config::ROWS,
    wizard::ROWS,
    agent::ROWS,
    chat::ROWS,
    session::ROWS,
    model::ROWS,
    cron::ROWS,
    channel::ROWS,
    node::ROWS,
    device::ROWS,
    approval::ROWS,
    voice::ROWS,
    usage::ROWS,
    page::ROWS,
    message::ROWS,
    memory::ROWS,
    audit::ROWS,
    supervisor::ROWS,
];

/// All methods.
pub const METHODS: &[Method] = &ALL;

#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks the bounds"
)]
const COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks the bounds"
)]
static ALL: [Method; COUNT] = {
    let mut all = [FAMILIES[0][0]; COUNT];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            all[at] = FAMILIES[family][row];
            at += 1;
            row += 1;
        }
        family += 1;
    }
    all
};
