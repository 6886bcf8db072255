//! Who did what.

use super::super::Method;
use super::super::row::NOTHING;
use super::super::row::admin;
use super::super::row::at_least;
use super::super::row::between;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;

pub(super) const ROWS: &[Method] = &[
    admin(
        "audit.list",
        closed(&[
            opt("limit", between(1, 1000)),
            opt("before", at_least(1)),
            opt("kind", TEXT),
        ]),
    ),
    admin("audit.verify", NOTHING),
];
