//! Devices from the first knock to the end of their access, over real sockets and files.

use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::client::Refusal;
use openclaw_support::client::http;
use openclaw_support::client::http_with;
use openclaw_support::device::Device;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

const ALL: &[&str] = &[
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.pairing",
];

/// A proxy in front of the gateway: what comes through it comes from elsewhere.
async fn proxied() -> House {
    House::with(json!({ "gateway": { "trustedProxies": ["127.0.0.1"] } })).await
}

fn hello(version: u32, device: &Device) -> Hello {
    Hello::new(version, version)
        .token(TOKEN)
        .scopes(ALL)
        .device(device)
}

fn elsewhere(version: u32, device: &Device) -> Hello {
    hello(version, device).header("X-Forwarded-For", "203.0.113.9")
}

async fn refused(house: &House, hello: Hello) -> (Value, u16, String) {
    match Client::connect(house.address, hello).await {
        Err(Refusal::Connect(error, code, reason)) => (error, code, reason),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_local_device_that_knows_the_secret_is_paired_at_once_and_gets_a_token() {
    let house = House::start().await;
    let mut operator = Client::connect(house.address, hello(4, &Device::new(1)))
        .await
        .unwrap();
    for version in [3, 4] {
        let device = Device::new(10 + u8::try_from(version).unwrap());
        let client = Client::connect(house.address, hello(version, &device)).await;
        let auth = client.unwrap().hello["auth"].clone();
        assert_eq!(auth["role"], "operator");
        let token = auth["deviceToken"].as_str().unwrap().to_owned();
        assert!(auth["issuedAtMs"].is_i64());
        let resolved = operator
            .event_where("device.pair.resolved", |p| p["deviceId"] == device.id)
            .await;
        assert_eq!(resolved["payload"]["decision"], "approved");
        // Next time the token alone is enough, in either field.
        for field in ["token", "deviceToken"] {
            let again = hello(version, &device).with("auth", json!({ field: token }));
            let client = Client::connect(house.address, again).await.unwrap();
            assert_eq!(client.hello["auth"]["deviceToken"], token);
            if version == 4 {
                assert_eq!(client.hello["auth"]["method"], "device-token");
            }
        }
    }
    let folder = house.state_dir().join("devices");
    let stored: Value =
        serde_json::from_slice(&std::fs::read(folder.join("paired.json")).unwrap()).unwrap();
    assert_eq!(stored.as_object().unwrap().len(), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.join("paired.json")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_device_from_elsewhere_waits_for_an_approval() {
    let house = proxied().await;
    let mut operator = Client::connect(house.address, hello(4, &Device::new(1)))
        .await
        .unwrap();
    let device = Device::new(2);
    let (error, code, reason) = refused(&house, elsewhere(3, &device)).await;
    assert_eq!(error["code"], "NOT_PAIRED");
    assert_eq!(
        (error["message"].as_str(), code),
        (Some("pairing required"), 1008)
    );
    assert_eq!(reason, "pairing required");
    let request_id = error["details"]["requestId"].as_str().unwrap().to_owned();
    let asked = operator.event("device.pair.requested").await;
    assert_eq!(asked["payload"]["requestId"], request_id);
    assert_eq!(asked["payload"]["remoteIp"], "203.0.113.9");
    // The same request again is the same request.
    let (error, _, reason) = refused(&house, elsewhere(4, &device)).await;
    assert_eq!(error["details"]["code"], "PAIRING_REQUIRED");
    assert_eq!(error["details"]["reason"], "not-paired");
    assert_eq!(error["details"]["requestId"], request_id);
    assert_eq!(
        error["message"],
        "pairing required: device is not approved yet"
    );
    assert!(
        reason.ends_with(&format!("(requestId: {request_id})")),
        "{reason}"
    );

    let listed = operator.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(listed["pending"][0]["requestId"], request_id);
    let approve = json!({ "requestId": request_id });
    let approved = operator
        .call("device.pair.approve", approve.clone())
        .await
        .unwrap();
    assert_eq!(approved["device"]["deviceId"], device.id);
    let again = operator
        .call("device.pair.approve", approve)
        .await
        .unwrap_err();
    assert_eq!(again["message"], "unknown requestId");
    let client = Client::connect(house.address, elsewhere(4, &device))
        .await
        .unwrap();
    assert!(client.hello["auth"]["deviceToken"].is_string());
    let listed = operator.call("device.pair.list", json!({})).await.unwrap();
    let row = listed["paired"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["deviceId"] == device.id)
        .unwrap();
    assert_eq!(row["connected"], true);
    assert_eq!(row["tokens"][0]["role"], "operator");
    assert!(row["tokens"][0]["token"].is_null(), "{row}");
    // Tokens are for the files and their owners only.
    let token = client.hello["auth"]["deviceToken"].as_str().unwrap();
    assert!(!listed.to_string().contains(token));
    // A page reads its settings with it, and as often as it likes; nothing else takes it over HTTP.
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    for _ in 0..12 {
        let settings = http(house.address, "GET", "/control-ui-config.json", &headers).await;
        assert_eq!(settings.status, 200, "{}", settings.body);
    }
    let invoked = http_with(house.address, "POST", "/tools/invoke", &headers, "{}").await;
    assert_eq!(invoked.status, 401);
}

#[tokio::test]
async fn who_holds_less_than_is_asked_for_can_not_approve_it() {
    let house = proxied().await;
    let (error, ..) = refused(&house, elsewhere(4, &Device::new(2))).await;
    let request = json!({ "requestId": error["details"]["requestId"] });
    let pairing = Hello::new(4, 4)
        .token(TOKEN)
        .scopes(&["operator.pairing", "operator.read"]);
    let mut helper = Client::connect(house.address, pairing).await.unwrap();
    let error = helper
        .call("device.pair.approve", request.clone())
        .await
        .unwrap_err();
    assert_eq!(error["code"], "FORBIDDEN");
    assert_eq!(error["details"]["missingScope"], "operator.admin");
    let mut reader = Client::connect(
        house.address,
        Hello::new(4, 4).token(TOKEN).scopes(&["operator.read"]),
    )
    .await
    .unwrap();
    let error = reader
        .call("device.pair.list", json!({}))
        .await
        .unwrap_err();
    assert_eq!(error["message"], "missing scope: operator.pairing");
    let rejected = helper.call("device.pair.reject", request).await.unwrap();
    assert_eq!(rejected["deviceId"], Device::new(2).id);
}

#[tokio::test]
async fn what_is_taken_back_ends_live_connections_at_once() {
    let house = House::start().await;
    let mut operator = Client::connect(house.address, hello(4, &Device::new(1)))
        .await
        .unwrap();
    let device = Device::new(2);
    let of_device = json!({ "deviceId": device.id, "role": "operator" });
    let only_device = json!({ "deviceId": device.id });
    for (method, params, reason) in [
        (
            "device.token.rotate",
            &of_device,
            "client invalidated: device token rotated",
        ),
        (
            "device.token.revoke",
            &of_device,
            "client invalidated: device token revoked",
        ),
        ("device.pair.remove", &only_device, "device removed"),
    ] {
        let mut client = Client::connect(house.address, hello(4, &device))
            .await
            .unwrap();
        let token = client.hello["auth"]["deviceToken"].clone();
        let mut other = Client::connect(house.address, hello(3, &device))
            .await
            .unwrap();
        let answer = operator.call(method, params.clone()).await.unwrap();
        let answered = std::time::Instant::now();
        assert_eq!(client.closed().await, (4001, reason.to_owned()), "{method}");
        assert_eq!(other.closed().await, (4001, reason.to_owned()), "{method}");
        // S5: within a second.
        assert!(
            answered.elapsed() < std::time::Duration::from_secs(1),
            "{method}"
        );
        assert_eq!(answer["deviceId"], device.id);
        assert!(answer["token"].is_null(), "{method}: {answer}");
        let old = hello(4, &device).with("auth", json!({ "deviceToken": token }));
        let (error, ..) = refused(&house, old).await;
        assert_eq!(
            error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH",
            "{method}"
        );
    }
    assert!(
        operator.call("health", json!({})).await.is_ok(),
        "others stay"
    );
}

#[tokio::test]
async fn a_device_that_ends_itself_hears_the_answer_first() {
    let house = House::start().await;
    let device = Device::new(1);
    let mut client = Client::connect(house.address, hello(4, &device))
        .await
        .unwrap();
    let rotate = json!({ "deviceId": device.id, "role": "operator" });
    let rotated = client
        .call("device.token.rotate", rotate.clone())
        .await
        .unwrap();
    let token = rotated["token"].as_str().unwrap();
    let by_token = hello(4, &device).with("auth", json!({ "deviceToken": token }));
    assert!(Client::connect(house.address, by_token).await.is_ok());
    let revoked = client.call("device.token.revoke", rotate).await.unwrap();
    assert!(revoked["revokedAtMs"].is_i64());
    assert_eq!(client.closed().await.0, 4001);
}

#[tokio::test]
async fn a_device_without_administration_manages_itself_only() {
    let house = House::start().await;
    let (own, other) = (Device::new(1), Device::new(2));
    drop(
        Client::connect(house.address, hello(4, &other))
            .await
            .unwrap(),
    );
    let limited = || {
        Hello::new(4, 4)
            .token(TOKEN)
            .scopes(&["operator.pairing"])
            .device(&own)
    };
    let first = Client::connect(house.address, limited()).await.unwrap();
    let token = first.hello["auth"]["deviceToken"].clone();
    let by_token = limited().with("auth", json!({ "deviceToken": token }));
    let mut client = Client::connect(house.address, by_token).await.unwrap();
    let listed = client.call("device.pair.list", json!({})).await.unwrap();
    let ids: Vec<&Value> = listed["paired"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["deviceId"])
        .collect();
    assert_eq!(ids, [&json!(own.id)]);
    for (method, params) in [
        ("device.pair.remove", json!({ "deviceId": other.id })),
        (
            "device.token.revoke",
            json!({ "deviceId": other.id, "role": "operator" }),
        ),
    ] {
        let error = client.call(method, params).await.unwrap_err();
        assert_eq!(error["code"], "FORBIDDEN", "{method}: {error}");
    }
    // Neither forged rights nor a second role come by asking.
    let more = limited()
        .scopes(ALL)
        .with("auth", json!({ "deviceToken": token }));
    assert_eq!(
        refused(&house, more).await.0["details"]["code"],
        "AUTH_SCOPE_MISMATCH"
    );
    let node = hello(4, &own).with("role", json!("node")).scopes(&[]);
    let (error, ..) = refused(&house, node).await;
    assert_eq!(error["details"]["reason"], "role-upgrade");
}

#[tokio::test]
async fn a_set_up_code_lets_one_phone_in_once() {
    let house = proxied().await;
    let mut operator = Client::connect(house.address, hello(4, &Device::new(1)))
        .await
        .unwrap();
    let error = operator
        .call("device.pair.setupCode", json!({}))
        .await
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("this machine only"),
        "{error}"
    );
    let ask = json!({ "publicUrl": "wss://claw.example", "includeQr": true });
    let made = operator.call("device.pair.setupCode", ask).await.unwrap();
    assert_eq!(made["access"], "limited");
    assert!(
        made["qrDataUrl"]
            .as_str()
            .unwrap()
            .starts_with("data:image/png;base64,")
    );
    let setup = json!({ "setupId": made["setupId"] });
    assert_eq!(
        operator
            .call("device.pair.setupStatus", setup.clone())
            .await,
        Ok(json!({}))
    );
    let token = bootstrap_token(&made);
    let phone = |number: u8, token: &str| {
        Hello::new(4, 4)
            .with("role", json!("node"))
            .scopes(&[])
            .with("auth", json!({ "bootstrapToken": token }))
            .with(
                "client",
                json!({
                    "id": "openclaw-ios", "version": "1", "platform": "iOS 18.4.0",
                    "deviceFamily": "iPhone", "mode": "node", "displayName": "Ann's phone",
                }),
            )
            .device(&Device::new(number))
            .header("X-Forwarded-For", "203.0.113.9")
    };
    let (error, ..) = refused(&house, phone(5, "wrong")).await;
    assert_eq!(error["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID");
    let client = Client::connect(house.address, phone(5, &token))
        .await
        .unwrap();
    let auth = &client.hello["auth"];
    assert_eq!(
        (&auth["role"], &auth["method"]),
        (&json!("node"), &json!("bootstrap-token"))
    );
    assert_eq!(auth["deviceTokens"][0]["role"], "operator");
    let scopes = auth["deviceTokens"][0]["scopes"].to_string();
    assert!(
        scopes.contains("operator.write") && !scopes.contains("admin"),
        "{scopes}"
    );
    let done = operator.event("device.pair.setup.completed").await;
    assert_eq!(done["payload"]["deviceName"], "Ann's phone");
    let status = operator
        .call("device.pair.setupStatus", setup)
        .await
        .unwrap();
    assert_eq!(status["completion"]["deviceId"], Device::new(5).id);
    let (error, ..) = refused(&house, phone(6, &token)).await;
    assert_eq!(error["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID");
    // The operator half of the phone comes by its own token.
    let operator_token = auth["deviceTokens"][0]["deviceToken"].clone();
    let half = Hello::new(4, 4)
        .scopes(&["operator.read", "operator.write"])
        .with("auth", json!({ "deviceToken": operator_token }))
        .with(
            "client",
            json!({
                "id": "openclaw-ios", "version": "1", "platform": "iOS 18.4.0",
                "deviceFamily": "iPhone", "mode": "ui",
            }),
        )
        .device(&Device::new(5))
        .header("X-Forwarded-For", "203.0.113.9");
    assert!(Client::connect(house.address, half).await.is_ok());
}

fn bootstrap_token(made: &Value) -> String {
    use base64::Engine;
    let code = made["setupCode"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(code)
        .unwrap();
    let content: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(content["url"], "wss://claw.example");
    content["bootstrapToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_gateway_stays_reachable_when_devices_can_not_be_stored() {
    let house = House::start().await;
    // A file where the folder should be: every write fails.
    std::fs::write(house.state_dir().join("devices"), "").unwrap();
    let client = Client::connect(house.address, hello(4, &Device::new(1))).await;
    let hello = client.unwrap().hello;
    assert_eq!(hello["auth"]["scopes"].as_array().unwrap().len(), ALL.len());
    assert!(hello["auth"]["deviceToken"].is_null());
}

#[tokio::test]
async fn what_is_stored_counts_after_a_restart() {
    let first = House::start().await;
    let device = Device::new(1);
    let client = Client::connect(first.address, hello(4, &device))
        .await
        .unwrap();
    let token = client.hello["auth"]["deviceToken"].clone();
    let devices = openclaw_gateway::device::Devices::open(
        first.state_dir().join("devices"),
        &openclaw_runtime::Directory::new(),
    );
    let known = devices.book().paired[&device.id].clone();
    assert_eq!(json!(known.tokens["operator"].token.expose()), token);
    // A file that can't be read lets nobody in, and is kept.
    let folder = first.state_dir().join("devices");
    std::fs::write(folder.join("paired.json"), "{ torn").unwrap();
    let devices =
        openclaw_gateway::device::Devices::open(&folder, &openclaw_runtime::Directory::new());
    assert!(devices.book().paired.is_empty());
    let kept = std::fs::read_to_string(folder.join("paired.json.broken")).unwrap();
    assert_eq!(kept, "{ torn");
}
