//! One MCP server.
//!
//! Owns: the connection, and with it the server's program. Started by: the supervisor `tools`, as `mcp/<name>`.
//! Crashes when: the connection ends or never begins; past five times in a minute it is parked. Survives: its tools stay on
//! the shelf, so that models are told the same as before; calls say meanwhile that it is not there.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_protocol::config::McpServer;
use openclaw_runtime::Actor;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use tokio::sync::watch;

use super::client::Client;
use super::http;
use super::stdio;
use crate::Shelf;

/// A first start may download what it runs (`npx`, `uvx`).
const CONNECTS_WITHIN: Duration = Duration::from_secs(30);
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// What a server is made from; all copies share the connection.
#[derive(Debug, Clone)]
pub(super) struct ServerArgs(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    name: String,
    settings: McpServer,
    shelf: Shelf,
    client: Mutex<Option<Client>>,
}

/// What a server is told.
#[derive(Debug)]
pub(super) enum ServerMail {
    /// It said how many tools it has.
    Listed(usize),
    /// The connection ended.
    Ended(Result<(), String>),
}

impl Mail for ServerMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Listed(_) => "listed",
            Self::Ended(_) => "ended",
        }
    }
}

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    args: ServerArgs,
    /// True = the connection is to end.
    stop: watch::Sender<bool>,
}

impl ServerArgs {
    pub(super) fn new(name: &str, settings: &McpServer, shelf: &Shelf) -> Self {
        Self(Arc::new(Facts {
            name: name.to_owned(),
            settings: settings.clone(),
            shelf: shelf.clone(),
            client: Mutex::default(),
        }))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn settings(&self) -> &McpServer {
        &self.0.settings
    }

    pub(super) fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// The connection, while there is one.
    pub(super) fn client(&self) -> Option<Client> {
        self.lock().clone()
    }

    /// Calls may be made from now on.
    pub(super) fn connected(&self, client: &Client) {
        *self.lock() = Some(client.clone());
    }

    /// And no more.
    pub(super) fn disconnected(&self) {
        if let Some(client) = self.lock().take() {
            client.close();
        }
    }

    pub(super) fn connects_within(&self) -> Duration {
        let configured = self.settings().connection_timeout_ms;
        configured.map_or(CONNECTS_WITHIN, Duration::from_millis)
    }

    pub(super) fn answers_within(&self) -> Duration {
        let configured = self.settings().request_timeout_ms;
        configured.map_or(ANSWERS_WITHIN, Duration::from_millis)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Client>> {
        self.0.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects and talks until the connection ends or is to end.
async fn connect(
    args: ServerArgs,
    listed: impl Fn(usize) + Send + Sync + 'static,
    stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let settings = args.settings().clone();
    match (
        &settings.command,
        &settings.url,
        settings.transport.as_deref(),
    ) {
        (Some(command), None, _) => stdio::run(command, &args, listed, stop).await,
        (None, Some(_), Some("sse")) => {
            Err("the transport sse is not built; servers speak streamable-http today".to_owned())
        }
        (None, Some(url), _) => http::run(url, &args, listed, stop).await,
        _ => Err("it needs either a command or a url".to_owned()),
    }
}

impl Actor for Server {
    const KIND: &'static str = "mcp.server";
    type Mail = ServerMail;
    type Args = ServerArgs;

    fn init(args: ServerArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let (stop, _) = watch::channel(false);
        Ok(Self { args, stop })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.health(Health::Connecting);
        let own = ctx.address();
        // A mailbox that is full has news enough.
        let listed = move |tools| drop(own.try_send(ServerMail::Listed(tools)));
        let connection = connect(self.args.clone(), listed, self.stop.subscribe());
        let task = Task::new("connection").kind("mcp.connection");
        ctx.task(task, connection, ServerMail::Ended);
        Ok(())
    }

    fn handle(&mut self, mail: ServerMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            ServerMail::Listed(tools) => {
                ctx.health(Health::Ok);
                ctx.note(format!("{tools} tools"));
                Ok(())
            }
            ServerMail::Ended(Ok(())) => Ok(()),
            ServerMail::Ended(Err(reason)) => Err(ExitError::new(reason)),
        }
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        self.stop.send_replace(true);
        let stop = self.stop.clone();
        Some(Box::pin(async move { stop.closed().await }))
    }
}

impl Drop for Server {
    /// However it ends, nobody waits for an answer of it any more.
    fn drop(&mut self) {
        self.args.disconnected();
    }
}
