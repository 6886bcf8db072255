//! The rules of every place in the tree, in one table: a change of them is a change of this page.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::Ledger;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Past;
use openclaw_runtime::Restart;
use openclaw_runtime::Shutdown;
use serde_json::json;

use crate::config;
use crate::config::Environment;
use crate::gateway::BootOptions;
use crate::gateway::Overrides;
use crate::gateway::assemble;
use crate::paths::Paths;

/// `path  restart  restarts/period  past it  back-off (reset)  shutdown  longest handler`
fn rows(above: &ActorPath, specs: &[ChildSpec], into: &mut String) {
    for spec in specs {
        let path = above.join(&spec.id);
        let restart = match spec.restart {
            Restart::Permanent => "P",
            Restart::Transient => "T",
            Restart::Temporary => "X",
        };
        let past = match spec.past {
            Past::Escalate => "escalate".to_owned(),
            Past::Park { retry } => format!("park {}", time(retry)),
        };
        let backoff = spec.backoff;
        let shutdown = match spec.shutdown {
            Shutdown::Kill => "0".to_owned(),
            Shutdown::Within(limit) => time(limit),
            Shutdown::Infinity => "∞".to_owned(),
        };
        let row = format!(
            "{path}  {restart} {}/{}  {past}  {}→{} ({})  {shutdown}  {}",
            spec.intensity.restarts,
            time(spec.intensity.period),
            time(backoff.base),
            time(backoff.cap),
            time(backoff.stable),
            time(spec.max_handle),
        );
        writeln!(into, "{row}").unwrap();
        rows(&path, &spec.children(), into);
    }
}

fn time(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

#[tokio::test]
async fn every_part_has_the_rules_of_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path());
    let settings = json!({
        "channels": { "telegram": { "botToken": "123456:TEST-token-0123456789-abcdefghijklmno" } },
        "models": { "providers": { "home": {
            "baseUrl": "http://127.0.0.1:9/v1", "apiKey": "k", "api": "openai-completions",
            "models": [{ "id": "m", "name": "m" }],
        } } },
        "mcp": { "servers": { "docs": { "url": "http://127.0.0.1:9/mcp" } } },
    });
    std::fs::write(&paths.config_path, settings.to_string()).unwrap();
    let options = BootOptions {
        paths: paths.clone(),
        environment: Environment::default(),
        overrides: Overrides::default(),
        assets: |_| None,
        version: "0.0.0-test",
        log_file: Arc::new(|| None),
        alive: None,
    };
    let loaded = Arc::new(config::load(&paths, &options.environment));
    let house = Arc::new(assemble(&options, loaded, Ledger::memory()));
    let mut table = String::new();
    rows(&ActorPath::root(), &house.specs(), &mut table);
    // One provider and one partition speak for all of theirs.
    let table: String = table
        .lines()
        .filter(|row| !row.starts_with("providers/") || row.starts_with("providers/home "))
        .filter(|row| {
            !(row.starts_with("sessions/") && row.contains(" 50/60s"))
                || row.starts_with("sessions/0 ")
        })
        .fold(String::new(), |table, row| table + row + "\n");
    assert_eq!(table, TABLE, "\n{table}");
}

const TABLE: &str = "\
ledger  P 1/60s  escalate  0s→30s (60s)  ∞  30s
config  P 3/60s  escalate  0.2s→5s (60s)  5s  5s
models  P 5/60s  escalate  0s→30s (60s)  5s  5s
providers  P 10/60s  escalate  0s→30s (60s)  ∞  5s
providers/home  P 5/60s  park 30s  0.5s→60s (120s)  3s  5s
tools  P 5/60s  escalate  0s→30s (60s)  3s  5s
tools/mcp/docs  P 5/60s  park 120s  1s→120s (120s)  3s  5s
sessions  P 5/60s  escalate  0s→30s (60s)  2s  5s
sessions/files  P 5/60s  escalate  0s→30s (60s)  5s  5s
sessions/files/main  P 5/60s  park 60s  0s→30s (60s)  3s  2s
sessions/upkeep  P 5/60s  park 3600s  0s→30s (60s)  5s  5s
sessions/0  P 50/60s  escalate  0s→30s (60s)  25s  5s
router  P 5/60s  escalate  0s→30s (60s)  2s  2s
channels  P 20/60s  escalate  0s→30s (60s)  1.5s  5s
channels/telegram/default  P 5/120s  park 300s  1s→300s (60s)  10s  5s
channels/telegram/default/poll  P 5/120s  park 300s  0.2s→300s (60s)  2s  0.5s
channels/telegram/default/send  P 5/120s  park 300s  0.2s→60s (60s)  5s  0.5s
nodes  P 5/60s  escalate  0s→30s (60s)  ∞  5s
ingress  P 5/60s  escalate  0s→30s (60s)  ∞  5s
ingress/devices  P 5/60s  escalate  0s→30s (60s)  5s  5s
ingress/pulse  P 5/60s  escalate  0s→30s (60s)  5s  5s
ingress/http  P 5/60s  escalate  0.2s→5s (60s)  5s  5s
keeper  P 5/60s  escalate  0s→30s (60s)  5s  5s
notices  P 5/60s  park 60s  0s→30s (60s)  5s  5s
cron  P 5/60s  park 60s  0.2s→30s (60s)  5s  5s
memory  P 5/60s  park 60s  0s→30s (60s)  5s  5s
crashes  P 5/60s  park 60s  0s→30s (60s)  5s  5s
programs  P 5/60s  park 5s  0s→30s (60s)  5s  5s
uses  P 5/60s  park 60s  0s→30s (60s)  5s  5s
";
