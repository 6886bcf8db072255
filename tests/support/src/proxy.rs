//! A network that misbehaves on request: a TCP relay between the gateway and a fake.
//!
//! What the fakes' own faults can't do happens here: connections that break at any byte, answers that never come,
//! a peer that is gone without a word. Both ends are honest; only the wire between them is not.
#![allow(clippy::disallowed_methods)] // a test's relay is nobody's child

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::net::tcp::WriteHalf;
use tokio::sync::watch;

/// What the wire does to the bytes on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Clear,
    /// Each piece is late by this much.
    Slow(Duration),
    /// They go nowhere, in both directions; what was sent arrives when the wire is clear again.
    BlackHole,
    /// Requests pass, answers do not.
    Deaf,
    /// The far end has vanished: nothing passes, and when the wire is clear again the connection is reset.
    HalfOpen,
    /// New connections are reset at once, old ones too.
    Refuse,
    /// Each connection is reset after so many further bytes of an answer.
    Torn(usize),
}

/// A relay; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    open: Arc<AtomicUsize>,
    accept: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wire {
    weather: Weather,
    /// A connection of an earlier one is reset.
    cuts: u64,
}

impl Proxy {
    /// A relay to `to`.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (wire, weather) = watch::channel(Wire {
            weather: Weather::Clear,
            cuts: 0,
        });
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        let accept = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((near, _)) = accepted else { continue };
                        connections.spawn(relay(near, to, weather.clone(), Arc::clone(&counted)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self {
            address,
            wire,
            open,
            accept,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, host and port of the near end.
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the weather, for the connections there are as well.
    pub fn set(&self, weather: Weather) {
        self.wire.send_modify(|wire| {
            // A peer that vanished does not come back: its connections end with the spell.
            if wire.weather == Weather::HalfOpen && weather != Weather::HalfOpen {
                wire.cuts += 1;
            }
            wire.weather = weather;
        });
    }

    /// Resets every connection; new ones pass.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| wire.cuts += 1);
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn relay(
    mut near: TcpStream,
    to: SocketAddr,
    wire: watch::Receiver<Wire>,
    open: Arc<AtomicUsize>,
) {
    open.fetch_add(1, Ordering::SeqCst);
    let _open = Open(open);
    // Closing sends a reset from here on: what ends in order is shut down before.
    near.set_zero_linger().ok();
    near.set_nodelay(true).ok();
    let began = *wire.borrow();
    if began.weather == Weather::Refuse {
        return;
    }
    let Ok(mut far) = TcpStream::connect(to).await else {
        return;
    };
    far.set_nodelay(true).ok();
    // Borrowed halves: owned ones would say a polite goodbye where a reset is wanted.
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    tokio::select! {
        () = both(
            pump(near_read, far_write, wire.clone(), Direction::Request),
            pump(far_read, near_write, wire.clone(), Direction::Answer),
        ) => {}
        () = broken(wire, began.cuts) => {}
    }
}

async fn both(a: impl Future<Output = bool>, b: impl Future<Output = bool>) {
    tokio::pin!(a, b);
    // An orderly end of one side leaves the other to finish; a failure ends both.
    tokio::select! {
        is_orderly = &mut a => if is_orderly { let _ended: bool = b.await; },
        is_orderly = &mut b => if is_orderly { let _ended: bool = a.await; },
    }
}

/// Resolves when the connection has to be reset.
async fn broken(mut wire: watch::Receiver<Wire>, began: u64) {
    let is_broken = |wire: &Wire| wire.cuts != began || wire.weather == Weather::Refuse;
    // An error means that the proxy is gone, which breaks it as well.
    drop(wire.wait_for(is_broken).await);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

/// Moves bytes one way; true when the source ended in order.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut wire: watch::Receiver<Wire>,
    direction: Direction,
) -> bool {
    let mut bytes = vec![0_u8; 16 * 1024];
    let mut passed = 0;
    loop {
        let Ok(length) = from.read(&mut bytes).await else {
            return false;
        };
        if wire
            .wait_for(|wire| passes(wire.weather, direction))
            .await
            .is_err()
        {
            return false;
        }
        let weather = wire.borrow().weather;
        if length == 0 {
            to.shutdown().await.ok();
            return true;
        }
        let mut piece = &bytes[..length];
        match weather {
            Weather::Slow(late) => tokio::time::sleep(late).await,
            Weather::Torn(after) if direction == Direction::Answer => {
                passed += length;
                if passed > after {
                    piece = &piece[..length.saturating_sub(passed - after)];
                    to.write_all(piece).await.ok();
                    return false;
                }
            }
            _ => passed = 0,
        }
        if to.write_all(piece).await.is_err() {
            return false;
        }
    }
}

fn passes(weather: Weather, direction: Direction) -> bool {
    match weather {
        Weather::Clear | Weather::Slow(_) | Weather::Refuse | Weather::Torn(_) => true,
        Weather::Deaf => direction == Direction::Request,
        Weather::BlackHole | Weather::HalfOpen => false,
    }
}

#[cfg(test)]
mod tests;
