//! The agents' notes.

use super::super::Method;
use super::super::row::between;
use super::super::row::read;
use super::super::row::write;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    read(
        "memory.status",
        closed(&[opt("agentId", TEXT), opt("deep", Shape::Bool)]),
    ),
    read(
        "memory.search",
        closed(&[
            req("query", Shape::Text { min: 0, max: 4000 }),
            opt("agentId", TEXT),
            opt("maxResults", between(1, 100)),
            opt("minScore", Shape::Number),
        ]),
    ),
    // It may cost money at a provider.
    write(
        "memory.index",
        closed(&[opt("agentId", TEXT), opt("force", Shape::Bool)]),
    ),
];
