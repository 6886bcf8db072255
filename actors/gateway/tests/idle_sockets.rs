//! What an idle socket costs. A process of its own: it measures the memory of the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code, reason = "shared with the other tests of the port")]
#[path = "ingress/house.rs"]
mod house;

use serde_json::json;

use crate::house::House;

/// Greets over a plain socket, which keeps no buffers on this side of the process.
fn greet(address: std::net::SocketAddr) -> std::net::TcpStream {
    use std::io::Read;
    use std::io::Write;

    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let upgrade = format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).unwrap();
    let connect = json!({
        "type": "req", "id": "1", "method": "connect",
        "params": {
            "minProtocol": 4, "maxProtocol": 4,
            "client": { "id": "cli", "version": "t", "platform": "linux", "mode": "cli" },
            "scopes": ["operator.read"],
            "auth": { "token": crate::house::TOKEN },
        },
    });
    let connect = connect.to_string();
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(connect.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(connect.as_bytes());
    stream.write_all(&frame).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !seen.windows(8).any(|window| window == b"hello-ok") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&buffer[..count]);
    }
    stream
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sockets_are_small() {
    const WARM: usize = 200;
    const SOCKETS: usize = 1000;
    let house = House::start().await;
    let address = house.address;
    let open = move |count: usize| (0..count).map(|_| greet(address)).collect::<Vec<_>>();
    // The first ones pay for what is allocated once.
    let first = tokio::task::spawn_blocking(move || open(WARM))
        .await
        .unwrap();
    let before = resident_kb();
    let more = tokio::task::spawn_blocking(move || open(SOCKETS))
        .await
        .unwrap();
    let each = (resident_kb() - before) as f64 / SOCKETS as f64;
    assert_eq!(house.services.hub.subscribers(), WARM + SOCKETS);
    // The promise is 15 KB on the release build; this one has a coarser allocator.
    assert!(each < 24.0, "{each:.1} KB a socket");
    drop((first, more));
}
