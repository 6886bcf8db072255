//! How soon after a panic its successor has handled its first message.

use std::time::{Duration, Instant};

use openclaw_runtime::{
    Actor, Address, ChildSpec, Context, Directory, ExitError, Mail, Reply, Root,
};

use crate::sample::{Sample, ms};
use crate::table::Table;

/// Restarts that follow each other without a pause before the tree's shared budget spreads them.
const BURST: usize = 80;
/// Longer than any restart takes.
const PATIENCE: Duration = Duration::from_secs(5);

struct Fragile;

enum Work {
    Break,
    Answer(Reply<u64>),
}

impl Mail for Work {
    fn kind(&self) -> &'static str {
        match self {
            Work::Break => "break",
            Work::Answer(_) => "answer",
        }
    }
}

impl Actor for Fragile {
    const KIND: &'static str = "fragile";
    type Mail = Work;
    type Args = ();

    fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self)
    }

    fn handle(&mut self, work: Work, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match work {
            // What is measured is a panic's way, caught and recorded as any other.
            #[allow(clippy::panic)]
            Work::Break => panic!("told to"),
            Work::Answer(reply) => reply.send(ctx.generation()),
        }
        Ok(())
    }
}

/// One row: panic to the first answer of the successor.
pub(crate) async fn after_a_panic(scale: usize, table: &mut Table) {
    let mut sample = Sample::default();
    for _ in 0..scale {
        sample.extend(burst().await);
    }
    let (p50, p99) = (sample.at(500), sample.at(990));
    let figure = format!("{} (p99 {})", ms(p50), ms(p99));
    table.row(
        "panic to the successor's first answer, p50",
        figure,
        "≤ 1 ms",
    );
}

async fn burst() -> Sample {
    let directory = Directory::new();
    // At once, as a session; each panic is a kind's first, so that nothing is set aside.
    let many = u32::try_from(BURST).unwrap_or(u32::MAX) + 1;
    let spec = ChildSpec::actor::<Fragile>("fragile", ())
        .intensity(many, Duration::from_secs(60))
        .backoff(Duration::ZERO, Duration::from_secs(1), Duration::ZERO);
    let root = Root::start(directory.clone(), "bench", vec![spec]).await;
    let address = directory.address::<Work>(&"fragile".into());
    let mut generation = answer(&address).await;
    let mut sample = Sample::default();
    for _ in 0..BURST {
        let began = Instant::now();
        address.nudge(Work::Break);
        // The old one may still have answered for it.
        let mut next = answer(&address).await;
        while next == generation {
            next = answer(&address).await;
        }
        sample.push(began.elapsed());
        generation = next;
    }
    root.shutdown(PATIENCE).await;
    sample
}

async fn answer(address: &Address<Work>) -> u64 {
    loop {
        if let Ok(generation) = address.ask(PATIENCE, Work::Answer).await {
            return generation;
        }
    }
}
