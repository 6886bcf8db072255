//! Signing in at a provider: in a browser that comes back to this machine, or with a code that is
//! typed in at the provider's page.

mod device;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde_json::Value;
use serde_json::json;

pub use self::device::Device;
use crate::bedrock::sign::encoded;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::http;
use crate::keeper::Issuer;

const CONNECT: Duration = Duration::from_secs(10);
/// One question to an issuer; the person who waits for it asks again.
const WAIT: Duration = Duration::from_secs(30);
/// Where the browser comes back to; the provider knows this one only.
pub const CALLBACK: &str = "http://localhost:1455/auth/callback";
/// The port of [`CALLBACK`].
pub const CALLBACK_PORT: u16 = 1455;
const CODEX_PAGE: &str = "https://auth.openai.com/oauth/authorize";

/// A sign-in in a browser that has begun.
#[derive(Debug, Clone)]
pub struct Browser {
    /// The page to open.
    pub url: String,
    /// Comes back with the code; anything else is not ours.
    pub state: String,
    verifier: String,
}

impl Browser {
    /// Begins a sign-in with a ChatGPT subscription.
    pub fn codex() -> Self {
        let (verifier, state) = (random(), random());
        let challenge = challenge(&verifier);
        let client = Issuer::for_provider("openai-codex").map(|issuer| issuer.client_id);
        let fields = [
            ("response_type", "code"),
            ("client_id", client.as_deref().unwrap_or_default()),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile email offline_access"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", &state),
            ("id_token_add_organizations", "true"),
            ("codex_cli_simplified_flow", "true"),
            ("originator", "openclaw"),
        ];
        Self {
            url: format!("{CODEX_PAGE}?{}", form(&fields)),
            state,
            verifier,
        }
    }

    /// Reads the code from where the browser was sent: a whole address, its query, or the code.
    pub fn code(&self, pasted: &str) -> Result<String, ModelError> {
        let pasted = pasted.trim();
        let query = pasted.split_once('?').map_or(pasted, |(_, query)| query);
        let field = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let refused = |text: &str| ModelError::new(ModelErrorKind::Auth, text);
        match (field("code"), field("state")) {
            (Some(_), Some(state)) if state != self.state => {
                Err(refused("this answer belongs to another sign-in"))
            }
            (Some(code), Some(_)) => Ok(code.to_owned()),
            (Some(_), None) => Err(refused("the address is not whole: its state is missing")),
            (None, _) if field("error").is_some() => Err(refused("the sign-in was refused")),
            (None, _) if !pasted.is_empty() && !pasted.contains(['=', ' ', '/']) => {
                Ok(pasted.to_owned())
            }
            _ => Err(refused("there is no code in it")),
        }
    }

    /// Changes the code for tokens; returns the profile's id and the profile.
    pub async fn finish(&self, code: &str) -> Result<(String, Value), ModelError> {
        let issuer = Issuer::for_provider("openai-codex")
            .ok_or_else(|| ModelError::new(ModelErrorKind::Unknown, "no issuer is known"))?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", issuer.client_id.as_str()),
            ("code", code),
            ("code_verifier", &self.verifier),
            ("redirect_uri", CALLBACK),
        ];
        let answer = post(&issuer.url, &fields).await?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        codex_profile(&answer, now_ms)
            .ok_or_else(|| ModelError::new(ModelErrorKind::Auth, "the issuer sent no tokens"))
    }
}

fn codex_profile(answer: &Value, now_ms: i64) -> Option<(String, Value)> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (access, refresh) = (text("access_token")?, text("refresh_token")?);
    let claims = claims(access).unwrap_or(Value::Null);
    let account = claims.pointer("/https:~1~1api.openai.com~1auth/chatgpt_account_id");
    let own = claims.pointer("/https:~1~1api.openai.com~1profile/email");
    let identity = text("id_token").and_then(self::claims);
    let email = own.or_else(|| identity.as_ref()?.get("email"));
    let email = email.and_then(Value::as_str);
    let life = answer.get("expires_in").and_then(Value::as_i64);
    let mut profile = json!({
        "type": "oauth", "provider": "openai-codex", "access": access, "refresh": refresh,
        "expires": now_ms + life.unwrap_or(3600) * 1000,
    });
    let known = [
        ("accountId", account.and_then(Value::as_str)),
        ("email", email),
    ];
    for (name, value) in known {
        if let (Some(value), Value::Object(fields)) = (value, &mut profile) {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    let id = format!("openai-codex:{}", email.unwrap_or("default"));
    Some((id, profile))
}

/// What is shown of a verifier before it is.
fn challenge(verifier: &str) -> String {
    let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// What a token says of itself; nobody's word is taken for it but the issuer's own server.
fn claims(token: &str) -> Option<Value> {
    let middle = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(middle.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Posts a form; what came back, and whether it was a success.
async fn send(url: &str, fields: &[(&str, &str)]) -> Result<(u16, Value), ModelError> {
    let lost = |error: reqwest::Error| {
        let text = format!("the sign-in could not be made: {}", error.without_url());
        ModelError::new(ModelErrorKind::Network, text)
    };
    let response = http::client(url, CONNECT)?
        .post(url)
        .timeout(WAIT)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(form(fields))
        .send()
        .await
        .map_err(lost)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(lost)?;
    Ok((status, serde_json::from_str(&body).unwrap_or(Value::Null)))
}

async fn post(url: &str, fields: &[(&str, &str)]) -> Result<Value, ModelError> {
    match send(url, fields).await? {
        (200..=299, answer) if !answer.is_null() => Ok(answer),
        (status, _) => {
            let text = format!("the sign-in was refused (HTTP {status})");
            Err(ModelError::new(ModelErrorKind::Auth, text))
        }
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

fn random() -> String {
    let (one, two) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    format!("{}{}", one.simple(), two.simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_pastes_is_read_and_another_s_answer_refused() {
        let begun = Browser::codex();
        assert!(begun.url.contains("code_challenge_method=S256"));
        let back = format!("{CALLBACK}?code=abc&state={}", begun.state);
        assert_eq!(begun.code(&back).unwrap(), "abc");
        assert_eq!(begun.code(" abc ").unwrap(), "abc");
        for wrong in [
            "http://localhost:1455/auth/callback?code=abc&state=other",
            "http://localhost:1455/auth/callback?code=abc",
            "http://localhost:1455/auth/callback?error=access_denied",
            "",
        ] {
            assert!(begun.code(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_profile_knows_its_account_and_its_person() {
        let claims = json!({
            "https://api.openai.com/auth": { "chatgpt_account_id": "acc" },
            "https://api.openai.com/profile": { "email": "me@x.org" },
        });
        let token = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let answer = json!({ "access_token": token, "refresh_token": "r", "expires_in": 10 });
        let (id, profile) = codex_profile(&answer, 1000).unwrap();
        assert_eq!(id, "openai-codex:me@x.org");
        assert_eq!(profile["accountId"], "acc");
        assert_eq!(profile["expires"], 11_000);
    }
}
