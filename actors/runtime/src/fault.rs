//! Fault points: places where a test makes the process misbehave. Without the feature `chaos` they are nothing.

/// A fault that was told to be an error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("fault injected at {point}")]
pub struct Injected {
    pub point: &'static str,
}

/// A synchronous fault point: `fault::point!("ledger.before_commit")?`.
#[macro_export]
#[doc(hidden)]
macro_rules! fault_point {
    ($name:literal) => {
        $crate::fault::point($name)
    };
}

/// A fault point inside a future: `fault::point_async!("channel.before_send").await?`.
#[macro_export]
#[doc(hidden)]
macro_rules! fault_point_async {
    ($name:literal) => {
        $crate::fault::point_async($name)
    };
}

pub use crate::fault_point as point;
pub use crate::fault_point_async as point_async;

/// A synchronous fault point; [`point!`] by another name.
#[cfg(not(feature = "chaos"))]
#[inline(always)]
pub fn point(_name: &'static str) -> Result<(), Injected> {
    Ok(())
}

/// A fault point inside a future.
#[cfg(not(feature = "chaos"))]
#[inline(always)]
pub async fn point_async(_name: &'static str) -> Result<(), Injected> {
    Ok(())
}

#[cfg(feature = "chaos")]
pub fn point(_name: &'static str) -> Result<(), Injected> {
    todo!()
}

#[cfg(feature = "chaos")]
pub async fn point_async(_name: &'static str) -> Result<(), Injected> {
    todo!()
}
