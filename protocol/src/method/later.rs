//! Rights of methods that existing clients know and this gateway doesn't have yet.
//!
//! A caller without the right is told so before it is told that the method is missing, as existing
//! gateways do. What is listed nowhere needs every right.

use super::Scope;

const PAIRING: &[&str] = &[
    "device.pair.approve",
    "device.pair.list",
    "device.pair.reject",
    "device.token.revoke",
    "device.token.rotate",
];

/// The scope a call of a method that is not in the table needs.
pub fn scope_of_missing(name: &str) -> Scope {
    if PAIRING.contains(&name) {
        Scope::Pairing
    } else {
        Scope::Admin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    #[test]
    fn what_is_in_the_table_is_not_listed_as_missing() {
        for name in PAIRING {
            assert!(Method::find(name).is_none(), "{name}");
        }
        assert_eq!(scope_of_missing("device.pair.list"), Scope::Pairing);
        assert_eq!(scope_of_missing("no.such"), Scope::Admin);
    }
}
