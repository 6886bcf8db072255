//! A ledger in memory, the channels' supervisor, and a Telegram to talk to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openclaw_channel::AccountConfig;
use openclaw_channel::ChannelDeps;
use openclaw_channel::InboundEnvelope;
use openclaw_channel::Leases;
use openclaw_channel::PairingStore;
use openclaw_channel::PlatformConfig;
use openclaw_channel::RouteInbound;
use openclaw_channel::StatusBoard;
use openclaw_channel::TypingBoard;
use openclaw_channel::access::AccessRules;
use openclaw_channel::access::AllowList;
use openclaw_channel::access::DmPolicy;
use openclaw_channel::account_spec;
use openclaw_channel::nudge_outbox;
use openclaw_channel::status::AccountStatus;
use openclaw_channel::telegram::TelegramConfig;
use openclaw_channel::telegram::TokenSource;
use openclaw_ledger::InboxFilter;
use openclaw_ledger::InboxRow;
use openclaw_ledger::Ledger;
use openclaw_ledger::NewOutbound;
use openclaw_ledger::OutboxFilter;
use openclaw_ledger::OutboxRow;
use openclaw_protocol::AccountKey;
use openclaw_protocol::AgentId;
use openclaw_protocol::ChatKind;
use openclaw_protocol::DmScope;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::SessionKey;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::Strategy;
use openclaw_support::telegram::FakeTelegram;
use openclaw_support::telegram::Person;
use openclaw_support::telegram::TOKEN;

/// No test waits longer for anything.
pub const SOON: Duration = Duration::from_secs(10);

pub struct Rig {
    pub fake: FakeTelegram,
    pub ledger: Ledger,
    pub root: Root,
    pub directory: Directory,
    pub deps: ChannelDeps,
    pub woken: Arc<std::sync::Mutex<Vec<SessionKey>>>,
    _state: tempfile::TempDir,
}

/// A configuration of one account for the server.
pub fn account(root: &str, name: &str, token: &str) -> AccountConfig {
    let mut telegram = TelegramConfig::new(name, TokenSource::Config(token.into()));
    telegram.api_root = root.to_owned();
    AccountConfig {
        key: AccountKey::new("telegram", name),
        name: None,
        rules: AccessRules {
            dm: DmPolicy::Pairing,
            allow_from: AllowList::parse("telegram", ["7"]),
            ..AccessRules::default()
        },
        mention_patterns: Vec::new(),
        history_limit: 3,
        resends_unknown: false,
        profile: None,
        platform: PlatformConfig::Telegram(telegram),
    }
}

impl Rig {
    /// One account, `home`, in which Ann (7) is listed.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut AccountConfig)) -> Self {
        let fake = FakeTelegram::start().await;
        let mut home = account(&fake.root(), "home", TOKEN);
        change(&mut home);
        Self::on(fake, Ledger::memory(), vec![home]).await
    }

    pub async fn on(fake: FakeTelegram, ledger: Ledger, accounts: Vec<AccountConfig>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let woken = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&woken);
        let deps = ChannelDeps {
            ledger: ledger.clone(),
            routes: Arc::new(Routes),
            wake: Arc::new(move |session| seen.lock().unwrap().push(session.clone())),
            typing: TypingBoard::default(),
            status: StatusBoard::default(),
            leases: Leases::default(),
            credentials_dir: state.path().join("credentials"),
            state_dir: state.path().to_owned(),
        };
        let specs = accounts
            .iter()
            .map(|config| account_spec(config, &deps))
            .collect();
        let directory = Directory::new();
        let channels = ChildSpec::supervisor("channels", Strategy::OneForOne, specs);
        let root = Root::start(directory.clone(), "gateway", vec![channels]).await;
        Self {
            fake,
            ledger,
            root,
            directory,
            deps,
            woken,
            _state: state,
        }
    }

    /// Ends the tree and starts another on the same ledger and server.
    pub async fn restart(self, accounts: Vec<AccountConfig>) -> Self {
        self.root.shutdown(SOON).await;
        Self::on(self.fake, self.ledger, accounts).await
    }

    pub fn inbox(&self) -> Vec<InboxRow> {
        self.ledger.inbox(&InboxFilter::default())
    }

    pub fn outbox(&self) -> Vec<OutboxRow> {
        self.ledger.outbox(&OutboxFilter::default())
    }

    pub fn pairing(&self) -> PairingStore {
        PairingStore::new(&self.deps.credentials_dir, "telegram")
    }

    pub fn status(&self, account: &str) -> AccountStatus {
        self.deps
            .status
            .get(&AccountKey::new("telegram", account))
            .unwrap_or_default()
    }

    /// Queues messages as the end of a turn does.
    pub async fn say(&self, account: &str, to: i64, texts: &[&str]) {
        self.say_via(route(account, to), texts).await;
    }

    pub async fn say_via(&self, route: Route, texts: &[&str]) {
        let key = route.account_key();
        let rows = texts.iter().enumerate().map(|(n, text)| NewOutbound {
            account: key.clone(),
            route: route.clone(),
            payload: OutboundPayload {
                part: u16::try_from(n + 1).unwrap(),
                parts: u16::try_from(texts.len()).unwrap(),
                ..OutboundPayload::markdown(*text)
            },
            session: None,
            turn: None,
            idem_key: format!("{text}/{n}"),
            expires_at_ms: None,
            notice: false,
        });
        self.ledger.enqueue(rows.collect()).await.unwrap();
        nudge_outbox(&self.directory, &key);
    }

    /// Queues one message.
    pub async fn put(&self, route: Route, payload: OutboundPayload) {
        let key = route.account_key();
        let row = NewOutbound {
            account: key.clone(),
            route,
            idem_key: payload.text.clone(),
            payload,
            session: None,
            turn: None,
            expires_at_ms: None,
            notice: false,
        };
        self.ledger.enqueue(vec![row]).await.unwrap();
        nudge_outbox(&self.directory, &key);
    }

    /// Lets a person be known to the server without writing to the bot.
    pub fn knows(&self, person: &Person) {
        self.fake.push(
            TOKEN,
            person,
            person.to_chat(),
            serde_json::json!({"new_chat_title": "x"}),
        );
    }

    /// Waits for a condition.
    pub async fn until<T>(&self, what: &str, ready: impl Fn(&Self) -> Option<T>) -> T {
        let waiting = async {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            loop {
                tick.tick().await;
                if let Some(out) = ready(self) {
                    return out;
                }
            }
        };
        match tokio::time::timeout(SOON, waiting).await {
            Ok(out) => out,
            Err(_) => panic!(
                "never {what}; statuses {:#?}; inbox {:#?}; outbox {:#?}; calls {:?}",
                self.deps.status.all(),
                self.inbox(),
                self.outbox(),
                self.fake
                    .calls()
                    .iter()
                    .map(|call| &call.method)
                    .collect::<Vec<_>>()
            ),
        }
    }

    /// How often each actor was restarted.
    pub fn restarts(&self) -> BTreeMap<String, u64> {
        let tree = self.directory.tree(None, None).unwrap();
        tree.walk()
            .iter()
            .map(|node| (node.path.to_string(), u64::from(node.restarts)))
            .collect()
    }
}

pub fn ann() -> Person {
    Person::new(7, "Ann").username("ann")
}

pub fn route(account: &str, to: i64) -> Route {
    Route {
        channel: "telegram".into(),
        account: account.into(),
        to: to.to_string(),
        ..Route::default()
    }
}

struct Routes;

impl RouteInbound for Routes {
    fn session_for(&self, event: &InboundEnvelope<'_>) -> SessionKey {
        let agent = AgentId::main();
        let (channel, account) = (&event.account.channel, &event.account.account);
        match event.chat.kind {
            ChatKind::Direct => {
                let peer = event.sender.map_or("", |sender| &sender.id);
                SessionKey::direct(&agent, DmScope::PerChannelPeer, channel, account, peer)
            }
            _ => SessionKey::group(
                &agent,
                channel,
                &event.chat.id,
                event.chat.thread.as_deref(),
            ),
        }
    }
}
