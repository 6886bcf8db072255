//! An account: its configuration, its platform, and the supervisor over its two actors.

mod configured;
mod lease;

pub use self::configured::Configured;
pub use self::configured::configured;
pub use self::lease::Lease;
pub use self::lease::Leases;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::Ledger;
use openclaw_ledger::UnknownAction;
use openclaw_protocol::AccountKey;
use openclaw_protocol::Chat;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::Sender;
use openclaw_protocol::SessionKey;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Strategy;

use crate::access::AccessRules;
use crate::access::MentionPatterns;
use crate::platform::Platform;
use crate::platform::SendFailure;
use crate::poll::Poll;
use crate::send::SendActor;
use crate::send::SendMail;
use crate::status::StatusBoard;
use crate::telegram::Telegram;
use crate::telegram::TelegramConfig;
use crate::typing::TypingBoard;

/// Everything one account is built from; two equal ones behave the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountConfig {
    pub key: AccountKey,
    pub name: Option<String>,
    pub rules: AccessRules,
    pub mention_patterns: Vec<String>,
    /// How many messages of a group that were not for the agent are kept for its next turn there.
    pub history_limit: usize,
    /// What happens to a message of which nobody knows whether it was sent.
    pub resends_unknown: bool,
    /// The profile the gateway runs under, for commands shown to people.
    pub profile: Option<String>,
    pub platform: PlatformConfig,
}

/// The platform's own part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PlatformConfig {
    Telegram(TelegramConfig),
}

/// An event that was admitted, as far as routing needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct InboundEnvelope<'a> {
    pub account: &'a AccountKey,
    pub chat: &'a Chat,
    pub sender: Option<&'a Sender>,
}

/// Tells which session an event belongs to.
pub trait RouteInbound: Send + Sync {
    fn session_for(&self, event: &InboundEnvelope<'_>) -> SessionKey;
}

/// Told that a session has work.
pub type Wake = Arc<dyn Fn(&SessionKey) + Send + Sync>;

/// What the accounts of a gateway share. Cheap to clone.
#[derive(Clone)]
pub struct ChannelDeps {
    pub ledger: Ledger,
    pub routes: Arc<dyn RouteInbound>,
    pub wake: Wake,
    pub typing: TypingBoard,
    pub status: StatusBoard,
    pub leases: Leases,
    /// The folder of the pairing files.
    pub credentials_dir: PathBuf,
    /// The state folder, where an existing installation keeps its poll offsets.
    pub state_dir: PathBuf,
}

/// An account at work, shared by its actors.
#[derive(Debug)]
pub struct Account {
    pub config: AccountConfig,
    pub platform: Arc<dyn Platform>,
    pub patterns: MentionPatterns,
}

/// Where the supervisor of all accounts stands.
pub const CHANNELS: &str = "channels";
/// An account that keeps failing is tried again this often; a person can do it at once.
const PARKED_FOR: Duration = Duration::from_secs(300);
/// A handler takes microseconds; one that takes this long will not end, and its account should be back within a second.
const MAX_HANDLE: Duration = Duration::from_millis(500);

impl Account {
    /// Makes an account on its platform.
    pub fn new(config: AccountConfig) -> Self {
        let platform: Arc<dyn Platform> = match &config.platform {
            PlatformConfig::Telegram(telegram) => Arc::new(Telegram::new(telegram.clone())),
        };
        Self::with_platform(config, platform)
    }

    /// Makes an account on a given platform.
    pub fn with_platform(config: AccountConfig, platform: Arc<dyn Platform>) -> Self {
        // What is no regular expression was reported when the configuration was read.
        let (patterns, _) = MentionPatterns::compile(&config.mention_patterns);
        Self {
            config,
            platform,
            patterns,
        }
    }

    pub fn key(&self) -> &AccountKey {
        &self.config.key
    }

    /// What becomes of a send with an unknown end.
    pub fn unknown_action(&self) -> UnknownAction {
        if self.config.resends_unknown {
            UnknownAction::Resend
        } else {
            UnknownAction::Hold
        }
    }
}

/// The supervisor of one account.
pub fn account_spec(config: &AccountConfig, deps: &ChannelDeps) -> ChildSpec {
    spec_for(Arc::new(Account::new(config.clone())), deps)
}

/// The supervisor of an account that exists.
pub fn spec_for(account: Arc<Account>, deps: &ChannelDeps) -> ChildSpec {
    let seconds = Duration::from_secs;
    let id = account.key().to_string();
    let facts = account.config.clone();
    let args = (account, deps.clone());
    let poll = ChildSpec::actor::<Poll>("poll", args.clone())
        .fingerprint_of(&facts)
        .backoff(Duration::from_millis(200), seconds(300), seconds(60))
        .intensity(5, seconds(120))
        .park(PARKED_FOR)
        .max_handle(MAX_HANDLE)
        .shutdown(Shutdown::Within(seconds(2)));
    let send = ChildSpec::actor::<SendActor>("send", args)
        .fingerprint_of(&facts)
        .backoff(Duration::from_millis(200), seconds(60), seconds(60))
        .intensity(5, seconds(120))
        .park(PARKED_FOR)
        .max_handle(MAX_HANDLE)
        .shutdown(Shutdown::Within(seconds(5)));
    ChildSpec::supervisor(id.as_str(), Strategy::OneForOne, vec![poll, send])
        .kind("account")
        .fingerprint_of(&facts)
        .backoff(seconds(1), seconds(300), seconds(60))
        .intensity(5, seconds(120))
        .park(PARKED_FOR)
        .shutdown(Shutdown::Within(seconds(10)))
}

/// Tells a person something at once, past the outbox: for a command without a gateway, where the caller sees
/// whether it worked.
pub async fn tell(config: &AccountConfig, to: &str, text: &str) -> Result<(), SendFailure> {
    let account = Account::new(config.clone());
    let route = Route {
        channel: config.key.channel.to_string(),
        account: config.key.account.to_string(),
        to: to.to_owned(),
        ..Route::default()
    };
    let payload = OutboundPayload::plain(text);
    account.platform.send(&payload, &route).await.map(drop)
}

/// Where the account's sender stands.
pub fn send_path(account: &AccountKey) -> ActorPath {
    ActorPath::from(format!("{CHANNELS}/{account}/send"))
}

/// Tells an account's sender that there is something in its outbox. One that is down looks by itself when it starts.
pub fn nudge_outbox(directory: &Directory, account: &AccountKey) {
    let address = directory.address::<SendMail>(&send_path(account));
    let _is_up: bool = address.nudge(SendMail::Work);
}

impl fmt::Debug for ChannelDeps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelDeps")
            .field("credentials_dir", &self.credentials_dir)
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}
