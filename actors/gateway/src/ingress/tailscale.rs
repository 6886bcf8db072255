//! Asks Tailscale who is at an address. A header alone proves nothing: any program on this machine can send one.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

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
    let mut command = Command::new(program);
    command
        .args(["whois", "--json"])
        .arg(address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = match output.await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(WhoisError::Failed(error.to_string())),
        Err(_) => return Err(WhoisError::Failed("no answer in time".to_owned())),
    };
    if !output.status.success() {
        return Err(WhoisError::Failed(output.status.to_string()));
    }
    login(&output.stdout).ok_or(WhoisError::Nobody)
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
