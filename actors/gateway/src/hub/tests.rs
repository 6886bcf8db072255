use std::sync::Arc;

use openclaw_protocol::Message;
use openclaw_protocol::Protocol;
use openclaw_protocol::RunId;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::SessionKey;
use openclaw_protocol::StopReason;
use openclaw_session::Events;
use openclaw_session::SessionEvent;
use openclaw_session::What;
use openclaw_session::event::Phase;
use openclaw_session::event::ToolEvent;
use serde_json::Value;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::Audience;
use super::Broadcast;
use super::Hub;
use super::RunEnd;
use super::Subscriber;
use super::run::KEPT_MS;
use crate::ingress::outbound::Step;
use crate::ingress::socket::Shared;

const READ: &[Scope] = &[Scope::Read];

struct Stage {
    hub: Hub,
    seq: u64,
    now_ms: i64,
}

impl Stage {
    fn new() -> Self {
        let (hub, seq, now_ms) = (Hub::new(), 0, 1_000_000);
        Self { hub, seq, now_ms }
    }

    fn join(&self, id: u64, version: Protocol, scopes: &[Scope]) -> Arc<Shared> {
        let shared = Shared::new(1 << 20, 1 << 20, self.now_ms);
        let subscriber = Subscriber {
            is_node: false,
            shared: Arc::clone(&shared),
            version,
            scopes: scopes.iter().copied().collect::<Scopes>(),
            takes_tools: true,
            watches_tree: false,
            hears_sessions: false,
            hears_messages: Default::default(),
            device: None,
        };
        self.hub.subscribe(id, subscriber);
        shared
    }

    fn say(&mut self, what: What) {
        self.seq += 1;
        self.hub.publish(SessionEvent {
            session: session(),
            session_id: Some("s-1".into()),
            run_id: RunId::from("run"),
            agent: session().agent(),
            seq: self.seq,
            at_ms: self.now_ms,
            what,
        });
    }

    fn text(&mut self, text: &str) {
        let (text, delta) = (Arc::from(text), Arc::from(""));
        self.say(What::Assistant { text, delta });
    }

    fn start(&mut self) {
        let started_at_ms = self.now_ms;
        self.say(What::Lifecycle(Phase::Start { started_at_ms }));
    }

    fn finish(&mut self, text: &str) {
        self.say(What::Lifecycle(Phase::End { aborted: false }));
        let message = json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] });
        self.say(What::Final {
            message: Some(serde_json::from_value::<Message>(message).unwrap()),
            usage: None,
            stop_reason: StopReason::Stop,
            model: "p/m".to_owned(),
        });
    }
}

fn session() -> SessionKey {
    SessionKey::parse("agent:main:main").unwrap()
}

fn heard(shared: &Shared) -> Vec<Value> {
    let mut bytes = Vec::new();
    while let Some(Step::Write(more) | Step::End(more)) = shared.queue.take() {
        bytes.extend(more.concat());
    }
    let mut client = WebSocket::from_raw_socket(std::io::Cursor::new(bytes), Role::Client, None);
    let mut frames = Vec::new();
    while let Ok(message) = client.read() {
        frames.push(serde_json::from_str(message.to_text().unwrap()).unwrap());
    }
    frames
}

/// `event:state` of each frame, for `agent` `agent:stream.phase`.
fn outline(frames: &[Value]) -> Vec<String> {
    let name = |frame: &Value| {
        let (event, payload) = (frame["event"].as_str().unwrap(), &frame["payload"]);
        let detail = match event {
            "agent" => match payload["data"]["phase"].as_str() {
                Some(phase) => format!("{}.{phase}", payload["stream"].as_str().unwrap()),
                None => payload["stream"].as_str().unwrap().to_owned(),
            },
            _ => payload["state"].as_str().unwrap_or_default().to_owned(),
        };
        format!("{event}:{detail}")
    };
    frames.iter().map(name).collect()
}

#[test]
fn what_only_some_asked_for_is_no_gap_for_the_others() {
    let stage = Stage::new();
    let early = stage.join(1, Protocol::V3, READ);
    let cron = Broadcast::to(Audience::Readers, "cron");
    stage.hub.broadcast(&cron);
    stage.hub.session_changed(&session(), "patch", 0);
    for audience in [Audience::Watchers, Audience::LateHolders(Scope::Read)] {
        stage.hub.broadcast(&Broadcast::to(audience, "news"));
    }
    stage.hub.broadcast(&cron);
    let seqs: Vec<Value> = heard(&early)
        .iter()
        .map(|frame| frame["seq"].clone())
        .collect();
    assert_eq!(seqs, [1, 2]);
}

#[test]
fn a_run_is_heard_in_order_with_one_end() {
    let mut stage = Stage::new();
    let (early, late) = (
        stage.join(1, Protocol::V3, READ),
        stage.join(2, Protocol::V4, READ),
    );
    stage.start();
    stage.text("po");
    stage.text("pong");
    stage.finish("pong");
    let late = heard(&late);
    assert_eq!(
        outline(&late),
        [
            "agent:lifecycle.start",
            "agent:assistant",
            "chat:delta",
            "agent:assistant",
            "chat:delta",
            "agent:lifecycle.end",
            "chat:final",
        ]
    );
    let numbers: Vec<_> = late
        .iter()
        .map(|frame| frame["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(late[4]["payload"]["deltaText"], "ng");
    assert_eq!(late[4]["payload"]["message"]["content"][0]["text"], "pong");
    assert_eq!(late[4]["payload"]["agentId"], "main");
    assert_eq!(late[4]["payload"].get("replace"), None);
    assert_eq!(late[6]["payload"]["seq"], late[5]["payload"]["seq"]);
    assert_eq!(late[6]["payload"]["stopReason"], "stop");

    // The second delta came within 150 ms; what it said is still shown before the end.
    let early = heard(&early);
    assert_eq!(
        outline(&early),
        [
            "agent:lifecycle.start",
            "agent:assistant",
            "chat:delta",
            "agent:assistant",
            "chat:delta",
            "agent:lifecycle.end",
            "chat:final",
        ]
    );
    assert_eq!(early[4]["payload"]["message"]["content"][0]["text"], "pong");
    for frame in &early {
        let payload = frame["payload"].as_object().unwrap();
        for late_only in [
            "agentId",
            "sessionId",
            "isHeartbeat",
            "deltaText",
            "replace",
            "stopReason",
        ] {
            assert!(!payload.contains_key(late_only), "{late_only} in {frame}");
        }
    }
    let numbers: Vec<_> = early
        .iter()
        .map(|frame| frame["seq"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{numbers:?}"
    );
}

#[test]
fn protocol_3_gets_one_delta_in_150_ms_and_protocol_4_gets_all() {
    let mut stage = Stage::new();
    let (early, late) = (
        stage.join(1, Protocol::V3, READ),
        stage.join(2, Protocol::V4, READ),
    );
    stage.start();
    for n in 1..=30 {
        stage.now_ms += 10;
        stage.text(&"x".repeat(n));
    }
    let deltas = |queue| {
        outline(&heard(queue))
            .iter()
            .filter(|name| *name == "chat:delta")
            .count()
    };
    assert_eq!((deltas(&early), deltas(&late)), (2, 30));
}

#[test]
fn messages_of_one_run_are_joined_for_protocol_4_and_a_new_try_replaces() {
    let mut stage = Stage::new();
    let late = stage.join(2, Protocol::V4, READ);
    stage.text("One");
    stage.text("Onward");
    stage.text("Other");
    stage.say(What::Tool(ToolEvent::Start {
        id: "c".to_owned(),
        name: "t".to_owned(),
        args: json!({}),
    }));
    stage.text("Two");
    stage.text("Two!");
    let frames = heard(&late);
    let chats: Vec<_> = frames
        .iter()
        .filter(|frame| frame["event"] == "chat")
        .collect();
    let seen: Vec<_> = chats
        .iter()
        .map(|frame| {
            let payload = &frame["payload"];
            let text = payload["message"]["content"][0]["text"].as_str().unwrap();
            (
                text,
                payload["deltaText"].as_str().unwrap(),
                payload["replace"] == true,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("One", "One", false),
            ("Onward", "Onward", true),
            ("Other", "Other", true),
            ("Other\n\nTwo", "\n\nTwo", false),
            ("Other\n\nTwo!", "!", false),
        ]
    );
}

#[test]
fn only_readers_hear_runs_and_only_the_starter_hears_tools() {
    let mut stage = Stage::new();
    let starter = stage.join(1, Protocol::V4, READ);
    let starter_early = stage.join(2, Protocol::V3, READ);
    let reader = stage.join(3, Protocol::V4, &[Scope::Write]);
    let pairing_only = stage.join(4, Protocol::V4, &[Scope::Pairing]);
    let node = stage.join(5, Protocol::V3, &[]);
    for connection in [1, 2] {
        stage
            .hub
            .expect_run(&RunId::from("run"), &session(), connection, stage.now_ms);
    }
    stage.start();
    stage.say(What::Tool(ToolEvent::Result {
        id: "c".to_owned(),
        name: "t".to_owned(),
        result: json!("secret"),
        is_error: false,
    }));
    stage.finish("x");
    assert_eq!(heard(&pairing_only), Vec::<Value>::new());
    assert_eq!(heard(&node), Vec::<Value>::new());
    assert!(!outline(&heard(&reader)).contains(&"agent:tool.result".to_owned()));
    let tool = |queue: &Shared| {
        heard(queue)
            .into_iter()
            .find(|f| f["payload"]["stream"] == "tool")
    };
    let late = tool(&starter).unwrap();
    assert_eq!(
        (&late["payload"]["data"]["result"], late["seq"].is_u64()),
        (&json!("secret"), true)
    );
    let early = tool(&starter_early).unwrap();
    assert_eq!(early["payload"]["data"].get("result"), None);
    assert_eq!(early.get("seq"), None);
    assert_eq!(early["payload"]["seq"], 2);
}

#[test]
fn an_aborted_run_says_so_once() {
    let mut stage = Stage::new();
    let (early, late) = (
        stage.join(1, Protocol::V3, READ),
        stage.join(2, Protocol::V4, READ),
    );
    stage.start();
    stage.text("half");
    let partial = json!({ "role": "assistant", "content": [{ "type": "text", "text": "half" }] });
    stage.say(What::Lifecycle(Phase::End { aborted: true }));
    stage.say(What::Aborted {
        reason: "rpc",
        partial: Some(serde_json::from_value(partial).unwrap()),
    });
    for (queue, has_partial) in [(early, false), (late, true)] {
        let frames = heard(&queue);
        let end = frames.last().unwrap();
        assert_eq!(end["payload"]["state"], "aborted");
        assert_eq!(end["payload"]["stopReason"], "rpc");
        assert_eq!(end["payload"].get("message").is_some(), has_partial);
    }
    let view = stage.hub.run(&RunId::from("run")).unwrap();
    assert!(matches!(
        view.end.as_deref(),
        Some(RunEnd::Aborted { reason: "rpc", .. })
    ));
}

#[tokio::test]
async fn a_run_can_be_awaited_before_it_begins_and_asked_about_for_ten_minutes() {
    let mut stage = Stage::new();
    let run_id = RunId::from("run");
    let mut view = stage.hub.watch_run(&run_id, stage.now_ms);
    assert_eq!(stage.hub.active_runs(&session()), Vec::<RunId>::new());
    stage.hub.expect_run(&run_id, &session(), 1, stage.now_ms);
    assert_eq!(
        stage.hub.active_runs(&session()),
        std::slice::from_ref(&run_id)
    );
    let hub = stage.hub.clone();
    let (ended, ()) = tokio::join!(
        async {
            view.wait_for(|view| view.end.is_some())
                .await
                .unwrap()
                .clone()
        },
        async {
            stage.start();
            stage.finish("done");
        }
    );
    assert_eq!(ended.started_at_ms, Some(1_000_000));
    assert!(matches!(
        ended.end.as_deref(),
        Some(RunEnd::Answered { text: Some(text), .. }) if text == "done"
    ));
    drop(view);
    assert_eq!(hub.active_runs(&session()), Vec::<RunId>::new());
    hub.prune_runs(1_000_000 + KEPT_MS);
    assert!(hub.run(&run_id).is_some());
    hub.prune_runs(1_000_001 + KEPT_MS);
    assert!(hub.run(&run_id).is_none());
}

#[test]
fn broadcasts_reach_their_audience_with_the_state_version() {
    let stage = Stage::new();
    let reader = stage.join(1, Protocol::V4, READ);
    let node = stage.join(2, Protocol::V3, &[]);
    stage.hub.presence_changed(&json!([]));
    stage.hub.health_changed(json!({ "ok": true }));
    let supervisor = Broadcast {
        name: "supervisor",
        payload: json!({}),
        audience: Audience::Watchers,
        is_stale_soon: false,
        has_state_version: false,
    };
    stage.hub.broadcast(&supervisor);
    stage.hub.watch_tree(1, true);
    stage.hub.broadcast(&supervisor);
    let frames = heard(&reader);
    let names: Vec<_> = frames
        .iter()
        .map(|frame| frame["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["presence", "health", "supervisor"]);
    assert_eq!(
        frames[0]["stateVersion"],
        json!({ "presence": 1, "health": 0 })
    );
    assert_eq!(
        frames[1]["stateVersion"],
        json!({ "presence": 1, "health": 1 })
    );
    let names: Vec<_> = heard(&node)
        .iter()
        .map(|frame| frame["event"].clone())
        .collect();
    assert_eq!(names, ["health"]);
}

#[tokio::test]
async fn whoever_asked_hears_at_once_and_who_looks_on_a_little_later() {
    let mut stage = Stage::new();
    let asker = stage.join(1, Protocol::V4, READ);
    let other = stage.join(2, Protocol::V4, READ);
    let run_id = RunId::from("run");
    stage.hub.expect_run(&run_id, &session(), 1, stage.now_ms);
    let mut to_asker = Box::pin(asker.queue.next());
    let mut to_other = Box::pin(other.queue.next());
    let mut leisure = Box::pin(stage.hub.at_leisure());
    assert!(futures_util::poll!(&mut to_asker).is_pending());
    assert!(futures_util::poll!(&mut to_other).is_pending());
    assert!(futures_util::poll!(&mut leisure).is_pending());
    drop(leisure);
    stage.start();
    assert!(futures_util::poll!(&mut to_asker).is_ready());
    assert!(futures_util::poll!(&mut to_other).is_pending());
    stage.hub.at_leisure().await;
    stage.hub.flush();
    assert!(futures_util::poll!(&mut to_other).is_ready());
}

#[test]
fn it_is_known_since_when_somebody_watches_the_tree() {
    let stage = Stage::new();
    let _one = stage.join(1, Protocol::V4, READ);
    let _other = stage.join(2, Protocol::V4, READ);
    let since = stage.hub.watched_since();
    let is_watched = || since.borrow().is_some();
    assert!(!is_watched());
    stage.hub.watch_tree(1, true);
    stage.hub.watch_tree(2, true);
    assert!(is_watched());
    stage.hub.watch_tree(1, false);
    assert!(is_watched());
    stage.hub.unsubscribe(2);
    assert!(!is_watched());
}
