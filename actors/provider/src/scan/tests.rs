use openclaw_protocol::Config;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use openclaw_support::model::Reply;

use super::*;
use crate::catalogue::Catalogue;
use crate::catalogue::Inputs;
use crate::profile::Profiles;

fn options() -> ScanOptions {
    ScanOptions {
        min_params: None,
        max_age_days: None,
        maker: None,
        most: 6,
        within: Duration::from_secs(5),
        concurrency: 2,
        ask: true,
    }
}

fn row(id: &str, context: u64, images: bool, tools: bool) -> Value {
    json!({ "id": id, "name": id, "created": 1_700_000_000, "context_length": context,
        "architecture": { "input_modalities": if images { vec!["text", "image"] } else { vec!["text"] } },
        "supported_parameters": if tools { vec!["tools"] } else { vec![] },
        "pricing": { "prompt": "0", "completion": "0" } })
}

fn ids(found: &[Candidate]) -> Vec<&str> {
    found.iter().map(|one| one.id.as_str()).collect()
}

#[test]
fn only_what_costs_nothing_and_fits_is_a_candidate() {
    let paid = json!({ "id": "a/paid-70b", "pricing": { "prompt": "0.1", "completion": "0" } });
    let list = json!({ "data": [paid, row("meta/small-8b:free", 8, false, true),
        row("meta/big-8x22b:free", 8, false, true), row("other/unknown:free", 8, false, true)] });
    let now = 1_700_000_000 + 10 * 86_400;
    let with = |change: &dyn Fn(&mut ScanOptions)| {
        let mut options = options();
        change(&mut options);
        let found = candidates(&list, &options, now);
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(with(&|_| ()).len(), 3);
    assert_eq!(
        with(&|options| options.min_params = Some(20.0)),
        ["meta/big-8x22b:free"]
    );
    assert_eq!(
        with(&|options| options.maker = Some("Oth".into())),
        ["other/unknown:free"]
    );
    assert!(with(&|options| options.max_age_days = Some(9.0)).is_empty());
    assert_eq!(params("Llama 3.3 70B Instruct"), Some(70.0));
    assert_eq!(params("gemma-3n-e4b"), None);
}

#[test]
fn pictures_go_before_quick_tools_before_a_long_memory_before_size() {
    let made =
        |id: &str, context, images, tools| candidate(&row(id, context, images, tools)).unwrap();
    let mut found = vec![
        made("a/plain-9b", 10, false, false),
        made("a/tools-small-1b", 10, false, true),
        made("a/tools-large-9b", 10, false, true),
        made("a/tools-long", 99, false, true),
        made("a/sees", 1, true, false),
    ];
    rank(&mut found);
    assert_eq!(
        ids(&found),
        [
            "a/sees",
            "a/tools-long",
            "a/tools-large-9b",
            "a/tools-small-1b",
            "a/plain-9b"
        ]
    );
    found[3].tool = Some(Ok(Duration::from_millis(5)));
    found[1].tool = Some(Ok(Duration::from_millis(9)));
    found[0].picture = Some(Err("format".into()));
    rank(&mut found);
    assert_eq!(ids(&found)[..2], ["a/tools-small-1b", "a/tools-long"]);
    assert_eq!(ids(&found).last(), Some(&"a/sees"));
}

#[tokio::test]
async fn candidates_are_asked_for_a_call_and_for_what_they_see() {
    let fake = FakeModel::start().await;
    fake.serve_catalogue(vec![
        row("a/works:free", 10, true, true),
        row("a/talks:free", 99, false, true),
        row("a/nonexistent:free", 5, false, true),
    ]);
    fake.answer_with(|body| {
        let calls = body["model"] == "a/works:free" && body.get("tools").is_some();
        match calls {
            true => Reply::call("ping", json!({})),
            false => Reply::text("OK"),
        }
    });
    let config = json!({ "models": { "providers": { "openrouter": {
        "baseUrl": format!("{}/v1", fake.base_url()), "apiKey": KEY } } } });
    let loaded = Config::from_value(config);
    let catalogue = Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &|_| None,
        profiles: &Profiles::default(),
        local: &[],
        now_ms: 0,
    });
    let found = scan(catalogue.provider("openrouter").unwrap(), &options())
        .await
        .unwrap();
    assert_eq!(ids(&found)[0], "a/works:free");
    assert!(
        matches!(&found[0].tool, Some(Ok(_))),
        "{:?}",
        fake.refusals()
    );
    assert!(
        matches!(&found[0].picture, Some(Ok(_))),
        "{:?}",
        fake.refusals()
    );
    let talks = found.iter().find(|one| one.id == "a/talks:free").unwrap();
    assert_eq!(talks.tool, Some(Err("it answered without a call".into())));
    let gone = found
        .iter()
        .find(|one| one.id == "a/nonexistent:free")
        .unwrap();
    assert_eq!(gone.tool, Some(Err("model_not_found".into())));
    let sent: Vec<_> = fake
        .requests()
        .into_iter()
        .filter(|sent| sent.body.to_string().contains(PICTURE))
        .collect();
    assert_eq!(sent.len(), 1);
}
