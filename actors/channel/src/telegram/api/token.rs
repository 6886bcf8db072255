//! Where the bot's token comes from. A file is read again at each start of the account, so that a new token
//! takes effect without a change of the configuration.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::Hash;
use std::hash::Hasher;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_protocol::Secret;

/// Where the token comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TokenSource {
    /// `botToken` in the configuration.
    Config(Secret),
    /// `tokenFile` in the configuration.
    File(PathBuf),
    /// The environment's `TELEGRAM_BOT_TOKEN`.
    Environment(Secret),
}

impl TokenSource {
    /// The word for it in a status.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Config(_) => "config",
            Self::File(_) => "tokenFile",
            Self::Environment(_) => "env",
        }
    }

    /// Reads the token.
    pub fn read(&self) -> Result<Secret, TokenError> {
        let text = match self {
            Self::Config(token) | Self::Environment(token) => token.expose().trim().to_owned(),
            Self::File(path) => {
                let read = fs::read_to_string(path);
                let text = read.map_err(|error| {
                    TokenError(format!("read token file {}: {error}", path.display()))
                })?;
                text.trim().to_owned()
            }
        };
        let Some((bot, key)) = text.split_once(':') else {
            return Err(TokenError(format!("{} holds no bot token", self.place())));
        };
        // Anything else would become part of the URL's path.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if bot.is_empty()
            || key.is_empty()
            || !(bot.chars().all(is_plain) && key.chars().all(is_plain))
        {
            return Err(TokenError(format!(
                "what stands in {} is not a bot token (they look like 123456:ABC-def)",
                self.place()
            )));
        }
        Ok(Secret::new(text))
    }

    fn place(&self) -> String {
        match self {
            Self::Config(_) => "botToken".to_owned(),
            Self::File(path) => format!("token file {}", path.display()),
            Self::Environment(_) => "TELEGRAM_BOT_TOKEN".to_owned(),
        }
    }
}

/// There is no usable token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(pub(crate) String);

/// The token in use.
#[derive(Debug)]
pub(crate) struct Tokens {
    source: TokenSource,
    current: Mutex<Option<Secret>>,
}

impl Tokens {
    pub(crate) fn new(source: TokenSource) -> Self {
        Self {
            source,
            current: Mutex::new(None),
        }
    }

    /// The token last read, or a first reading.
    pub(crate) fn current(&self) -> Result<Secret, TokenError> {
        let known = self.lock().clone();
        known.map_or_else(|| self.reload(), Ok)
    }

    /// Reads the source again.
    pub(crate) fn reload(&self) -> Result<Secret, TokenError> {
        let token = self.source.read()?;
        *self.lock() = Some(token.clone());
        Ok(token)
    }

    /// Takes the token out of a text.
    pub(crate) fn scrub(&self, text: &str) -> String {
        match &*self.lock() {
            Some(token) if !token.is_empty() => text.replace(token.expose(), "***"),
            _ => text.to_owned(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Secret>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that is the same for the same token.
pub(crate) fn fingerprint(token: &Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.expose().hash(&mut hasher);
    hasher.finish()
}

/// The bot's id, the part of the token before the colon.
pub(crate) fn bot_id(token: &Secret) -> &str {
    token.expose().split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let tokens = Tokens::new(TokenSource::File(path.clone()));
        assert!(
            tokens
                .current()
                .unwrap_err()
                .to_string()
                .contains("token file")
        );
        fs::write(&path, "1:one\n").unwrap();
        assert_eq!(tokens.current().unwrap().expose(), "1:one");
        fs::write(&path, "2:two\n").unwrap();
        assert_eq!(tokens.current().unwrap().expose(), "1:one");
        assert_eq!(tokens.reload().unwrap().expose(), "2:two");
    }

    #[test]
    fn what_is_not_a_token_never_becomes_a_path() {
        for text in ["", "abc", "1:", ":x", "1:a/../b", "1:a b"] {
            let error = TokenSource::Config(text.into())
                .read()
                .unwrap_err()
                .to_string();
            assert!(error.contains("botToken"), "{error}");
            assert!(
                text.is_empty() || !error.contains(&format!(" {text} ")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_error_text_loses_the_token() {
        let tokens = Tokens::new(TokenSource::Config("1:secret".into()));
        tokens.current().unwrap();
        assert_eq!(
            tokens.scrub("http://x/bot1:secret/getMe"),
            "http://x/bot***/getMe"
        );
    }
}
