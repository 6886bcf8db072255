//! What it cost, and what stands between the gateway and a browser.

use super::super::Method;
use super::super::row::ANYTHING;
use super::super::row::read;
use super::super::row::write;

pub(super) const ROWS: &[Method] = &[
    read("usage.status", ANYTHING),
    read("usage.cost", ANYTHING),
    write("browser.request", ANYTHING),
];
