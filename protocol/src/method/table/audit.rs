//! Who did what.

use super::super::Method;
use super::super::row::KEY;
use super::super::row::NOTHING;
use super::super::row::admin;
use super::super::row::between;
use super::super::row::read;
use crate::shape::COUNT;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;

pub(super) const ROWS: &[Method] = &[
    read(
        "audit.list",
        closed(&[
            opt("agentId", TEXT),
            opt("sessionKey", KEY),
            opt("kind", TEXT),
            opt("status", TEXT),
            opt("after", COUNT),
            opt("before", COUNT),
            opt("limit", between(1, 500)),
            opt("cursor", TEXT),
        ]),
    ),
    admin("audit.verify", NOTHING),
];
