//! A sign-in with a code that a person types in at the provider's page.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::challenge;
use super::post;
use super::random;
use super::send;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::keeper::Issuer;

/// The name under which editors sign in at Copilot.
const COPILOT_CLIENT: &str = "Iv1.b507a08c87ecfe98";
const GITHUB: &str = "https://github.com/login";
const QWEN: &str = "https://chat.qwen.ai/api/v1/oauth2";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Who signs people in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Copilot,
    Qwen,
}

/// A sign-in that has begun.
#[derive(Debug, Clone)]
pub struct Device {
    /// The page.
    pub url: String,
    /// What to type in there.
    pub code: String,
    /// How long to wait between two questions.
    pub interval: Duration,
    device: String,
    at: At,
    token_url: String,
    verifier: String,
}

impl Device {
    /// Begins a sign-in at GitHub for Copilot.
    pub async fn copilot() -> Result<Self, ModelError> {
        Self::begin(At::Copilot, GITHUB).await
    }

    /// Begins a sign-in at Qwen.
    pub async fn qwen() -> Result<Self, ModelError> {
        Self::begin(At::Qwen, QWEN).await
    }

    async fn begin(at: At, place: &str) -> Result<Self, ModelError> {
        let verifier = random();
        let shown = challenge(&verifier);
        let client = at.client();
        let (path, token) = match at {
            At::Copilot => ("device/code", "oauth/access_token"),
            At::Qwen => ("device/code", "token"),
        };
        let mut fields = vec![("client_id", client.as_str()), ("scope", at.scope())];
        if at == At::Qwen {
            fields.push(("code_challenge", &shown));
            fields.push(("code_challenge_method", "S256"));
        }
        let answer = post(&format!("{place}/{path}"), &fields).await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let interval = answer.get("interval").and_then(Value::as_u64).unwrap_or(5);
        let read = || {
            Some(Self {
                url: text("verification_uri_complete").or_else(|| text("verification_uri"))?,
                code: text("user_code")?,
                device: text("device_code")?,
                interval: Duration::from_secs(interval.max(1)),
                at,
                token_url: format!("{place}/{token}"),
                verifier,
            })
        };
        read().ok_or_else(|| refused(format!("{} sent no code", at.name())))
    }

    /// Asks once whether the person is done; the profile's id and the profile when they are.
    pub async fn ask(&mut self) -> Result<Option<(String, Value)>, ModelError> {
        let client = self.at.client();
        let mut fields = vec![
            ("client_id", client.as_str()),
            ("device_code", self.device.as_str()),
            ("grant_type", GRANT),
        ];
        if self.at == At::Qwen {
            fields.push(("code_verifier", &self.verifier));
        }
        // That it is not done yet is an error of the wire: GitHub's is a success, the standard's is none.
        let (status, answer) = send(&self.token_url, &fields).await?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        if let Some(done) = self.at.profile(&answer, now_ms) {
            return Ok(Some(done));
        }
        match answer.get("error").and_then(Value::as_str) {
            Some("authorization_pending") => Ok(None),
            Some("slow_down") => {
                self.interval += Duration::from_secs(5);
                Ok(None)
            }
            other => {
                let why = other.map_or_else(|| format!("HTTP {status}"), str::to_owned);
                Err(refused(format!(
                    "{} ended the sign-in: {why}",
                    self.at.name()
                )))
            }
        }
    }
}

impl At {
    fn name(self) -> &'static str {
        match self {
            Self::Copilot => "GitHub",
            Self::Qwen => "Qwen",
        }
    }

    fn scope(self) -> &'static str {
        match self {
            Self::Copilot => "read:user",
            Self::Qwen => "openid profile email model.completion",
        }
    }

    fn client(self) -> String {
        match self {
            Self::Copilot => COPILOT_CLIENT.to_owned(),
            Self::Qwen => Issuer::for_provider("qwen-portal")
                .map(|issuer| issuer.client_id)
                .unwrap_or_default(),
        }
    }

    /// What the sign-in left, as it is stored.
    fn profile(self, answer: &Value, now_ms: i64) -> Option<(String, Value)> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let token = text("access_token")?;
        if self == Self::Copilot {
            let profile = json!({ "type": "token", "provider": "github-copilot", "token": token });
            return Some(("github-copilot:github".to_owned(), profile));
        }
        let life = answer.get("expires_in").and_then(Value::as_i64);
        let mut profile = json!({
            "type": "oauth", "provider": "qwen-portal", "access": token,
            "refresh": text("refresh_token")?, "expires": now_ms + life.unwrap_or(3600) * 1000,
        });
        // Where this person's calls go.
        if let (Some(place), Value::Object(fields)) = (text("resource_url"), &mut profile) {
            fields.insert("resourceUrl".to_owned(), json!(place));
        }
        Some(("qwen-portal:default".to_owned(), profile))
    }
}

fn refused(text: String) -> ModelError {
    ModelError::new(ModelErrorKind::Auth, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request after the other; returns its address and the forms it got.
    #[allow(clippy::disallowed_methods)] // a test has no supervisor
    async fn issuer(answers: Vec<(u16, Value)>) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let forms: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = forms.clone();
        drop(tokio::spawn(async move {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                let mut piece = [0; 4096];
                while !text.contains("client_id=") {
                    let length = stream.read(&mut piece).await.unwrap();
                    text.push_str(&String::from_utf8_lossy(&piece[..length]));
                }
                seen.lock().unwrap().push(text);
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} S\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
            }
        }));
        (url, forms)
    }

    fn field(form: &str, name: &str) -> String {
        let found = form
            .split(['&', '\n'])
            .find_map(|field| field.strip_prefix(&format!("{name}=")));
        found.unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_code_is_typed_in_and_the_verifier_fits_what_was_shown() {
        let (url, forms) = issuer(vec![
            (200, json!({ "device_code": "d", "user_code": "ABCD", "verification_uri": "https://x.org/a",
                "verification_uri_complete": "https://x.org/a?c=ABCD", "interval": 1 })),
            (400, json!({ "error": "authorization_pending" })),
            (429, json!({ "error": "slow_down" })),
            (200, json!({ "access_token": "a", "refresh_token": "r", "expires_in": 10,
                "resource_url": "portal.qwen.ai" })),
        ])
        .await;
        let mut begun = Device::begin(At::Qwen, &url).await.unwrap();
        assert_eq!(
            (&*begun.url, &*begun.code),
            ("https://x.org/a?c=ABCD", "ABCD")
        );
        assert!(begun.ask().await.unwrap().is_none());
        assert!(begun.ask().await.unwrap().is_none());
        assert_eq!(begun.interval, Duration::from_secs(6));
        let (id, profile) = begun.ask().await.unwrap().unwrap();
        assert_eq!(id, "qwen-portal:default");
        assert_eq!(
            (&profile["refresh"], &profile["resourceUrl"]),
            (&json!("r"), &json!("portal.qwen.ai"))
        );
        let forms = forms.lock().unwrap().clone();
        let verifier = field(&forms[3], "code_verifier");
        assert_eq!(challenge(&verifier), field(&forms[0], "code_challenge"));
    }

    #[tokio::test]
    async fn a_sign_in_that_is_denied_ends_with_the_reason() {
        let (url, _) = issuer(vec![
            (200, json!({ "device_code": "d", "user_code": "A", "verification_uri": "https://x.org" })),
            (400, json!({ "error": "access_denied" })),
        ])
        .await;
        let mut begun = Device::begin(At::Copilot, &url).await.unwrap();
        let error = begun.ask().await.unwrap_err();
        assert!(
            error
                .message
                .contains("GitHub ended the sign-in: access_denied"),
            "{error}"
        );
    }
}
