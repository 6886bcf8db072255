//! The command line and a gateway elsewhere that is reached by `ssh`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use openclaw_support::gateway::{Home, TOKEN, wait_until};
use serde_json::json;

/// Stands in for `ssh`: forwards as it is told, and notes its number and its words.
const SSH: &str = r#"#!/usr/bin/env python3
import os, socket, sys, threading
words = sys.argv[1:]
folder = os.path.dirname(os.path.abspath(__file__))
open(os.path.join(folder, "words"), "w").write(" ".join(words))
open(os.path.join(folder, "number"), "w").write(str(os.getpid()))
if words[-1] == "nobody@home":
    sys.exit("nobody@home: Permission denied (publickey).")
near, far = words[words.index("-L") + 1].split(":")[1::2]
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
listener = socket.create_server(("127.0.0.1", int(near)))
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", int(far)))
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"#;

fn client(far: u16, target: &str) -> Home {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw"));
    let ssh = home.dir().join("ssh");
    std::fs::write(&ssh, SSH).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        home.dir().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    home.env("PATH", path).config(json!({ "gateway": {
        "mode": "remote",
        "remote": {
            "transport": "ssh", "sshTarget": target, "url": format!("ws://127.0.0.1:{far}"), "token": TOKEN,
        },
    } }))
}

#[tokio::test]
async fn a_gateway_behind_ssh_is_asked_through_a_tunnel_that_ends_with_the_command() {
    let server = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({}));
    let mut gateway = server.start("");
    gateway.ready().await;
    let home = client(server.port(), "ann@home");
    let output = home.command(&["health", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let words = read(&home.dir().join("words"));
    assert!(words.ends_with("-- ann@home"), "{words}");
    let number = read(&home.dir().join("number"));
    let is_gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat"));
        stat.is_ok_and(|stat| stat.contains(") Z "))
            || !Path::new(&format!("/proc/{number}")).exists()
    };
    wait_until("ssh ended", Duration::from_secs(2), is_gone).await;
}

#[test]
fn what_ssh_says_is_shown_when_there_is_no_tunnel() {
    let home = client(1, "nobody@home");
    let output = home.command(&["health"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    assert!(said.contains("no tunnel to nobody@home"), "{said}");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
