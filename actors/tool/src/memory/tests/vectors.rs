//! Search with vectors, made by somebody who can fail.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use openclaw_protocol::AgentId;
use openclaw_runtime::BoxFuture;

use super::*;
use crate::memory::EmbedFor;
use crate::memory::Embedded;
use crate::memory::MemorySettings;
use crate::memory::Vectors;

/// Knows two subjects: drinks and dwellings.
#[derive(Default)]
struct Subjects {
    fails: AtomicBool,
    hangs: AtomicBool,
    stored: Mutex<Vec<String>>,
}

impl Vectors for Subjects {
    fn model(&self, _: &AgentId) -> Result<String, String> {
        Ok("home/subjects".into())
    }

    fn make(
        &self,
        _: AgentId,
        texts: Vec<String>,
        what_for: EmbedFor,
    ) -> BoxFuture<'static, Embedded> {
        if self.hangs.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        if self.fails.load(Ordering::Relaxed) {
            return Box::pin(std::future::ready(Err("the server is away".into())));
        }
        if what_for == EmbedFor::Storing {
            self.stored.lock().unwrap().extend(texts.iter().cloned());
        }
        let vectors = texts.iter().map(|text| {
            let text = text.to_lowercase();
            let about = |words: &[&str]| words.iter().any(|word| text.contains(word));
            match (about(&["tea", "drink"]), about(&["house", "live"])) {
                (true, _) => vec![1.0, 0.1, 0.0],
                (_, true) => vec![0.0, 1.0, 0.1],
                _ => vec![0.0, 0.0, 1.0],
            }
        });
        Box::pin(std::future::ready(Ok(vectors.collect())))
    }
}

struct Scene {
    home: tempfile::TempDir,
    subjects: Arc<Subjects>,
    extra: Vec<std::path::PathBuf>,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("memory")).unwrap();
        let file = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
        file(
            "memory/2026-02-01.md",
            "- Ada takes hers green, with nothing in it: tea\n",
        );
        file(
            "memory/2026-02-02.md",
            "- They live by the canal, on the third floor\n",
        );
        file("memory/2026-02-03.md", "- the bins go out on Tuesday\n");
        Self {
            home,
            subjects: Arc::default(),
            extra: Vec::new(),
        }
    }

    /// A memory as after a start of the process.
    fn memory(&self) -> Memory {
        let extra_paths = self.extra.clone();
        let settings = MemorySettings {
            extra_paths,
            ..MemorySettings::default()
        };
        let folder = self.home.path().join("state");
        Memory::new(
            folder,
            Arc::new(move |_| settings.clone()),
            self.subjects.clone(),
        )
    }

    async fn paths(&self, memory: &Memory, query: &str) -> Vec<String> {
        let found = memory
            .search(&AgentId::main(), self.home.path(), asked(query, 6))
            .await;
        found
            .unwrap()
            .hits
            .into_iter()
            .map(|hit| hit.path)
            .collect()
    }

    async fn embed(&self, memory: &Memory) -> usize {
        memory
            .embed(&AgentId::main(), self.home.path())
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn what_means_the_same_is_found_without_a_common_word() {
    let scene = Scene::new();
    let memory = scene.memory();
    assert!(scene.paths(&memory, "favourite drink").await.is_empty());
    assert_eq!(scene.embed(&memory).await, 3);
    assert_eq!(
        scene.paths(&memory, "favourite drink").await,
        ["memory/2026-02-01.md"]
    );
    assert_eq!(
        scene.paths(&memory, "which house").await,
        ["memory/2026-02-02.md"]
    );
    assert_eq!(
        scene.paths(&memory, "Tuesday bins").await,
        ["memory/2026-02-03.md"]
    );
}

#[tokio::test]
async fn a_text_is_embedded_once_also_over_a_restart() {
    let scene = Scene::new();
    scene.embed(&scene.memory()).await;
    let memory = scene.memory();
    assert_eq!(scene.embed(&memory).await, 0);
    assert_eq!(
        scene.paths(&memory, "something to drink").await,
        ["memory/2026-02-01.md"]
    );
    fs::rename(
        scene.home.path().join("memory/2026-02-01.md"),
        scene.home.path().join("memory/tea.md"),
    )
    .unwrap();
    take(scene.home.path(), "n", "the house has a blue door", MORNING);
    assert_eq!(scene.embed(&memory).await, 1);
    let stored = scene.subjects.stored.lock().unwrap().clone();
    assert_eq!(stored.len(), 4);
    assert!(
        stored.iter().all(|text| !text.contains("note:")),
        "{stored:?}"
    );
}

#[tokio::test]
async fn a_damaged_file_of_vectors_is_kept_aside_and_made_again() {
    let scene = Scene::new();
    scene.embed(&scene.memory()).await;
    let file = scene.home.path().join("state/main.vectors");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let memory = scene.memory();
    assert!(
        scene
            .paths(&memory, "tea")
            .await
            .contains(&"memory/2026-02-01.md".into())
    );
    assert_eq!(scene.embed(&memory).await, 3);
    let state = fs::read_dir(scene.home.path().join("state")).unwrap();
    let names: Vec<String> = state
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("main.vectors.damaged-")),
        "{names:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn when_nobody_makes_vectors_words_answer_and_say_so() {
    let scene = Scene::new();
    let memory = scene.memory();
    scene.embed(&memory).await;
    let agent = AgentId::main();
    for switch in [&scene.subjects.fails, &scene.subjects.hangs] {
        switch.store(true, Ordering::Relaxed);
        let found = memory
            .search(&agent, scene.home.path(), asked("bins", 6))
            .await
            .unwrap();
        assert_eq!(found.hits.len(), 1);
        assert!(found.lacks.is_some() && found.model.is_none());
    }
    let later = scene.memory();
    scene.subjects.hangs.store(false, Ordering::Relaxed);
    take(scene.home.path(), "n", "a new one", MORNING);
    assert!(later.embed(&agent, scene.home.path()).await.is_err());
}

#[tokio::test]
async fn notes_that_lie_elsewhere_are_found_and_read_and_nothing_beside_them() {
    let mut scene = Scene::new();
    let other = tempfile::tempdir().unwrap();
    let diary = other.path().join("diary");
    fs::create_dir(&diary).unwrap();
    fs::write(
        diary.join("june.md"),
        "# June\n- a walk to the lighthouse\n",
    )
    .unwrap();
    fs::write(other.path().join("private.md"), "- lighthouse keeper\n").unwrap();
    scene.extra = vec![diary.clone()];
    let memory = scene.memory();
    let june = diary.join("june.md").to_string_lossy().into_owned();
    assert_eq!(
        scene.paths(&memory, "lighthouse").await,
        std::slice::from_ref(&june)
    );
    let get = MemoryGet::new(memory);
    let read = |path: String| get.run(call(scene.home.path(), "k", json!({ "path": path })));
    assert_eq!(
        value(&read(june).await)["text"],
        "# June\n- a walk to the lighthouse"
    );
    let beside = other
        .path()
        .join("private.md")
        .to_string_lossy()
        .into_owned();
    assert!(read(beside).await.is_error);
    let around = format!("{}/../private.md", diary.display());
    assert!(read(around).await.is_error);
}

#[tokio::test]
async fn an_index_follows_the_files() {
    let scene = Scene::new();
    let memory = scene.memory();
    assert_eq!(
        scene.paths(&memory, "canal").await,
        ["memory/2026-02-02.md"]
    );
    let file = scene.home.path().join("memory/2026-02-02.md");
    fs::write(&file, "- They moved to the hills, far from any water\n").unwrap();
    assert!(scene.paths(&memory, "canal").await.is_empty());
    assert_eq!(
        scene.paths(&memory, "hills").await,
        ["memory/2026-02-02.md"]
    );
    fs::remove_file(&file).unwrap();
    assert!(scene.paths(&memory, "hills").await.is_empty());
}
