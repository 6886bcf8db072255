//! What the page of protocol 4 asks when it starts.

use super::super::Method;
use super::super::row::ANYTHING;
use super::super::row::late;
use super::super::row::read;

pub(super) const ROWS: &[Method] = &[
    late(read("environments.list", ANYTHING)),
    late(read("tasks.list", ANYTHING)),
    late(read("users.self", ANYTHING)),
    late(read("users.prefs.get", ANYTHING)),
    late(read("plugins.uiDescriptors", ANYTHING)),
    late(read("plugins.list", ANYTHING)),
];
