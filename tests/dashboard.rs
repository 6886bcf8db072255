//! The dashboard in deploy/grafana asks only for what the gateway really exposes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use openclaw_support::gateway::{Home, merge};
use openclaw_support::model::{FakeModel, Wire};
use openclaw_support::telegram::{FakeTelegram, Person, TOKEN as BOT};
use serde_json::{Value, json};

/// Labels that the scraper adds.
const SCRAPER: [&str; 2] = ["instance", "job"];

#[tokio::test]
async fn the_dashboard_names_metrics_and_labels_that_exist() {
    let exposed = scrape().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/openclaw.json");
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let board: Value = serde_json::from_str(&text).expect("JSON");
    let mut asked = BTreeSet::new();
    for expression in expressions(&board) {
        let metrics = metrics(&expression);
        assert!(!metrics.is_empty(), "no metric in {expression}");
        for metric in metrics {
            let labels = exposed
                .get(&metric)
                .unwrap_or_else(|| panic!("{metric} is not exposed, asked for in {expression}"));
            for label in labels_of(&expression) {
                assert!(
                    labels.contains(&label) || SCRAPER.contains(&label.as_str()),
                    "{metric} has no label {label}, asked for in {expression}"
                );
            }
            asked.insert(metric);
        }
    }
    let left_out: Vec<&String> = exposed
        .keys()
        .filter(|name| !asked.contains(*name))
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_count"))
        .collect();
    assert!(left_out.is_empty(), "nobody would see {left_out:?}");
}

/// The metrics of a gateway that has done everything once, with their labels.
async fn scrape() -> BTreeMap<String, BTreeSet<String>> {
    let telegram = FakeTelegram::start().await;
    let model = FakeModel::start().await;
    let mut settings = model.config(Wire::Openai);
    merge(
        &mut settings,
        json!({ "channels": { "telegram": {
            "botToken": BOT, "apiRoot": telegram.root(), "dmPolicy": "open", "allowFrom": ["*"],
        } } }),
    );
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(settings);
    let mut gateway = home.start("");
    gateway.ready().await;
    telegram.push_message(BOT, &Person::new(1, "Someone"), "hello");
    telegram.wait_sent(1, Duration::from_secs(20)).await;
    let answer = reqwest::get(gateway.url("/metrics")).await.expect("a page");
    let text = answer.text().await.expect("text");
    assert!(
        text.contains("le=\"+Inf\""),
        "a histogram needs its last bucket"
    );
    let mut exposed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let names = labels
            .split("\",")
            .filter_map(|label| label.split_once('='));
        exposed
            .entry(name.to_owned())
            .or_default()
            .extend(names.map(|(name, _)| name.to_owned()));
    }
    exposed
}

/// Every expression, wherever it stands.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == "expr" => vec![text.clone()],
                other => expressions(other),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn metrics(expression: &str) -> BTreeSet<String> {
    let names = words(expression).filter(|word| word.starts_with("openclaw_"));
    names.map(str::to_owned).collect()
}

/// The labels in braces and behind `by`.
fn labels_of(expression: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for braces in expression.split('{').skip(1) {
        let inside = braces.split('}').next().unwrap_or_default();
        for matcher in inside.split(',') {
            let name = words(matcher).next().unwrap_or_default();
            labels.insert(name.to_owned());
        }
    }
    for group in expression.split("by (").skip(1) {
        let inside = group.split(')').next().unwrap_or_default();
        let names = inside
            .split(',')
            .map(str::trim)
            .filter(|name| *name != "le");
        labels.extend(names.map(str::to_owned));
    }
    labels
}
