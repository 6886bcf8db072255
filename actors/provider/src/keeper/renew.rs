//! One renewal: read, ask, write, and only then use.

use std::path::Path;
use std::time::Duration;

use openclaw_protocol::Secret;
use reqwest::header::ACCEPT;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::json;

use super::KeeperArgs;
use super::MARGIN_MS;
use crate::access::Access;
use crate::account::Kept;
use crate::bedrock::AwsFiles;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::classify;
use crate::http;
use crate::http::secret_header;
use crate::store;
use crate::store::Held;

const CONNECT: Duration = Duration::from_secs(10);
/// What an issuer that names no time is taken to mean.
const USUAL_LIFE_S: i64 = 3600;

/// Amazon's files are read again this often.
const AMAZON_MS: i64 = 5 * 60_000;

/// What calls prove themselves with, and how long it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What goes along with a call.
    pub access: Access,
    /// In milliseconds since 1970.
    pub until_ms: i64,
}

impl Token {
    /// Whether it is still good on its way.
    pub(super) fn is_fresh(&self, now_ms: i64) -> bool {
        self.until_ms - now_ms > MARGIN_MS
    }
}

pub(super) async fn renew(args: KeeperArgs, doubted: Option<Token>) -> Result<Token, ModelError> {
    match &args.kept {
        Kept::SignIn { provider, file } => sign_in(&args, provider, file, doubted).await,
        Kept::Copilot(key) => copilot(&args, key).await,
        Kept::Amazon { files, region } => amazon(files, region).await,
    }
}

/// The file's lock is held from reading to writing, so that no two programs spend the same token.
async fn sign_in(
    args: &KeeperArgs,
    provider: &str,
    file: &Path,
    doubted: Option<Token>,
) -> Result<Token, ModelError> {
    let path = file.to_owned();
    let held = blocking(move || store::hold(&path)).await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let profile = held.profile(&args.id).cloned().unwrap_or(Value::Null);
    let kept = read(&profile);
    if let Some(token) =
        kept.filter(|token| token.is_fresh(now_ms) && doubted.as_ref() != Some(token))
    {
        // Another program renewed it in the meantime.
        return Ok(token);
    }
    let spent = profile.get("refresh").and_then(Value::as_str);
    let Some(spent) = spent.filter(|spent| !spent.is_empty()) else {
        return Err(over(provider, "it has run out and can't be renewed"));
    };
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", spent),
        ("client_id", args.issuer.client_id.as_str()),
    ];
    let answer = ask(args, provider, &fields).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let Some(access) = text("access_token") else {
        return Err(over(provider, "the issuer sent no token"));
    };
    let life = answer.get("expires_in").and_then(Value::as_i64);
    let until_ms = now_ms + life.unwrap_or(USUAL_LIFE_S) * 1000;
    let mut renewed = profile.clone();
    if let Value::Object(fields) = &mut renewed {
        fields.insert("access".into(), json!(access));
        fields.insert("expires".into(), json!(until_ms));
        if let Some(next) = text("refresh_token") {
            fields.insert("refresh".into(), json!(next));
        }
        if let Some(place) = text("resource_url") {
            fields.insert("resourceUrl".into(), json!(place));
        }
    }
    let token = read(&renewed);
    write(held, args.id.clone(), renewed).await?;
    token.ok_or_else(|| over(provider, "the issuer sent no token"))
}

async fn write(mut held: Held, id: String, renewed: Value) -> Result<(), ModelError> {
    blocking(move || {
        held.put(&id, renewed);
        held.write()
    })
    .await
}

fn read(profile: &Value) -> Option<Token> {
    let text = |name: &str| profile.get(name).and_then(Value::as_str);
    let access = text("access").filter(|access| !access.is_empty())?;
    #[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
    let until_ms = profile.get("expires").and_then(Value::as_f64)? as i64;
    Some(Token {
        access: Access {
            account: text("accountId").map(str::to_owned),
            base_url: text("resourceUrl").and_then(placed),
            ..Access::of(Secret::new(access))
        },
        until_ms,
    })
}

/// The address that a sign-in names for its calls: people's accounts live in different regions.
fn placed(written: &str) -> Option<String> {
    let host = written.trim().trim_end_matches('/');
    let host = host.strip_prefix("https://").unwrap_or(host);
    // A token is never sent in plain text.
    let good = !host.is_empty() && !host.contains("://");
    let path = if host.ends_with("/v1") { "" } else { "/v1" };
    good.then(|| format!("https://{host}{path}"))
}

async fn ask(
    args: &KeeperArgs,
    provider: &str,
    fields: &[(&str, &str)],
) -> Result<Value, ModelError> {
    let request = http::client(&args.issuer.url, CONNECT)?.post(&args.issuer.url);
    let request = if args.issuer.json {
        let body: serde_json::Map<String, Value> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        request.json(&body)
    } else {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", crate::bedrock::sign::encoded(value)))
            .collect();
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"))
    };
    answer(provider, request).await
}

/// Copilot's tokens live for minutes and are kept in memory only.
async fn copilot(args: &KeeperArgs, key: &Secret) -> Result<Token, ModelError> {
    let mut headers = HeaderMap::new();
    secret_header(&mut headers, ACCEPT.as_str(), "application/json");
    let value = format!("token {}", key.expose());
    secret_header(&mut headers, AUTHORIZATION.as_str(), &value);
    let request = http::client(&args.issuer.url, CONNECT)?
        .get(&args.issuer.url)
        .headers(headers);
    let answer = answer("github-copilot", request).await?;
    let token = answer.get("token").and_then(Value::as_str);
    let until = answer.get("expires_at").and_then(Value::as_i64);
    let (Some(token), Some(until)) = (token, until) else {
        return Err(over("github-copilot", "GitHub sent no token"));
    };
    let place = answer.pointer("/endpoints/api").and_then(Value::as_str);
    Ok(Token {
        access: Access {
            base_url: place.map(|url| url.trim_end_matches('/').to_owned()),
            ..Access::of(Secret::new(token))
        },
        until_ms: until * 1000,
    })
}

/// The keys as they are in the files now: other programs renew them there.
async fn amazon(files: &AwsFiles, region: &str) -> Result<Token, ModelError> {
    let (files, region) = (files.clone(), region.to_owned());
    let keys = blocking(move || files.keys(&region)).await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    Ok(Token {
        access: Access {
            aws: Some(keys),
            ..Access::default()
        },
        until_ms: now_ms + AMAZON_MS,
    })
}

async fn answer(provider: &str, request: reqwest::RequestBuilder) -> Result<Value, ModelError> {
    let lost = |error: reqwest::Error| {
        let text = format!(
            "the sign-in at {provider} could not be renewed: {}",
            error.without_url()
        );
        ModelError::new(ModelErrorKind::Network, text)
    };
    let response = request.send().await.map_err(lost)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(lost)?;
    if (200..300).contains(&status) {
        return serde_json::from_str(&body).map_err(|error| {
            over(
                provider,
                &format!("the issuer's answer is not JSON: {error}"),
            )
        });
    }
    // An issuer's 400 means that the token is spent or withdrawn.
    if matches!(status, 400 | 401 | 403) {
        return Err(over(provider, "the issuer refused it"));
    }
    Err(classify(provider, status, &body, None))
}

fn over(provider: &str, why: &str) -> ModelError {
    let text = format!(
        "the sign-in at {provider} is not good any more: {why}; run `openclaw models auth login --provider {provider}`"
    );
    ModelError::new(ModelErrorKind::Auth, text)
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ModelError> {
    let failed = |what: String| {
        let text = format!("the stored credentials can't be used: {what}");
        ModelError::new(ModelErrorKind::Auth, text)
    };
    match tokio::task::spawn_blocking(job).await {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
