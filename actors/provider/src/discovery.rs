//! Finds model servers on this machine.
//!
//! Never on the path of the start: the gateway listens first, and asks in a task.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::catalogue::LocalModel;
use crate::catalogue::LocalServer;
use crate::http;

/// A server on this machine that needs longer is not there.
const WAIT: Duration = Duration::from_millis(300);
/// The most that is read of a list.
const LONGEST_LIST: usize = 1024 * 1024;

/// A place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The provider's id.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// Scheme, host and port.
    pub origin: String,
    /// Whether it lists what it has under `/api/tags` rather than `/v1/models`.
    pub tags: bool,
}

/// The places to ask. `OLLAMA_HOST`, `LMSTUDIO_HOST` and `LLAMACPP_HOST` move them;
/// `OPENCLAW_DISABLE_DISCOVERY=1` leaves none.
pub fn places(env: &dyn Fn(&str) -> Option<String>) -> Vec<Place> {
    let off = env("OPENCLAW_DISABLE_DISCOVERY");
    if off.is_some_and(|value| !matches!(value.trim(), "" | "0" | "false")) {
        return Vec::new();
    }
    let place = |id: &str, name: &str, variable: &str, port: u16, tags: bool| Place {
        id: id.to_owned(),
        name: name.to_owned(),
        origin: origin(env(variable).as_deref().unwrap_or_default(), port),
        tags,
    };
    vec![
        place("ollama", "Ollama", "OLLAMA_HOST", 11434, true),
        place("lmstudio", "LM Studio", "LMSTUDIO_HOST", 1234, false),
        place("llamacpp", "llama.cpp", "LLAMACPP_HOST", 8080, false),
    ]
}

/// Reads a host as people set it: with or without scheme and port. A server that listens on all
/// addresses is reached on this machine's own.
fn origin(written: &str, port: u16) -> String {
    let written = written.trim().trim_end_matches('/');
    let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
    let rest = rest.split('/').next().unwrap_or_default();
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, tail)) if !host.ends_with(':') => (host, tail.parse().unwrap_or(port)),
        _ => (rest, port),
    };
    let host = match host {
        "" | "0.0.0.0" | "[::]" => "127.0.0.1",
        host => host,
    };
    format!("{scheme}://{host}:{port}")
}

/// Asks all places at once; returns those that answered and serve a model, in the given order.
pub async fn discover(places: &[Place]) -> Vec<LocalServer> {
    let answers = join_all(
        places
            .iter()
            .map(|place| tokio::time::timeout(WAIT, ask(place))),
    )
    .await;
    answers
        .into_iter()
        .filter_map(|answer| answer.ok()?)
        .collect()
}

async fn ask(place: &Place) -> Option<LocalServer> {
    let path = if place.tags {
        "/api/tags"
    } else {
        "/v1/models"
    };
    let url = format!("{}{path}", place.origin);
    let client = http::client(&url, WAIT).ok()?;
    let response = client.get(&url).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let length = response.content_length().unwrap_or(0);
    if usize::try_from(length).map_or(true, |length| length > LONGEST_LIST) {
        return None;
    }
    let list: Value = response.json().await.ok()?;
    let models = models(&list);
    (!models.is_empty()).then(|| LocalServer {
        id: place.id.clone(),
        name: place.name.clone(),
        base_url: format!("{}/v1", place.origin),
        models,
    })
}

/// Reads both kinds of list. What isn't one has no models, so that a web page on a common port is
/// not taken for a model server.
fn models(list: &Value) -> Vec<LocalModel> {
    let rows = list.get("data").or_else(|| list.get("models"));
    let model = |row: &Value| {
        let id = row.get("id").or_else(|| row.get("name"))?.as_str()?;
        let window = row
            .pointer("/meta/n_ctx")
            .or_else(|| row.pointer("/meta/n_ctx_train"))
            .or_else(|| row.get("max_context_length"))
            .and_then(Value::as_u64);
        Some(LocalModel {
            id: id.to_owned(),
            context_window: window,
            images: row
                .pointer("/architecture/input_modalities")
                .and_then(Value::as_array)
                .is_some_and(|kinds| kinds.iter().any(|kind| kind == "image")),
        })
    };
    let rows = rows.and_then(Value::as_array).into_iter().flatten();
    rows.filter_map(model).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_are_taken_as_people_set_them() {
        assert_eq!(origin("", 11434), "http://127.0.0.1:11434");
        assert_eq!(origin("0.0.0.0", 11434), "http://127.0.0.1:11434");
        assert_eq!(origin("0.0.0.0:9", 11434), "http://127.0.0.1:9");
        assert_eq!(origin("pi.local", 11434), "http://pi.local:11434");
        assert_eq!(origin("https://x.org:8/v1/", 1), "https://x.org:8");
    }

    #[test]
    fn both_kinds_of_list_are_read_and_nothing_else() {
        let ids = |value: Value| -> Vec<String> {
            models(&value).into_iter().map(|model| model.id).collect()
        };
        assert_eq!(
            ids(json!({"models":[{"name":"a:latest","model":"a"}]})),
            ["a:latest"]
        );
        assert_eq!(ids(json!({"object":"list","data":[{"id":"b"}]})), ["b"]);
        assert!(ids(json!({"status":"ok"})).is_empty());
        assert!(ids(json!([1, 2])).is_empty());
    }

    #[test]
    fn discovery_can_be_switched_off() {
        let on = |_: &str| None;
        assert_eq!(places(&on).len(), 3);
        let off = |name: &str| (name == "OPENCLAW_DISABLE_DISCOVERY").then(|| "1".to_owned());
        assert!(places(&off).is_empty());
    }
}
