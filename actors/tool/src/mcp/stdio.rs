//! A server that is a program: one message a line, to its input and from its output.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_runtime::child::Input;
use openclaw_runtime::child::Job;
use openclaw_runtime::child::Piped;
use serde_json::Value;
use tokio::io::AsyncBufRead;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::process::ChildStderr;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::sync::watch;

use super::client::Client;
use super::link;
use super::server::ServerArgs;

/// The longest message.
const LINE_BYTES: usize = 8 * 1024 * 1024;
/// What is kept of its complaints, to be told when it ends.
const TAIL_BYTES: usize = 400;
/// How long its end is waited for: it may come just after the end of its output, and after it was asked for.
const END: Duration = Duration::from_secs(2);

/// What a program gets of the gateway's own variables: the gateway's keys are not its business.
const INHERITED: [&str; 12] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
];
/// Variables that make other programs run other code; they are not for a configuration to set.
const LOADERS: [&str; 12] = [
    "BASHOPTS",
    "BASH_ENV",
    "ENV",
    "KSH_ENV",
    "NODE_OPTIONS",
    "PERL5LIB",
    "PERL5OPT",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
];
const LOADER_PREFIXES: [&str; 3] = ["LD_", "DYLD_", "BASH_FUNC_"];

/// Runs the program and talks to it until either ends it.
pub(super) async fn run(
    command: &str,
    args: &ServerArgs,
    listed: impl Fn(usize),
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let job = job(command, args);
    let starting = tokio::task::spawn_blocking(move || job.start_piped()).await;
    let started = starting.map_err(|error| error.to_string())?;
    let mut program = started.map_err(|error| format!("{command} {error}"))?;
    let (mut input, output, mut errors) = streams(&mut program).ok_or("it can't be talked to")?;
    let (client, written) = Client::lines();
    let tail = Mutex::new(Vec::new());
    let outcome = tokio::select! {
        end = program.end() => Err(end.map_or_else(|error| error.to_string(), |_| "it ended".to_owned())),
        reason = write(&mut input, written) => Err(reason),
        reason = read(BufReader::new(output), &client) => Err(reason),
        // The program may well go on when it has no more to complain of.
        never = async {
            complaints(&mut errors, &tail).await;
            std::future::pending::<Infallible>().await
        } => match never {},
        failed = link::talk(&client, args, listed) => match failed {
            Ok(never) => match never {},
            Err(reason) => Err(reason),
        },
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    };
    args.disconnected();
    client.close();
    // It is told that it may end, and has the time to.
    let end = tokio::time::timeout(END, async {
        let _it_may_not_listen = input.shutdown().await;
        program.end().await
    });
    let end = end.await;
    let Err(reason) = outcome else {
        return Ok(());
    };
    drop(tokio::time::timeout(END, complaints(&mut errors, &tail)).await);
    let reason = match end {
        Ok(Ok(127)) => format!("there is no program {command}, or none that it needs"),
        Ok(Ok(code)) => format!("{reason} (code {code})"),
        Ok(Err(_)) | Err(_) => reason,
    };
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let said = String::from_utf8_lossy(&tail);
    Err(match said.trim() {
        "" => reason,
        said => format!("{reason}; it said: {said}"),
    })
}

fn job(command: &str, args: &ServerArgs) -> Job {
    let settings = args.settings();
    let own = INHERITED.iter().filter_map(|name| {
        let value = std::env::var_os(name)?;
        Some((OsString::from(name), value))
    });
    let (given, loaders): (Vec<_>, Vec<_>) =
        settings.env.iter().partition(|(name, _)| !is_loader(name));
    for (name, _) in loaders {
        tracing::warn!(
            server = args.name(),
            name,
            "an MCP server does not get this variable"
        );
    }
    let given = given
        .into_iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value.expose())));
    let job = Job::new(command, &settings.args).environment(own.chain(given));
    match &settings.cwd {
        Some(folder) => job.folder(Path::new(folder)),
        None => job,
    }
}

fn is_loader(name: &str) -> bool {
    LOADERS.contains(&name)
        || LOADER_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn streams(program: &mut Piped) -> Option<(Input, ChildStdout, ChildStderr)> {
    Some((
        program.input.take()?,
        program.output.take()?,
        program.errors.take()?,
    ))
}

/// Writes what is to be said, and returns why it can't any more.
pub(super) async fn write(
    mut input: impl AsyncWrite + Unpin,
    mut written: mpsc::Receiver<String>,
) -> String {
    while let Some(mut line) = written.recv().await {
        line.push('\n');
        let said = input.write_all(line.as_bytes()).await;
        if let Err(error) = said.and(input.flush().await) {
            return format!("it does not listen: {error}");
        }
    }
    "nobody talks to it any more".to_owned()
}

/// Hears what it says, and returns why there is no more.
pub(super) async fn read(mut output: impl AsyncBufRead + Unpin, client: &Client) -> String {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
        let read = (&mut output).take(limit).read_until(b'\n', &mut line).await;
        match read {
            Ok(0) => return "it closed its output".to_owned(),
            Ok(_) if line.last() != Some(&b'\n') && line.len() >= LINE_BYTES => {
                return format!("it said more than {LINE_BYTES} bytes in one message");
            }
            Ok(_) => {}
            Err(error) => return format!("its output can't be read: {error}"),
        }
        // Some programs print other things as well.
        let Ok(message) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        if let Some(answer) = client.hear(message)
            && client.say(&answer).await.is_err()
        {
            return "it does not listen".to_owned();
        }
    }
}

/// Keeps the end of what it complains of.
async fn complaints(mut errors: impl AsyncRead + Unpin, tail: &Mutex<Vec<u8>>) {
    let mut piece = [0; 1024];
    loop {
        match errors.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend_from_slice(piece.get(..n).unwrap_or_default());
                let surplus = tail.len().saturating_sub(TAIL_BYTES);
                tail.drain(..surplus);
            }
        }
    }
}
