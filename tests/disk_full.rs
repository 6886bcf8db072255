//! A disk that really fills up, under the whole process: refused visibly, nothing lost, on again by itself.
//!
//! Needs the right to mount a small file system in memory (root); without it there is nothing to fill.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use openclaw_support::gateway::{Gateway, Home, pause};
use openclaw_support::telegram::{FakeTelegram, Person, TOKEN as BOT};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(60);
const ANN: i64 = 101;

/// A disk of 48 MiB that is gone with this.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
            .arg(at);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes every byte that is left.
    fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a gateway that a failed test left behind may still hold it.
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

/// Waits for a word in what `/readyz` says.
async fn until_ready_says(gateway: &Gateway, word: &str) {
    let wait = async {
        loop {
            if let Ok(answer) = reqwest::get(gateway.url("/readyz")).await
                && answer.text().await.is_ok_and(|said| said.contains(word))
            {
                return;
            }
            pause().await;
        }
    };
    let seen = tokio::time::timeout(WITHIN, wait).await;
    assert!(seen.is_ok(), "never {word:?}:\n{}", gateway.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_and_is_said_and_goes_by_itself() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw"));
    let Some(disk) = Disk::mount(&home.state()) else {
        println!("skipped: mounting needs root");
        return;
    };
    let telegram = FakeTelegram::start().await;
    home.write_config(json!({ "channels": { "telegram": {
        "botToken": BOT, "apiRoot": telegram.root(), "dmPolicy": "allowlist", "allowFrom": [ANN],
    } } }));
    let ann = Person::new(ANN, "Ann");
    let mut gateway = home.start("");
    gateway.ready().await;
    telegram.push_message(BOT, &ann, "one");
    telegram.wait_sent_to(ANN, 1, WITHIN).await;

    disk.fill();
    until_ready_says(&gateway, "the disk is full").await;
    telegram.push_message(BOT, &ann, "two");
    let mut client = gateway.client().await;
    let send = json!({ "sessionKey": "main", "message": "hello", "idempotencyKey": "k" });
    let error = client.call("chat.send", send.clone()).await.unwrap_err();
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("the disk is full"),
        "{error}"
    );
    let trace = client.call("messages.trace", json!({ "id": "k" })).await;
    trace.expect_err("what was refused is not there");

    // Killed, and started again on a disk without a byte left.
    gateway.kill();
    disk.fill();
    let mut gateway = home.start("");
    until_ready_says(&gateway, "the disk is full").await;
    assert_eq!(telegram.sent_to(ANN).len(), 1);
    assert!(
        telegram.unconfirmed(BOT) > 0,
        "the platform still has the message"
    );
    assert!(gateway.try_exit().is_none());

    disk.clear();
    gateway.ready().await;
    telegram.wait_sent_to(ANN, 2, WITHIN).await;
    let mut client = gateway.client().await;
    client.call("chat.send", send).await.unwrap();
    client.run_events("k").await;
    gateway.kill();
}
