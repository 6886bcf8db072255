//! One scrape: the counters of the whole house as Prometheus text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use openclaw_runtime::TreeNode;
use openclaw_runtime::cpu;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::services::Services;

type Labels = Vec<(&'static str, String)>;

/// All figures as text.
pub fn scrape(services: &Arc<Services>) -> String {
    let mut registry = Registry::with_prefix("openclaw");
    registry.register_collector(Box::new(House(Arc::clone(services))));
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        tracing::error!(%error, "the metrics could not be written");
    }
    text
}

#[derive(Debug)]
struct House(Arc<Services>);

impl Collector for House {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut out = Writer(&mut encoder);
        let services = &self.0;
        process(services, &mut out)?;
        actors(services, &mut out)?;
        ledger(services, &mut out)?;
        runs(services, &mut out)?;
        accounts(services, &mut out)?;
        ingress(services, &mut out)
    }
}

struct Writer<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Writer<'_, '_> {
    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, f64)>,
    ) -> Result<(), fmt::Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            if labels.is_empty() {
                metric.encode_gauge(&value)?;
            } else {
                metric.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn counts(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, u64)>,
    ) -> Result<(), fmt::Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            if labels.is_empty() {
                metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            } else {
                metric
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            }
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), fmt::Error> {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    fn count(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        self.counts(name, help, [(Labels::new(), value)])
    }
}

fn label(name: &'static str, value: impl Into<String>) -> Labels {
    vec![(name, value.into())]
}

/// Counts are far below 2^52, where a float is still exact.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}

fn process(services: &Services, out: &mut Writer<'_, '_>) -> Result<(), fmt::Error> {
    let uptime = services.started.elapsed().as_secs_f64();
    out.gauge("uptime_seconds", "Time since the process started", uptime)?;
    if let Some(bytes) = resident_bytes() {
        out.gauge(
            "resident_memory_bytes",
            "Memory the process holds",
            float(bytes),
        )?;
    }
    let build = vec![("version", services.version.clone())];
    out.gauges("build_info", "The version that runs", [(build, 1.0)])
}

fn actors(services: &Services, out: &mut Writer<'_, '_>) -> Result<(), fmt::Error> {
    let mut by_state: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    let mut queued: BTreeMap<&'static str, u64> = BTreeMap::new();
    if let Some(root) = services.directory.tree(None, None) {
        tally(&root, &mut by_state, &mut queued);
    }
    let states = by_state.into_iter().map(|((state, kind), count)| {
        (
            vec![("state", state), ("kind", kind.to_owned())],
            float(count),
        )
    });
    out.gauges("actors", "Actors by kind and state", states)?;
    let depths = queued
        .into_iter()
        .map(|(kind, depth)| (label("kind", kind), float(depth)));
    out.gauges("mailbox_depth", "Mail that waits, by kind of actor", depths)?;
    let total = services.directory.counters();
    out.count("mail_handled", "Mail handled", total.mail)?;
    out.count("actor_starts", "Actors started", total.started)?;
    out.count(
        "actor_restarts",
        "Actors started again after an unclean end",
        total.restarts,
    )?;
    let ends = [
        ("panic", total.panics),
        ("error", total.errors),
        ("kill", total.kills),
        ("abandoned", total.abandoned),
    ];
    let ends = ends.map(|(how, count)| (label("how", how), count));
    out.counts("actor_failures", "Unclean ends of actors", ends)?;
    out.count(
        "actor_parks",
        "Actors set aside after repeated failures",
        total.parked,
    )?;
    out.count(
        "mail_refused",
        "Mail refused because a mailbox was full",
        total.refused,
    )?;
    out.count(
        "mail_quarantined",
        "Mail dropped because its kind crashed its reader again and again",
        total.quarantined,
    )?;
    out.count(
        "stalls",
        "Runs that kept an async worker longer than 50 ms",
        total.stalls,
    )?;
    out.gauge(
        "lost_threads",
        "Threads lost to handlers that never returned",
        float(services.directory.lost_threads() as u64),
    )?;
    let load = cpu::load();
    let jobs = [
        (label("state", "running"), float(load.running as u64)),
        (label("state", "waiting"), float(load.waiting as u64)),
    ];
    out.gauges("cpu_jobs", "Jobs on the pool for the processor", jobs)?;
    out.count(
        "cpu_jobs_refused",
        "Jobs refused because too many waited",
        load.refused,
    )
}

fn tally(
    node: &TreeNode,
    by_state: &mut BTreeMap<(String, &'static str), u64>,
    queued: &mut BTreeMap<&'static str, u64>,
) {
    *by_state
        .entry((format!("{:?}", node.state).to_lowercase(), node.kind))
        .or_default() += 1;
    *queued.entry(node.kind).or_default() += node.queued as u64;
    for child in &node.children {
        tally(child, by_state, queued);
    }
}

fn ledger(services: &Services, out: &mut Writer<'_, '_>) -> Result<(), fmt::Error> {
    let stats = services.ledger.stats();
    let inbox = [
        ("pending", stats.inbox_pending),
        ("running", stats.inbox_running),
        ("interrupted", stats.inbox_interrupted),
        ("dead", stats.inbox_dead),
    ];
    let inbox = inbox.map(|(state, count)| (label("state", state), float(count)));
    out.gauges(
        "inbox_rows",
        "Messages taken in that are open or dead",
        inbox,
    )?;
    let outbox = [
        ("prepared", stats.outbox_prepared),
        ("attempting", stats.outbox_attempting),
        ("unknown", stats.outbox_unknown),
        ("dead", stats.outbox_dead),
    ];
    let outbox = outbox.map(|(state, count)| (label("state", state), float(count)));
    out.gauges(
        "outbox_rows",
        "Messages to send that are open, unknown or dead",
        outbox,
    )?;
    out.count("outbox_sent", "Messages sent", stats.sent)?;
    out.count(
        "turns_ended",
        "Turns that ended in any way",
        stats.turns_ended,
    )?;
    out.count("ledger_commits", "Transactions made durable", stats.commits)?;
    out.count("ledger_ops", "Writes carried out", stats.ops)?;
    out.count("ledger_rows", "Rows written", stats.rows)?;
    out.count("ledger_bytes", "Bytes written", stats.bytes)?;
    out.count("ledger_rejects", "Writes refused", stats.rejects)?;
    out.gauge(
        "ledger_queue",
        "Writes that wait for a commit",
        float(stats.queue),
    )?;
    let busy = float(stats.busy_ms) / 1e3;
    out.gauge(
        "ledger_busy_seconds",
        "How long the commit at work has taken",
        busy,
    )?;
    let failed = if stats.failed.is_some() { 1.0 } else { 0.0 };
    out.gauge(
        "ledger_failed",
        "1 once nothing is written any more",
        failed,
    )?;
    let full = if stats.disk_full { 1.0 } else { 0.0 };
    out.gauge(
        "ledger_disk_full",
        "1 while new work is refused for want of room on the disk",
        full,
    )?;
    if let Some(free) = stats.disk_free {
        let help = "Bytes free on the ledger's disk when last looked";
        out.gauge("ledger_disk_free_bytes", help, float(free))?;
    }
    let buckets: Vec<(f64, u64)> = per_bucket(&services.ledger.commit_histogram());
    let mut metric = out.0.encode_descriptor(
        "ledger_commit_seconds",
        "How long commits took",
        None,
        MetricType::Histogram,
    )?;
    let sum = float(stats.commit_us_sum) / 1e6;
    metric.encode_histogram::<NoLabelSet>(sum, stats.commits, &buckets, None)
}

/// The ledger counts up to each bound; the encoder wants what lies in each bucket.
fn per_bucket(below: &[(u64, u64)]) -> Vec<(f64, u64)> {
    let mut last = 0;
    let mut buckets: Vec<(f64, u64)> = below
        .iter()
        .map(|(bound_us, count)| {
            let own = count.saturating_sub(last);
            last = *count;
            (float(*bound_us) / 1e6, own)
        })
        .collect();
    buckets.push((f64::INFINITY, 0));
    buckets
}

fn runs(services: &Services, out: &mut Writer<'_, '_>) -> Result<(), fmt::Error> {
    let totals = services.hub.totals();
    let ends = [
        ("answered", totals.answered),
        ("failed", totals.failed),
        ("aborted", totals.aborted),
    ];
    let ends = ends.map(|(end, count)| (label("end", end), count));
    out.counts("runs", "Runs by how they ended", ends)?;
    let tokens = [
        ("input", totals.usage.input),
        ("output", totals.usage.output),
        ("cache_read", totals.usage.cache_read),
        ("cache_write", totals.usage.cache_write),
    ];
    let tokens = tokens.map(|(kind, count)| (label("kind", kind), count));
    out.counts("tokens", "Tokens of finished runs", tokens)
}

fn accounts(services: &Services, out: &mut Writer<'_, '_>) -> Result<(), fmt::Error> {
    let mut by_state: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut messages: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    for (key, status) in services.accounts.all() {
        let channel = key.channel.to_string();
        let state = format!("{:?}", status.state).to_lowercase();
        *by_state.entry((channel.clone(), state)).or_default() += 1;
        let counts = [
            ("admitted", status.admitted),
            ("refused", status.refused),
            ("sent", status.sent),
            ("unknown", status.unknown),
        ];
        for (what, count) in counts {
            *messages.entry((channel.clone(), what)).or_default() += count;
        }
    }
    let states = by_state.into_iter().map(|((channel, state), count)| {
        (vec![("channel", channel), ("state", state)], float(count))
    });
    out.gauges("channel_accounts", "Accounts by channel and state", states)?;
    let messages = messages.into_iter().map(|((channel, what), count)| {
        (vec![("channel", channel), ("what", what.to_owned())], count)
    });
    out.counts(
        "channel_messages",
        "Messages by channel and what became of them",
        messages,
    )
}

fn ingress(services: &Services, out: &mut Writer<'_, '_>) -> Result<(), fmt::Error> {
    let meters = &services.meters;
    out.count("http_requests", "HTTP requests", meters.http_requests.get())?;
    out.gauge(
        "http_connections",
        "HTTP connections open",
        float(meters.http_open.get()),
    )?;
    out.count("ws_opened", "WebSockets opened", meters.ws_opened.get())?;
    let open = meters.ws_open.get();
    let admitted = meters.ws_admitted.get();
    let sockets = [
        (label("state", "admitted"), float(admitted)),
        (
            label("state", "connecting"),
            float(open.saturating_sub(admitted)),
        ),
    ];
    out.gauges("ws_connections", "WebSockets open", sockets)?;
    out.count(
        "ws_slow_consumers",
        "WebSockets closed for being slow",
        meters.ws_slow.get(),
    )?;
    out.count(
        "ws_dropped_events",
        "Events left out for slow sockets",
        meters.ws_dropped.get(),
    )?;
    let refused = [
        ("guess", meters.auth_guesses.get()),
        ("rate_limited", meters.auth_limited.get()),
        ("origin", meters.origin_refused.get()),
        ("crowded", meters.crowded.get()),
        ("other", meters.auth_refused.get()),
    ];
    let refused = refused.map(|(why, count)| (label("reason", why), count));
    out.counts("auth_failures", "Callers refused", refused)?;
    let calls = meters.calls().map(|(method, outcome, count)| {
        (
            vec![
                ("method", method.to_owned()),
                ("outcome", outcome.to_owned()),
            ],
            count,
        )
    });
    out.counts("calls", "Calls by method and outcome", calls)
}

/// The resident set, from the kernel's own account of this process.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
