use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::Strategy;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::Issuer;
use super::KeeperArgs;
use super::access;
use super::spec;
use crate::account::Kept;
use crate::error::ModelErrorKind;

const LONG: Duration = Duration::from_secs(10);

/// Renews a token once each, as issuers do: what was spent is refused.
struct FakeIssuer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl FakeIssuer {
    #[allow(clippy::disallowed_methods)] // a test has no supervisor
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                let mut piece = [0; 4096];
                while !text.contains("client_id=c") {
                    let length = stream.read(&mut piece).await.unwrap();
                    text.push_str(&String::from_utf8_lossy(&piece[..length]));
                }
                let spent = text.split("refresh_token=").nth(1).unwrap();
                let spent = spent.split('&').next().unwrap().to_owned();
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(spent.clone());
                    log.len()
                };
                let (status, body) = match spent == format!("r{}", number - 1) {
                    true => (
                        200,
                        json!({ "access_token": format!("a{number}"),
                        "refresh_token": format!("r{number}"), "expires_in": 3600 }),
                    ),
                    false => (400, json!({ "error": "invalid_grant" })),
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} S\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let answer = format!("{head}{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self {
            url,
            asked,
            serving,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn stored(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn write(dir: &tempfile::TempDir, refresh: &str) -> PathBuf {
    let file = dir.path().join("auth-profiles.json");
    let profile = json!({ "version": 1, "unknown": { "kept": true }, "profiles": { "p:me": {
        "type": "oauth", "provider": "p", "access": "a0", "refresh": refresh, "expires": 1,
        "accountId": "acc", "email": "me@x.org" } } });
    std::fs::write(&file, profile.to_string()).unwrap();
    file
}

async fn start(file: &Path, issuer: &FakeIssuer) -> (Root, Directory) {
    let keeper = spec(KeeperArgs {
        id: "p:me".into(),
        kept: Kept::SignIn {
            provider: "p".into(),
            file: file.to_owned(),
        },
        issuer: Issuer {
            url: issuer.url.clone(),
            client_id: "c".into(),
            json: false,
        },
    });
    let providers = ChildSpec::supervisor("providers", Strategy::OneForOne, vec![keeper]);
    let directory = Directory::new();
    let root = Root::start(directory.clone(), "gateway", vec![providers]).await;
    (root, directory)
}

#[tokio::test]
async fn fifty_calls_at_the_expiry_of_a_token_renew_it_once() {
    let (dir, issuer) = (tempfile::tempdir().unwrap(), FakeIssuer::start().await);
    let file = write(&dir, "r0");
    let (root, directory) = start(&file, &issuer).await;
    let calls = (0..50).map(|_| access(&directory, "p:me"));
    for granted in futures_util::future::join_all(calls).await {
        let granted = granted.unwrap();
        assert_eq!(granted.key.unwrap().expose(), "a1");
        assert_eq!(granted.account.as_deref(), Some("acc"));
    }
    assert_eq!(issuer.asked(), ["r0"]);
    // What is good for one time only was on the disk before anybody used what came with it.
    let stored = stored(&file);
    let profile = &stored["profiles"]["p:me"];
    assert_eq!(
        (&profile["refresh"], &profile["access"]),
        (&json!("r1"), &json!("a1"))
    );
    assert_eq!(
        (&profile["email"], &stored["unknown"]["kept"]),
        (&json!("me@x.org"), &json!(true))
    );
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn a_restarted_keeper_reads_what_it_wrote_and_a_refused_token_is_renewed() {
    let (dir, issuer) = (tempfile::tempdir().unwrap(), FakeIssuer::start().await);
    let file = write(&dir, "r0");
    let (root, directory) = start(&file, &issuer).await;
    access(&directory, "p:me").await.unwrap();
    root.shutdown(LONG).await;
    let (root, directory) = start(&file, &issuer).await;
    let again = access(&directory, "p:me").await.unwrap();
    assert_eq!(again.key.unwrap().expose(), "a1");
    assert_eq!(issuer.asked(), ["r0"]);
    super::doubt(&directory, "p:me");
    let renewed = access(&directory, "p:me").await.unwrap();
    assert_eq!(renewed.key.unwrap().expose(), "a2");
    assert_eq!(issuer.asked(), ["r0", "r1"]);
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn a_sign_in_that_is_over_says_how_to_sign_in_again_and_is_not_asked_for_at_each_call() {
    let (dir, issuer) = (tempfile::tempdir().unwrap(), FakeIssuer::start().await);
    let file = write(&dir, "spent");
    let (root, directory) = start(&file, &issuer).await;
    for _ in 0..5 {
        let error = access(&directory, "p:me").await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Auth);
        assert!(
            error
                .message
                .contains("openclaw models auth login --provider p")
        );
    }
    assert_eq!(issuer.asked().len(), 1);
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn keys_that_another_program_renews_are_read_again_when_they_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let files = crate::bedrock::AwsFiles {
        credentials: dir.path().join("credentials"),
        config: dir.path().join("config"),
        profile: "default".into(),
    };
    let put = |id: &str| {
        let text = format!("[default]\naws_access_key_id={id}\naws_secret_access_key=s\n");
        std::fs::write(&files.credentials, text).unwrap();
    };
    put("A1");
    let kept = Kept::Amazon {
        files: files.clone(),
        region: "eu-west-1".into(),
    };
    let keeper = spec(KeeperArgs {
        id: "aws:default".into(),
        issuer: Issuer::of(&kept).unwrap(),
        kept,
    });
    let providers = ChildSpec::supervisor("providers", Strategy::OneForOne, vec![keeper]);
    let directory = Directory::new();
    let root = Root::start(directory.clone(), "gateway", vec![providers]).await;
    let id = async || {
        let granted = access(&directory, "aws:default").await.unwrap();
        granted.aws.unwrap().id
    };
    assert_eq!(id().await, "A1");
    put("A2");
    assert_eq!(id().await, "A1");
    super::doubt(&directory, "aws:default");
    assert_eq!(id().await, "A2");
    root.shutdown(LONG).await;
}
