//! Talk mode, spoken answers and wake words.

use super::super::Access;
use super::super::Method;
use super::super::Scope;
use super::super::row::ANYTHING;
use super::super::row::late;
use super::super::row::method;
use super::super::row::read;
use super::super::row::write;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    method(
        "talk.mode",
        Access::ByVersion(Scope::Write, Scope::Talk),
        closed(&[req("enabled", Shape::Bool), opt("phase", STRING)]),
    ),
    late(read(
        "talk.config",
        open(&[opt("includeSecrets", Shape::Bool)]),
    )),
    late(read("talk.catalog", ANYTHING)),
    read("tts.status", ANYTHING),
    read("tts.providers", ANYTHING),
    write("tts.enable", ANYTHING),
    write("tts.disable", ANYTHING),
    write("tts.convert", ANYTHING),
    write("tts.setProvider", ANYTHING),
    read("voicewake.get", ANYTHING),
    write("voicewake.set", ANYTHING),
    late(read("voicewake.routing.get", ANYTHING)),
];
