use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openclaw_protocol::Secret;

use super::Ask;
use super::Book;
use super::Profile;
use super::SETUP_MS;
use super::Setup;
use super::code;
use super::qr;
use super::qr_data_url;

fn phone(device: &str, client: &str, platform: &str) -> Ask {
    Ask {
        device_id: device.to_owned(),
        public_key: format!("key of {device}"),
        role: "node".to_owned(),
        client_id: Some(client.to_owned()),
        platform: Some(platform.to_owned()),
        ..Ask::default()
    }
}

fn book(profile: Profile) -> Book {
    let token = Secret::from("once");
    Book {
        setups: vec![Setup::new("s1", &token, profile, 0)],
        ..Book::default()
    }
}

#[test]
fn a_code_lets_one_fitting_device_in_once() {
    let mut book = book(Profile::Limited);
    let ask = phone("a", "openclaw-ios", "iOS 18.4.0");
    assert!(book.setup_of("wrong", &ask, 1).is_none());
    assert!(book.setup_of("once", &ask, SETUP_MS).is_none(), "too late");
    for other in [
        phone("a", "openclaw-ios", "android 15"),
        phone("a", "cli", "linux"),
        phone("a", "node-host", "linux"),
    ] {
        assert!(book.setup_of("once", &other, 1).is_none(), "{other:?}");
    }
    assert!(book.setup_of("once", &ask, 1).is_some());
    assert_eq!(book.redeem("s1", &ask, 2), Some(Profile::Limited));
    let device = &book.paired["a"];
    assert_eq!(device.roles, ["node", "operator"]);
    assert!(!device.scopes.iter().any(|scope| scope == "operator.admin"));
    assert_eq!(device.approved_via.as_deref(), Some("bootstrap"));
    assert!(book.setup_of("once", &ask, 3).is_none());
    let second = phone("b", "openclaw-ios", "iOS 18.4.0");
    assert_eq!(book.redeem("s1", &second, 3), None);
    assert!(!book.paired.contains_key("b"));
}

#[test]
fn a_node_s_code_makes_no_operator() {
    let mut book = book(Profile::Node);
    let ask = phone("a", "node-host", "linux");
    let operator = Ask {
        role: "operator".to_owned(),
        ..ask.clone()
    };
    assert!(book.setup_of("once", &operator, 1).is_none());
    book.redeem("s1", &ask, 1);
    assert_eq!(book.paired["a"].roles, ["node"]);
    assert!(book.paired["a"].scopes.is_empty());
}

#[test]
fn what_is_stored_of_a_code_does_not_give_it_away() {
    let setup = Setup::new("s", &Secret::from("the-token"), Profile::Node, 0);
    let text = serde_json::to_string(&setup).unwrap();
    assert!(!text.contains("the-token"), "{text}");
}

#[test]
fn the_code_holds_where_and_how_and_is_a_picture() {
    let text = code("ws://192.168.1.2:18789", &Secret::from("tok"), 7);
    let decoded = URL_SAFE_NO_PAD.decode(&text).unwrap();
    let content: serde_json::Value = serde_json::from_slice(&decoded).unwrap();
    assert_eq!(
        content,
        serde_json::json!({ "url": "ws://192.168.1.2:18789", "bootstrapToken": "tok", "expiresAtMs": 7 })
    );
    let (width, dark) = qr(&text).unwrap();
    assert_eq!(dark.len(), width * width);
    // The finder pattern in the corner.
    assert!(dark[..7].iter().all(|dark| *dark) && !dark[7]);
    let url = qr_data_url(&text).unwrap();
    assert!(
        url.starts_with("data:image/png;base64,iVBORw0KGgo"),
        "{url}"
    );
}
