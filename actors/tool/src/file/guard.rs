//! Files that are held back from a turn that read words from outside. Pure.
//!
//! What an agent reads at the beginning of each conversation, what programs take as their settings, and what looks like a
//! secret: by it words from outside would outlast their conversation, or leave with something.

use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use super::bounds::Access;

/// Files that an agent reads or that a person set for it, wherever they are.
const OWN: &[&str] = &[
    "agents.md",
    "boot.md",
    "bootstrap.md",
    "claude.md",
    "heartbeat.md",
    "identity.md",
    "memory.md",
    "skill.md",
    "soul.md",
    "tools.md",
    "user.md",
];
/// Folders of the workspace that an agent comes back to.
const FOLDERS: &[&str] = &["memory", "skills", "hooks"];
/// Words in names of files that hold secrets.
const SECRET: &[&str] = &[
    "apikey",
    "api_key",
    "api-key",
    "auth-profile",
    "cookies",
    "credential",
    "htpasswd",
    "keystore",
    "kubeconfig",
    "openclaw.json",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "shadow",
    "token",
    "wallet",
];
/// How names of such files end.
const ENDINGS: &[&str] = &["pem", "key", "p12", "pfx", "kdbx", "jks", "ppk"];
/// And how they begin.
const BEGINNINGS: &[&str] = &[
    ".env",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".git-credentials",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
];

/// Why a path is held back; none if it isn't. The path has no link in it.
pub(super) fn held(
    workspace: &Path,
    trusted: &[PathBuf],
    path: &Path,
    access: Access,
) -> Option<&'static str> {
    let inside = path.strip_prefix(workspace).ok();
    let below = trusted
        .iter()
        .find_map(|folder| path.strip_prefix(folder).ok());
    let within = inside.or(below);
    let names = |path: &Path| -> Vec<String> {
        let name = |part: Component<'_>| match part {
            Component::Normal(name) => Some(name.to_string_lossy().to_lowercase()),
            _ => None,
        };
        path.components().filter_map(name).collect()
    };
    let names = names(within.unwrap_or(path));
    let is_hidden = names.iter().any(|name| name.starts_with('.'));
    match access {
        Access::Write if within.is_none() => Some("it is outside the workspace"),
        Access::Write if is_hidden => Some("hidden files are settings of programs"),
        Access::Write if names.iter().any(|name| OWN.contains(&name.as_str())) => {
            Some("agents read it at their beginning")
        }
        Access::Write => {
            let first = names.first().map(String::as_str).unwrap_or_default();
            let is_kept = inside.is_some() && FOLDERS.contains(&first);
            is_kept.then_some("agents come back to what is there")
        }
        Access::Read if within.is_none() && is_hidden => {
            Some("hidden files hold settings and secrets")
        }
        Access::Read => names
            .iter()
            .any(|name| is_secret(name))
            .then_some("it looks like a secret"),
    }
}

fn is_secret(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning))
        || SECRET.iter().any(|word| name.contains(word))
        || ending.is_some_and(|ending| ENDINGS.contains(&ending))
        || [".ssh", ".aws", ".gnupg"].contains(&name)
}

/// Whether what stands in a file is the owner's own: in the workspace, but for what was installed there, and in folders
/// that the owner named.
pub(super) fn is_own(workspace: &Path, trusted: &[PathBuf], path: &Path) -> bool {
    let is_trusted = trusted.iter().any(|folder| path.starts_with(folder));
    let inside = path.strip_prefix(workspace).ok();
    is_trusted || inside.is_some_and(|inside| !inside.starts_with("skills"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "/home/ann/.openclaw/workspace";

    fn is_held(path: &str, access: Access) -> bool {
        let trusted = [PathBuf::from("/home/ann/src")];
        let path = Path::new(WORKSPACE).join(path);
        held(Path::new(WORKSPACE), &trusted, &path, access).is_some()
    }

    #[test]
    fn plain_files_of_the_workspace_are_written_and_what_outlasts_a_conversation_is_held() {
        for path in [
            "notes/x.md",
            "report.md",
            "src/main.rs",
            "my-memory/x.md",
            "/home/ann/src/a/lib.rs",
        ] {
            assert!(!is_held(path, Access::Write), "{path}");
        }
        for path in [
            "MEMORY.md",
            "memory.md",
            "memory/2026-01-01.md",
            "Memory/x",
            "SOUL.md",
            "project/AGENTS.md",
            "skills/tides/SKILL.md",
            "skills/tides/run.sh",
            ".git/hooks/post-commit",
            "project/.envrc",
            "/home/ann/.bashrc",
            "/home/ann/letter.md",
            "/home/ann/src/.git/config",
            "/home/ann/.openclaw/openclaw.json",
            "/etc/cron.d/x",
        ] {
            assert!(is_held(path, Access::Write), "{path}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_read() {
        for path in [
            "notes/x.md",
            ".gitignore",
            "memory/2026-01-01.md",
            "/home/ann/letter.md",
            "/etc/hosts",
        ] {
            assert!(!is_held(path, Access::Read), "{path}");
        }
        for path in [
            ".env",
            "project/.env.local",
            "server.pem",
            "Passwords.txt",
            "/home/ann/.ssh/id_ed25519",
            "/home/ann/.aws/credentials",
            "/home/ann/.config/gh/hosts.yml",
            "/home/ann/src/api_keys.json",
            "/home/ann/.openclaw/agents/main/agent/auth-profiles.json",
            "/etc/shadow",
        ] {
            assert!(is_held(path, Access::Read), "{path}");
        }
    }

    #[test]
    fn what_was_installed_or_lies_elsewhere_is_nobody_s_own_word() {
        let trusted = [PathBuf::from("/home/ann/src")];
        let own = |path: &str| {
            is_own(
                Path::new(WORKSPACE),
                &trusted,
                &Path::new(WORKSPACE).join(path),
            )
        };
        assert!(own("notes/x.md") && own("/home/ann/src/README.md"));
        assert!(!own("skills/tides/SKILL.md") && !own("/home/ann/Downloads/x.txt"));
    }
}
