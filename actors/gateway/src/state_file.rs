//! A small file of the state folder: read whole and replaced whole, by one writer at a time.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;
use tokio::sync::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::config::store;

/// A small file of the state folder. Cheap to clone; clones share the turn to write.
#[derive(Debug, Clone)]
pub struct StateFile {
    path: Arc<PathBuf>,
    turn: Arc<Mutex<()>>,
}

impl StateFile {
    /// The file at a path, whether it is there or not.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path: Arc::new(path),
            turn: Arc::default(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps other writers of this process out until it is dropped.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Its text; none when there is no file.
    pub async fn text(&self) -> io::Result<Option<String>> {
        let path = Arc::clone(&self.path);
        blocking(move || match std::fs::read_to_string(&*path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Replaces it, readable by its owner only.
    pub async fn replace(&self, value: &Value) -> io::Result<String> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        let (path, written) = (Arc::clone(&self.path), text.clone());
        blocking(move || {
            store::make_folder(&path)?;
            store::replace(&path, &written)
        })
        .await?;
        Ok(text)
    }
}

/// What names a text: its SHA-256 in hex.
pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
