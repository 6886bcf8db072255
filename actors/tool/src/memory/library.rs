//! The notes of all agents, each with its index.
//!
//! An index is made when it is first asked for and follows the files from then on: each search looks
//! whether they changed. Nothing waits for vectors but whoever makes them: what has none yet is found
//! by its words.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::cut::Chunking;
use super::rank::Ranking;
use super::room::RoomState;
use super::rooms::Rooms;
use super::words;

/// A question's vector is not waited for longer: words answer meanwhile.
const QUESTION: Duration = Duration::from_secs(4);
/// So many texts are sent to be embedded at a time.
const BATCH: usize = 32;
/// What was paid for is written down after so many.
const SAVE_EACH: usize = 512;

/// How an agent's memory is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct MemorySettings {
    /// Whether there is any.
    pub is_enabled: bool,
    /// Where more notes lie: folders, or single Markdown files.
    pub extra_paths: Vec<PathBuf>,
    /// How files are cut.
    pub chunking: Chunking,
    /// How hits are weighed.
    pub ranking: Ranking,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self {
            is_enabled: true,
            extra_paths: Vec::new(),
            chunking: Chunking::default(),
            ranking: Ranking::default(),
        }
    }
}

/// Why notes could not be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Somebody switched it off.
    #[error("memory search is switched off (agents.defaults.memorySearch.enabled)")]
    Off,
    /// The work on the files broke off.
    #[error("the notes could not be reached: {0}")]
    Files(String),
    /// Vectors were asked for and could not be made.
    #[error("{0}")]
    Vectors(String),
}

/// What texts are embedded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedFor {
    /// To be found.
    Storing,
    /// To find.
    Asking,
}

/// Vectors, or why there are none.
pub type Embedded = Result<Vec<Vec<f32>>, String>;

/// Who makes vectors of texts.
pub trait Vectors: Send + Sync {
    /// The model that would make them for an agent now, or why there is none.
    fn model(&self, agent: &AgentId) -> Result<String, String>;

    /// Makes them, in the order of the texts.
    fn make(
        &self,
        agent: AgentId,
        texts: Vec<String>,
        what_for: EmbedFor,
    ) -> BoxFuture<'static, Embedded>;
}

/// Nobody: notes are found by words alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVectors;

impl Vectors for NoVectors {
    fn model(&self, _: &AgentId) -> Result<String, String> {
        Err("nothing here makes embeddings".to_owned())
    }

    fn make(&self, agent: AgentId, _: Vec<String>, _: EmbedFor) -> BoxFuture<'static, Embedded> {
        let refused = self.model(&agent).map(|_| Vec::new());
        Box::pin(std::future::ready(refused))
    }
}

/// The settings of an agent as they are now.
pub type SettingsNow = Arc<dyn Fn(&AgentId) -> MemorySettings + Send + Sync>;

/// The notes of all agents; a cheap handle.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Inner>,
}

struct Inner {
    settings: SettingsNow,
    vectors: Arc<dyn Vectors>,
    rooms: Rooms,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The question; an empty one asks for the latest.
    pub query: String,
    /// Not more than so many.
    pub most: usize,
    /// Another least score than the configured one.
    pub min_score: Option<f64>,
    /// Whether only the owner listens.
    pub is_private: bool,
}

/// A place that answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub path: String,
    pub start_line: usize,
    pub end_line: usize,
    pub score: f64,
    pub snippet: String,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// The model whose vectors took part.
    pub model: Option<String>,
    /// Why vectors took no part although somebody makes them.
    pub lacks: Option<String>,
    /// Files that could not be read.
    pub unreadable: Vec<String>,
}

impl Found {
    /// As agents and clients read it.
    pub fn to_json(&self) -> Value {
        let hit = |hit: &Hit| {
            json!({
                "path": hit.path, "startLine": hit.start_line, "endLine": hit.end_line,
                "score": (hit.score * 100.0).round() / 100.0, "snippet": hit.snippet, "source": "memory",
            })
        };
        let mut shown = json!({ "results": self.hits.iter().map(hit).collect::<Vec<_>>() });
        if let Value::Object(fields) = &mut shown {
            if let Some(model) = &self.model {
                fields.insert("model".into(), json!(model));
            }
            if let Some(lacks) = &self.lacks {
                fields.insert("byWordsOnly".into(), json!(lacks));
            }
            if !self.unreadable.is_empty() {
                fields.insert("unreadable".into(), json!(self.unreadable));
            }
        }
        shown
    }
}

impl Memory {
    /// A memory that keeps its vectors in this folder.
    pub fn new(folder: PathBuf, settings: SettingsNow, vectors: Arc<dyn Vectors>) -> Self {
        Self::with(Some(folder), settings, vectors)
    }

    fn with(folder: Option<PathBuf>, settings: SettingsNow, vectors: Arc<dyn Vectors>) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                vectors,
                rooms: Rooms::new(folder),
            }),
        }
    }

    /// How an agent's memory is set up now.
    pub fn settings(&self, agent: &AgentId) -> MemorySettings {
        (self.inner.settings)(agent)
    }

    /// Whether somebody makes vectors for it.
    pub fn makes_vectors(&self, agent: &AgentId) -> bool {
        let settings = self.settings(agent);
        settings.is_enabled && settings.ranking.hybrid && self.inner.vectors.model(agent).is_ok()
    }

    /// Finds notes.
    pub async fn search(
        &self,
        agent: &AgentId,
        workspace: &Path,
        asked: Asked,
    ) -> Result<Found, MemoryError> {
        let settings = self.settings(agent);
        if !settings.is_enabled {
            return Err(MemoryError::Off);
        }
        let room = self.inner.rooms.ask(agent, workspace);
        let terms = words::terms(&asked.query);
        if terms.is_empty() {
            return blocking(move || room.latest(&settings, &asked)).await;
        }
        let model = self.inner.vectors.model(agent).ok();
        let model = model.filter(|_| settings.ranking.hybrid && self.inner.rooms.folder.is_some());
        let question = async {
            let model = model?;
            let texts = vec![asked.query.clone()];
            let making = self
                .inner
                .vectors
                .make(agent.clone(), texts, EmbedFor::Asking);
            let made = match tokio::time::timeout(QUESTION, making).await {
                Ok(made) => made,
                Err(_) => Err(format!("{model} took longer than {} s", QUESTION.as_secs())),
            };
            let made =
                made.and_then(|mut vectors| vectors.pop().ok_or("no vector came".to_owned()));
            Some((model, made))
        };
        let refreshing = {
            let (room, settings) = (room.clone(), settings.clone());
            blocking(move || room.refresh(&settings))
        };
        let (question, refreshed) = tokio::join!(question, refreshing);
        refreshed?;
        blocking(move || room.search(&settings, &asked, &terms, question)).await
    }

    /// Reads what changed, or everything again. Blocks: not for a worker.
    pub fn refresh(&self, agent: &AgentId, workspace: &Path, force: bool) {
        let settings = self.settings(agent);
        if settings.is_enabled {
            let room = self.inner.rooms.enter(agent, workspace);
            if force {
                room.forget();
            }
            room.refresh(&settings);
        }
    }

    /// Has vectors made of what has none, and keeps them. Returns how many.
    pub async fn embed(&self, agent: &AgentId, workspace: &Path) -> Result<usize, MemoryError> {
        let settings = self.settings(agent);
        if !settings.is_enabled || !settings.ranking.hybrid {
            return Ok(0);
        }
        let model = self
            .inner
            .vectors
            .model(agent)
            .map_err(MemoryError::Vectors)?;
        let room = self.inner.rooms.enter(agent, workspace);
        let one = room.embedding.lock().await;
        let (mut done, mut saved) = (0, 0);
        let outcome = loop {
            let missing = {
                let (room, settings, model) = (room.clone(), settings.clone(), model.clone());
                blocking(move || {
                    room.refresh(&settings);
                    room.missing(&settings, &model, BATCH)
                })
                .await?
            };
            if missing.is_empty() {
                break Ok(done);
            }
            let texts = missing.iter().map(|(_, text)| text.clone()).collect();
            let making = self
                .inner
                .vectors
                .make(agent.clone(), texts, EmbedFor::Storing);
            let made = match making.await {
                Ok(made) if made.len() == missing.len() => made,
                Ok(_) => break Err("another number of vectors came than texts went".to_owned()),
                Err(error) => break Err(error),
            };
            let taken = {
                let (room, model) = (room.clone(), model.clone());
                blocking(move || room.take_in(&model, &missing, &made)).await?
            };
            if taken == 0 {
                break Err(format!("{model} made vectors that can't be compared"));
            }
            done += taken;
            if done - saved >= SAVE_EACH {
                saved = done;
                let room = room.clone();
                blocking(move || room.save()).await?;
            }
        };
        let kept = room.clone();
        blocking(move || kept.save()).await?;
        drop(one);
        self.inner.rooms.leave(agent, room);
        outcome.map_err(MemoryError::Vectors)
    }

    /// What an agent's memory holds. Blocks: not for a worker.
    pub fn status(&self, agent: &AgentId, workspace: &Path) -> Value {
        let settings = self.settings(agent);
        let room = self.inner.rooms.enter(agent, workspace);
        let model = self.inner.vectors.model(agent);
        let state = if settings.is_enabled {
            room.refresh(&settings);
            room.state(&settings, model.as_deref().ok())
        } else {
            RoomState::default()
        };
        let file = room.file().map(Path::to_owned);
        self.inner.rooms.leave(agent, room);
        json!({
            "agentId": agent, "enabled": settings.is_enabled, "workspaceDir": workspace,
            "extraPaths": settings.extra_paths, "files": state.files, "chunks": state.chunks,
            "unreadable": state.unreadable,
            "search": if settings.ranking.hybrid && model.is_ok() { "hybrid" } else { "words" },
            "vectors": {
                "model": model.as_ref().ok(), "error": model.as_ref().err(), "path": file,
                "stored": state.stored, "missing": state.missing,
            },
        })
    }

    /// Asks whoever makes vectors for one, to see that it works.
    pub async fn probe(&self, agent: &AgentId) -> Result<usize, MemoryError> {
        let texts = vec!["openclaw".to_owned()];
        let making = self
            .inner
            .vectors
            .make(agent.clone(), texts, EmbedFor::Asking);
        let made = making.await.map_err(MemoryError::Vectors)?;
        Ok(made.first().map_or(0, Vec::len))
    }

    /// Gives the indexes back that nobody searched for so long.
    pub fn forget_idle(&self, idle: Duration) {
        self.inner.rooms.forget_idle(idle);
    }
}

impl Default for Memory {
    /// Words only, nothing kept.
    fn default() -> Self {
        Self::with(
            None,
            Arc::new(|_| MemorySettings::default()),
            Arc::new(NoVectors),
        )
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("folder", &self.inner.rooms.folder)
            .finish_non_exhaustive()
    }
}

/// Runs file work off the workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MemoryError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| MemoryError::Files(error.to_string()))
}
