//! The names of sandboxes' folders. Pure.

use openclaw_protocol::SessionKey;
use sha2::Digest;
use sha2::Sha256;

use super::Scope;

/// The name of the folder that a session's sandbox has: one a session, an agent, or for all.
pub fn name_of(scope: Scope, session: &SessionKey) -> String {
    match scope {
        Scope::Shared => "shared".to_owned(),
        Scope::Agent => format!("agent-{}", session.agent()),
        Scope::Session => {
            // A key holds letters that a file's name doesn't, and two keys must not share a folder.
            let digest = Sha256::digest(session.as_str().as_bytes());
            let digest: String = digest
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let plain = session
                .as_str()
                .chars()
                .map(|c| if is_plain(c) { c } else { '-' });
            format!("session-{}-{digest}", plain.take(60).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_has_its_folder() {
        let key = |key: &str| SessionKey::parse(key).unwrap();
        let (a, b) = (
            key("agent:main:telegram:direct:1/../x"),
            key("agent:main:telegram:direct:1:..:x"),
        );
        assert_eq!(name_of(Scope::Shared, &a), "shared");
        assert_eq!(name_of(Scope::Agent, &a), "agent-main");
        assert_ne!(name_of(Scope::Session, &a), name_of(Scope::Session, &b));
        assert!(!name_of(Scope::Session, &a).contains(['/', '.', ':']));
    }
}
