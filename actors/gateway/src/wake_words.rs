//! The words that wake a listening device: `settings/voicewake.json`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Value;
use serde_json::json;

use crate::state_file::StateFile;

const DEFAULT: [&str; 3] = ["openclaw", "claude", "computer"];
/// More words than this nobody can tell apart by ear.
const WORDS: usize = 32;
const WORD_CHARS: usize = 64;

/// The words; read once at the start, kept in memory for devices that connect.
#[derive(Debug, Clone)]
pub struct WakeWords {
    file: StateFile,
    words: Arc<Mutex<Vec<String>>>,
}

impl WakeWords {
    /// Reads them from the state folder.
    pub fn load(state_dir: &Path) -> Self {
        let path = state_dir.join("settings").join("voicewake.json");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let stored: Value = serde_json::from_str(&text).unwrap_or_default();
        let words = normal(stored.get("triggers").unwrap_or(&Value::Null));
        Self {
            file: StateFile::new(path),
            words: Arc::new(Mutex::new(words)),
        }
    }

    /// The words in force.
    pub fn now(&self) -> Vec<String> {
        self.words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts others in their place; an empty list brings the usual ones back.
    pub async fn set(&self, words: &Value, now_ms: i64) -> io::Result<Vec<String>> {
        let words = normal(words);
        let _turn = self.file.turn().await;
        let stored = json!({ "triggers": words, "updatedAtMs": now_ms });
        self.file.replace(&stored).await?;
        self.words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&words);
        Ok(words)
    }
}

fn normal(words: &Value) -> Vec<String> {
    let words = words.as_array().into_iter().flatten();
    let words: Vec<String> = words
        .filter_map(Value::as_str)
        .map(|word| word.trim().chars().take(WORD_CHARS).collect::<String>())
        .filter(|word| !word.is_empty())
        .take(WORDS)
        .collect();
    if words.is_empty() {
        return DEFAULT.map(str::to_owned).to_vec();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_are_kept_and_an_empty_list_brings_the_usual_ones_back() {
        let dir = tempfile::tempdir().unwrap();
        let words = WakeWords::load(dir.path());
        assert_eq!(words.now(), DEFAULT);
        let set = words.set(&json!([" hey ", "", 7]), 1).await.unwrap();
        assert_eq!(set, ["hey"]);
        assert_eq!(WakeWords::load(dir.path()).now(), ["hey"]);
        words.set(&json!([]), 2).await.unwrap();
        assert_eq!(words.now(), DEFAULT);
    }
}
