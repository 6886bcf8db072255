//! The loop that reads and writes one WebSocket. One future, so that an idle socket costs one task
//! and no buffers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadBuf;
use tokio::sync::watch;

use super::outbound::Goodbye;
use super::outbound::Outbound;
use super::outbound::READ_PAUSE;
use super::outbound::Step;
use super::websocket::Decoder;
use super::websocket::Incoming;
use super::websocket::Violation;
use super::websocket::close;

/// Read at once; shared by all sockets of a thread, as nothing is kept in it over an await.
const SCRATCH: usize = 16 * 1024;

/// Written at once, so that the deadline of a write is about the peer and not about the length.
const SLICE: usize = 256 * 1024;

/// A write that takes longer has a peer that takes nothing.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the peer may take to answer our close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;

thread_local! {
    static SCRATCH_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed it, with this code if it gave one.
    ByPeer(Option<u16>),
    /// The connection broke.
    Broken,
    /// We closed it.
    ByUs(Goodbye),
}

/// What the connection's actor and its socket share.
#[derive(Debug)]
pub struct Shared {
    /// Frames to write.
    pub queue: Outbound,
    /// The largest message that is accepted now.
    pub limit: AtomicUsize,
    /// What a message beyond it is called.
    pub is_admitted: std::sync::atomic::AtomicBool,
    /// When something was last received, in milliseconds since 1970.
    pub heard_at_ms: AtomicI64,
    /// Set once the loop has ended.
    ended: watch::Sender<bool>,
}

impl Shared {
    /// A connection that has not said who it is.
    pub fn new(limit: usize, max_queued_bytes: usize, now_ms: i64) -> Arc<Self> {
        Arc::new(Self {
            queue: Outbound::new(max_queued_bytes),
            limit: AtomicUsize::new(limit),
            is_admitted: false.into(),
            heard_at_ms: AtomicI64::new(now_ms),
            ended: watch::Sender::new(false),
        })
    }

    /// Waits until the socket has ended.
    pub async fn closed(&self) {
        // The sender is in `self`: it can't be gone.
        drop(self.ended.subscribe().wait_for(|ended| *ended).await);
    }

    /// Raises the limit once the caller has proven who it is.
    pub fn admit(&self, limit: usize, max_queued_bytes: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.queue.set_max_bytes(max_queued_bytes);
        self.is_admitted.store(true, Ordering::Relaxed);
    }
}

/// Takes received text; false ends the socket. A future, so that a full mailbox slows the peer down.
pub trait Deliver {
    /// Delivers one message.
    fn deliver(&self, text: String) -> impl Future<Output = bool> + Send;
}

/// Runs a socket to its end; `early` is what came with the upgrade.
pub async fn run<S, D>(stream: S, early: Vec<u8>, shared: Arc<Shared>, deliver: D) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    D: Deliver + Send + Sync,
{
    let ended = serve(stream, early, &shared, deliver).await;
    shared.ended.send_replace(true);
    ended
}

async fn serve<S, D>(mut stream: S, early: Vec<u8>, shared: &Shared, deliver: D) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    D: Deliver + Send + Sync,
{
    let mut decoder = Decoder::new(shared.limit.load(Ordering::Relaxed));
    decoder.feed(&early);
    drop(early);
    loop {
        if let Some(ended) = deliver_all(&mut decoder, shared, &deliver).await {
            say_goodbye(&mut stream, &ended).await;
            return ended;
        }
        // With much to write there always is something to write, so this never stalls.
        let may_read = shared.queue.len() < READ_PAUSE;
        tokio::select! {
            biased;
            step = shared.queue.next() => match step {
                Step::Write(pieces) => {
                    if !write_all(&mut stream, pieces).await {
                        return Ended::Broken;
                    }
                }
                Step::End(pieces) => {
                    let goodbye = shared.queue.goodbye();
                    let goodbye = goodbye.unwrap_or_else(|| Goodbye::new(close::NORMAL, ""));
                    if !write_all(&mut stream, pieces).await {
                        return Ended::Broken;
                    }
                    drain(&mut stream).await;
                    return Ended::ByUs(goodbye);
                }
            },
            received = receive(&mut stream, &mut decoder), if may_read => match received {
                Ok(0) | Err(_) => return Ended::ByPeer(None),
                Ok(_) => {
                    shared.heard_at_ms.store(crate::services::now_ms(), Ordering::Relaxed);
                }
            },
        }
    }
}

/// Delivers what has been read, as long as the answers leave: many requests come with one read, and whoever sends them is
/// slowed down and not thrown out.
async fn deliver_all(
    decoder: &mut Decoder,
    shared: &Shared,
    deliver: &(impl Deliver + Sync),
) -> Option<Ended> {
    while shared.queue.len() < READ_PAUSE {
        decoder.set_limit(shared.limit.load(Ordering::Relaxed));
        let message = match decoder.next_message() {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(violation) => return Some(Ended::ByUs(verdict(violation, shared))),
        };
        match message {
            Incoming::Text(text) => {
                if !deliver.deliver(text).await {
                    let reason = "gateway message handler unavailable";
                    return Some(Ended::ByUs(Goodbye::new(1011, reason)));
                }
            }
            Incoming::Ping(payload) => shared.queue.pong(payload),
            Incoming::Pong => {}
            Incoming::Binary(_) => {
                return Some(Ended::ByUs(Goodbye::new(1003, "text frames only")));
            }
            Incoming::Close(code) => return Some(Ended::ByPeer(code.or(Some(close::NORMAL)))),
        }
    }
    None
}

fn verdict(violation: Violation, shared: &Shared) -> Goodbye {
    let is_early = !shared.is_admitted.load(Ordering::Relaxed);
    let reason = match violation.code {
        close::TOO_BIG if is_early => "preauth payload too large",
        _ => violation.reason,
    };
    Goodbye::new(violation.code, reason)
}

/// Writes the close frame that is still due.
async fn say_goodbye<S>(stream: &mut S, ended: &Ended)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    match ended {
        Ended::ByPeer(Some(code)) => super::websocket::write_close(&mut bytes, *code, ""),
        Ended::ByUs(goodbye) => {
            super::websocket::write_close(&mut bytes, goodbye.code, &goodbye.reason);
        }
        Ended::ByPeer(None) | Ended::Broken => return,
    }
    if write(stream, &bytes).await {
        drain(stream).await;
    }
}

/// Gives the peer a moment to read up to here: a socket that is dropped with unread input resets the
/// connection, and the peer would lose the reason.
async fn drain<S>(stream: &mut S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let until_closed = async {
        drop(stream.shutdown().await);
        while let Ok(1..) = with_scratch(stream, |_| {}).await {}
    };
    drop(tokio::time::timeout(CLOSE_TIMEOUT, until_closed).await);
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), pieces: Vec<Bytes>) -> bool {
    for piece in pieces {
        for slice in piece.chunks(SLICE) {
            if !write(stream, slice).await {
                return false;
            }
        }
    }
    true
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    let written = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(bytes)).await;
    matches!(written, Ok(Ok(())))
}

async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
) -> std::io::Result<usize> {
    with_scratch(stream, |bytes| decoder.feed(bytes)).await
}

/// Reads into the thread's buffer and hands out what came. Cancel-safe: it is one poll.
async fn with_scratch(
    stream: &mut (impl AsyncRead + Unpin),
    mut take: impl FnMut(&[u8]),
) -> std::io::Result<usize> {
    poll_fn(|cx| {
        SCRATCH_BUFFER.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    take(buffer.filled());
                    Poll::Ready(Ok(buffer.filled().len()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
    })
    .await
}
