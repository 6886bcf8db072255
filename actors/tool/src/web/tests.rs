//! The tools against sites of our own, strict about what they are asked.

mod fetch;
pub(crate) mod site;
