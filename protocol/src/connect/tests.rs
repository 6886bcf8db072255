use serde_json::json;

use super::ConnectParams;

#[test]
fn clients_of_both_generations_are_read() {
    let early = json!({
        "minProtocol": 3, "maxProtocol": 3,
        "client": { "id": "cli", "version": "dev", "platform": "linux", "mode": "cli" },
        "role": "operator", "scopes": ["operator.admin"], "caps": [],
        "auth": { "token": "t" },
    });
    let late = json!({
        "minProtocol": 4, "maxProtocol": 4,
        "client": {
            "id": "openclaw-linux", "version": "2026.9.6", "platform": "linux", "mode": "ui",
            "timeZone": "Europe/Berlin", "somethingNew": true,
        },
        "modelCatalog": { "agentId": "main" }, "workerRuns": {}, "computerUse": null,
        "auth": { "deviceToken": "d", "novel": 1 },
        "device": { "id": "x", "publicKey": "k", "signature": "s", "signedAt": 1, "nonce": "n" },
    });
    let early = ConnectParams::parse(early).unwrap();
    assert_eq!((early.role.as_str(), early.scopes.len()), ("operator", 1));
    let late = ConnectParams::parse(late).unwrap();
    assert_eq!((late.role.as_str(), late.scopes.len()), ("operator", 0));
    assert!(late.device.is_some());
}

#[test]
fn what_is_wrong_is_named() {
    let with = |name: &str, value: serde_json::Value| {
        let mut params = json!({
            "minProtocol": 3, "maxProtocol": 4,
            "client": { "id": "cli", "version": "dev", "platform": "linux", "mode": "cli" },
        });
        params[name] = value;
        ConnectParams::parse(params).unwrap_err()
    };
    assert_eq!(with("foo", json!(1)), "at root: unexpected property 'foo'");
    assert_eq!(
        with("minProtocol", json!(0)),
        "at /minProtocol: must be >= 1"
    );
    assert_eq!(
        with("scopes", json!([""])),
        "at /scopes/0: must NOT have fewer than 1 characters"
    );
    assert!(with("client", json!({ "id": "x" })).starts_with("at /client/id: must be one of"));
}

#[test]
fn credentials_never_print() {
    let params = ConnectParams::parse(json!({
        "minProtocol": 3, "maxProtocol": 3,
        "client": { "id": "cli", "version": "dev", "platform": "linux", "mode": "cli" },
        "auth": { "token": "hunter2", "password": "hunter2", "deviceToken": "hunter2" },
    }));
    assert!(!format!("{params:?}").contains("hunter2"));
}
