//! What the ledger writes: rows a second, each durable before it is acknowledged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openclaw_ledger::{Ledger, NewInbound};
use openclaw_protocol::key::{RunId, SessionKey};
use openclaw_protocol::message::Inbound;

use crate::sample::{Sample, ms};
use crate::table::Table;

pub(crate) async fn rows(scale: usize, table: &mut Table) {
    for writers in [1, 8, 64] {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (ledger, thread) =
            Ledger::open(dir.path().join("openclaw.redb")).expect("a new ledger");
        let (rate, mut wait) =
            write(&ledger, writers, Duration::from_millis(400 * scale as u64)).await;
        table.row(
            &format!("ledger rows/s, {writers} writers (ack p50)"),
            format!("{rate:.0}/s ({})", ms(wait.at(500))),
            "",
        );
        ledger.close().await;
        drop(ledger);
        thread.join();
    }
}

async fn write(ledger: &Ledger, writers: usize, time: Duration) -> (f64, Sample) {
    let rows = AtomicUsize::new(0);
    let start = Instant::now();
    let samples = join_all((0..writers).map(|writer| {
        let rows = &rows;
        async move {
            let mut sample = Sample::default();
            while start.elapsed() < time {
                let number = rows.fetch_add(1, Ordering::Relaxed);
                let row = row(writer, number);
                let asked = Instant::now();
                ledger
                    .append_inbound(vec![row], None)
                    .await
                    .expect("the row is stored");
                sample.push(asked.elapsed());
            }
            sample
        }
    }))
    .await;
    let mut all = Sample::default();
    samples.into_iter().for_each(|sample| all.extend(sample));
    (
        rows.into_inner() as f64 / start.elapsed().as_secs_f64(),
        all,
    )
}

fn row(writer: usize, number: usize) -> NewInbound {
    NewInbound {
        session: SessionKey::parse(&format!("agent:main:bench-{writer}")).expect("a key"),
        source: "bench".into(),
        source_id: number.to_string(),
        run_id: RunId::from(format!("run-{number}")),
        body: Inbound {
            text: "x".repeat(200),
            ..Inbound::default()
        },
        reply: None,
        received_at_ms: 1_700_000_000_000,
        traceparent: None,
    }
}
