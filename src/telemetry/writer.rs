//! The one thread that writes lines: bounded, never waited for, with a count of what it had no room for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TryRecvError;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::console::Console;
use super::file::LogFile;
use super::record::Host;
use super::record::Record;
use super::redact::Redactor;

/// Lines that may wait: a burst of a quarter of a second at the rate a Raspberry Pi writes, some 500 KB at worst.
const WAITING: usize = 1024;

/// A handle on the writer; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    sender: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

enum Order {
    Line(Box<Record>),
    Flush(SyncSender<()>),
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(file: LogFile, console: Console, redactor: Redactor) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            receiver,
            dropped: Arc::clone(&dropped),
            file,
            console,
            redactor,
        };
        let spawned = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || desk.run());
        // Without the thread the receiver is gone and every line counts as dropped: the gateway still runs.
        drop(spawned);
        Self { sender, dropped }
    }

    /// Hands a record over; without room it is dropped and counted.
    pub(super) fn write(&self, record: Record) {
        if self.sender.try_send(Order::Line(Box::new(record))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything before this is written, or the time is over.
    pub(super) fn flush(&self, within: Duration) {
        let (done, finished) = sync_channel(1);
        if self.sender.send(Order::Flush(done)).is_ok() {
            finished.recv_timeout(within).ok();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// What the thread works with.
struct Desk {
    receiver: Receiver<Order>,
    dropped: Arc<AtomicU64>,
    file: LogFile,
    console: Console,
    redactor: Redactor,
}

impl Desk {
    fn run(mut self) {
        let host = Host {
            name: hostname(),
            zone: TimeZone::system(),
        };
        let mut reported = 0;
        loop {
            let order = match self.receiver.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => {
                    // Nothing waits: put out what is buffered, then sleep.
                    self.file.flush();
                    match self.receiver.recv() {
                        Ok(order) => order,
                        Err(_) => return,
                    }
                }
                Err(TryRecvError::Disconnected) => {
                    self.file.flush();
                    return;
                }
            };
            match order {
                Order::Line(record) => self.line(&record, &host),
                Order::Flush(done) => {
                    self.file.flush();
                    done.try_send(()).ok();
                }
            }
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > reported {
                let record = lost(dropped - reported);
                reported = dropped;
                self.line(&record, &host);
            }
        }
    }

    fn line(&mut self, record: &Record, host: &Host) {
        if record.to_file {
            let line = self.redactor.hide(record.line(host));
            self.file.write(&line, record.at, &host.zone);
        }
        if record.to_console {
            let line = self.console.line(record, host);
            self.console.write(&self.redactor.hide(line));
        }
    }
}

fn lost(count: u64) -> Record {
    Record {
        at: Timestamp::now(),
        level: tracing::Level::WARN,
        subsystem: "log".into(),
        message: format!("{count} lines were dropped: they came faster than they could be written"),
        fields: serde_json::Map::new(),
        place: None,
        target: "log",
        trace: None,
        to_file: true,
        to_console: true,
    }
}

fn hostname() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}
