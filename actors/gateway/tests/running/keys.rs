//! Every key of the configuration, changed in turn while a long turn runs.

use std::collections::BTreeSet;

use openclaw_protocol::Config;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::known;
use openclaw_support::gateway::free_port;
use openclaw_support::gateway::merge;
use openclaw_support::model::FakeModel;
use openclaw_support::model::Reply;
use openclaw_support::model::Wire;
use serde_json::Value;
use serde_json::json;

use crate::live::Live;
use crate::live::settings;

#[path = "../../../../protocol/src/config/tests/full.rs"]
mod full;

/// Whose actors may restart, appear or go when a key changes; the longest prefix decides. All other keys touch nobody:
/// they are read when they are needed, or their owner takes them up as it runs.
const OWNERS: [(&str, &[&str]); 11] = [
    ("channels.telegram", &["channels/telegram"]),
    (
        "channels.telegram.accounts.alerts",
        &["channels/telegram/alerts"],
    ),
    ("channels.defaults", &["channels/telegram"]),
    ("messages.groupChat", &["channels/telegram"]),
    ("agents.list", &["sessions/files", "channels/telegram"]),
    ("agents.defaults.memorySearch", &["providers/memory-search"]),
    (
        "agents.list[0].memorySearch",
        &["providers/memory-search-main"],
    ),
    ("models", &["providers"]),
    ("auth", &["providers"]),
    ("env", &["providers", "channels/telegram"]),
    ("mcp.servers", &["tools"]),
];

fn owners(key: &str) -> &'static [&'static str] {
    let is_above = |prefix: &str| {
        key.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let above = OWNERS.iter().filter(|(prefix, _)| is_above(prefix));
    above
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or(&[], |(_, owners)| owners)
}

/// The example with all sections, talking to nobody but the model of the test.
fn base(model: &FakeModel) -> Value {
    let mut all = full::full();
    let nowhere = json!({ "channels": { "telegram": { "apiRoot": "http://127.0.0.1:9" } } });
    merge(&mut all, nowhere);
    merge(&mut all, model.config(Wire::Openai));
    let patient = json!({ "connectMs": 600_000, "firstByteMs": 600_000, "idleMs": 600_000, "totalMs": 600_000 });
    merge(
        &mut all,
        json!({
            "models": { "providers": { "fake": { "timeouts": patient } } },
            "agents": { "defaults": { "timeoutSeconds": 3000 } },
        }),
    );
    merge(&mut all, settings(json!({})));
    all
}

/// The name of an entry that the example has, where any name may stand.
fn name_at(at: &Path) -> String {
    match at.to_string().as_str() {
        "models.providers" => "local",
        "channels.telegram.accounts" => "alerts",
        "channels.telegram.groups" => "-100",
        "agents.defaults.models" => "anthropic/claude",
        _ => "sample",
    }
    .to_owned()
}

fn errors(tree: &Value) -> usize {
    let issues = Config::from_value(tree.clone()).issues;
    let errors = issues
        .iter()
        .filter(|issue| issue.severity == Severity::Error);
    errors.count()
}

/// The base with another, valid value at a place; none when none is known.
fn changed(base: &Value, at: &Path, samples: Vec<Value>) -> Option<Value> {
    let own = match at.to_string().as_str() {
        "gateway.port" => vec![Value::from(free_port())],
        "gateway.bind" => vec![Value::from("lan")],
        // Another secret closes the connections of those who showed the old one, which is shown elsewhere.
        "gateway.auth.token" | "gateway.auth.password" | "gateway.auth.mode" => return None,
        _ => samples,
    };
    own.into_iter().find_map(|value| {
        if at.get(base) == Some(&value) {
            return None;
        }
        let mut tree = base.clone();
        at.set(&mut tree, value).ok()?;
        (errors(&tree) == 0).then_some(tree)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_changes_only_what_it_concerns_while_a_long_turn_goes_on() {
    let model = FakeModel::start().await;
    model.push(Reply::text("so well").hang_after(1));
    let base = base(&model);
    assert_eq!(errors(&base), 0);
    let live = Live::start(&base).await;
    let mut client = live.client().await;
    client
        .call(
            "chat.send",
            json!({ "sessionKey": "main", "message": "tell me", "idempotencyKey": "long" }),
        )
        .await
        .unwrap();
    model.until("a question", |model| model.count() == 1).await;
    let is_turn = |path: &str| path.contains("/turn/");
    let turns: Vec<_> = live
        .actors()
        .into_iter()
        .filter(|(path, _)| is_turn(path))
        .collect();
    assert_eq!(turns.len(), 1, "{turns:?}");

    let (mut walked, mut left_out, mut wrong) = (0, Vec::new(), Vec::new());
    let mut last: Option<String> = None;
    for (place, samples) in known::places(&name_at) {
        let key = place.to_string();
        let Some(tree) = changed(&base, &place, samples) else {
            left_out.push(key);
            continue;
        };
        let before = live.actors();
        let reloaded = live.take_up(&tree).await;
        if !reloaded.is_taken {
            wrong.push(format!("{key}: not taken up"));
            continue;
        }
        walked += 1;
        if walked % 20 == 0 {
            // A client that answers no ping is let go.
            client.call("health", json!({})).await.unwrap();
        }
        let after = live.actors();
        let before: BTreeSet<_> = before.into_iter().collect();
        let after: BTreeSet<_> = after.into_iter().collect();
        // The step takes the last key back, too.
        let allowed: Vec<&str> = [Some(key.as_str()), last.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(owners)
            .copied()
            .collect();
        for (path, _) in before.symmetric_difference(&after) {
            let is_owned = |owner: &&str| {
                path.strip_prefix(*owner)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !allowed.iter().any(is_owned) {
                wrong.push(format!("{key} (after {last:?}) touched {path}"));
            }
        }
        last = Some(key);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        walked > 500 && left_out.len() * 10 < walked,
        "{walked} keys; left out: {left_out:?}"
    );

    // The turn is the one that began, its one call still open; its connection and the client's are, too.
    let now: Vec<_> = live
        .actors()
        .into_iter()
        .filter(|(path, _)| is_turn(path))
        .collect();
    assert_eq!(now, turns);
    assert_eq!((model.count(), model.open()), (1, 1));
    let aborted = client
        .call(
            "chat.abort",
            json!({ "sessionKey": "main", "runId": "long" }),
        )
        .await
        .unwrap();
    assert_eq!(aborted["runIds"], json!(["long"]), "{aborted}");
    let events = client.run_events("long").await;
    assert_eq!(events.last().unwrap()["payload"]["state"], "aborted");
    live.stop().await;
}
