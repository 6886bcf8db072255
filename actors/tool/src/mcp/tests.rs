//! The conversation with a server that is played, and with a program.

use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use openclaw_protocol::SessionKey;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::config::McpServer;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::State;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::io::Lines;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;

use super::client::CallError;
use super::client::Client;
use super::link;
use super::server::ServerArgs;
use super::stdio;
use crate::Caller;
use crate::Shelf;
use crate::ToolCall;

/// Nothing here takes longer, on any machine.
const SOON: Duration = Duration::from_secs(30);

/// The server's side of a connection.
struct Played {
    said: Lines<BufReader<ReadHalf<DuplexStream>>>,
    answers: WriteHalf<DuplexStream>,
}

impl Played {
    async fn heard(&mut self) -> Value {
        let line = tokio::time::timeout(SOON, self.said.next_line()).await;
        let line = line.expect("something is said").unwrap().expect("a line");
        serde_json::from_str(&line).unwrap()
    }

    async fn says(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.answers.write_all(line.as_bytes()).await.unwrap();
    }

    /// Answers the next message, which is this request.
    async fn answers(&mut self, method: &str, result: Value) -> Value {
        let heard = self.heard().await;
        assert_eq!(heard["method"], method, "{heard}");
        let answer = json!({ "jsonrpc": "2.0", "id": heard["id"], "result": result });
        self.says(&answer).await;
        heard
    }

    async fn greets(&mut self) {
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
            "serverInfo": { "name": "played", "version": "1" } });
        let heard = self.answers("initialize", hello).await;
        assert_eq!(heard["params"]["clientInfo"]["name"], "openclaw");
        assert_eq!(self.heard().await["method"], "notifications/initialized");
    }
}

fn tool(name: &str) -> Value {
    json!({ "name": name, "description": "Does it.", "inputSchema": { "type": "object" } })
}

fn args(shelf: &Shelf) -> ServerArgs {
    let settings = McpServer {
        connection_timeout_ms: Some(20_000),
        ..McpServer::default()
    };
    ServerArgs::new("docs", &settings, shelf)
}

/// Talks to a played server until the test's own part is done.
async fn with_played(args: &ServerArgs, part: impl AsyncFnOnce(Played, Client)) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (their_said, answers) = tokio::io::split(theirs);
    let (output, input) = tokio::io::split(ours);
    let (client, written) = Client::lines();
    let played = Played {
        said: BufReader::new(their_said).lines(),
        answers,
    };
    tokio::select! {
        reason = stdio::write(input, written) => panic!("{reason}"),
        reason = stdio::read(BufReader::new(output), &client) => panic!("{reason}"),
        failed = link::talk(&client, args, |_| ()) => panic!("{failed:?}"),
        () = part(played, client.clone()) => {}
    }
}

fn names(shelf: &Shelf) -> Vec<String> {
    shelf.names()
}

/// What models are told.
fn told(shelf: &Shelf) -> Vec<ToolSpec> {
    let tools = shelf.tools().into_iter();
    tools.map(|tool| tool.spec().clone()).collect()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while !is_so() {
            tick.tick().await;
        }
    };
    let waited = tokio::time::timeout(SOON, waiting).await;
    assert!(waited.is_ok(), "never {what}");
}

#[tokio::test]
async fn a_server_s_tools_come_in_pages_and_change_only_when_it_says_so() {
    let shelf = Shelf::default();
    let args = args(&shelf);
    with_played(&args, async |mut server, _| {
        server.greets().await;
        server
            .answers(
                "tools/list",
                json!({ "tools": [tool("read")], "nextCursor": "2" }),
            )
            .await;
        let second = json!({ "tools": [tool("a b"), tool(&"x".repeat(70))] });
        let heard = server.answers("tools/list", second).await;
        assert_eq!(heard["params"]["cursor"], "2");
        until("two tools", || names(&shelf) == ["docs__a-b", "docs__read"]).await;

        let before = told(&shelf);
        let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
        server.says(&changed).await;
        let same = json!({ "tools": [tool("a b"), tool("read")] });
        server.answers("tools/list", same).await;
        // A server may ask whether we are there; the listing before it is taken in by then.
        server
            .says(&json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" }))
            .await;
        assert_eq!(
            server.heard().await,
            json!({ "jsonrpc": "2.0", "id": 9, "result": {} })
        );
        assert_eq!(told(&shelf), before);

        server.says(&changed).await;
        server
            .answers("tools/list", json!({ "tools": [tool("new")] }))
            .await;
        until("the new tool", || names(&shelf) == ["docs__new"]).await;
    })
    .await;
    shelf.keep(|_| false);
    assert!(names(&shelf).is_empty());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_and_the_others_go_on() {
    let shelf = Shelf::default();
    let args = args(&shelf);
    with_played(&args, async |mut server, client| {
        server.greets().await;
        server.answers("tools/list", json!({ "tools": [] })).await;
        let hangs = client.ask("tools/call", json!({ "name": "hangs" }));
        let late = tokio::time::timeout(Duration::from_millis(20), hangs).await;
        assert!(late.is_err());
        let hung = server.heard().await;
        let cancelled = server.heard().await;
        assert_eq!(cancelled["method"], "notifications/cancelled");
        assert_eq!(cancelled["params"]["requestId"], hung["id"]);
        // Its late answer is nobody's.
        server
            .says(&json!({ "jsonrpc": "2.0", "id": hung["id"], "result": "late" }))
            .await;

        let asking = client.ask("tools/call", json!({ "name": "works" }));
        let answering = server.answers("tools/call", json!("well"));
        let (answer, _) = tokio::join!(asking, answering);
        assert_eq!(answer, Ok(json!("well")));

        let asking = client.ask("tools/call", json!({ "name": "none" }));
        let answering = async {
            let asked = server.heard().await;
            let error = json!({ "code": -32602, "message": "no such tool" });
            server
                .says(&json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error }))
                .await;
        };
        let (answer, ()) = tokio::join!(asking, answering);
        assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");

        let asking = client.ask("tools/call", json!({ "name": "cut" }));
        let (answer, ()) = tokio::join!(asking, async {
            server.heard().await;
            client.close();
        });
        assert_eq!(answer, Err(CallError::Gone));
    })
    .await;
}

/// A server in the shell: it greets, has one tool, and answers one call; the second one it never answers.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
calls=0
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/list"'*) answer "$id" '{"tools":[{"name":"say","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*)
      calls=$((calls + 1))
      case $line in *fall*) echo "I fell" >&2; exit 3 ;; esac
      answer "$id" "{\"content\":[{\"type\":\"text\",\"text\":\"call $calls of $WHO ${LD_PRELOAD:-clean} in $$\"}]}" ;;
  esac
done
"#;

fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall {
        name: name.to_owned(),
        arguments,
        key: "k".to_owned(),
        workspace: std::env::temp_dir(),
        agent: AgentId::main(),
        session: SessionKey::main(&AgentId::main()),
        caller: Caller::default(),
        outside: None,
    }
}

async fn said(shelf: &Shelf, arguments: Value) -> (String, bool) {
    let tool = shelf.get("home__say").expect("the tool is there");
    let outcome = tool.run(call("home__say", arguments)).await;
    let text = serde_json::to_string(&outcome.content).unwrap();
    (text, outcome.is_error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_comes_back_with_the_same_tools_and_one_that_never_starts_is_parked_alone()
 {
    let tree = json!({ "mcp": { "servers": {
        "home": { "command": "/bin/sh", "args": ["-c", SERVER], "env": { "WHO": "me", "LD_PRELOAD": "x" } },
        "none": { "command": "/no/such/program" },
        "off": { "command": "/no/such/program", "enabled": false },
    } } });
    let config = Config::from_value(tree).config;
    let shelf = Shelf::default();
    let directory = Directory::new();
    let root = Root::start(
        directory.clone(),
        "gateway",
        super::spec(&config, &shelf).into_iter().collect(),
    )
    .await;
    let node =
        |name: &str| directory.tree(Some(&ActorPath::new(format!("tools/mcp/{name}"))), None);
    until("the tool", || !names(&shelf).is_empty()).await;
    assert_eq!(names(&shelf), ["home__say"]);
    let before = told(&shelf);
    let (text, failed) = said(&shelf, json!({ "n": 1 })).await;
    assert!(text.contains("call 1 of me clean") && !failed, "{text}");
    assert!(node("off").is_none());

    // It falls in a call: the call fails, the server is started again, and models are told the same as before.
    let (text, failed) = said(&shelf, json!({ "n": "fall" })).await;
    assert!(failed, "{text}");
    let text = std::sync::Mutex::new(String::new());
    until("an answer of the next one", || {
        let shelf = shelf.clone();
        let (answer, _) = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(said(&shelf, json!({ "n": 2 })))
        });
        let is_back = answer.contains("call 1 of me clean");
        *text.lock().unwrap() = answer;
        is_back
    })
    .await;
    assert_eq!(told(&shelf), before);
    let fallen = node("home").unwrap();
    assert_eq!(fallen.restarts, 1);
    let exit = fallen.last_exit.unwrap();
    assert!(exit.contains("code 3") && exit.contains("I fell"), "{exit}");

    until("the other is parked or tried again", || {
        node("none").is_some_and(|node| node.restarts > 0 || node.state == State::Parked)
    })
    .await;
    let exit = node("none").unwrap().last_exit.unwrap();
    assert!(exit.contains("/no/such/program"), "{exit}");

    let text = text.into_inner().unwrap();
    let process: u32 = text
        .split("clean in ")
        .nth(1)
        .and_then(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .expect("its number");
    root.shutdown(SOON).await;
    let stat = std::path::PathBuf::from(format!("/proc/{process}"));
    until("the program is gone", || !stat.exists()).await;
}
