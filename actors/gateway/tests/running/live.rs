//! The gateway under test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openclaw_gateway::config::ConfigMail;
use openclaw_gateway::config::Environment;
use openclaw_gateway::config::Reloaded;
use openclaw_gateway::gateway::BootOptions;
use openclaw_gateway::gateway::Gateway;
use openclaw_gateway::gateway::Overrides;
use openclaw_gateway::gateway::Running;
use openclaw_gateway::paths::Paths;
use openclaw_runtime::ActorPath;
use openclaw_runtime::TreeNode;
use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::gateway::merge;
use openclaw_support::gateway::wait_until;
use serde_json::Value;
use serde_json::json;

pub(crate) const TOKEN: &str = "test-token-0123456789abcdef";
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A running gateway.
pub(crate) struct Live {
    pub(crate) running: Running,
    pub(crate) paths: Paths,
    dir: tempfile::TempDir,
}

/// The settings with what every gateway here needs: a token, and no reading of the file behind the test's back.
pub(crate) fn settings(more: Value) -> Value {
    let mut all = json!({ "gateway": {
        "auth": { "mode": "token", "token": TOKEN }, "reload": { "mode": "off" },
        "port": openclaw_support::gateway::free_port(),
    }});
    merge(&mut all, more);
    all
}

impl Live {
    pub(crate) async fn start(settings: &Value) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// Over what an earlier gateway left.
    pub(crate) async fn start_in(dir: tempfile::TempDir, settings: &Value) -> Self {
        let paths = Paths::under(dir.path());
        std::fs::write(&paths.config_path, settings.to_string()).unwrap();
        let running = Gateway::start(BootOptions {
            paths: paths.clone(),
            environment: Environment::default(),
            overrides: Overrides::default(),
            assets: |_| None,
            version: "0.0.0-test",
            log_file: Arc::new(|| None),
            alive: None,
        })
        .await
        .unwrap();
        let live = Self {
            running,
            paths,
            dir,
        };
        live.settled(0).await;
        live
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_at(self.running.address().port()).await
    }

    pub(crate) async fn client_at(&self, port: u16) -> Client {
        let hello = Hello::new(4, 4).token(TOKEN);
        let address = ([127, 0, 0, 1], port).into();
        Client::connect(address, hello).await.expect("admitted")
    }

    /// Saves other settings and takes them up, as a save by hand does; returns when the tree follows.
    pub(crate) async fn take_up(&self, settings: &Value) -> Reloaded {
        let before = self.node("models").map_or(0, |node| node.handled);
        std::fs::write(&self.paths.config_path, settings.to_string()).unwrap();
        let config = self.running.directory().address(&ActorPath::new("config"));
        let reloaded = config.ask(SOON, ConfigMail::Reload).await.unwrap();
        if reloaded.is_taken {
            self.settled(before + 2).await;
        }
        reloaded
    }

    /// Waits until the catalogue was built (its actor has handled so much mail) and the tree was compared.
    async fn settled(&self, handled: u64) {
        let is_quiet = |node: &TreeNode| {
            let busy = ["build", "reconcile", "move", "bind"];
            let mut tasks = node.children.iter().filter(|child| child.is_task);
            node.queued == 0
                && node.current.is_none()
                && !tasks.any(|task| busy.contains(&&*task.name))
        };
        wait_until("the tree follows the configuration", SOON, || {
            ["models", "keeper", "ingress/http"].iter().all(|path| {
                let node = self.node(path);
                node.is_some_and(|node| {
                    is_quiet(&node) && (*path != "models" || node.handled >= handled)
                })
            })
        })
        .await;
    }

    pub(crate) fn node(&self, path: &str) -> Option<TreeNode> {
        self.running
            .directory()
            .tree(Some(&ActorPath::new(path)), None)
    }

    /// Every actor with its incarnation.
    pub(crate) fn actors(&self) -> BTreeMap<String, u64> {
        let tree = self.running.directory().tree(None, None).unwrap();
        let nodes = tree.walk().into_iter().filter(|node| !node.is_task);
        nodes
            .map(|node| (node.path.to_string(), node.generation))
            .collect()
    }

    /// Ends it; the files stay.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.running
            .shutdown("the test is over", Duration::from_secs(5))
            .await;
        self.dir
    }
}
