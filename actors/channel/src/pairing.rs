//! Pairing: a stranger gets a code once, the owner approves it, the stranger's id joins the allow store.
//!
//! The files and the words are those of existing installations: `<channel>-pairing.json` holds at most three
//! pending requests an account for an hour, `<channel>-allowFrom.json` the approved ids. An approval for an account other than
//! `default` goes to `<channel>-<account>-allowFrom.json` and counts for that account alone.
//! Every change happens under a file lock that the kernel drops when its holder dies.

mod file;
#[cfg(test)]
mod tests;
mod text;

pub use self::file::StoreError;
pub use self::text::approved_text;
pub use self::text::pairing_text;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::SignedDuration;
use jiff::Timestamp;
use openclaw_protocol::AccountKey;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use self::file::Locked;

/// Letters and digits that are not mistaken for one another.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_LENGTH: usize = 8;
/// How long a code is good.
pub const CODE_TTL: SignedDuration = SignedDuration::from_hours(1);
/// More strangers than this get no code until one lapses.
pub const MAX_PENDING: usize = 3;

/// The meta field that names the account a request came over.
const META_ACCOUNT: &str = "accountId";
/// The meta field that names the event a request was made for.
const META_SOURCE: &str = "sourceId";

/// One pending request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingRequest {
    pub id: String,
    pub code: String,
    #[serde(with = "iso")]
    pub created_at: Timestamp,
    #[serde(with = "iso")]
    pub last_seen_at: Timestamp,
    #[serde(default)]
    pub meta: Map<String, Value>,
}

impl PairingRequest {
    /// The account the request came over.
    pub fn account(&self) -> &str {
        self.meta(META_ACCOUNT).unwrap_or(AccountKey::DEFAULT)
    }

    fn meta(&self, key: &str) -> Option<&str> {
        self.meta.get(key).and_then(Value::as_str)
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        now.duration_since(self.created_at) < CODE_TTL
    }
}

/// A stranger at the door.
#[derive(Debug, Clone, Copy)]
pub struct Stranger<'a> {
    pub id: &'a str,
    pub username: Option<&'a str>,
    pub name: Option<&'a str>,
    /// The event; when the platform repeats it, the answer is the same.
    pub source_id: &'a str,
}

/// What became of a stranger's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A code was made (for this very event): tell them.
    New(String),
    /// They have a code already: say nothing.
    Known,
    /// Too many are waiting: say nothing.
    Full,
}

/// An approved request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    pub id: String,
    pub account: String,
    pub username: Option<String>,
}

/// The pairing and allow files of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingStore {
    dir: PathBuf,
    channel: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Requests {
    version: u32,
    #[serde(default)]
    requests: Vec<PairingRequest>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowFile {
    version: u32,
    #[serde(default)]
    allow_from: Vec<String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pins {
    version: u32,
    #[serde(default)]
    pinned: BTreeMap<String, String>,
}

impl PairingStore {
    /// The files of `channel` under `dir`, the installation's `credentials` folder.
    pub fn new(dir: impl Into<PathBuf>, channel: &str) -> Self {
        Self {
            dir: dir.into(),
            channel: channel.to_lowercase(),
        }
    }

    /// Answers a stranger. Changes at most the one file of requests.
    pub fn ask(
        &self,
        account: &str,
        who: Stranger<'_>,
        now: Timestamp,
    ) -> Result<Asked, StoreError> {
        let locked = self.lock()?;
        let mut requests = self.read_requests(&locked, now)?;
        let mut of_account = requests.iter_mut().filter(|r| r.account() == account);
        if let Some(known) = of_account.find(|request| request.id == who.id) {
            known.last_seen_at = now;
            let asked = match known.meta(META_SOURCE) {
                Some(source) if source == who.source_id => Asked::New(known.code.clone()),
                _ => Asked::Known,
            };
            self.write_requests(&locked, requests)?;
            return Ok(asked);
        }
        if requests.iter().filter(|r| r.account() == account).count() >= MAX_PENDING {
            return Ok(Asked::Full);
        }
        let code = fresh_code(&requests)?;
        let mut meta = Map::new();
        let facts = [
            ("username", who.username),
            ("name", who.name),
            (
                META_ACCOUNT,
                (account != AccountKey::DEFAULT).then_some(account),
            ),
            (META_SOURCE, Some(who.source_id)),
        ];
        for (key, value) in facts {
            if let Some(value) = value {
                meta.insert(key.to_owned(), value.into());
            }
        }
        requests.push(PairingRequest {
            id: who.id.to_owned(),
            code: code.clone(),
            created_at: now,
            last_seen_at: now,
            meta,
        });
        self.write_requests(&locked, requests)?;
        Ok(Asked::New(code))
    }

    /// The requests still waiting, oldest first.
    pub fn list(&self, now: Timestamp) -> Result<Vec<PairingRequest>, StoreError> {
        self.read_requests(&self.lock()?, now)
    }

    /// Approves a code: its sender joins the allow store, the request goes.
    pub fn approve(&self, code: &str, now: Timestamp) -> Result<Option<Approved>, StoreError> {
        let wanted: String = code
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let locked = self.lock()?;
        let mut requests = self.read_requests(&locked, now)?;
        let Some(place) = requests.iter().position(|request| request.code == wanted) else {
            return Ok(None);
        };
        let request = requests.remove(place);
        let approved = Approved {
            username: request.meta("username").map(str::to_owned),
            account: request.account().to_owned(),
            id: request.id,
        };
        // The grant first: dying between the two leaves a code that can be approved again.
        self.allow(&locked, &approved.account, &approved.id)?;
        self.write_requests(&locked, requests)?;
        Ok(Some(approved))
    }

    /// The ids approved for an account.
    pub fn paired(&self, account: &str) -> Result<BTreeSet<String>, StoreError> {
        let locked = self.lock()?;
        let mut ids = BTreeSet::new();
        for name in [self.shared_file(), self.account_file(account)] {
            let file: Option<AllowFile> = locked.read(&name)?;
            ids.extend(file.into_iter().flat_map(|file| file.allow_from));
        }
        Ok(ids)
    }

    /// The ids pinned to `@name` entries.
    pub fn pinned(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let file: Option<Pins> = self.lock()?.read(&self.pins_file())?;
        Ok(file.map(|file| file.pinned).unwrap_or_default())
    }

    /// Pins an id to a name that has none. A pinned name keeps its id, whoever bears the name later.
    pub fn pin(&self, name: &str, id: &str) -> Result<bool, StoreError> {
        let locked = self.lock()?;
        let mut pinned = locked
            .read::<Pins>(&self.pins_file())?
            .map(|file| file.pinned)
            .unwrap_or_default();
        let name = name.trim_start_matches('@').to_lowercase();
        if pinned.contains_key(&name) {
            return Ok(false);
        }
        pinned.insert(name, id.to_owned());
        locked.write(&self.pins_file(), &Pins { version: 1, pinned })?;
        Ok(true)
    }

    fn allow(&self, locked: &Locked, account: &str, id: &str) -> Result<(), StoreError> {
        let name = match account {
            AccountKey::DEFAULT => self.shared_file(),
            account => self.account_file(account),
        };
        let mut file = locked.read(&name)?.unwrap_or(AllowFile {
            version: 1,
            allow_from: Vec::new(),
            extra: Map::new(),
        });
        if !file.allow_from.iter().any(|known| known == id) {
            file.allow_from.push(id.to_owned());
            locked.write(&name, &file)?;
        }
        Ok(())
    }

    fn read_requests(
        &self,
        locked: &Locked,
        now: Timestamp,
    ) -> Result<Vec<PairingRequest>, StoreError> {
        let file: Option<Requests> = locked.read(&self.requests_file())?;
        let mut requests = file.map(|file| file.requests).unwrap_or_default();
        requests.retain(|request| request.is_alive(now));
        Ok(requests)
    }

    fn write_requests(
        &self,
        locked: &Locked,
        requests: Vec<PairingRequest>,
    ) -> Result<(), StoreError> {
        let file = Requests {
            version: 1,
            requests,
        };
        locked.write(&self.requests_file(), &file)
    }

    fn lock(&self) -> Result<Locked, StoreError> {
        Locked::new(&self.dir, &format!(".{}-pairing.lock", self.channel))
    }

    fn requests_file(&self) -> String {
        format!("{}-pairing.json", self.channel)
    }

    fn shared_file(&self) -> String {
        format!("{}-allowFrom.json", self.channel)
    }

    fn account_file(&self, account: &str) -> String {
        format!("{}-{account}-allowFrom.json", self.channel)
    }

    fn pins_file(&self) -> String {
        format!("{}-usernames.json", self.channel)
    }
}

/// Moments as the files write them: `2026-02-14T12:00:00.000Z`.
mod iso {
    use jiff::Timestamp;
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(
        at: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A code that no pending request has.
fn fresh_code(requests: &[PairingRequest]) -> Result<String, StoreError> {
    loop {
        let mut bytes = [0u8; CODE_LENGTH];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::NoChance)?;
        let code: String = bytes
            .iter()
            // 256 is a multiple of 32, so every letter is as likely as any other.
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
            .map(|letter| char::from(*letter))
            .collect();
        if requests.iter().all(|request| request.code != code) {
            return Ok(code);
        }
    }
}
