//! What every store promises.

mod audit;
mod company;
mod custody;
mod heard;
mod inbox;
mod outbox;
mod prune;
mod recovery;
mod session;
mod spend;
mod turn;

/// Runs each test on the double and on redb.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test] async fn $name() { super::$name(&crate::tests::fixture::Stage::memory().ledger).await; })*
        }
        mod on_disk {
            $(#[tokio::test] async fn $name() { let stage = crate::tests::fixture::Stage::disk(); super::$name(&stage.ledger).await; })*
        }
    };
}
use on_both;
