//! The one who kills what overruns its time.

/// Builds the runtime the gateway runs on: enough workers that a stuck handler leaves others, with named threads.
pub fn build_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    todo!()
}
