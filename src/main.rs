//! The `openclaw` binary.
fn main() {}
