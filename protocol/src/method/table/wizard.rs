//! The guided set-up.

use super::super::Method;
use super::super::row::admin;
use crate::shape::Field;
use crate::shape::Fields;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    admin("wizard.start", closed(START)),
    admin(
        "wizard.next",
        closed(&[
            req("sessionId", TEXT),
            opt("answer", Shape::Object(&ANSWER)),
        ]),
    ),
    admin(
        "wizard.cancel",
        closed(&[req("sessionId", TEXT), opt("closeInput", Shape::Bool)]),
    ),
    admin("wizard.status", closed(&[req("sessionId", TEXT)])),
];

const START: &[Field] = &[
    opt("mode", Shape::OneOf(&["local", "remote"])),
    opt("workspace", STRING),
    opt("installDaemon", Shape::Bool),
    opt("flow", Shape::OneOf(&["setup", "channels"])),
    opt("channel", TEXT),
];
const ANSWER: Fields = closed(&[req("stepId", TEXT), opt("value", Shape::Any)]);
