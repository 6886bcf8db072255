//! One bot as configured.

use std::path::PathBuf;
use std::time::Duration;

use openclaw_protocol::config::TelegramAccount;

use super::api::DEFAULT_ROOT;
use super::api::TokenSource;

/// Telegram takes 4096; the rest is room for what formatting adds.
const TEXT_LIMIT: usize = 4000;
/// How long a call may take unless told otherwise. A poll has its own time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a bot needs to know of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TelegramConfig {
    pub account: String,
    pub token: TokenSource,
    pub api_root: String,
    pub proxy: Option<String>,
    /// `network.autoSelectFamily: false`.
    pub ipv4_only: bool,
    pub timeout: Duration,
    pub text_limit: usize,
    pub link_preview: bool,
    /// Some group is answered without being addressed, so the bot has to see everything.
    pub reads_unaddressed: bool,
}

impl TelegramConfig {
    /// A bot with everything else at its default.
    pub fn new(account: &str, token: TokenSource) -> Self {
        Self {
            account: account.to_owned(),
            token,
            api_root: DEFAULT_ROOT.to_owned(),
            proxy: None,
            ipv4_only: false,
            timeout: TIMEOUT,
            text_limit: TEXT_LIMIT,
            link_preview: true,
            reads_unaddressed: false,
        }
    }

    /// Reads the bot's part of the configuration.
    pub fn from_config(account: &str, token: TokenSource, section: &TelegramAccount) -> Self {
        let defaults = Self::new(account, token);
        let unaddressed = |required: Option<bool>| required == Some(false);
        Self {
            api_root: section.api_root.clone().unwrap_or(defaults.api_root),
            proxy: section.proxy.clone(),
            ipv4_only: section.network.auto_select_family == Some(false),
            timeout: section
                .timeout_seconds
                .map_or(TIMEOUT, |s| Duration::from_secs(s.clamp(1, 600))),
            text_limit: section.text_chunk_limit.unwrap_or(TEXT_LIMIT),
            link_preview: section.link_preview != Some(false),
            reads_unaddressed: section.groups.values().any(|group| {
                unaddressed(group.require_mention)
                    || group
                        .topics
                        .values()
                        .any(|topic| unaddressed(topic.require_mention))
            }),
            ..defaults
        }
    }

    /// Where the token of an account comes from; `env` is `TELEGRAM_BOT_TOKEN` for the default account.
    pub fn token_source(
        section: &TelegramAccount,
        env: Option<&openclaw_protocol::Secret>,
        expand: impl Fn(&str) -> PathBuf,
    ) -> Option<TokenSource> {
        let configured = section
            .bot_token
            .as_ref()
            .filter(|token| !token.expose().trim().is_empty());
        let file = section
            .token_file
            .as_deref()
            .filter(|path| !path.trim().is_empty());
        let env = env.filter(|token| !token.expose().trim().is_empty());
        configured
            .map(|token| TokenSource::Config(token.clone()))
            .or_else(|| file.map(|path| TokenSource::File(expand(path))))
            .or_else(|| env.map(|token| TokenSource::Environment(token.clone())))
    }

    /// The command that mends a bad token.
    pub fn token_remedy(&self) -> String {
        match &self.token {
            TokenSource::Config(_) => set_token_command(&self.account),
            TokenSource::File(path) => {
                format!("put the token of @BotFather into {}", path.display())
            }
            TokenSource::Environment(_) => {
                "start the gateway with the token of @BotFather in TELEGRAM_BOT_TOKEN".to_owned()
            }
        }
    }
}

/// The command that sets an account's token.
pub(crate) fn set_token_command(account: &str) -> String {
    if account == openclaw_protocol::AccountKey::DEFAULT {
        "openclaw config set channels.telegram.botToken <token from @BotFather>".to_owned()
    } else {
        format!(
            "openclaw config set channels.telegram.accounts.{account}.botToken <token from @BotFather>"
        )
    }
}
