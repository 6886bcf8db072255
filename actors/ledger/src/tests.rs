//! Tests of the verbs: one suite over both stores, a model, and what only a file can show.

mod actor;
mod disk;
mod failing;
mod fixture;
mod layout;
mod model;
mod suite;
