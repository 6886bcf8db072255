//! Models, tools, skills and commands that there are.

use super::super::Method;
use super::super::row::NOTHING;
use super::super::row::admin;
use super::super::row::at_least;
use super::super::row::late;
use super::super::row::node;
use super::super::row::read;
use super::super::row::write;
use crate::shape::Field;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    read("models.list", closed(MODELS_LIST)),
    late(read(
        "models.authStatus",
        open(&[opt("refresh", Shape::Bool), opt("agentId", STRING)]),
    )),
    late(read(
        "tools.catalog",
        closed(&[opt("agentId", TEXT), opt("includePlugins", Shape::Bool)]),
    )),
    late(read(
        "tools.effective",
        closed(&[req("sessionKey", TEXT), opt("agentId", TEXT)]),
    )),
    late(write("tools.invoke", open(TOOL))),
    late(read(
        "commands.list",
        open(&[opt("agentId", TEXT), opt("includeArgs", Shape::Bool)]),
    )),
    read(
        "skills.status",
        closed(&[opt("agentId", TEXT), opt("sessionKey", TEXT)]),
    ),
    node("skills.bins", NOTHING),
    admin(
        "skills.install",
        open(&[
            opt("name", TEXT),
            opt("installId", TEXT),
            opt("timeoutMs", at_least(1000)),
        ]),
    ),
    admin("skills.update", open(SKILL)),
];

const MODELS_LIST: &[Field] = &[
    opt("agentId", TEXT),
    opt("sessionKey", TEXT),
    opt("authProfileId", STRING),
    opt("provider", TEXT),
    opt("includeDetails", Shape::Bool),
    opt("includeProviderCapabilities", Shape::Bool),
    opt("includeDefaultModels", Shape::Bool),
    opt("preparedOnly", Shape::Bool),
    opt("refresh", Shape::Bool),
    opt(
        "view",
        Shape::OneOf(&["default", "configured", "provider-config", "all"]),
    ),
];

const TOOL: &[Field] = &[
    req("name", TEXT),
    opt("args", Shape::Map(&Shape::Any)),
    opt("sessionKey", TEXT),
    opt("agentId", TEXT),
    opt("idempotencyKey", TEXT),
];
const SKILL: &[Field] = &[
    opt("skillKey", TEXT),
    opt("enabled", Shape::Bool),
    opt("apiKey", STRING),
    opt("env", Shape::Map(&STRING)),
];
