use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Root;
use openclaw_runtime::Strategy;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use openclaw_support::model::Reply;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::catalogue::Inputs;
use crate::catalogue::LocalModel;
use crate::catalogue::LocalServer;
use crate::profile::Profiles;
use crate::provider::specs;

const LONG: Duration = Duration::from_secs(10);

fn catalogue(config: Value, env: &[(&str, &str)], local: &[LocalServer]) -> Catalogue {
    let loaded = Config::from_value(config);
    let look = |name: &str| {
        let found = env.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &look,
        profiles: &Profiles::default(),
        local,
        now_ms: 0,
    })
}

fn memory_search(settings: Value) -> Value {
    json!({ "agents": { "defaults": { "memorySearch": settings } } })
}

fn ollama() -> LocalServer {
    let model = |id: &str| LocalModel {
        id: id.to_owned(),
        context_window: None,
        images: false,
    };
    LocalServer {
        id: "ollama".into(),
        name: "Ollama".into(),
        base_url: "http://127.0.0.1:11434/v1".into(),
        models: vec![model("llama3.2"), model("nomic-embed-text:latest")],
    }
}

fn picked(config: Value, env: &[(&str, &str)], local: &[LocalServer]) -> String {
    match catalogue(config, env, local).embedding_for(&AgentId::main(), None) {
        Ok(embedder) => embedder.model.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_server_at_home_goes_first_then_keys_in_their_order() {
    let openai = ("OPENAI_API_KEY", "k");
    let gemini = ("GEMINI_API_KEY", "k");
    assert!(picked(json!({}), &[], &[]).contains("OPENAI_API_KEY"));
    let keys = [gemini, openai];
    let first = picked(json!({}), &keys, &[]);
    assert_eq!(first, "openai/text-embedding-3-small");
    assert_eq!(
        picked(json!({}), &[gemini], &[]),
        "google/gemini-embedding-001"
    );
    let voyage = [("VOYAGE_API_KEY", "k")];
    assert_eq!(picked(json!({}), &voyage, &[]), "voyage/voyage-4-large");
    let at_home = picked(json!({}), &keys, &[ollama()]);
    assert_eq!(at_home, "ollama/nomic-embed-text:latest");
}

#[test]
fn what_is_configured_counts_and_its_fallback_steps_in_where_it_cannot_be_called() {
    let gemini = [("GEMINI_API_KEY", "k")];
    let wish = |settings| picked(memory_search(settings), &gemini, &[]);
    let named = wish(json!({ "provider": "gemini", "model": "text-embedding-005" }));
    assert_eq!(named, "google/text-embedding-005");
    let missing = wish(json!({ "provider": "openai", "fallback": "none" }));
    assert!(missing.contains("OPENAI_API_KEY"), "{missing}");
    let other = wish(json!({ "provider": "openai", "fallback": "gemini" }));
    assert_eq!(other, "google/gemini-embedding-001");
    let local = wish(json!({ "provider": "local" }));
    assert!(local.contains("ollama pull"), "{local}");
}

#[test]
fn an_agent_s_own_settings_stand_over_those_of_the_house() {
    let keys = [("GEMINI_API_KEY", "k"), ("VOYAGE_API_KEY", "k")];
    let remote = json!({ "baseUrl": "https://vectors.example/v1", "apiKey": "k" });
    let config = json!({ "agents": {
        "defaults": { "memorySearch": { "provider": "gemini", "fallback": "none" } },
        "list": [
            { "id": "plain" },
            { "id": "other", "memorySearch": { "provider": "voyage", "model": "voyage-3.5" } },
            { "id": "model", "memorySearch": { "model": "text-embedding-005" } },
            { "id": "away", "memorySearch": { "provider": "openai", "remote": remote } },
        ] } });
    let catalogue = catalogue(config, &keys, &[]);
    let picked = |agent: &str| {
        let agent = AgentId::parse(agent).unwrap();
        let embedder = catalogue.embedding_for(&agent, None).unwrap();
        embedder.model.to_string()
    };
    assert_eq!(picked("plain"), "google/gemini-embedding-001");
    assert_eq!(picked("other"), "voyage/voyage-3.5");
    assert_eq!(picked("model"), "google/text-embedding-005");
    assert_eq!(picked("away"), "memory-search-away/text-embedding-3-small");
    let mut talkers = catalogue.models();
    assert!(talkers.all(|info| !is_remote(&info.reference.provider)));
}

/// A sign-in with a ChatGPT subscription does not open OpenAI's embeddings.
#[test]
fn who_makes_no_vectors_is_told_apart() {
    let keys = [("ANTHROPIC_API_KEY", "k"), ("OPENAI_API_KEY", "k")];
    let catalogue = catalogue(json!({}), &keys, &[]);
    let error = catalogue
        .embedding_for(&AgentId::main(), Some("anthropic/claude"))
        .unwrap_err();
    assert!(error.message.contains("makes no embeddings"), "{error}");
    let large = catalogue
        .embedding_for(&AgentId::main(), Some("text-embedding-3-large"))
        .unwrap();
    assert_eq!(large.model.to_string(), "openai/text-embedding-3-large");
}

#[test]
fn texts_are_cut_into_requests_the_provider_takes() {
    let texts = |length: usize, count: usize| vec!["x".repeat(length); count];
    let sizes = |shape: Shape, texts: &[String]| -> Vec<usize> {
        let batches = shape.batches(texts);
        assert_eq!(batches.concat(), texts);
        batches.iter().map(|batch| batch.len()).collect()
    };
    assert_eq!(sizes(Shape::Google, &texts(1, 250)), [100, 100, 50]);
    assert_eq!(sizes(Shape::Voyage, &texts(40_000, 5)), [2, 2, 1]);
    assert_eq!(sizes(Shape::Ollama, &texts(300_000, 2)), [1, 1]);
    assert_eq!(sizes(Shape::Openai, &[]), [0; 0]);
}

struct House {
    root: Root,
    directory: Directory,
    catalogue: Catalogue,
}

impl House {
    async fn start(config: Value, env: &[(&str, &str)]) -> Self {
        Self::of(catalogue(config, env, &[])).await
    }

    async fn of(catalogue: Catalogue) -> Self {
        let tree = ChildSpec::supervisor("providers", Strategy::OneForOne, specs(&catalogue));
        let directory = Directory::new();
        let root = Root::start(directory.clone(), "gateway", vec![tree]).await;
        Self {
            root,
            directory,
            catalogue,
        }
    }

    async fn embed(
        &self,
        texts: &[String],
        dimensions: Option<u32>,
    ) -> Result<Embeddings, ModelError> {
        let embedder = self.catalogue.embedding_for(&AgentId::main(), None)?;
        let request = EmbeddingRequest {
            texts: texts.to_vec(),
            purpose: Purpose::Document,
            dimensions,
            session: "agent:main:main".parse().unwrap(),
            within: LONG,
        };
        embed(&self.directory, &self.catalogue, &embedder, &request).await
    }

    async fn end(self) {
        self.root.shutdown(LONG).await;
    }
}

/// A configuration whose vectors come from the fake in each vendor's words.
fn settings(shape: &str, fake: &FakeModel) -> Value {
    let url = fake.base_url();
    let (id, api, url) = match shape {
        "google" => ("google", "google-generative-ai", format!("{url}/v1beta")),
        "ollama" => ("ollama", "ollama", url),
        id => (id, "openai-completions", format!("{url}/v1")),
    };
    json!({
        "models": { "providers": { id: { "baseUrl": url, "api": api, "apiKey": KEY } } },
        "agents": { "defaults": { "memorySearch": { "provider": id, "model": "m" } } },
    })
}

const SHAPES: [&str; 4] = ["openai", "voyage", "google", "ollama"];

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts_whoever_makes_them() {
    for shape in SHAPES {
        let fake = FakeModel::start().await;
        let house = House::start(settings(shape, &fake), &[]).await;
        let texts: Vec<String> = (0..130).map(|n| format!("text {n}")).collect();
        let done = house.embed(&texts, Some(16)).await.unwrap();
        assert_eq!(fake.refusals(), Vec::<String>::new());
        assert_eq!(done.vectors.len(), 130, "{shape}");
        assert!(fake.count() > 1, "{shape}: all in one request");
        assert!(
            done.vectors.iter().all(|vector| vector.len() == 16),
            "{shape}"
        );
        let alone = house.embed(&texts[77..78], Some(16)).await.unwrap();
        assert_eq!(alone.vectors[0], done.vectors[77], "{shape}");
        assert_ne!(alone.vectors[0], done.vectors[78], "{shape}");
        let said = shape != "google";
        assert_eq!(done.usage.input > 0, said, "{shape}");
        house.end().await;
    }
}

#[tokio::test]
async fn who_is_asked_for_a_pause_is_left_alone() {
    let fake = FakeModel::start().await;
    let house = House::start(settings("openai", &fake), &[]).await;
    fake.push(Reply::error(429, "rate_limit_error", "slow").retry_after(7));
    let error = house.embed(&["a".to_owned()], None).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::RateLimit);
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let before = fake.count();
    let error = house.embed(&["a".to_owned()], None).await.unwrap_err();
    assert_eq!(
        (error.kind, fake.count()),
        (ModelErrorKind::RateLimit, before)
    );
    house.end().await;
}

#[tokio::test]
async fn a_key_that_is_refused_is_followed_by_the_next() {
    let fake = FakeModel::start().await;
    let mut config = settings("openai", &fake);
    config["models"]["providers"]["openai"]["apiKey"].take();
    let key = |key| json!({ "type": "api_key", "provider": "openai", "key": key });
    let stored = json!({ "order": { "openai": ["openai:a", "openai:b"] },
        "profiles": { "openai:a": key("sk-wrong"), "openai:b": key(KEY) } });
    let loaded = Config::from_value(config);
    let house = House::of(Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &|_| None,
        profiles: &Profiles::parse(&stored.to_string()).unwrap(),
        local: &[],
        now_ms: 0,
    }))
    .await;
    let done = house.embed(&["a".to_owned()], None).await.unwrap();
    assert_eq!((done.vectors.len(), fake.refusals().len()), (1, 1));
    house.end().await;
}

#[tokio::test]
async fn what_is_no_vector_is_malformed_and_an_empty_text_is_not_sent() {
    let fake = FakeModel::start().await;
    let house = House::start(settings("openai", &fake), &[]).await;
    let two = ["a".to_owned(), "b".to_owned()];
    let row = |at: u64, vector: Value| json!({ "index": at, "embedding": vector });
    let wrong = [
        json!({ "data": [row(0, json!([1.0]))] }),
        json!({ "data": [row(0, json!([1.0])), row(0, json!([1.0]))] }),
        json!({ "data": [row(0, json!([1.0])), row(1, json!([1.0, 2.0]))] }),
        json!({ "data": [row(0, json!([])), row(1, json!([]))] }),
        json!({ "data": "none" }),
    ];
    for page in wrong {
        fake.push(Reply::page(page.clone()));
        let error = house.embed(&two, None).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Format, "{page}: {error}");
    }
    let before = fake.count();
    let error = house
        .embed(&["a".to_owned(), " ".to_owned()], None)
        .await
        .unwrap_err();
    assert!(error.message.contains("text 2 is empty"), "{error}");
    assert_eq!(fake.count(), before);
    house.end().await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_deadline() {
    let fake = FakeModel::start().await;
    let house = House::start(settings("openai", &fake), &[]).await;
    fake.push(Reply::hang());
    let embedder = house
        .catalogue
        .embedding_for(&AgentId::main(), None)
        .unwrap();
    let request = EmbeddingRequest {
        texts: vec!["a".to_owned()],
        purpose: Purpose::Any,
        dimensions: None,
        session: "agent:main:main".parse().unwrap(),
        within: Duration::from_millis(100),
    };
    let error = embed(&house.directory, &house.catalogue, &embedder, &request)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Timeout(Phase::Total), "{error}");
    fake.until("the end of the call", |fake| fake.open() == 0)
        .await;
    house.end().await;
}

#[tokio::test]
async fn what_is_set_for_vectors_only_goes_before_the_provider_s_own() {
    let fake = FakeModel::start().await;
    let config = memory_search(json!({ "provider": "openai",
        "remote": { "baseUrl": format!("{}/v1", fake.base_url()), "apiKey": KEY } }));
    let house = House::start(config, &[("OPENAI_API_KEY", "sk-other")]).await;
    let done = house.embed(&["a".to_owned()], None).await.unwrap();
    assert_eq!(
        done.model.to_string(),
        "memory-search/text-embedding-3-small"
    );
    assert!(
        (done.usage.cost.total - 0.02e-6).abs() < 1e-12,
        "{:?}",
        done.usage
    );
    assert!(
        house
            .catalogue
            .models()
            .all(|info| !is_remote(&info.reference.provider))
    );
    house.end().await;
}
