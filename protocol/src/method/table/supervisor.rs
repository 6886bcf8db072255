//! The supervision tree.

use super::super::Method;
use super::super::row::admin;
use super::super::row::between;
use super::super::row::hidden;
use super::super::row::read;
use crate::shape::Field;
use crate::shape::Fields;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    read("supervisor.tree", closed(SUPERVISOR_TREE)),
    read("supervisor.watch", closed(&[opt("enabled", Shape::Bool)])),
    read(
        "supervisor.crash",
        closed(&[opt("id", TEXT), opt("limit", between(1, 1000))]),
    ),
    admin("supervisor.restart", AT_PATH),
    admin("supervisor.stop", AT_PATH),
    admin("supervisor.park", AT_PATH),
    admin("supervisor.unpark", AT_PATH),
    hidden(admin("supervisor.chaos", closed(SUPERVISOR_CHAOS))),
];

/// A child under its supervisor, by the path that the tree prints.
const AT_PATH: Fields = closed(&[req("path", TEXT)]);
const SUPERVISOR_TREE: &[Field] = &[opt("path", STRING), opt("depth", between(0, 64))];
const SUPERVISOR_CHAOS: &[Field] = &[
    opt("path", TEXT),
    req(
        "action",
        Shape::OneOf(&["kill", "panic", "hang", "arm", "disarm", "hits"]),
    ),
    opt("faults", STRING),
];
