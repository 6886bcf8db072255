//! The configuration.

use super::super::Method;
use super::super::Scope;
use super::super::row::NOTHING;
use super::super::row::STRINGS;
use super::super::row::admin;
use super::super::row::late;
use super::super::row::once_admin;
use super::super::row::read;
use super::super::row::text_to;
use crate::shape::COUNT;
use crate::shape::Field;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    once_admin("config.get", Scope::Read, NOTHING),
    once_admin("config.schema", Scope::Read, NOTHING),
    late(read(
        "config.schema.lookup",
        closed(&[req("path", text_to(1024))]),
    )),
    admin(
        "config.set",
        closed(&[req("raw", TEXT), opt("baseHash", STRING)]),
    ),
    admin("config.patch", closed(CHANGE)),
    admin("config.apply", closed(CHANGE)),
];

/// `config.apply` takes what a patch takes; the fields about restarts mean nothing here, as a change needs none.
const CHANGE: &[Field] = &[
    req("raw", TEXT),
    opt("baseHash", STRING),
    opt("sessionKey", STRING),
    opt("deliveryContext", Shape::Any),
    opt("note", STRING),
    opt("restartDelayMs", COUNT),
    opt("replacePaths", STRINGS),
];
