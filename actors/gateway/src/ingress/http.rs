//! The listener.
//!
//! Owns the listening sockets and the HTTP connections. Started under `ingress`. Crashes when the
//! accept loop does; ends the process when the port is taken at the start. A later change of port or
//! address moves the sockets and leaves the connections alone. WebSockets survive it: they are its siblings.

mod moving;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use openclaw_runtime::Actor;
use openclaw_runtime::Address;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::Context;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::watch;

use self::moving::Doors;
use self::moving::Moved;
use self::moving::Moving;
use super::bind::BindError;
use super::bind::Plan;
use super::leaving::Left;
use super::routes;
use super::tls::Encryption;
use crate::services::Services;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest head of a request, and the buffer of a connection.
const HEAD_LIMIT: usize = 16 * 1024;

/// HTTP connections at the same time; WebSockets don't count once they are upgraded. Past it the oldest that has not
/// asked for anything yet makes room: whoever floods the port with silence pushes out its own, and a client that
/// says what it wants is through in milliseconds.
const CONNECTIONS: usize = 1024;

/// Connections past that which may wait for those they pushed out to be gone.
const OVERLAP: usize = 256;

/// The pause after the system refused a connection, as when it is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the accept loop waits for room in the mailbox.
const DELIVERY: Duration = Duration::from_secs(30);

/// Mail of the listener.
#[derive(Debug)]
pub enum HttpMail {
    /// The sockets listen, or can't.
    Bound(Result<Doors, BindError>),
    /// The configuration may want another port or address.
    Follow,
    /// What came of a move.
    Moved(Moved),
    /// Somebody connected.
    Accepted(TcpStream, SocketAddr),
    /// A connection is done.
    Served,
    /// An accept loop ended, which it never should.
    Deaf(std::io::Error),
}

impl Mail for HttpMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Bound(_) => "bound",
            Self::Follow => "follow",
            Self::Moved(_) => "moved",
            Self::Accepted(..) => "accepted",
            Self::Served => "served",
            Self::Deaf(_) => "deaf",
        }
    }
}

/// What the listener starts from.
#[derive(Debug, Clone)]
pub struct HttpArgs {
    /// The house.
    pub services: Arc<Services>,
    /// Where it listens, once it does.
    pub listening: Arc<watch::Sender<Option<SocketAddr>>>,
    /// How long a WebSocket's caller may take to say who it is.
    pub handshake: Duration,
}

/// The listener.
#[derive(Debug)]
pub struct HttpListener {
    args: HttpArgs,
    router: Router,
    room: Arc<Semaphore>,
    /// Connections that have not asked for anything yet, oldest first, and some that have.
    silent: VecDeque<(ChildId, Weak<AtomicBool>)>,
    served: u64,
    encryption: Option<Encryption>,
    /// Where it listens now, and the accept loops there.
    now: Option<(Plan, Vec<ChildId>)>,
    opened: u64,
    moving: Moving,
}

/// The address of the peer of an HTTP connection.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

#[derive(Debug, Clone)]
struct Door {
    router: Router,
    peer: PeerAddress,
    /// Whether a request has come.
    has_asked: Arc<AtomicBool>,
    left: Left,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Door {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = hyper_util::service::TowerToHyperServiceFuture<Router, hyper::Request<Incoming>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        self.has_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.left.clone());
        TowerToHyperService::new(self.router.clone()).call(request)
    }
}

impl HttpListener {
    /// Listens at these sockets, and no longer at the earlier ones.
    fn on_bound(&mut self, doors: Doors, ctx: &mut Context<Self>) {
        let Doors {
            plan,
            listeners,
            encryption,
            wrong,
        } = doors;
        self.close(ctx);
        if let Some(encryption) = &encryption {
            tracing::info!(fingerprint = %encryption.fingerprint, "TLS is on");
        }
        self.encryption = encryption;
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        let mut loops = Vec::new();
        for listener in listeners {
            let mailbox = ctx.address();
            self.opened += 1;
            let task = Task::new(format!("accept-{}", self.opened)).kind("accept");
            loops.push(ctx.task(task, accept(listener, mailbox), HttpMail::Deaf));
        }
        self.now = Some((plan, loops));
        let Some(first) = addresses.first() else {
            return;
        };
        match &wrong {
            None => tracing::info!(address = %first, "listening"),
            Some(wrong) => {
                tracing::error!(address = %first, "listening on this machine only: {wrong}");
            }
        }
        self.args.services.set_listening(*first);
        self.args.listening.send_replace(Some(*first));
        self.show(wrong, ctx);
    }

    fn on_accepted(&mut self, stream: TcpStream, peer: SocketAddr, ctx: &mut Context<Self>) {
        if self.room.available_permits() <= OVERLAP {
            self.make_room(ctx);
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            // Dropping it is the only answer that costs nothing.
            self.args.services.meters.crowded.add();
            return;
        };
        drop(stream.set_nodelay(true));
        let has_asked = Arc::new(AtomicBool::new(false));
        let left = Left::default();
        let door = Door {
            router: self.router.clone(),
            peer: PeerAddress(peer),
            has_asked: Arc::clone(&has_asked),
            left: left.clone(),
        };
        let open = Open::new(&self.args.services, place);
        self.served += 1;
        let encryption = self.encryption.clone();
        let services = Arc::clone(&self.args.services);
        let serving = async move {
            let served = match encryption {
                None => serve(stream, door).await,
                Some(encryption) => {
                    let shaking = encryption.acceptor.accept(stream);
                    match tokio::time::timeout(HEAD_TIMEOUT, shaking).await {
                        Ok(Ok(stream)) => serve(stream, door).await,
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(_) => Err("no TLS handshake in time".to_owned()),
                    }
                }
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "an HTTP connection ended early");
            }
            left.end(&services).await;
            drop(open);
        };
        let task = Task::new(format!("connection-{}", self.served)).kind("http.connection");
        let id = ctx.task(task, serving, |()| HttpMail::Served);
        self.silent.push_back((id, Arc::downgrade(&has_asked)));
        // Most have asked, or are gone, by the time they would be looked at.
        if self.silent.len() > 2 * CONNECTIONS {
            self.silent.retain(|(_, has_asked)| is_silent(has_asked));
        }
    }

    /// Ends the oldest connection that has not asked for anything.
    fn make_room(&mut self, ctx: &mut Context<Self>) {
        while let Some((id, has_asked)) = self.silent.pop_front() {
            if is_silent(&has_asked) {
                self.args.services.meters.crowded.add();
                ctx.kill_child(&id, KillReason::Abort);
                return;
            }
        }
    }
}

/// Whether a connection is there and has not asked for anything.
fn is_silent(has_asked: &Weak<AtomicBool>) -> bool {
    has_asked
        .upgrade()
        .is_some_and(|has_asked| !has_asked.load(Ordering::Relaxed))
}

/// An open connection: counted, and holding its place, however it ends.
struct Open {
    services: Arc<Services>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(services: &Arc<Services>, place: OwnedSemaphorePermit) -> Self {
        services.meters.http_open.add();
        Self {
            services: Arc::clone(services),
            _place: place,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.services.meters.http_open.sub();
    }
}

/// Serves one connection to its end.
async fn serve<S>(stream: S, door: Door) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), door)
        .with_upgrades()
        .await
        .map_err(|error| error.to_string())
}

async fn accept(listener: TcpListener, mailbox: Address<HttpMail>) -> std::io::Error {
    let mut is_complaining = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                is_complaining = false;
                drop(
                    mailbox
                        .send(HttpMail::Accepted(stream, peer), DELIVERY)
                        .await,
                );
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return error,
            Err(error) => {
                if !std::mem::replace(&mut is_complaining, true) {
                    tracing::warn!(%error, "the system refuses connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Actor for HttpListener {
    const KIND: &'static str = "http";
    type Mail = HttpMail;
    type Args = HttpArgs;

    fn init(args: HttpArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            router: routes::router(Arc::clone(&args.services), args.handshake),
            room: Arc::new(Semaphore::new(CONNECTIONS + OVERLAP)),
            silent: VecDeque::new(),
            served: 0,
            encryption: None,
            now: None,
            opened: 0,
            moving: Moving::No,
            args,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.health(Health::Connecting);
        let args = self.args.clone();
        let binding = async move { moving::first(&args).await };
        ctx.task(Task::new("bind").kind("bind"), binding, HttpMail::Bound);
        Ok(())
    }

    fn handle(&mut self, mail: HttpMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            HttpMail::Bound(Ok(doors)) => {
                self.on_bound(doors, ctx);
                // The configuration may have changed meanwhile.
                self.follow(ctx);
            }
            HttpMail::Bound(Err(error)) => {
                return Err(ExitError::fatal(error.code(), error.to_string()));
            }
            HttpMail::Follow => self.follow(ctx),
            HttpMail::Moved(moved) => self.on_moved(moved, ctx),
            HttpMail::Accepted(stream, peer) => self.on_accepted(stream, peer, ctx),
            HttpMail::Served => {}
            HttpMail::Deaf(error) => return Err(ExitError::from(error)),
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        // A request that crashed is that request's own end; a listener that crashed is ours.
        let is_connection = exit.id.as_str().starts_with("connection-");
        if exit.exit.is_clean() || is_connection {
            if let Exit::Panicked(crash) = &exit.exit {
                tracing::error!(%crash, "an HTTP request crashed");
            }
            return Ok(());
        }
        let is_open = |(_, loops): &(Plan, Vec<ChildId>)| loops.contains(&exit.id);
        if self.now.as_ref().is_some_and(is_open) || exit.id.as_str() == "bind" {
            return Err(ExitError::child(exit));
        }
        // A loop that was closed, or a move that did not end: what is open stays open.
        if exit.id.as_str() == "move" {
            self.on_moved(Moved::Stuck, ctx);
        }
        Ok(())
    }
}
