//! What it costs to be let in.

use std::time::Instant;

use openclaw_support::device::Device;
use openclaw_support::gateway::{Home, TOKEN};
use serde_json::{Value, json};

use crate::sample::{Sample, ms};
use crate::socket::{Socket, operator};
use crate::table::Table;

/// A known device beside a WebSocket upgrade that says nothing.
pub(crate) async fn known_device(bin: &str, scale: usize, table: &mut Table) {
    let home = Home::new(bin).config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;
    let port = gateway.port();
    let device = Device::new(1);
    let (_, hello) = enter(port, &device, json!({ "token": TOKEN })).await;
    let hello: Value = serde_json::from_str(&hello).expect("a frame");
    // From now on it shows its own token, as a device does that was here before.
    let auth = json!({ "token": hello["payload"]["auth"]["deviceToken"] });
    assert!(
        auth["token"].is_string(),
        "the device was not paired: {hello}"
    );
    let (mut bare, mut known) = (Sample::default(), Sample::default());
    for _ in 0..200 * scale {
        let start = Instant::now();
        let socket = Socket::upgrade(port).await;
        bare.push(start.elapsed());
        drop(socket);
        let (took, _) = enter(port, &device, auth.clone()).await;
        known.push(took);
    }
    let added = known.at(500).saturating_sub(bare.at(500));
    table.row("WebSocket upgrade alone, p50", ms(bare.at(500)), "");
    table.row("connect with a known device, p50", ms(known.at(500)), "");
    table.row(
        "connect with a known device above the upgrade, p50",
        ms(added),
        "≤ 1 ms",
    );
}

/// Connects a device; how long the gateway took (the device's own signature is not counted), and its answer.
async fn enter(port: u16, device: &Device, auth: Value) -> (std::time::Duration, String) {
    let start = Instant::now();
    let mut socket = Socket::upgrade(port).await;
    let challenge = socket.frame(r#""connect.challenge""#).await;
    let waited = start.elapsed();
    let challenge: Value = serde_json::from_str(&challenge).expect("a frame");
    let mut params = operator(auth);
    params["device"] = device.claim(&params, &challenge["payload"]);
    let start = Instant::now();
    let hello = socket.hello(params).await;
    (waited + start.elapsed(), hello)
}
