//! Where messages stand, and those that ended badly.

use super::super::Method;
use super::super::row::admin;
use super::super::row::between;
use super::super::row::read;
use super::super::row::write;
use crate::shape::Fields;
use crate::shape::Shape;
use crate::shape::closed;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    read("messages.trace", ONE),
    read(
        "deadletters.list",
        closed(&[opt("limit", between(1, 2000))]),
    ),
    read("deadletters.show", ONE),
    write("deadletters.retry", ONE),
    // For good: what is dropped is never sent or answered.
    admin("deadletters.drop", ONE),
];

/// One message. The longest name is that of a row: a session key and a number.
const ONE: Fields = closed(&[req("id", Shape::Text { min: 1, max: 600 })]);
