//! The gateway under test: the real binary in a process of its own, with an empty home.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Hello};

/// The token every test gateway is configured with.
pub const TOKEN: &str = "test-token-0123456789abcdef";

/// How to start a gateway: its state folder outlives the processes that run on it.
#[derive(Debug)]
pub struct Home {
    dir: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
    env: Vec<(String, String)>,
}

/// A running gateway process.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    port: u16,
    log: PathBuf,
    pub started: Instant,
}

impl Home {
    /// An empty home for the binary at `$OPENCLAW_BIN`, else at `bin`.
    pub fn new(bin: &str) -> Self {
        let bin =
            std::env::var_os("OPENCLAW_BIN").map_or_else(|| PathBuf::from(bin), PathBuf::from);
        let dir = tempfile::Builder::new()
            .prefix("openclaw-test-")
            .tempdir()
            .expect("a temp folder");
        Self {
            dir,
            bin,
            port: free_port(),
            env: Vec::new(),
        }
    }

    /// Writes `openclaw.json`: the test's settings over a gateway section with this home's port and token.
    pub fn config(self, settings: Value) -> Self {
        self.write_config(settings);
        self
    }

    /// As [`Home::config`], for a gateway that already runs.
    pub fn write_config(&self, settings: Value) {
        let mut whole = json!({
            "gateway": { "port": self.port, "auth": { "mode": "token", "token": TOKEN } },
            "logging": { "file": self.state().join("gateway.log") },
        });
        merge(&mut whole, settings);
        std::fs::create_dir_all(self.state()).expect("the state folder");
        let temp = self.state().join("openclaw.json.tmp");
        std::fs::write(&temp, serde_json::to_vec_pretty(&whole).expect("json"))
            .expect("the config");
        std::fs::rename(temp, self.state().join("openclaw.json")).expect("the config");
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// As [`Home::env`], for the processes started from now on.
    pub fn set_env(&mut self, name: &str, value: impl Into<String>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
    }

    /// A command of the binary in this home: nothing of the developer's own environment reaches it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.bin);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("OPENCLAW_STATE_DIR", self.state())
            .env("OPENCLAW_DISABLE_DISCOVERY", "1")
            .env("TZ", "UTC")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    /// Starts `openclaw gateway run` with these fault points armed (`""` for none).
    pub fn start(&self, faults: &str) -> Gateway {
        self.start_with(&["gateway", "run"], faults)
    }

    pub fn start_with(&self, arguments: &[&str], faults: &str) -> Gateway {
        let log = self.dir.path().join("gateway.out");
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the output file");
        let mut command = self.command(arguments);
        command
            .stdout(out.try_clone().expect("a second handle"))
            .stderr(out);
        if !faults.is_empty() {
            command.env("OPENCLAW_FAULTS", faults);
        }
        let started = Instant::now();
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", self.bin.display()));
        Gateway {
            child,
            port: self.port,
            log,
            started,
        }
    }
}

impl Gateway {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The resident set of the process, from the kernel.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the gateway runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 = line
            .and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
            .expect("its resident set");
        kilobytes * 1024
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What the process has printed and logged.
    pub fn output(&self) -> String {
        let printed = std::fs::read_to_string(&self.log).unwrap_or_default();
        let logged = self.log.with_file_name("state").join("gateway.log");
        printed + &std::fs::read_to_string(logged).unwrap_or_default()
    }

    /// Waits until the intake is open.
    pub async fn ready(&mut self) {
        // A test that asks nothing else over HTTP has no provider yet.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::new();
        let url = self.url("/readyz");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(answer) = http.get(&url).send().await
                && answer.status().is_success()
            {
                return;
            }
            if let Some(status) = self.try_exit() {
                panic!(
                    "the gateway ended ({status}) before it was ready:\n{}",
                    self.output()
                );
            }
            assert!(
                Instant::now() < deadline,
                "the gateway is not ready:\n{}",
                self.output()
            );
            pause().await;
        }
    }

    /// A client with every right.
    pub async fn client(&self) -> Client {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        Client::connect(address, Hello::new(3, 4).token(TOKEN))
            .await
            .expect("the gateway takes a client")
    }

    pub fn try_exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be waited for")
    }

    /// Waits for the process to end; `None` at the deadline.
    pub async fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.try_exit() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            pause().await;
        }
    }

    /// SIGKILL, and reaps it.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Sends a signal by name ("TERM", "STOP", …).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status();
        assert!(status.is_ok_and(|s| s.success()), "kill -{name} failed");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Polls `condition` until it holds; panics with `what` at the deadline.
pub async fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        pause().await;
    }
}

/// The step of a polling wait: short against any deadline here, long enough to leave the machine to the gateway.
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// A port nobody listens on right now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Lays `over` on `base`, objects key by key.
pub fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}
