use openclaw_protocol::Config;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use openclaw_support::model::Reply;
use serde_json::json;

use super::*;
use crate::catalogue::Inputs;
use crate::profile::Profiles;

fn catalogue(fake: &FakeModel) -> Catalogue {
    let provider = |more: serde_json::Value| {
        let mut provider =
            json!({ "baseUrl": format!("{}/v1", fake.base_url()), "models": [{ "id": "m" }] });
        for (name, value) in more.as_object().unwrap() {
            provider[name] = value.clone();
        }
        provider
    };
    let config = json!({ "models": { "mode": "replace", "providers": {
        "good": provider(json!({ "apiKey": KEY })),
        "bad": provider(json!({ "apiKey": "sk-wrong" })),
        "two": provider(json!({})),
    }}});
    let key = |key| json!({ "type": "api_key", "provider": "two", "key": key });
    let stored = json!({ "profiles": { "two:a": key("sk-wrong"), "two:b": key(KEY) } });
    let loaded = Config::from_value(config);
    Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &|_| None,
        profiles: &Profiles::parse(&stored.to_string()).unwrap(),
        local: &[],
        now_ms: 0,
    })
}

fn told(probed: &[Probed]) -> Vec<(String, &'static str)> {
    let one = |probed: &Probed| {
        let account = probed.account.clone().unwrap_or_default();
        let word = probed
            .error
            .as_ref()
            .map_or("ok", |error| error.kind.as_str());
        (format!("{} {account}", probed.provider), word)
    };
    probed.iter().map(one).collect()
}

#[tokio::test]
async fn each_credential_is_asked_and_what_it_says_is_sorted() {
    let fake = FakeModel::start().await;
    let catalogue = catalogue(&fake);
    let probed = probe(&catalogue, &ProbeOptions::default()).await;
    let mut told = told(&probed);
    told.sort();
    assert_eq!(
        told,
        [
            ("bad config".to_owned(), "auth"),
            ("good config".to_owned(), "ok"),
            ("two two:a".to_owned(), "auth"),
            ("two two:b".to_owned(), "ok"),
        ]
    );
    let only = ProbeOptions {
        provider: Some("two".into()),
        accounts: vec!["two:b".into()],
        ..ProbeOptions::default()
    };
    let probed = probe(&catalogue, &only).await;
    assert_eq!(self::told(&probed), [("two two:b".to_owned(), "ok")]);
    assert_eq!(probed[0].model.as_ref().unwrap().to_string(), "two/m");
}

#[tokio::test]
async fn one_that_hangs_is_left_and_never_more_than_asked_for_are_under_way() {
    let fake = FakeModel::start().await;
    fake.otherwise(Reply::hang());
    let options = ProbeOptions {
        provider: Some("good".into()),
        within: Duration::from_millis(100),
        concurrency: 1,
        ..ProbeOptions::default()
    };
    let probed = probe(&catalogue(&fake), &options).await;
    assert_eq!(told(&probed), [("good config".to_owned(), "timeout")]);
    fake.until("the end of the call", |fake| fake.open() == 0)
        .await;
}
