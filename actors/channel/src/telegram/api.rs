//! Calls to a Bot API server. The token is part of every URL, so no URL and no raw error leaves this file.

mod http;
mod token;
pub(crate) mod types;

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::http::Http;
pub(crate) use self::http::HttpError;
pub(crate) use self::token::TokenError;
pub use self::token::TokenSource;
pub(crate) use self::token::Tokens;
pub(crate) use self::token::bot_id;
pub(crate) use self::token::fingerprint;

/// Telegram's own server.
pub const DEFAULT_ROOT: &str = "https://api.telegram.org";

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}")]
    Token(TokenError),
    /// The server answered no: nothing happened.
    #[error("{method}: {code} {description}")]
    Refused {
        method: &'static str,
        code: u16,
        description: String,
        retry_after: Option<Duration>,
    },
    /// The request was not written: nothing happened.
    #[error("{method}: {reason}")]
    NotSent {
        method: &'static str,
        reason: String,
    },
    /// The request was written; nobody knows what happened.
    #[error("{method}: {reason}")]
    Unknown {
        method: &'static str,
        reason: String,
    },
}

/// What the server answers to every call.
#[derive(Debug, Deserialize)]
struct Answer<T> {
    ok: bool,
    result: Option<T>,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

/// One bot at one server.
#[derive(Debug)]
pub(crate) struct Api {
    root: String,
    tokens: Tokens,
    http: Http,
}

impl Api {
    pub(crate) fn new(root: &str, tokens: Tokens, http: Http) -> Self {
        Self {
            root: root.trim_end_matches('/').to_owned(),
            tokens,
            http,
        }
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Calls a method. `within` bounds the whole call.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &(impl Serialize + Sync),
        within: Duration,
    ) -> Result<T, CallError> {
        let token = self.tokens.current().map_err(CallError::Token)?;
        let url = format!("{}/bot{}/{method}", self.root, token.expose());
        let answer = self.http.post(&url, params, within).await;
        let (status, body) = match answer {
            Ok(answer) => answer,
            Err(HttpError::NotSent(reason)) => {
                let reason = self.tokens.scrub(&reason);
                return Err(CallError::NotSent { method, reason });
            }
            Err(HttpError::Unknown(reason)) => {
                let reason = self.tokens.scrub(&reason);
                return Err(CallError::Unknown { method, reason });
            }
        };
        match serde_json::from_slice::<Answer<T>>(&body) {
            Ok(Answer {
                ok: true,
                result: Some(result),
                ..
            }) => Ok(result),
            Ok(answer) if !answer.ok => Err(CallError::Refused {
                method,
                code: answer.error_code.unwrap_or(status),
                description: self.tokens.scrub(&answer.description),
                retry_after: answer.parameters.retry_after.map(Duration::from_secs),
            }),
            // Not the Bot API's own words: a proxy or a broken server stands between.
            _ if (400..500).contains(&status) => Err(CallError::Refused {
                method,
                code: status,
                description: "the answer is not the Bot API's: check apiRoot and proxy".to_owned(),
                retry_after: None,
            }),
            _ => Err(CallError::Unknown {
                method,
                reason: format!("HTTP {status} with a body that is not the Bot API's"),
            }),
        }
    }
}
