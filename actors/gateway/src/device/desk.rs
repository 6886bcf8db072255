//! Where the rest of the gateway reads the devices and asks for changes.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use openclaw_protocol::Secret;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::Directory;
use tokio::sync::oneshot;

use super::book::Book;
use super::book::BookError;
use super::file;
use super::owner::Change;
use super::owner::DeviceMail;
use super::owner::Draft;
use super::proof::Replays;

/// How long a change may take: one write to disk, and those in front of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The owner's place in the tree.
pub const OWNER: &str = "ingress/devices";

/// The devices, for all who ask; cheap to clone.
#[derive(Clone, Debug)]
pub struct Devices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What is on disk.
    book: ArcSwap<Book>,
    owner: Address<DeviceMail>,
    folder: PathBuf,
    replays: Mutex<Replays>,
    /// When each device was last here; stored with the next change.
    seen: Mutex<HashMap<String, i64>>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is not allowed, or there is nothing to change.
    #[error(transparent)]
    Refused(#[from] BookError),
    /// It could not be stored.
    #[error("devices can't be stored: {0}")]
    Unstored(String),
    /// Nobody answers.
    #[error("the keeper of the devices does not answer; try again shortly")]
    Down,
}

impl Devices {
    /// Reads what is stored under `folder`. What can't be read is set aside, and nobody is let in by it.
    pub fn open(folder: impl Into<PathBuf>, directory: &Directory) -> Self {
        let folder = folder.into();
        let book = Book {
            paired: read(&folder, "paired.json"),
            pending: read(&folder, "pending.json"),
            setups: read(&folder, "bootstrap.json"),
        };
        Self(Arc::new(Inner {
            book: ArcSwap::from_pointee(book),
            owner: directory.address(&ActorPath::new(OWNER)),
            folder,
            replays: Mutex::default(),
            seen: Mutex::default(),
        }))
    }

    /// The devices as they are stored.
    pub fn book(&self) -> Arc<Book> {
        self.0.book.load_full()
    }

    /// The folder of the device files.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The nonce-less signatures that were seen.
    pub fn replays(&self) -> MutexGuard<'_, Replays> {
        self.0
            .replays
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a device is here.
    pub fn note_seen(&self, device_id: &str, now_ms: i64) {
        self.seen().insert(device_id.to_owned(), now_ms);
    }

    /// When a device was last here, if that is newer than what is stored.
    pub fn seen_at(&self, device_id: &str) -> Option<i64> {
        self.seen().get(device_id).copied()
    }

    /// Changes the devices: done once it is on disk.
    pub async fn change<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Draft) -> Result<R, BookError> + Send + 'static,
    ) -> Result<R, ChangeError> {
        let (reply, answer) = oneshot::channel();
        let change = Change::new(move |draft| {
            let before = draft.book.clone();
            let notices = draft.notices.len();
            let outcome = work(draft);
            if outcome.is_err() {
                draft.book = before;
                draft.notices.truncate(notices);
            }
            Box::new(move |written: Result<(), String>| {
                let outcome = match (written, outcome) {
                    (_, Err(refused)) => Err(ChangeError::Refused(refused)),
                    (Err(problem), _) => Err(ChangeError::Unstored(problem)),
                    (Ok(()), Ok(done)) => Ok(done),
                };
                // An asker that left does not miss it.
                drop(reply.send(outcome));
            })
        });
        let sent = self.0.owner.send(DeviceMail::Change(change), PATIENCE);
        sent.await.map_err(|_| ChangeError::Down)?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(ChangeError::Down),
        }
    }

    pub(super) fn publish(&self, book: Arc<Book>) {
        self.0.book.store(book);
    }

    /// What was noted of devices, for those still in the book.
    pub(super) fn fill_in_seen(&self, book: &mut Book) {
        let mut seen = self.seen();
        seen.retain(|device_id, at| match book.paired.get_mut(device_id) {
            Some(device) => {
                device.last_seen_at_ms = Some(*at);
                true
            }
            None => false,
        });
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that nobody can guess.
pub fn fresh_token() -> Result<Secret, getrandom::Error> {
    use base64::Engine;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    Ok(Secret::new(text))
}

fn read<T: serde::de::DeserializeOwned + Default>(folder: &Path, name: &str) -> T {
    let path = folder.join(name);
    match file::read_json(&path) {
        Ok(value) => value.unwrap_or_default(),
        Err(error) => {
            // Kept beside: the next write must not be the end of what somebody may still mend.
            let aside = path.with_extension("json.broken");
            let kept = std::fs::rename(&path, &aside);
            tracing::error!(path = %path.display(), %error, ?kept, "a device file can't be read and was set aside");
            T::default()
        }
    }
}
