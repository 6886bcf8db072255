//! How the rows of the table are written.

use super::Access;
use super::Method;
use super::Scope;
use crate::frame::Protocol;
use crate::shape::COUNT;
use crate::shape::Field;
use crate::shape::Fields;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

/// No parameters at all.
pub(super) const NOTHING: Fields = closed(&[]);
/// Anything: methods whose early versions never looked at what they got.
pub(super) const ANYTHING: Fields = open(&[]);
/// A session key.
pub(super) const KEY: Shape = Shape::Text { min: 1, max: 512 };
pub(super) const POSITIVE: Shape = at_least(1);
/// A text or null.
pub(super) const NULLABLE: Shape = Shape::Nullable(&STRING);
pub(super) const STRINGS: Shape = Shape::List {
    of: &STRING,
    min: 0,
    max: usize::MAX,
};
/// A list of names, possibly none.
pub(super) const NAMES: Shape = Shape::List {
    of: &TEXT,
    min: 0,
    max: usize::MAX,
};
/// A list of at least one name.
pub(super) const KEYS: Shape = Shape::List {
    of: &TEXT,
    min: 1,
    max: usize::MAX,
};
/// One request by its id.
pub(super) const REQUEST: Fields = closed(&[req("requestId", TEXT)]);
/// A session by its key.
pub(super) const SESSION: Fields = closed(&[req("key", KEY), opt("agentId", TEXT)]);
/// Which client asks again with the same words.
pub(super) const IDEMPOTENCY: Field = req("idempotencyKey", TEXT);
pub(super) const TIMEOUT: Field = opt("timeoutMs", COUNT);

pub(super) const fn at_least(min: i64) -> Shape {
    let max = i64::MAX;
    Shape::Int { min, max }
}

pub(super) const fn between(min: i64, max: i64) -> Shape {
    Shape::Int { min, max }
}

/// A text of at most this many characters.
pub(super) const fn text_to(max: usize) -> Shape {
    Shape::Text { min: 0, max }
}

pub(super) const fn method(name: &'static str, access: Access, params: Fields) -> Method {
    Method {
        name,
        access,
        params,
        since: Protocol::V3,
        is_idempotent: false,
        is_advertised: true,
    }
}

pub(super) const fn needs(name: &'static str, scope: Scope, params: Fields) -> Method {
    method(name, Access::Scope(scope), params)
}

pub(super) const fn read(name: &'static str, params: Fields) -> Method {
    needs(name, Scope::Read, params)
}

pub(super) const fn write(name: &'static str, params: Fields) -> Method {
    needs(name, Scope::Write, params)
}

pub(super) const fn admin(name: &'static str, params: Fields) -> Method {
    needs(name, Scope::Admin, params)
}

pub(super) const fn pairing(name: &'static str, params: Fields) -> Method {
    needs(name, Scope::Pairing, params)
}

pub(super) const fn approvals(name: &'static str, params: Fields) -> Method {
    needs(name, Scope::Approvals, params)
}

/// Called by nodes, never by operators.
pub(super) const fn node(name: &'static str, params: Fields) -> Method {
    method(name, Access::Node, params)
}

/// The right to administrate in protocol 3, another one in protocol 4.
pub(super) const fn once_admin(name: &'static str, late: Scope, params: Fields) -> Method {
    method(name, Access::ByVersion(Scope::Admin, late), params)
}

/// Takes work in: refused while the gateway starts or stops.
pub(super) const fn idempotent(method: Method) -> Method {
    Method {
        is_idempotent: true,
        ..method
    }
}

/// Answered, but not listed in the greeting.
pub(super) const fn hidden(method: Method) -> Method {
    Method {
        is_advertised: false,
        ..method
    }
}

/// Came with protocol 4.
pub(super) const fn late(method: Method) -> Method {
    Method {
        since: Protocol::V4,
        ..method
    }
}
