//! The interfaces of programs that were written for others.

use openclaw_support::client::http;
use openclaw_support::client::http_with;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::House;
use crate::house::Line;
use crate::house::TOKEN;

fn on() -> Value {
    json!({ "gateway": { "http": { "endpoints": {
        "chatCompletions": { "enabled": true }, "responses": { "enabled": true },
    } } } })
}

async fn post(house: &House, path: &str, body: &Value) -> openclaw_support::client::HttpAnswer {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    http_with(house.address, "POST", path, &headers, &body.to_string()).await
}

#[tokio::test]
async fn they_are_off_until_somebody_turns_them_on() {
    let house = House::start().await;
    let body = json!({ "model": "openclaw", "messages": [] });
    assert_eq!(
        post(&house, "/v1/chat/completions", &body).await.status,
        404
    );
    let house = House::with(on()).await;
    let wrong = http(house.address, "GET", "/v1/chat/completions", &[]).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    let stranger = http_with(house.address, "POST", "/v1/chat/completions", &[], "{}").await;
    assert_eq!(stranger.status, 401);
    assert_eq!(stranger.json()["error"]["type"], "unauthorized");
    let nothing = post(&house, "/v1/chat/completions", &body).await;
    assert_eq!(nothing.status, 400);
    assert_eq!(
        nothing.json()["error"]["message"],
        "Missing user message in `messages`."
    );
    let bearer = format!("Bearer {TOKEN}");
    let models = http(
        house.address,
        "GET",
        "/v1/models",
        &[("authorization", &bearer)],
    )
    .await;
    assert_eq!(models.json()["data"][2]["id"], "openclaw/main");
    let embeddings = post(&house, "/v1/embeddings", &json!({ "input": "x" })).await;
    let error = &embeddings.json()["error"];
    assert_eq!(
        (embeddings.status, &error["type"]),
        (501, &json!("api_error"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("OPENAI_API_KEY"), "{message}");
}

#[tokio::test]
async fn vectors_are_asked_for_in_openai_s_words() {
    let model = FakeModel::start().await;
    let provider = json!({ "baseUrl": format!("{}/v1", model.base_url()), "apiKey": KEY });
    let mut settings = on();
    settings["agents"] = json!({ "defaults": { "memorySearch": { "provider": "openai" } } });
    settings["models"] = json!({ "providers": { "openai": provider } });
    let house = House::with(settings).await;
    let asked = json!({ "model": "openclaw", "input": ["tea", "milk"], "dimensions": 4 });
    let answer = post(&house, "/v1/embeddings", &asked).await;
    let answer = (answer.status, answer.json());
    assert_eq!(answer.0, 200, "{answer:?}");
    let rows = answer.1["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["index"], 1);
    let vector = rows[0]["embedding"].as_array().unwrap();
    assert_eq!(vector.len(), 4);
    assert!(answer.1["usage"]["total_tokens"].as_u64() > Some(0));
    // What it cost is a row like that of any call.
    let mut client = house.client(3, 3).await;
    let usage = client.call("usage.cost", json!({})).await.unwrap();
    assert_eq!(usage["totals"]["input"], answer.1["usage"]["total_tokens"]);
    assert!(usage["totals"]["totalCost"].as_f64() > Some(0.0), "{usage}");
    let packed = json!({ "input": "tea", "dimensions": 4, "encoding_format": "base64" });
    let packed = post(&house, "/v1/embeddings", &packed).await.json();
    let packed = packed["data"][0]["embedding"].as_str().unwrap();
    // Four numbers of four bytes.
    assert_eq!(packed.len(), 24, "{packed}");
    for wrong in [
        json!({ "input": [1, 2] }),
        json!({ "input": [] }),
        json!({ "input": "x", "dimensions": 0 }),
        json!({ "input": "x", "encoding_format": "hex" }),
    ] {
        let answer = post(&house, "/v1/embeddings", &wrong).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[tokio::test]
async fn budgets_bind_vectors_and_each_agent_has_its_own_maker() {
    let model = FakeModel::start().await;
    let provider =
        |key: &str| json!({ "baseUrl": format!("{}/v1", model.base_url()), "apiKey": key });
    let mut settings = on();
    settings["agents"] = json!({
        "defaults": { "memorySearch": { "provider": "openai" } },
        "list": [{ "id": "main", "default": true },
            { "id": "frugal", "memorySearch": { "provider": "voyage", "model": "v" } }],
    });
    settings["models"] = json!({ "providers": {
        "openai": provider("sk-wrong"), "voyage": provider(KEY) } });
    settings["budgets"] = json!({ "agents": { "frugal": { "perDay": { "tokens": 20 } } } });
    let house = House::with(settings).await;
    let asked = json!({ "model": "openclaw/frugal", "input": "tea with milk" });
    let answer = post(&house, "/v1/embeddings", &asked).await;
    assert_eq!(
        (answer.status, &answer.json()["model"]),
        (200, &json!("voyage/v"))
    );
    let before = model.count();
    let asked = json!({ "model": "openclaw/frugal", "input": "x".repeat(400) });
    let answer = post(&house, "/v1/embeddings", &asked).await;
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status, &error["type"]),
        (429, &json!("insufficient_quota"))
    );
    assert!(
        error["message"].as_str().unwrap().contains("budget"),
        "{error}"
    );
    assert_eq!(model.count(), before);
    let other = post(&house, "/v1/embeddings", &json!({ "input": "tea" })).await;
    assert_eq!(other.status, 502, "{}", other.body);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_run() {
    let house = House::with(on()).await;
    let chat = json!({ "messages": [{ "role": "user", "content": "hello" }] });
    let response = json!({ "input": "hello" });
    for (path, body) in [("/v1/chat/completions", chat), ("/v1/responses", response)] {
        for streams in [true, false] {
            let mut watcher = house.client(3, 3).await;
            house.script.then(Line::Hang("half"));
            let mut body = body.clone();
            body["stream"] = json!(streams);
            let body = body.to_string();
            let mut client = TcpStream::connect(house.address).await.unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
                 content-length: {}\r\n\r\n",
                house.address,
                body.len()
            );
            client.write_all((head + &body).as_bytes()).await.unwrap();
            let is_half = |payload: &Value| {
                payload["stream"] == "assistant" && payload["data"]["text"] == "half"
            };
            let begun = watcher.event_where("agent", is_half).await;
            drop(client);
            let run = begun["payload"]["runId"].as_str().unwrap().to_owned();
            let events = watcher.run_events(&run).await;
            let end = &events.last().unwrap()["payload"];
            assert_eq!(
                (&end["state"], &end["stopReason"]),
                (&json!("aborted"), &json!("left")),
                "{path} {streams}: {end}"
            );
        }
    }
}

#[tokio::test]
async fn a_chat_is_answered_whole_and_piece_by_piece() {
    let house = House::with(on()).await;
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let body = json!({ "model": "openclaw:main", "messages": messages, "user": "me" });
    let whole = post(&house, "/v1/chat/completions", &body).await.json();
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["role"]),
        (&json!("stop"), &json!("assistant"))
    );
    assert!(
        choice["message"]["content"]
            .as_str()
            .unwrap()
            .contains("hello"),
        "{whole}"
    );
    assert_eq!(whole["usage"]["total_tokens"], 12);
    house.script.then(Line::Say(&["one ", "two ", "three"]));
    let body = json!({
        "model": "openclaw", "messages": messages, "stream": true,
        "stream_options": { "include_usage": true },
    });
    let told = post(&house, "/v1/chat/completions", &body).await;
    assert_eq!(
        told.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    let chunks: Vec<&str> = told
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(chunks.last(), Some(&"[DONE]"), "{}", told.body);
    let chunks: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| serde_json::from_str(chunk).ok())
        .collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "one two three");
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 2);
    house.script.then(Line::Fail);
    let failed = post(
        &house,
        "/v1/chat/completions",
        &json!({ "messages": messages }),
    )
    .await;
    assert_eq!(
        (failed.status, &failed.json()["error"]["message"]),
        (500, &json!("internal error"))
    );
    let nobody = json!({ "model": "openclaw/nobody", "messages": messages });
    assert_eq!(
        post(&house, "/v1/chat/completions", &nobody).await.status,
        400
    );
}

#[tokio::test]
async fn a_response_is_told_in_its_order() {
    let house = House::with(on()).await;
    house.script.then(Line::Say(&["a", "b"]));
    let body = json!({ "model": "openclaw", "input": "hello", "stream": true });
    let told = post(&house, "/v1/responses", &body).await;
    let kinds: Vec<&str> = told
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ];
    assert_eq!(kinds.get(..4), Some(expected.as_slice()), "{}", told.body);
    assert_eq!(kinds.last(), Some(&"response.completed"));
    let body = json!({ "model": "openclaw", "input": [
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
    ] });
    let whole = post(&house, "/v1/responses", &body).await.json();
    assert_eq!(
        (&whole["object"], &whole["status"]),
        (&json!("response"), &json!("completed"))
    );
    let text = whole["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("hi"), "{whole}");
}

#[tokio::test]
async fn a_tool_is_used_without_an_agent() {
    let house = House::start().await;
    let used = post(&house, "/tools/invoke", &json!({ "tool": "current_time" })).await;
    let name = house.services.toolbox.names().remove(0);
    let used = match used.status {
        404 => post(&house, "/tools/invoke", &json!({ "tool": name })).await,
        _ => used,
    };
    assert_eq!(
        (used.status, &used.json()["ok"]),
        (200, &json!(true)),
        "{}",
        used.body
    );
    let none = post(&house, "/tools/invoke", &json!({ "tool": "rocket" })).await;
    assert_eq!(none.status, 404);
    assert_eq!(
        none.json()["error"]["message"],
        "Tool not available: rocket"
    );
    let nameless = post(&house, "/tools/invoke", &json!({})).await;
    assert_eq!(
        nameless.json()["error"]["message"],
        "tools.invoke requires body.tool"
    );
    let wrong = http(house.address, "GET", "/tools/invoke", &[]).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    let stranger = http_with(house.address, "POST", "/tools/invoke", &[], "{}").await;
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn another_page_gets_what_it_needs_and_nothing_outside_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "index.html",
        "<!doctype html><html><head></head><body></body></html>",
    );
    write("app.js", "export {};");
    let root = folder.path().join("page");
    std::fs::create_dir(&root).unwrap();
    std::fs::rename(folder.path().join("index.html"), root.join("index.html")).unwrap();
    let settings = json!({ "gateway": { "controlUi": { "root": root, "basePath": "/ui" } } });
    let house = House::with(settings).await;
    for path in ["/ui/", "/ui/chat", "/ui/any/view"] {
        let page = http(house.address, "GET", path, &[]).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.body
                .contains("__OPENCLAW_CONTROL_UI_BASE_PATH__=\"/ui\""),
            "{}",
            page.body
        );
        let headers = ["x-content-type-options", "x-frame-options", "cache-control"];
        let headers = headers.map(|name| page.header(name).unwrap_or_default());
        assert_eq!(headers, ["nosniff", "DENY", "no-cache"], "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("'sha256-") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
    }
    for path in [
        "/ui/../app.js",
        "/ui/app.js",
        "/ui/%2e%2e/app.js",
        "/elsewhere",
    ] {
        assert_eq!(
            http(house.address, "GET", path, &[]).await.status,
            404,
            "{path}"
        );
    }
    let asked = http(house.address, "GET", "/ui/control-ui-config.json", &[]).await;
    assert_eq!(asked.status, 401);
    let bearer = format!("Bearer {TOKEN}");
    let known = [("authorization", bearer.as_str())];
    let known = http(house.address, "GET", "/ui/control-ui-config.json", &known).await;
    assert_eq!(known.header("cache-control"), Some("no-store"));
    let known = known.json();
    assert_eq!(
        (&known["basePath"], &known["assistantAgentId"]),
        (&json!("/ui"), &json!("main"))
    );
    let hook = http(house.address, "GET", "/hooks/wake", &[]).await;
    assert_eq!(hook.status, 404);
}
