//! `system-event` and `system.info`.

use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::wake;
use crate::services::host_name;
use crate::services::now_ms;

/// Programs report themselves with lines that begin so; they are presence, not news.
const REPORT: &str = "Node:";

pub(super) fn event(call: Call) -> Outcome {
    Outcome::later(async move {
        let text = call.text("text").unwrap_or_default().trim().to_owned();
        if text.is_empty() {
            return Err(ErrorShape::invalid("text required"));
        }
        let (services, now) = (&call.services, now_ms());
        services.presence.note(&call.params, now);
        services.hub.presence_changed(&services.presence.list(now));
        if !text.starts_with(REPORT) {
            let main = wake::main_session(&call)?;
            wake::tell(services, &main, &text).await?;
        }
        Ok(json!({ "ok": true }))
    })
}

pub(super) fn info(call: Call) -> Outcome {
    Outcome::later(async move {
        let facts = tokio::task::spawn_blocking(machine)
            .await
            .unwrap_or_default();
        let services = &call.services;
        let mut info = json!({
            "machineName": host_name(),
            "hostname": host_name(),
            "platform": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "osLabel": std::env::consts::OS,
            "port": services.configuration().gateway.port,
            "pid": std::process::id(),
            "processInstanceId": services.boot_id,
            "uptimeMs": services.uptime_ms(),
            "cpuCount": std::thread::available_parallelism().map_or(1, usize::from),
        });
        if let (Value::Object(info), Value::Object(facts)) = (&mut info, facts) {
            info.extend(facts);
        }
        Ok(info)
    })
}

/// What the kernel says of the machine; what it doesn't say is left out.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut facts = serde_json::Map::new();
    let release = read("/proc/sys/kernel/osrelease").trim().to_owned();
    if !release.is_empty() {
        facts.insert("release".to_owned(), json!(release));
    }
    let load: Vec<f64> = read("/proc/loadavg")
        .split_whitespace()
        .take(3)
        .filter_map(|word| word.parse().ok())
        .collect();
    if load.len() == 3 {
        facts.insert("loadAverage".to_owned(), json!(load));
    }
    let memory = read("/proc/meminfo");
    for (line, name) in [
        ("MemTotal:", "memoryTotalBytes"),
        ("MemAvailable:", "memoryFreeBytes"),
    ] {
        let kilobytes = memory
            .lines()
            .find_map(|text| text.strip_prefix(line))
            .and_then(|rest| {
                rest.trim()
                    .trim_end_matches("kB")
                    .trim()
                    .parse::<u64>()
                    .ok()
            });
        if let Some(kilobytes) = kilobytes {
            facts.insert(name.to_owned(), json!(kilobytes * 1024));
        }
    }
    Value::Object(facts)
}
