use openclaw_protocol::connect::ClientInfo;
use serde_json::Value;
use serde_json::json;

use super::Arrival;
use super::KEPT_MS;
use super::Presence;

fn client(mode: &str, instance: Option<&str>) -> ClientInfo {
    serde_json::from_value(json!({
        "id": "webchat-ui", "version": "1", "platform": "web", "mode": mode,
        "instanceId": instance,
    }))
    .unwrap()
}

fn arrival<'a>(client: &'a ClientInfo, connection: &'a str) -> Arrival<'a> {
    Arrival {
        client,
        role: "operator",
        scopes: &["operator.read"],
        connection,
        device: None,
    }
}

fn reasons(presence: &Presence, now_ms: i64) -> Vec<Value> {
    let list = presence.list(now_ms);
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["reason"].clone())
        .collect()
}

#[test]
fn pages_are_listed_and_passing_programs_are_not() {
    let presence = Presence::new("box", "1.0", "i-1", 0);
    assert!(!presence.arrive(&arrival(&client("cli", None), "1"), 1));
    assert!(presence.arrive(&arrival(&client("webchat", None), "2"), 1));
    assert_eq!(reasons(&presence, 1), [json!("self"), json!("connect")]);
    let entry = &presence.list(1)[1];
    assert_eq!(entry["roles"], json!(["operator"]));
    assert!(
        entry
            .as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_null())
    );
}

#[test]
fn an_install_is_listed_once_and_stays_five_minutes_after_its_last_connection() {
    let presence = Presence::new("box", "1.0", "i-1", 0);
    let page = client("webchat", Some("tab"));
    assert!(presence.arrive(&arrival(&page, "1"), 1));
    assert!(presence.arrive(&arrival(&page, "2"), 2));
    assert_eq!(reasons(&presence, 2).len(), 2);
    assert!(!presence.leave(&arrival(&page, "1"), 3));
    assert!(presence.leave(&arrival(&page, "2"), 4));
    assert_eq!(reasons(&presence, 5), [json!("self"), json!("disconnect")]);
    assert_eq!(reasons(&presence, 4 + KEPT_MS), [json!("self")]);
}

#[test]
fn the_table_is_bounded() {
    let presence = Presence::new("box", "1.0", "i-1", 0);
    let page = client("webchat", None);
    for n in 0..300 {
        presence.arrive(&arrival(&page, &n.to_string()), n);
    }
    assert_eq!(reasons(&presence, 300).len(), 1 + super::ENTRIES);
}
