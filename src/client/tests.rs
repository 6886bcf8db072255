//! The client against a small gateway of its own.
#![allow(clippy::disallowed_methods)] // the fake has no supervisor

use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use super::*;

/// What the gateway of a test does with a request: the frames it sends back.
type Script = fn(&str, &str, &Value) -> Vec<Value>;

const WITHIN: Duration = Duration::from_secs(5);

/// A gateway that says hello to anyone with the token "right", and then follows the script.
async fn gateway(script: Script) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                let challenge = json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 } });
                socket
                    .send(Message::text(challenge.to_string()))
                    .await
                    .unwrap();
                while let Some(Ok(Message::Text(text))) = socket.next().await {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    let (id, method) = (
                        frame["id"].as_str().unwrap(),
                        frame["method"].as_str().unwrap(),
                    );
                    let answers = match method {
                        "connect" => vec![hello(id, &frame["params"])],
                        _ => script(id, method, &frame["params"]),
                    };
                    for answer in answers {
                        socket
                            .send(Message::text(answer.to_string()))
                            .await
                            .unwrap();
                    }
                }
            });
        }
    });
    url
}

fn hello(id: &str, params: &Value) -> Value {
    assert_eq!(
        (&params["minProtocol"], &params["maxProtocol"]),
        (&json!(3), &json!(4))
    );
    match params["auth"]["token"].as_str() {
        Some("right") => yes(id, json!({ "type": "hello-ok", "protocol": 4 })),
        Some(_) => no(
            id,
            "INVALID_REQUEST",
            "unauthorized: gateway token mismatch (provide gateway auth token)",
        ),
        None => no(
            id,
            "INVALID_REQUEST",
            "unauthorized: gateway token missing (provide gateway auth token)",
        ),
    }
}

fn yes(id: &str, payload: Value) -> Value {
    json!({ "type": "res", "id": id, "ok": true, "payload": payload })
}

fn no(id: &str, code: &str, message: &str) -> Value {
    json!({ "type": "res", "id": id, "ok": false, "error": { "code": code, "message": message } })
}

fn endpoint(url: &str, token: &str) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        because: "the test".into(),
        token: Some(token.into()),
        password: None,
        device: None,
        tunnel: None,
    }
}

#[tokio::test]
async fn an_answer_is_found_among_events_and_the_events_are_kept() {
    let url = gateway(|id, _, params| {
        vec![
            json!({ "type": "event", "event": "tick", "payload": { "ts": 7 } }),
            json!({ "type": "unknown kind" }),
            yes("somebody else's", json!(0)),
            yes(id, params.clone()),
        ]
    })
    .await;
    let mut client = Client::connect(endpoint(&url, "right"), WITHIN)
        .await
        .unwrap();
    assert_eq!(client.hello()["protocol"], 4);
    let answer = client
        .call("health", &json!({ "probe": true }), WITHIN)
        .await
        .unwrap();
    assert_eq!(answer, json!({ "probe": true }));
    match client.next(WITHIN).await.unwrap() {
        Some(Incoming::Event { name, payload }) => {
            assert_eq!((name.as_str(), &payload["ts"]), ("tick", &json!(7)));
        }
        other => panic!("{other:?}"),
    }
    client.close().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_what_mends_it_and_is_not_repeated() {
    let url = gateway(|_, _, _| Vec::new()).await;
    let error = Client::connect(endpoint(&url, "wrong-secret"), WITHIN)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("token mismatch"));
    assert!(error.hints()[0].contains("openclaw config get gateway.auth.token"));
    assert!(!format!("{error:?}").contains("wrong-secret"));
}

#[tokio::test]
async fn a_closed_port_says_where_why_and_how_to_start_one() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::connect(endpoint(&url, "t"), WITHIN)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    assert_eq!(
        error.to_string(),
        format!("no gateway is listening on {url} (from the test)")
    );
    assert!(error.hints()[0].contains("openclaw gateway run"));
}

#[tokio::test]
async fn a_listener_that_says_nothing_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let error = Client::connect(endpoint(&url, "t"), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("did not answer within 50 ms"));
}

#[tokio::test]
async fn a_program_that_is_no_gateway_is_named_as_such() {
    use tokio::io::AsyncWriteExt;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let page = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(page).await.unwrap();
    });
    let error = Client::connect(endpoint(&url, "t"), WITHIN)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("answered HTTP 404"), "{error}");
}

#[tokio::test]
async fn a_missing_right_and_an_unknown_method_are_told_apart() {
    let url = gateway(|id, method, _| match method {
        "admin" => vec![no(id, "FORBIDDEN", "missing scope: operator.admin")],
        _ => vec![no(id, "INVALID_REQUEST", "unknown method: x")],
    })
    .await;
    let mut client = Client::connect(endpoint(&url, "right"), WITHIN)
        .await
        .unwrap();
    let error = client.call("admin", &json!({}), WITHIN).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    let error = client.call("x", &json!({}), WITHIN).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Daemon);
}

#[tokio::test]
async fn silence_after_a_request_ends_at_its_deadline() {
    let url = gateway(|_, _, _| Vec::new()).await;
    let mut client = Client::connect(endpoint(&url, "right"), WITHIN)
        .await
        .unwrap();
    let error = client
        .call("health", &json!({}), Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("did not answer `health`"));
    assert!(
        client
            .next(Duration::from_millis(20))
            .await
            .unwrap()
            .is_none()
    );
}
