//! Who renews which sign-in, and in which words.

use crate::account::Kept;

/// One that issues tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// Where it is asked.
    pub url: String,
    /// Under which name the sign-in was made.
    pub client_id: String,
    /// Whether it takes JSON; a form otherwise.
    pub json: bool,
}

/// Provider, address, client, JSON.
const ISSUERS: &[(&str, &str, &str, bool)] = &[
    (
        "openai-codex",
        "https://auth.openai.com/oauth/token",
        "app_EMoamEEZ73f0CkXaXp7hrann",
        false,
    ),
    (
        "anthropic",
        "https://console.anthropic.com/v1/oauth/token",
        "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        true,
    ),
    (
        "qwen-portal",
        "https://chat.qwen.ai/api/v1/oauth2/token",
        "f0304373b74a44d2b584a3fb70ca9e56",
        false,
    ),
];

/// Where a key of GitHub's is changed for one of Copilot's.
const COPILOT: &str = "https://api.github.com/copilot_internal/v2/token";

impl Issuer {
    /// Who renews this; none where nobody is known.
    pub fn of(kept: &Kept) -> Option<Self> {
        match kept {
            Kept::SignIn { provider, .. } => Self::for_provider(provider),
            // Nobody is asked: the files are read again.
            Kept::Amazon { .. } => Some(Self {
                url: String::new(),
                client_id: String::new(),
                json: false,
            }),
            Kept::Copilot(_) => Some(Self {
                url: COPILOT.to_owned(),
                client_id: String::new(),
                json: true,
            }),
        }
    }

    /// Who renews sign-ins at a provider.
    pub fn for_provider(provider: &str) -> Option<Self> {
        let (_, url, client_id, json) = ISSUERS.iter().find(|(id, ..)| *id == provider)?;
        Some(Self {
            url: (*url).to_owned(),
            client_id: (*client_id).to_owned(),
            json: *json,
        })
    }
}
