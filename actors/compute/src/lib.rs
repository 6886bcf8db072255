//! What computes over many numbers: pictures made smaller. No clock, file, socket or actor, and compiled for speed where
//! the rest of the program is compiled to be small.

pub mod picture;
