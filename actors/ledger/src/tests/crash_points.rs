//! The ledger against the model at every point where a process or a machine can die.
//!
//! A storage writes down every write, growth and sync that redb asks for. Each prefix of that list is a moment of
//! death. What the disk holds then is made up three ways: all that was written (the process died), the same with the
//! write at hand torn, and what was synced with any part of the rest, by sector (the power went). From each, the
//! ledger must open and hold everything that was acknowledged, and of the write at hand all or nothing.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use redb::StorageBackend;

use super::fixture::*;
use super::model::{Model, Step, block_on, compare, rows, run, step};
use crate::file::OpenFile;
use crate::{JournalThread, Ledger};

/// What a disk writes as one.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Done {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

/// A storage in memory, and all that was done to it.
#[derive(Debug, Default)]
struct Tape {
    image: Vec<u8>,
    done: Vec<Done>,
}

#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Tape>>);

impl Recorder {
    fn of(image: Vec<u8>) -> Self {
        let tape = Tape {
            image,
            done: Vec::new(),
        };
        Self(Arc::new(Mutex::new(tape)))
    }

    fn length(&self) -> usize {
        self.0.lock().unwrap().done.len()
    }

    fn open(&self) -> (Ledger, JournalThread) {
        let file = OpenFile::with_backend(self.clone(), Path::new("tape")).unwrap();
        Ledger::start(file).unwrap()
    }
}

fn put(image: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let from = usize::try_from(offset).unwrap();
    if image.len() < from + data.len() {
        image.resize(from + data.len(), 0);
    }
    image[from..from + data.len()].copy_from_slice(data);
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let tape = self.0.lock().unwrap();
        let found = tape.image.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut tape = self.0.lock().unwrap();
        tape.image.resize(usize::try_from(len).unwrap(), 0);
        tape.done.push(Done::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.lock().unwrap().done.push(Done::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut tape = self.0.lock().unwrap();
        put(&mut tape.image, offset, data);
        tape.done.push(Done::Write(offset, data.to_vec()));
        Ok(())
    }
}

/// Choices that a test can repeat (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn apply(image: &mut Vec<u8>, done: &Done) {
    match done {
        Done::Write(offset, data) => put(image, *offset, data),
        Done::Length(length) => image.resize(usize::try_from(*length).unwrap(), 0),
        Done::Sync => {}
    }
}

/// The write at hand has come to some byte of it.
fn torn(image: &mut Vec<u8>, done: &Done, chance: &mut Chance) {
    if let Done::Write(offset, data) = done {
        put(image, *offset, &data[..chance.below(data.len() + 1)]);
    }
}

/// Any part of what was not synced is there, in no order.
fn unsynced(image: &mut Vec<u8>, done: &Done, chance: &mut Chance) {
    match done {
        Done::Write(offset, data) => {
            let mode = chance.below(4);
            for (n, sector) in data.chunks(SECTOR).enumerate() {
                if mode == 0 || (mode > 1 && chance.below(2) == 0) {
                    put(image, offset + (n * SECTOR) as u64, sector);
                }
            }
        }
        // The length of a file is in the journal of its file system.
        done => apply(image, done),
    }
}

/// Opens what a death left, and finds one of the two states that it may be in.
fn judge(image: Vec<u8>, allowed: &[&Model], what: &str) {
    let disk = Recorder::of(image);
    let (ledger, thread) = disk.open();
    let found = rows(&ledger);
    let Some(model) = allowed.iter().find(|model| model.rows() == found) else {
        panic!("{what}: neither of {allowed:#?}\nbut {found:#?}")
    };
    compare(&ledger, model);
    block_on(async {
        let fresh = vec![inbound("after", "after")];
        ledger.append_inbound(fresh, None).await.unwrap();
    });
    assert_eq!(ledger.pending(&session("after")), 1);
    drop(ledger);
    thread.join();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn whatever_dies_the_ledger_holds_all_that_was_acknowledged(
        steps in prop::collection::vec(step(), 8..20),
        seed in 1..u64::MAX,
    ) {
        let disk = Recorder::default();
        let (mut ledger, mut thread) = disk.open();
        let mut model = Model::default();
        // How long the list was when each state was acknowledged.
        let mut states = vec![(disk.length(), model.clone())];
        for step in &steps {
            if matches!(step, Step::Reopen) {
                drop(ledger);
                thread.join();
                (ledger, thread) = disk.open();
            }
            block_on(run(&ledger, &mut model, step));
            states.push((disk.length(), model.clone()));
        }
        drop(ledger);
        thread.join();

        let done = disk.0.lock().unwrap().done.clone();
        let mut chance = Chance(seed);
        let (mut written, mut synced, mut since) = (Vec::new(), Vec::new(), 0);
        for (n, next) in done.iter().enumerate() {
            // Before the first state the file is being made: that is another test's matter.
            if n >= states[0].0 {
                let acknowledged = states.iter().rposition(|(length, _)| *length <= n).unwrap();
                let until = (acknowledged + 1).min(states.len() - 1);
                let allowed = [&states[acknowledged].1, &states[until].1];
                judge(written.clone(), &allowed, "the process died");
                let mut image = written.clone();
                torn(&mut image, next, &mut chance);
                judge(image, &allowed, "a write was torn");
                let mut image: Vec<u8> = synced.clone();
                for lost in &done[since..=n] {
                    unsynced(&mut image, lost, &mut chance);
                }
                judge(image, &allowed, "the power went");
            }
            apply(&mut written, next);
            if matches!(next, Done::Sync) {
                synced.clone_from(&written);
                since = n + 1;
            }
        }
    }
}
