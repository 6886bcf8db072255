use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

use super::*;
use crate::config::tests::Home;

const SOON: Duration = Duration::from_secs(20);

/// The actor over the files of a home.
struct Running {
    home: Home,
    root: Root,
    current: Receiver<Arc<LoadedConfig>>,
    address: Address<ConfigMail>,
}

impl Running {
    async fn start(text: &str) -> Self {
        let home = Home::with(text);
        let (sender, current) = tokio::sync::watch::channel(Arc::new(home.load()));
        let args = ConfigArgs {
            paths: home.paths.clone(),
            env: Environment::default(),
            current: sender,
            ledger: openclaw_ledger::Ledger::memory(),
            on_change: Arc::new(|_| {}),
        };
        let directory = Directory::new();
        let spec = ChildSpec::actor::<ConfigActor>("config", args);
        let root = Root::start(directory.clone(), "gateway", vec![spec]).await;
        let path = ActorPath::new("config");
        let address = directory.address(&path);
        // The first answer comes after the watch began.
        address.ask(SOON, ConfigMail::Reload).await.unwrap();
        Self {
            home,
            root,
            current,
            address,
        }
    }

    /// Waits until what is in force fits.
    async fn until(&mut self, fits: impl FnMut(&Arc<LoadedConfig>) -> bool) -> Arc<LoadedConfig> {
        let waited = timeout(SOON, self.current.wait_for(fits)).await;
        waited.expect("in time").unwrap().clone()
    }

    async fn reload(&self) -> Reloaded {
        self.address.ask(SOON, ConfigMail::Reload).await.unwrap()
    }

    /// Writes as editors do: beside, then over.
    fn save(&self, text: &str) {
        self.home.write("openclaw.json~", text);
        let path = &self.home.paths.config_path;
        std::fs::rename(self.home.dir.path().join("openclaw.json~"), path).unwrap();
    }
}

#[tokio::test]
async fn a_saved_change_is_in_force_soon() {
    let mut running = Running::start("{ gateway: { port: 1, reload: { debounceMs: 5 } } }").await;
    for port in 2..5 {
        running.save(&format!(
            "{{ gateway: {{ port: {port}, reload: {{ debounceMs: 5 }} }} }}"
        ));
        running
            .until(|loaded| loaded.config.gateway.port == port)
            .await;
    }
    // In place, too, and in a file that the configuration came to include.
    let text = "{ gateway: { $include: 'gateway.json' } }";
    running
        .home
        .write("gateway.json", "{ port: 7, reload: { debounceMs: 5 } }");
    running.home.write("openclaw.json", text);
    running
        .until(|loaded| loaded.config.gateway.port == 7)
        .await;
    running.home.write("gateway.json", "{ port: 8 }");
    running
        .until(|loaded| loaded.config.gateway.port == 8)
        .await;
    running.root.shutdown(SOON).await;
}

#[tokio::test]
async fn what_works_goes_on_while_the_file_is_broken() {
    let mut running = Running::start("{ gateway: { port: 4, reload: { mode: 'off' } } }").await;
    running.save("{ gateway: {");
    let refused = running.reload().await;
    assert!(!refused.is_taken);
    let kept = running.until(|loaded| loaded.is_last_good).await;
    assert_eq!(kept.config.gateway.port, 4);
    assert!(kept.config.gateway.auth.is_valid());
    assert!(!kept.valid() && kept.issues[0].fix.is_some());

    running.save("{ gateway: { port: 5, reload: { mode: 'off' } } }");
    let taken = running.reload().await;
    assert!(taken.is_taken);
    assert_eq!(taken.change.takeup, Takeup::Hot);
    assert_eq!(taken.change.paths, ["gateway.port".parse().unwrap()]);
    assert!(running.until(|loaded| !loaded.is_last_good).await.valid());

    // The file is gone, and stays gone: what was in force stays too.
    std::fs::remove_file(&running.home.paths.config_path).unwrap();
    for _ in 0..2 {
        assert!(!running.reload().await.is_taken);
        assert_eq!(running.current.borrow().config.gateway.port, 5);
    }
    running.root.shutdown(SOON).await;
}

fn verdict(now: &Home, new: &Home) -> Verdict {
    judge(&now.load(), &new.load())
}

#[test]
fn a_good_change_is_taken_and_no_change_is_none() {
    let now = Home::with("{ gateway: { port: 1 } }");
    assert!(matches!(verdict(&now, &now), Verdict::Same));
    assert!(matches!(
        verdict(&now, &Home::with("{ gateway: { port: 2 } }")),
        Verdict::Take
    ));
    // The text counts too: clients send its hash back.
    assert!(matches!(
        verdict(&now, &Home::with("{ gateway: { port: 1 }, }")),
        Verdict::Take
    ));
}

#[test]
fn what_is_worse_is_kept_out() {
    let now = Home::with("{ session: { dmScope: 5 } }");
    for text in [
        "{ gateway: ",
        "{ session: { dmScope: 5 }, gateway: { port: 'x' } }",
    ] {
        assert!(
            matches!(verdict(&now, &Home::with(text)), Verdict::Keep(_)),
            "{text}"
        );
    }
    assert!(
        matches!(verdict(&now, &Home::new()), Verdict::Keep(_)),
        "the file is gone"
    );
    for blank in ["", " \n"] {
        let new = Home::with(blank);
        assert!(matches!(verdict(&now, &new), Verdict::Keep(_)), "cut off");
        assert!(matches!(
            verdict(&new, &Home::with("")),
            Verdict::Same | Verdict::Take
        ));
    }
}

#[test]
fn a_mistake_that_was_there_does_not_keep_other_changes_out() {
    let now = Home::with("{ session: { dmScope: 5 } }");
    let new = Home::with("{ session: { dmScope: 5 }, gateway: { port: 2 } }");
    assert!(matches!(verdict(&now, &new), Verdict::Take));
}
