//! Asks Tailscale who is at an address. A header alone proves nothing: any program on this machine can send one.

use std::net::IpAddr;
use std::time::Duration;

use openclaw_runtime::child::Job;
use serde_json::Value;

/// The header in which Tailscale's proxy names the user.
pub const USER_HEADER: &str = "tailscale-user-login";

/// How long Tailscale may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Why nobody knows who is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhoisError {
    /// `tailscale` could not be run, or said no.
    #[error("tailscale whois: {0}")]
    Failed(String),
    /// The answer names nobody.
    #[error("tailscale whois names no user")]
    Nobody,
}

/// The login of whoever is at an address of the tailnet.
pub async fn whois(program: &str, address: IpAddr) -> Result<String, WhoisError> {
    let job = Job::new(program, ["whois", "--json", &address.to_string()]);
    let done = job.within(PATIENCE).run().await;
    let done = done.map_err(|error| WhoisError::Failed(error.to_string()))?;
    if !done.is_success() {
        return Err(WhoisError::Failed(format!("exit code {}", done.code)));
    }
    login(&done.output).ok_or(WhoisError::Nobody)
}

fn login(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let login = answer.pointer("/UserProfile/LoginName")?.as_str()?.trim();
    // Tagged machines have no user of their own.
    (!login.is_empty() && login != "tagged-devices").then(|| login.to_owned())
}

#[cfg(test)]
mod tests {
    use super::login;

    #[test]
    fn only_a_named_user_counts() {
        let answer = br#"{"Node":{"Name":"x"},"UserProfile":{"LoginName":"ann@example.com"}}"#;
        assert_eq!(login(answer).as_deref(), Some("ann@example.com"));
        for other in [
            r#"{"UserProfile":{"LoginName":"tagged-devices"}}"#,
            r#"{"UserProfile":{}}"#,
            "",
            "[]",
        ] {
            assert_eq!(login(other.as_bytes()), None, "{other}");
        }
    }
}
