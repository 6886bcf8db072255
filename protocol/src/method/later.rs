//! Rights of methods that existing clients know and this gateway doesn't have yet.
//!
//! A caller without the right is told so before it is told that the method is missing, as existing
//! gateways do. What is listed nowhere needs every right.

use super::Scope;

const READ: &[&str] = &[
    "agent.identity.get",
    "cron.list",
    "cron.runs",
    "cron.status",
    "last-heartbeat",
    "node.describe",
    "node.list",
    "skills.status",
    "tts.providers",
    "tts.status",
    "usage.cost",
    "usage.status",
    "voicewake.get",
];

const WRITE: &[&str] = &[
    "browser.request",
    "node.invoke",
    "send",
    "talk.mode",
    "tts.convert",
    "tts.disable",
    "tts.enable",
    "tts.setProvider",
    "voicewake.set",
    "wake",
];

const APPROVALS: &[&str] = &["exec.approval.request", "exec.approval.resolve"];

const PAIRING: &[&str] = &[
    "device.pair.approve",
    "device.pair.list",
    "device.pair.reject",
    "device.token.revoke",
    "device.token.rotate",
    "node.pair.approve",
    "node.pair.list",
    "node.pair.reject",
    "node.pair.request",
    "node.pair.verify",
    "node.rename",
];

/// The scope a call of a method that is not in the table needs.
pub fn scope_of_missing(name: &str) -> Scope {
    [
        (READ, Scope::Read),
        (WRITE, Scope::Write),
        (APPROVALS, Scope::Approvals),
        (PAIRING, Scope::Pairing),
    ]
    .into_iter()
    .find(|(names, _)| names.contains(&name))
    .map_or(Scope::Admin, |(_, scope)| scope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    #[test]
    fn what_is_in_the_table_is_not_listed_as_missing() {
        for name in [READ, WRITE, APPROVALS, PAIRING].concat() {
            assert!(Method::find(name).is_none(), "{name}");
        }
        assert_eq!(scope_of_missing("usage.cost"), Scope::Read);
        assert_eq!(scope_of_missing("no.such"), Scope::Admin);
    }
}
