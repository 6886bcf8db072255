//! Tests of the verbs: one suite over both stores, a model, and what only a file can show.

mod actor;
mod crash_points;
mod disk;
mod failing;
mod fixture;
mod full;
mod layout;
mod model;
mod suite;
