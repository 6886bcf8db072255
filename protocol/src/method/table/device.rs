//! Devices: who may connect as which, and their tokens.

use super::super::Method;
use super::super::row::NAMES;
use super::super::row::NOTHING;
use super::super::row::REQUEST;
use super::super::row::admin;
use super::super::row::hidden;
use super::super::row::late;
use super::super::row::pairing;
use super::super::row::text_to;
use crate::shape::Field;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    pairing("device.pair.list", NOTHING),
    pairing("device.pair.approve", REQUEST),
    pairing("device.pair.reject", REQUEST),
    late(pairing(
        "device.pair.remove",
        closed(&[req("deviceId", TEXT)]),
    )),
    late(pairing("device.pair.rename", closed(RENAME))),
    pairing("device.token.rotate", closed(ROTATE)),
    pairing("device.token.revoke", closed(REVOKE)),
    hidden(late(admin("device.pair.setupCode", closed(SETUP_CODE)))),
    hidden(late(admin(
        "device.pair.setupStatus",
        closed(&[req("setupId", Shape::Text { min: 1, max: 128 })]),
    ))),
];

const RENAME: &[Field] = &[req("deviceId", TEXT), req("label", text_to(64))];
const ROTATE: &[Field] = &[
    req("deviceId", TEXT),
    req("role", TEXT),
    opt("scopes", NAMES),
];
const REVOKE: &[Field] = &[req("deviceId", TEXT), req("role", TEXT)];
const SETUP_CODE: &[Field] = &[
    opt("publicUrl", TEXT),
    opt("preferRemoteUrl", Shape::Bool),
    opt("includeQr", Shape::Bool),
    opt("bootstrapProfile", Shape::OneOf(&["limited", "node"])),
    opt("joinUrl", Shape::Bool),
];
