//! The command line as scripts use it: exit codes, one JSON document, silence where silence is due.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test may

use std::io::Read;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;

use openclaw_support::gateway::Home;
use openclaw_support::gateway::TOKEN;
use openclaw_support::gateway::free_port;
use openclaw_support::gateway::wait_until;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use openclaw_support::model::Reply;
use openclaw_support::model::Wire;
use serde_json::Value;
use serde_json::json;

fn home() -> Home {
    Home::new(env!("CARGO_BIN_EXE_openclaw"))
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    home.command(arguments).output().expect("it runs")
}

fn code(home: &Home, arguments: &[&str]) -> i32 {
    run(home, arguments).status.code().expect("a code")
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let (out, problem) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        panic!("no JSON document: {error}\n{out}\n{problem}")
    })
}

#[test]
fn each_kind_of_failure_has_its_own_code() {
    let home = home().config(json!({}));
    assert_eq!(code(&home, &["--version"]), 0);
    assert_eq!(code(&home, &["--help"]), 0);
    assert_eq!(code(&home, &["config", "get", "gateway.port"]), 0);
    assert_eq!(code(&home, &["config", "get", "agents.defaults"]), 1);
    assert_eq!(code(&home, &["frobnicate"]), 64);
    assert_eq!(code(&home, &["--log-level", "loud", "gateway"]), 64);
    let elsewhere = ["gateway", "call", "health", "--url", "ws://127.0.0.1:1"];
    assert_eq!(
        code(&home, &elsewhere),
        64,
        "stored credentials go nowhere else"
    );
    for down in [
        vec!["health"],
        vec!["status"],
        vec!["gateway", "status"],
        vec!["agent", "--message", "hi"],
    ] {
        assert_eq!(code(&home, &down), 69, "{down:?}");
    }
    std::fs::write(home.state().join("openclaw.json"), "{ gateway: {").expect("the config");
    assert_eq!(code(&home, &["config", "validate"]), 78);
}

#[test]
fn a_failure_is_a_document_too() {
    let home = home().config(json!({}));
    let output = run(&home, &["--json", "health"]);
    let failure = document(&output);
    assert_eq!(failure["ok"], false);
    assert_eq!(failure["error"]["type"], "connect");
    assert_eq!(failure["error"]["exitCode"], 69);
    let message = failure["error"]["message"].as_str().expect("a message");
    assert!(message.contains(&home.port().to_string()), "{message}");
    assert!(output.stderr.is_empty());
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let home = home();
    let mut child = home
        .command(&["completion", "--shell", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("its errors");
    stderr.read_to_string(&mut said).expect("its errors");
    assert_eq!(said, "");
}

#[test]
fn the_config_is_read_and_changed_without_a_gateway() {
    let home = home();
    assert_eq!(code(&home, &["config", "set", "gateway.port", "4321"]), 0);
    let output = run(&home, &["config", "get", "gateway.port"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "4321\n");
    assert_eq!(
        document(&run(&home, &["--json", "config", "get", "gateway"]))["port"],
        4321
    );
    assert_eq!(code(&home, &["config", "unset", "gateway.port"]), 0);
    assert_eq!(code(&home, &["config", "get", "gateway.port"]), 1);
    assert_eq!(
        code(&home, &["config", "set", "gateway.port", "no port"]),
        78
    );
}

#[tokio::test]
async fn a_running_gateway_is_asked_and_stopped() {
    let home = home().config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;

    let health = document(&run(&home, &["--json", "health"]));
    assert_eq!(health["ok"], true, "{health}");
    let status = document(&run(&home, &["status", "--all", "--json"]));
    assert_eq!(status["local"]["process"]["pid"], gateway.pid());
    assert_eq!(status["gateway"]["ok"], true);
    let report = run(&home, &["status", "--all"]);
    assert!(!String::from_utf8_lossy(&report.stdout).contains(TOKEN));

    let answer = run(&home, &["agent", "--message", "hello"]);
    let said = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.status.success() && said.trim().len() > 10, "{said}");
    let answer = document(&run(&home, &["agent", "--message", "hello", "--json"]));
    assert_eq!(answer["status"], "ok", "{answer}");
    let sessions = document(&run(&home, &["sessions", "--json"]));
    assert_eq!(
        sessions["sessions"][0]["key"], "agent:main:main",
        "{sessions}"
    );

    let tree = run(&home, &["supervisor", "tree"]);
    let drawn = String::from_utf8_lossy(&tree.stdout);
    assert!(
        drawn.starts_with("gateway") && drawn.contains("router"),
        "{drawn}"
    );
    assert_eq!(
        code(&home, &["supervisor", "restart", "providers/builtin"]),
        0
    );
    assert_eq!(code(&home, &["supervisor", "restart", "no/such/actor"]), 70);

    let other = home
        .command(&["health", "--token", "wrong-token-entirely"])
        .output();
    assert_eq!(other.expect("it runs").status.code(), Some(77));

    let stopped = document(&run(&home, &["gateway", "stop", "--json"]));
    assert_eq!(stopped["stopped"], true);
    let status = gateway.exit(Duration::from_secs(5)).await.expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert_eq!(
        document(&run(&home, &["gateway", "stop", "--json"]))["stopped"],
        false
    );

    let log = std::fs::read_to_string(home.state().join("gateway.log")).expect("the log");
    assert!(!log.is_empty() && !log.contains(TOKEN) && !log.contains("wrong-token-entirely"));
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).expect("each line is a record");
        assert!(record["_meta"]["logLevelName"].is_string());
    }
    // Without a gateway the log and the conversations are read from the files.
    assert_eq!(code(&home, &["logs", "--limit", "5"]), 0);
    assert_eq!(code(&home, &["sessions"]), 0);
}

#[tokio::test]
async fn the_lock_names_the_port_also_after_it_changed() {
    let home = home().config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;
    let lock = || -> Value {
        let text = std::fs::read(home.state().join("gateway.lock")).expect("the lock");
        serde_json::from_slice(&text).unwrap_or_default()
    };
    let before = lock();
    let port = free_port();
    home.write_config(json!({ "gateway": { "port": port } }));
    wait_until("the new port in the lock", Duration::from_secs(20), || {
        lock()["port"] == port
    })
    .await;
    assert_eq!(before["port"], home.port());
    assert_eq!(lock()["startedAtMs"], before["startedAtMs"]);
    let stopped = document(&run(&home, &["gateway", "stop", "--json"]));
    assert_eq!(stopped["stopped"], true);
    gateway.exit(Duration::from_secs(5)).await.expect("it ends");
}

fn with_input(home: &Home, arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut command = home.command(arguments);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("its input");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[test]
fn credentials_come_from_standard_input_and_go_into_a_file_of_the_owner() {
    let home = home().config(json!({}));
    for name in ["work", "home"] {
        let add = [
            "models",
            "auth",
            "add",
            "--provider",
            "openai",
            "--profile-id",
            name,
            "--json",
        ];
        let output = with_input(&home, &add, "sk-secret\n");
        assert_eq!(document(&output)["profile"], format!("openai:{name}"));
    }
    let file = home.state().join("agents/main/agent/auth-profiles.json");
    let stored: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).expect("the file")).expect("JSON");
    assert_eq!(stored["version"], 1);
    let work = &stored["profiles"]["openai:work"];
    assert_eq!(
        (&work["type"], &work["key"]),
        (&json!("api_key"), &json!("sk-secret"))
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file)
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let order = ["models", "auth", "order"];
    let say = |rest: &[&str]| run(&home, &[&order[..], rest].concat());
    let set = [
        "set",
        "--provider",
        "openai",
        "openai:work",
        "openai:home",
        "--json",
    ];
    assert!(say(&set).status.success());
    let shown = document(&say(&["get", "--provider", "openai", "--json"]));
    assert_eq!(shown["profiles"], json!(["openai:work", "openai:home"]));
    let stranger = ["set", "--provider", "openai", "openai:nobody"];
    assert_eq!(say(&stranger).status.code(), Some(1));
    let status = document(&run(&home, &["models", "status", "--json"]));
    assert_eq!(status["model"], "openai/gpt-5.2");
    let wrong = ["models", "auth", "setup-token"];
    assert_eq!(
        with_input(&home, &wrong, "sk-ant-api-x\n").status.code(),
        Some(64)
    );
    assert_eq!(with_input(&home, &wrong, "\n").status.code(), Some(64));
}

#[test]
fn the_model_its_stand_ins_and_short_names_are_set_without_an_editor() {
    let home = home().config(json!({}));
    let say = |arguments: &[&str]| {
        let output = run(&home, &[&["models"][..], arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        document(&output)
    };
    assert_eq!(say(&["set", "opus"])["model"], "anthropic/claude-opus-4-6");
    say(&["fallbacks", "add", "gpt"]);
    say(&["fallbacks", "add", "ollama/llama3.2"]);
    say(&["set", "sonnet"]);
    let fallbacks = say(&["fallbacks", "list"])["fallbacks"].clone();
    assert_eq!(fallbacks, json!(["openai/gpt-5.2", "ollama/llama3.2"]));
    say(&["fallbacks", "remove", "gpt"]);
    say(&["aliases", "add", "fast", "groq/llama-3.3-70b-versatile"]);
    assert_eq!(
        say(&["aliases", "list"])["aliases"]["fast"],
        "groq/llama-3.3-70b-versatile"
    );
    assert_eq!(
        say(&["set", "fast"])["model"],
        "groq/llama-3.3-70b-versatile"
    );
    say(&["aliases", "remove", "fast"]);
    let written = document(&run(
        &home,
        &["config", "get", "agents.defaults.model", "--json"],
    ));
    assert_eq!(written["fallbacks"], json!(["ollama/llama3.2"]));
    assert_eq!(code(&home, &["models", "set", "no-such-model"]), 1);
    assert_eq!(code(&home, &["models", "aliases", "remove", "nothing"]), 1);
    assert_eq!(code(&home, &["models", "status", "--check"]), 1);
}

#[tokio::test]
async fn this_host_is_a_device_and_makes_codes_for_others() {
    let home = home().config(json!({}));
    let schema = document(&run(&home, &["protocol", "schema"]));
    assert_eq!(
        schema["methods"]["device.pair.approve"]["scope"],
        "operator.pairing"
    );
    let mut gateway = home.start("");
    gateway.ready().await;
    let listed = document(&run(&home, &["--json", "devices", "list"]));
    let identity: Value = serde_json::from_slice(
        &std::fs::read(home.state().join("identity/device.json")).expect("this host's key"),
    )
    .expect("JSON");
    assert_eq!(listed["paired"][0]["deviceId"], identity["deviceId"]);
    assert_eq!(listed["paired"][0]["connected"], true);
    // The token it was given opens the door where the secret is not known.
    let stranger = home
        .command(&["--json", "health"])
        .env("OPENCLAW_GATEWAY_TOKEN", "not the token")
        .output()
        .expect("it runs");
    assert_eq!(document(&stranger)["ok"], true, "{stranger:?}");
    let url = "wss://claw.example";
    let made = document(&run(&home, &["--json", "qr", "--public-url", url]));
    assert_eq!(made["gatewayUrl"], url);
    let drawn = run(&home, &["qr", "--public-url", url]);
    assert!(String::from_utf8_lossy(&drawn.stdout).contains("█▀"));
    let device = identity["deviceId"].as_str().expect("an id");
    let removed = document(&run(&home, &["--json", "devices", "remove", device]));
    assert_eq!(removed["deviceId"], device);
}

#[tokio::test(flavor = "multi_thread")] // the command is waited for
async fn each_credential_is_asked_for_a_word_and_the_code_says_what_it_said() {
    let fake = FakeModel::start().await;
    let mut settings = fake.config(Wire::Openai);
    settings["models"]["mode"] = json!("replace");
    let home = home().config(settings);
    let asked = ["models", "status", "--probe", "--check", "--json"];
    let output = run(&home, &asked);
    assert_eq!(output.status.code(), Some(0));
    let probes = document(&output)["probes"].clone();
    let said = &probes[0];
    assert_eq!(
        (&said["provider"], &said["status"], &said["error"]),
        (&json!("fake"), &json!("ok"), &Value::Null)
    );
    assert!(said["latencyMs"].is_number());
    fake.push(Reply::error(402, "billing_error", "pay"));
    let output = run(&home, &asked);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(document(&output)["probes"][0]["status"], "billing");
    fake.push(Reply::hang());
    let hasty = [&asked[..], &["--probe-timeout", "100"]].concat();
    let output = run(&home, &hasty);
    assert_eq!(document(&output)["probes"][0]["status"], "timeout");
    let before = fake.count();
    assert_eq!(code(&home, &["models", "status", "--check"]), 0);
    assert_eq!(fake.count(), before, "nobody is asked without --probe");
    assert_eq!(
        code(&home, &["models", "status", "--probe-timeout", "1"]),
        64
    );
}

#[tokio::test(flavor = "multi_thread")] // the command is waited for
async fn free_models_are_found_tried_and_taken() {
    let fake = FakeModel::start().await;
    let row = |id: &str, images: bool| {
        let input = if images {
            json!(["text", "image"])
        } else {
            json!(["text"])
        };
        json!({ "id": id, "context_length": 8000, "pricing": { "prompt": "0", "completion": "0" },
            "architecture": { "input_modalities": input }, "supported_parameters": ["tools"] })
    };
    fake.serve_catalogue(vec![
        row("a/sees-9b:free", true),
        row("a/calls-70b:free", false),
    ]);
    fake.answer_with(|body| match body.get("tools") {
        Some(_) => Reply::call("ping", json!({})),
        None => Reply::text("OK"),
    });
    let home = home().config(json!({
        "agents": { "defaults": { "model": "builtin/basic" } },
        "models": { "providers": { "openrouter": { "baseUrl": format!("{}/v1", fake.base_url()), "apiKey": KEY } } },
    }));
    let listed = document(&run(&home, &["models", "scan", "--no-probe", "--json"]));
    assert_eq!(listed["candidates"][0]["id"], "a/sees-9b:free");
    assert_eq!(listed["changed"], json!([]));
    assert_eq!(fake.count(), 0);
    let taken = run(
        &home,
        &["models", "scan", "--set-default", "--set-image", "--json"],
    );
    assert_eq!(document(&taken)["changed"], json!(["model", "imageModel"]));
    let get = |path: &str| document(&run(&home, &["config", "get", path, "--json"])).to_string();
    let model = get("agents.defaults.model");
    assert!(
        model.contains(r#""primary":"openrouter/a/sees-9b:free""#),
        "{model}"
    );
    assert!(model.contains("openrouter/a/calls-70b:free"), "{model}");
    let image = get("agents.defaults.imageModel");
    assert!(
        image.contains(r#""primary":"openrouter/a/sees-9b:free""#),
        "{image}"
    );
    assert!(!image.contains("calls"), "{image}");
}
