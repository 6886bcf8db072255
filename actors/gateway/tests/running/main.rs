//! A whole gateway in this process, over real files: what a change of the configuration does to what runs, and who is
//! told when a part fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod keys;
mod live;
mod notices;
mod port;
