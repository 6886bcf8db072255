use openclaw_protocol::Content;
use serde_json::Value;

use super::*;
use crate::web::WebKeys;
use crate::web::tests::site::Asked;
use crate::web::tests::site::Site;
use crate::web::tests::site::answer as answered;

fn settings(search: Value, brave: Option<&str>) -> WebSettings {
    WebSettings {
        web: serde_json::from_value(json!({ "search": search })).unwrap(),
        keys: WebKeys {
            brave: brave.map(Secret::from),
            ..WebKeys::default()
        },
    }
}

fn tool(search: Value) -> WebSearch {
    let settings = settings(search, None);
    WebSearch::new(Arc::new(move || settings.clone()))
}

async fn search(tool: &WebSearch, arguments: Value) -> ToolOutcome {
    let call = ToolCall {
        name: "web_search".into(),
        arguments,
        key: "agent:main:main/1/0".into(),
        workspace: "/nowhere".into(),
        agent: "main".parse().unwrap(),
        session: "agent:main:main".parse().unwrap(),
        caller: crate::Caller::default(),
        outside: None,
    };
    tool.run(call).await
}

fn text(outcome: &ToolOutcome) -> &str {
    let [Content::Text { text, .. }] = outcome.content.as_slice() else {
        panic!("{outcome:?}");
    };
    text
}

fn params(asked: &Asked) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://x{}", asked.target)).unwrap();
    let pairs = url.query_pairs();
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn brave_is_asked_with_its_key_and_all_parameters() {
    let site = Site::start(|asked| {
        if asked.header("x-subscription-token") != Some("brave-key") {
            return answered("401 Unauthorized", &[], b"");
        }
        let found = json!({ "web": { "results": [
            { "title": "A <strong>first</strong>", "url": "https://a.test/", "description": "It&#x27;s <b>here</b>", "age": "2 days" },
            { "title": "B", "url": "https://b.test/", "description": "" },
            { "title": "no address" },
        ] } });
        answered("200 OK", &[JSON], found.to_string().as_bytes())
    });
    let base = site.url("");
    let tool = tool(json!({ "provider": "brave", "apiKey": "brave-key", "baseUrl": base }));
    let asked = json!({ "query": "über & more", "count": 25, "country": "DE", "search_lang": "de", "freshness": "pw" });
    let outcome = search(&tool, asked.clone()).await;
    let said = text(&outcome);
    assert!(!outcome.is_error, "{said}");
    assert!(
        said.contains(
            "1. A first (2 days)\n   https://a.test/\n   It's here\n2. B\n   https://b.test/"
        ),
        "{said}"
    );
    assert!(
        said.contains("EXTERNAL_UNTRUSTED_CONTENT") && !said.contains("no address"),
        "{said}"
    );

    let asked_for = &site.asked()[0];
    assert!(asked_for.method == "GET" && asked_for.target.starts_with("/res/v1/web/search?"));
    assert_eq!(
        params(asked_for),
        [
            pair("q", "über & more"),
            pair("count", "10"),
            pair("country", "DE"),
            pair("search_lang", "de"),
            pair("freshness", "pw")
        ]
    );
    // The same question is answered from what is kept.
    let again = search(&tool, asked).await;
    assert!(text(&again).contains("A first") && site.asked().len() == 1);
}

#[tokio::test]
async fn a_refusal_says_why_and_never_the_key() {
    let site = Site::start(|asked| match asked.target.contains("many") {
        true => answered("429 Too Many Requests", &[], b""),
        false => answered("401 Unauthorized", &[], b"brave-key is wrong"),
    });
    let tool = tool(json!({ "provider": "brave", "apiKey": "brave-key", "baseUrl": site.url("") }));
    for (query, why) in [("one", "refused"), ("many", "too many searches")] {
        let outcome = search(&tool, json!({ "query": query })).await;
        assert!(
            outcome.is_error && text(&outcome).contains(why),
            "{outcome:?}"
        );
        assert!(!text(&outcome).contains("brave-key"), "{outcome:?}");
    }
    for bad in [
        json!({}),
        json!({ "query": "x", "freshness": "lately" }),
        json!("x"),
    ] {
        assert!(search(&tool, bad).await.is_error);
    }
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test]
async fn perplexity_answers_in_words_with_sources() {
    let site = Site::start(|asked| {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(asked.header("authorization"), Some("Bearer pplx-1"));
        assert_eq!(
            (asked.method.as_str(), asked.target.as_str()),
            ("POST", "/chat/completions")
        );
        let wanted = json!({
            "model": "sonar-pro", "messages": [{ "role": "user", "content": "why" }], "search_recency_filter": "day",
        });
        assert_eq!(body, wanted);
        let said = json!({ "choices": [{ "message": { "content": "Because [1]." } }], "citations": ["https://a.test/"] });
        answered("200 OK", &[JSON], said.to_string().as_bytes())
    });
    let own = json!({ "apiKey": "pplx-1", "baseUrl": site.url("") });
    let tool = tool(json!({ "perplexity": own }));
    let outcome = search(&tool, json!({ "query": "why", "freshness": "pd" })).await;
    assert!(
        text(&outcome).contains("Because [1].\n\n[1] https://a.test/"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn searxng_is_asked_where_it_is() {
    let site = Site::start(|asked| {
        assert!(asked.target.starts_with("/search?"));
        assert_eq!(
            params(asked),
            [
                pair("q", "x"),
                pair("format", "json"),
                pair("language", "en")
            ]
        );
        let found =
            json!({ "results": [{ "title": "S", "url": "https://s.test/", "content": "c" }] });
        answered("200 OK", &[JSON], found.to_string().as_bytes())
    });
    let tool = tool(json!({ "provider": "searxng", "baseUrl": site.url("/") }));
    let outcome = search(&tool, json!({ "query": "x", "search_lang": "en" })).await;
    assert!(
        text(&outcome).contains("1. S\n   https://s.test/\n   c"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn duckduckgo_s_page_is_read() {
    const PAGE: &str = r#"<div class="result"><h2><a rel="nofollow" class="result__a"
        href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fa.test%2Fp%3Fq%3D1&amp;rut=x">The <b>title</b></a></h2>
        <a class="result__snippet" href="x">What it <b>says</b></a></div>
        <a class="result__a" href="https://duckduckgo.com/y.js?ad=1">Buy</a>"#;
    let site = Site::start(|asked| {
        assert_eq!(params(asked), [pair("q", "x y")]);
        answered("200 OK", &[("content-type", "text/html")], PAGE.as_bytes())
    });
    let tool = tool(json!({ "provider": "duckduckgo", "baseUrl": site.url("") }));
    let outcome = search(&tool, json!({ "query": "x y" })).await;
    let said = text(&outcome);
    assert!(
        said.contains("1. The title\n   https://a.test/p?q=1\n   What it says\n"),
        "{said}"
    );
    assert!(!said.contains("Buy"), "{said}");
}

#[test]
fn the_search_is_the_one_that_is_configured_or_whose_key_is_there() {
    let of = |search: Value, brave: Option<&str>| engine(&settings(search, brave));
    let brave = of(json!({}), Some("k")).unwrap();
    assert_eq!(
        (brave.provider, brave.base.as_str()),
        (SearchProvider::Brave, brave::BASE)
    );
    let named = of(json!({ "perplexity": { "apiKey": "sk-or-1" } }), None).unwrap();
    assert_eq!(named.base, "https://openrouter.ai/api/v1");
    assert_eq!(named.model.as_deref(), Some("perplexity/sonar-pro"));
    for (missing, word) in [
        (json!({}), "BRAVE_API_KEY"),
        (json!({ "provider": "perplexity" }), "PERPLEXITY_API_KEY"),
        (json!({ "provider": "searxng" }), "baseUrl"),
        (json!({ "provider": "grok" }), "Grok"),
    ] {
        assert!(of(missing, None).unwrap_err().contains(word));
    }
    // Without a key there is no such tool, which saves its words in every request.
    assert!(!tool(json!({})).is_offered());
    assert!(tool(json!({ "apiKey": "k" })).is_offered());
    assert!(!tool(json!({ "apiKey": "k", "enabled": false })).is_offered());
}
