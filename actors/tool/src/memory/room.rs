//! One agent's notes with their index and vectors. Everything here reads files: not for a worker.

use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use super::cut;
use super::file;
use super::file::NoteFile;
use super::index;
use super::index::Chunk;
use super::index::ContentHash;
use super::index::Index;
use super::library::Asked;
use super::library::Found;
use super::library::Hit;
use super::library::MemorySettings;
use super::vector::Rounded;
use super::vector::VectorStore;

/// The longest piece of a note in an answer.
const SNIPPET: usize = 700;

/// One agent's notes.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) workspace: PathBuf,
    /// Held while vectors are made: one at a time pays for them.
    pub(super) embedding: tokio::sync::Mutex<()>,
    file: Option<PathBuf>,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    index: Index,
    vectors: Option<VectorStore>,
    unreadable: Vec<String>,
}

/// What a room holds.
#[derive(Debug, Default)]
pub(super) struct RoomState {
    pub(super) files: usize,
    pub(super) chunks: usize,
    pub(super) stored: usize,
    pub(super) missing: usize,
    pub(super) unreadable: Vec<String>,
}

impl Room {
    pub(super) fn new(workspace: &Path, file: Option<PathBuf>) -> Self {
        Self {
            workspace: workspace.to_owned(),
            embedding: tokio::sync::Mutex::default(),
            file,
            held: RwLock::default(),
        }
    }

    /// Where its vectors are kept.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Takes in what changed since the last time.
    pub(super) fn refresh(&self, settings: &MemorySettings) {
        let mut files = file::all(&self.workspace, &settings.extra_paths);
        // The oldest first, so that the newest has the last word between equals.
        files.reverse();
        {
            let held = self.read();
            let is_same = held.index.chunking() == settings.chunking
                && held.index.files().count() == files.len()
                && files.iter().all(|file| {
                    let stamp = held.index.stamp(&file.name);
                    stamp.is_some() && stamp == file.stamp()
                });
            if is_same {
                return;
            }
        }
        let mut held = self.write();
        if held.index.chunking() != settings.chunking || held.index.is_sparse() {
            held.index = Index::new(settings.chunking);
        }
        let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let gone: Vec<Arc<str>> = held
            .index
            .files()
            .filter(|name| !names.contains(&***name))
            .cloned()
            .collect();
        for name in gone {
            held.index.remove(&name);
        }
        let mut unreadable = Vec::new();
        for file in &files {
            let stamp = file.stamp();
            if stamp.is_some() && held.index.stamp(&file.name) == stamp {
                continue;
            }
            match (stamp, file.read()) {
                (Some(stamp), Ok(text)) => held.index.put(&file.name, stamp, &text),
                (_, Err(error)) => {
                    held.index.remove(&file.name);
                    unreadable.push(error.to_string());
                }
                // It went away between two looks.
                (None, Ok(_)) => held.index.remove(&file.name),
            }
        }
        held.unreadable = unreadable;
    }

    /// Forgets what was read, so that it is read again.
    pub(super) fn forget(&self) {
        let mut held = self.write();
        held.index = Index::default();
        held.vectors = None;
    }

    /// The latest notes: the newest day's last line first, what is curated last.
    pub(super) fn latest(&self, settings: &MemorySettings, asked: &Asked) -> Found {
        let mut found = Found::default();
        let (curated, others): (Vec<NoteFile>, Vec<NoteFile>) =
            file::all(&self.workspace, &settings.extra_paths)
                .into_iter()
                .partition(|file| NoteFile::is_curated(&file.name));
        let curated = curated.into_iter().filter(|_| asked.is_private);
        for file in others.into_iter().chain(curated) {
            if found.hits.len() >= asked.most {
                break;
            }
            match file.read() {
                Ok(text) => {
                    let notes = cut::notes(&text, 1).into_iter().rev();
                    let hits = notes.map(|note| Hit {
                        path: file.name.clone(),
                        start_line: note.first,
                        end_line: note.last,
                        score: 1.0,
                        snippet: shorten(&note.text),
                    });
                    found.hits.extend(hits);
                }
                Err(error) => found.unreadable.push(error.to_string()),
            }
        }
        found.hits.truncate(asked.most);
        found
    }

    /// Finds notes by their words, and by the question's vector where there is one.
    pub(super) fn search(
        &self,
        settings: &MemorySettings,
        asked: &Asked,
        terms: &[String],
        question: Option<(String, Result<Vec<f32>, String>)>,
    ) -> Found {
        let mut found = Found::default();
        let mut ranking = settings.ranking;
        ranking.min_score = asked.min_score.unwrap_or(ranking.min_score);
        let may = |chunk: &Chunk| asked.is_private || !NoteFile::is_curated(&chunk.file);
        let question = question.and_then(|(model, made)| match made {
            Ok(vector) => {
                self.open_vectors(&model);
                Some((model, Rounded::new(&vector)?.question()))
            }
            Err(error) => {
                found.lacks = Some(error);
                None
            }
        });
        let held = self.read();
        let most = asked.most.saturating_mul(ranking.candidates.max(1)).max(1);
        let by_words = held.index.search(terms, &may, most);
        let alike = question.as_ref().map(|(_, vector)| {
            let store = held.vectors.as_ref();
            let chunks = held.index.chunks().filter(|(_, chunk)| may(chunk));
            let mut alike: Vec<(u32, f64)> = chunks
                .filter_map(|(id, chunk)| Some((id, vector.likeness(store?.get(&chunk.hash)?))))
                .collect();
            index::best(&mut alike, most);
            alike
        });
        let has_vector = |id: u32| {
            let chunk = held.index.chunk(id);
            let store = held.vectors.as_ref();
            chunk.is_some_and(|chunk| store.is_some_and(|store| store.get(&chunk.hash).is_some()))
        };
        let ranked = ranking.merge(&by_words, alike.as_deref(), &has_vector);
        found.model = question.map(|(model, _)| model);
        found.unreadable.clone_from(&held.unreadable);
        let chunks: Vec<(Chunk, f64)> = ranked
            .into_iter()
            .filter_map(|(id, score)| Some((held.index.chunk(id)?.clone(), score)))
            .collect();
        drop(held);
        self.show(settings, asked.most, terms, chunks, &mut found);
        found
    }

    /// Shows the notes of the pieces that were found, as they stand in the files now.
    fn show(
        &self,
        settings: &MemorySettings,
        most: usize,
        terms: &[String],
        chunks: Vec<(Chunk, f64)>,
        found: &mut Found,
    ) {
        let mut texts: HashMap<Arc<str>, String> = HashMap::new();
        let mut shown: HashSet<(Arc<str>, usize)> = HashSet::new();
        for (chunk, score) in chunks {
            if found.hits.len() >= most {
                return;
            }
            if !texts.contains_key(&chunk.file) {
                let file = file::find(&self.workspace, &settings.extra_paths, &chunk.file);
                let text = file.and_then(|file| file.read()).unwrap_or_default();
                texts.insert(chunk.file.clone(), text);
            }
            let text = texts.get(&chunk.file).map(String::as_str);
            // What changed between the look and the read is found the next time.
            let Some(own) = text.and_then(|text| text.get(chunk.piece.start..chunk.piece.end))
            else {
                continue;
            };
            for (note, share) in telling(own, chunk.piece.line, terms) {
                if found.hits.len() < most && shown.insert((chunk.file.clone(), note.first)) {
                    found.hits.push(Hit {
                        path: chunk.file.to_string(),
                        start_line: note.first,
                        end_line: note.last,
                        score: score * share,
                        snippet: shorten(&note.text),
                    });
                }
            }
        }
        found.hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    }

    /// Texts that have no vector of this model yet.
    pub(super) fn missing(
        &self,
        settings: &MemorySettings,
        model: &str,
        most: usize,
    ) -> Vec<(ContentHash, String)> {
        self.open_vectors(model);
        let wanted: Vec<Chunk> = {
            let held = self.read();
            let store = held.vectors.as_ref();
            let lacks = |chunk: &Chunk| store.is_none_or(|store| store.get(&chunk.hash).is_none());
            let mut seen = HashSet::new();
            let chunks = held.index.chunks().map(|(_, chunk)| chunk);
            chunks
                .filter(|chunk| lacks(chunk) && seen.insert(chunk.hash))
                .take(most)
                .cloned()
                .collect()
        };
        let text = |chunk: &Chunk| {
            let file = file::find(&self.workspace, &settings.extra_paths, &chunk.file).ok()?;
            let text = file.read().ok()?;
            let plain = cut::plain(text.get(chunk.piece.start..chunk.piece.end)?);
            let is_same = index::hash(&plain) == chunk.hash && !plain.trim().is_empty();
            is_same.then_some((chunk.hash, plain))
        };
        wanted.iter().filter_map(text).collect()
    }

    /// Keeps vectors of texts. Returns how many could be.
    pub(super) fn take_in(
        &self,
        model: &str,
        texts: &[(ContentHash, String)],
        vectors: &[Vec<f32>],
    ) -> usize {
        let mut held = self.write();
        let Some(store) = held.vectors.as_mut().filter(|store| store.model() == model) else {
            return 0;
        };
        let pairs = texts.iter().zip(vectors);
        pairs
            .filter(|((text, _), vector)| store.put(*text, vector))
            .count()
    }

    /// Writes the vectors down.
    pub(super) fn save(&self) {
        let mut held = self.write();
        let used = held.index.chunks().map(|(_, chunk)| chunk.hash).collect();
        if let (Some(file), Some(store)) = (&self.file, held.vectors.as_mut())
            && let Err(error) = store.save(file, &used)
        {
            tracing::warn!(file = %file.display(), %error, "vectors of notes could not be written; they are made again");
        }
    }

    /// What it holds.
    pub(super) fn state(&self, settings: &MemorySettings, model: Option<&str>) -> RoomState {
        if let (Some(model), true) = (model, settings.ranking.hybrid) {
            self.open_vectors(model);
        }
        let held = self.read();
        let store = held.vectors.as_ref();
        let has = |chunk: &Chunk| store.is_some_and(|store| store.get(&chunk.hash).is_some());
        let stored = held.index.chunks().filter(|(_, chunk)| has(chunk)).count();
        RoomState {
            files: held.index.files().count(),
            chunks: held.index.len(),
            stored,
            missing: held.index.len() - stored,
            unreadable: held.unreadable.clone(),
        }
    }

    /// Opens the vectors of a model. A damaged file is put aside; its vectors are made again.
    fn open_vectors(&self, model: &str) {
        let is_open = |held: &Held| {
            held.vectors
                .as_ref()
                .is_some_and(|had| had.model() == model)
        };
        if is_open(&self.read()) {
            return;
        }
        let mut held = self.write();
        if is_open(&held) {
            return;
        }
        let opened = self
            .file
            .as_ref()
            .map(|file| VectorStore::open(file, model));
        held.vectors = Some(match opened {
            Some(Ok(store)) => store,
            Some(Err(error)) => {
                if let Some(file) = &self.file {
                    put_aside(file, &error);
                }
                VectorStore::new(model)
            }
            None => VectorStore::new(model),
        });
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put_aside(file: &Path, why: &super::vector::StoreError) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let beside = file.with_extension(format!(
        "vectors.damaged-{}",
        now.unwrap_or_default().as_millis()
    ));
    let moved = std::fs::rename(file, &beside);
    tracing::warn!(
        file = %file.display(), aside = %beside.display(), is_moved = moved.is_ok(), reason = %why,
        "the vectors of notes can't be used; they are made again"
    );
}

/// The notes of a piece that answer a question, with how well against the best of them; all of the piece
/// where none shares a word with it.
fn telling(text: &str, line: usize, terms: &[String]) -> Vec<(cut::Note, f64)> {
    let notes = cut::notes(text, line);
    let shares: Vec<f64> = notes
        .iter()
        .map(|note| index::share(terms, &note.text))
        .collect();
    let best = shares.iter().copied().fold(0.0, f64::max);
    if best <= 0.0 {
        let whole = cut::plain(text);
        let lines = whole.trim_end().lines().count().max(1);
        let whole = cut::Note {
            first: line,
            last: line + lines - 1,
            text: whole.trim().to_owned(),
        };
        return if whole.text.is_empty() {
            Vec::new()
        } else {
            vec![(whole, 1.0)]
        };
    }
    let mut telling: Vec<(cut::Note, f64)> = notes
        .into_iter()
        .zip(shares)
        .filter(|(_, share)| *share > 0.0)
        .map(|(note, share)| (note, share / best))
        .collect();
    // Of equal ones the later: it is what was written last.
    telling.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(other.first.cmp(&one.first)));
    // A note that says half of what another does is found by its own piece, or not at all.
    telling.retain(|(_, share)| *share > 0.5);
    telling
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SNIPPET) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
