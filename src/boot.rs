//! From a command line to a running gateway and back: config, telemetry, lock, runtime, signals, service manager.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openclaw_gateway::config::LoadedConfig;
use openclaw_gateway::config::edit;
use openclaw_gateway::gateway::BootOptions;
use openclaw_gateway::gateway::Gateway;
use openclaw_gateway::gateway::GatewayError;
use openclaw_gateway::gateway::Overrides;
use openclaw_gateway::gateway::Running;
use openclaw_protocol::Secret;
use serde_json::json;
use tokio::sync::watch;

use crate::client::Client;
use crate::commands::config::refused;
use crate::commands::gateway::run::RunArgs;
use crate::endpoint::Endpoint;
use crate::endpoint::Port;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::error::chain;
use crate::instance;
use crate::instance::Instance;
use crate::page;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;
use crate::telemetry;
use crate::telemetry::Telemetry;

mod service;
mod signal;
#[cfg(test)]
mod tests;

use self::signal::Signals;

/// The promise is an end within 5 s; the rest of it is for the last words and the process itself.
const SHUTDOWN_WITHIN: Duration = Duration::from_millis(4_500);
/// What still blocks a thread after the tree has ended is left behind.
const THREADS_WITHIN: Duration = Duration::from_millis(200);
/// Runs the gateway until it is told to end, or ends.
pub(crate) fn run(args: &RunArgs, shell: &Shell, loaded: &LoadedConfig) -> CommandResult {
    let paths = shell.paths()?;
    let port = Port::resolve(args.port, loaded)?;
    let lock = paths.gateway_lock();
    if args.force
        && let Some(stopped) = instance::stop(&lock)?
    {
        let pid = stopped.holder.pid;
        shell.terminal.note(
            Tone::Muted,
            &format!("stopped the gateway that ran (pid {pid})"),
        );
    }
    let instance = Instance::claim(&lock, port.number)?;
    // Who has the port is found out before the ledger is opened; a port that is taken between here and there is
    // found out by the ingress.
    let is_taken = is_taken(port.number);
    let runtime = openclaw_runtime::watchdog::build_runtime()
        .map_err(|error| CommandError::new(Kind::Io, format!("starting the runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        if is_taken {
            return Err(port_taken(port.number).await);
        }
        let telemetry = tell(args, shell, loaded)?;
        let target = telemetry.target.clone();
        let options = BootOptions {
            paths: paths.clone(),
            environment: shell.environment.clone(),
            overrides: overrides(args, loaded, port),
            assets: page::asset,
            version: env!("CARGO_PKG_VERSION"),
            log_file: Arc::new(move || Some(target.today())),
            alive: service::watchdog(),
        };
        let outcome = serve(options, port.number, &instance, &telemetry, shell).await;
        drop(telemetry);
        outcome
    });
    runtime.shutdown_timeout(THREADS_WITHIN);
    drop(instance);
    outcome
}

/// Whether somebody listens on the port. Binds without listening: a client that came just now would be let in and then
/// dropped.
fn is_taken(port: u16) -> bool {
    let bound = tokio::net::TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))
    });
    bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// Starts the tree, waits for a signal or its end, and ends it in order.
async fn serve(
    options: BootOptions,
    port: u16,
    instance: &Instance,
    telemetry: &Telemetry,
    shell: &Shell,
) -> CommandResult {
    // Before the tree starts: a signal during the start must not be lost.
    let mut signals = Signals::new()
        .map_err(|error| CommandError::new(Kind::Io, format!("listening for signals: {error}")))?;
    let started = tokio::select! {
        started = Gateway::start(options) => started,
        name = signals.next() => {
            tracing::info!(signal = name, "ended before the start was complete");
            return Ok(());
        }
    };
    let running: Running = match started {
        Ok(running) => running,
        Err(error) => return Err(unstarted(error, port).await),
    };
    let address = running.address();
    announce(instance, address);
    tracing::info!(
        %address,
        version = env!("CARGO_PKG_VERSION"),
        log = %telemetry.file.display(),
        "ready"
    );
    service::ready(&address);
    greet(address, shell)?;
    let name = tokio::select! {
        exit = running.ended() => {
            service::stopping();
            tracing::error!(code = exit.code, reason = %exit.reason, "the gateway ended by itself");
            let code = u8::try_from(exit.code).unwrap_or(Kind::Daemon.code());
            if code == 0 {
                return Ok(());
            }
            return Err(CommandError::new(
                Kind::Code(code),
                format!("the gateway ended by itself: {}", exit.reason),
            )
            .hint("why: openclaw logs --limit 50"));
        }
        name = signals.next() => name,
        never = follow(running.listening(), instance) => match never {},
    };
    service::stopping();
    tracing::info!(signal = name, "shutting down; the same again ends at once");
    let reason = format!("received {name}");
    let report = tokio::select! {
        report = running.shutdown(&reason, SHUTDOWN_WITHIN) => report,
        name = signals.next() => {
            tracing::warn!(signal = name, "ending at once; what was not done is taken up at the next start");
            telemetry::flush();
            std::process::exit(130);
        }
    };
    let took_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
    if report.killed.is_empty() {
        tracing::info!(took_ms, "ended");
    } else {
        tracing::warn!(took_ms, killed = ?report.killed, "ended; some had to be killed");
    }
    Ok(())
}

/// Says in the lock file where the gateway listens.
fn announce(instance: &Instance, address: SocketAddr) {
    if let Err(error) = instance.announce(address.port()) {
        tracing::warn!(%error, "the lock file can't be written; `gateway status` shows less");
    }
}

/// Keeps the lock file true when the port changes.
async fn follow(
    mut listening: watch::Receiver<Option<SocketAddr>>,
    instance: &Instance,
) -> Infallible {
    loop {
        if let Some(address) = *listening.borrow_and_update() {
            announce(instance, address);
        }
        // The sender lives as long as the gateway does.
        if listening.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Writes a first config if no secret guards the gateway yet: a generated token, nothing that is a default anyway.
pub(crate) fn first_config(port: Option<u16>, shell: &Shell) -> CommandResult<LoadedConfig> {
    let loaded = shell.config()?;
    if guarded(loaded) {
        return Ok(loaded.clone());
    }
    let mut gateway = json!({ "mode": "local", "auth": { "mode": "token", "token": token() } });
    let is_set = |name: &str| {
        loaded
            .config
            .tree
            .value()
            .pointer(&format!("/gateway/{name}"))
    };
    if let (Some(gateway), Some(_)) = (gateway.as_object_mut(), is_set("mode")) {
        gateway.remove("mode");
    }
    if let (Some(port), Some(gateway), None) = (port, gateway.as_object_mut(), is_set("port")) {
        gateway.insert("port".into(), port.into());
    }
    let patch = json!({ "gateway": gateway }).to_string();
    let base = loaded.exists.then_some(loaded.hash.as_str());
    let change = edit::patch(shell.paths()?, &shell.environment, &patch, base).map_err(refused)?;
    let what = if loaded.exists {
        "added a generated token to"
    } else {
        "wrote a first config with a generated token:"
    };
    shell
        .terminal
        .note(Tone::Muted, &format!("{what} {}", loaded.path.display()));
    Ok(change.after)
}

/// Whether somebody already decided by what clients prove themselves. A section that can't be read counts: it is
/// mended by hand, not written over.
fn guarded(loaded: &LoadedConfig) -> bool {
    let auth = &loaded.config.gateway.auth;
    let set = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.is_empty());
    !auth.is_valid()
        || loaded.is_fatal
        || auth.get().is_some_and(|auth| {
            set(&auth.token)
                || set(&auth.password)
                || auth
                    .mode
                    .is_some_and(|mode| mode == openclaw_protocol::config::AuthMode::None)
        })
        || ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"]
            .iter()
            .any(|name| loaded.environment.get(name).is_some())
}

/// 244 random bits, as letters and digits.
fn token() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    format!("{}{}", half(), half())
}

/// What flags and variables decide for this run; they go before the config and survive its reloads.
fn overrides(args: &RunArgs, loaded: &LoadedConfig, port: Port) -> Overrides {
    let variable = |name: &str| loaded.environment.get(name).map(Secret::from);
    Overrides {
        port: port.over_config(),
        bind: args.bind.map(|bind| bind.word().to_owned()),
        auth: args.auth.map(|auth| auth.word().to_owned()),
        token: args
            .token
            .as_deref()
            .map(Secret::from)
            .or_else(|| variable("OPENCLAW_GATEWAY_TOKEN")),
        password: args
            .password
            .as_deref()
            .map(Secret::from)
            .or_else(|| variable("OPENCLAW_GATEWAY_PASSWORD")),
    }
}

fn tell(args: &RunArgs, shell: &Shell, loaded: &LoadedConfig) -> CommandResult<Telemetry> {
    let logging = &loaded.config.logging;
    let levels = telemetry::Levels::new(
        shell.globals.log_level.as_deref(),
        &loaded.environment,
        logging,
        args.verbose,
    )?;
    let in_journal = shell.environment.get("JOURNAL_STREAM").is_some();
    let console = telemetry::Console::new(logging.console_style, shell.terminal, in_journal);
    Ok(telemetry::start(telemetry::Settings::new(
        &loaded.config,
        shell.paths()?,
        levels,
        console,
    )))
}

/// Why the gateway did not start, in words that name who has the port.
async fn unstarted(error: GatewayError, port: u16) -> CommandError {
    match error {
        GatewayError::Ended { code, .. } if code == i32::from(Kind::Taken.code()) => {
            port_taken(port).await
        }
        GatewayError::Ended { code, reason } => CommandError::new(
            Kind::Code(u8::try_from(code).unwrap_or(Kind::Daemon.code())),
            format!("the gateway did not start: {reason}"),
        )
        .hint("what is wrong with the config: openclaw config validate"),
        other => CommandError::new(
            Kind::Io,
            format!("the gateway did not start: {}", chain(&other)),
        ),
    }
}

/// Tells a second gateway from another program by its greeting.
async fn port_taken(port: u16) -> CommandError {
    let endpoint = Endpoint {
        url: format!("ws://127.0.0.1:{port}"),
        because: String::new(),
        token: None,
        password: None,
        device: None,
        tunnel: None,
    };
    let is_gateway = match Client::connect(endpoint, Duration::from_secs(2)).await {
        Ok(client) => {
            client.close().await;
            true
        }
        Err(error) => error.kind() == Kind::Refused,
    };
    if is_gateway {
        return instance::taken(None, port);
    }
    CommandError::new(
        Kind::Taken,
        format!("port {port} is taken by another program"),
    )
    .hint(format!(
        "which one: ss -ltnp 'sport = :{port}'   (or choose another: --port {})",
        port.wrapping_add(1).max(1024)
    ))
}

/// The page's address, and how to get the token; never the token itself.
fn greet(address: SocketAddr, shell: &Shell) -> CommandResult {
    let host = if address.ip().is_unspecified() {
        "127.0.0.1".to_owned()
    } else if address.is_ipv6() {
        format!("[{}]", address.ip())
    } else {
        address.ip().to_string()
    };
    let page = format!("http://{host}:{}/", address.port());
    let document = json!({
        "event": "listening", "page": page, "url": page.replacen("http", "ws", 1),
        "pid": std::process::id(),
    });
    let terminal: &Terminal = &shell.terminal;
    if terminal.json {
        terminal.json_line(&document)?;
        return Ok(());
    }
    let token = shell.command("config get gateway.auth.token");
    terminal.line(&format!(
        "\n  {}  {}\n  {}  {token}\n  {}  {}\n",
        terminal.paint(Tone::Muted, "Page "),
        terminal.paint(Tone::Accent, &page),
        terminal.paint(Tone::Muted, "Token"),
        terminal.paint(Tone::Muted, "Stop "),
        "Ctrl-C",
    ))?;
    Ok(())
}
