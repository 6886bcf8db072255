//! `agent`: one message to an agent, the answer as it comes.

use std::io::Read;
use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use super::health::string;
use crate::client::Client;
use crate::client::Incoming;
use crate::endpoint::Endpoint;
use crate::endpoint::Flags;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Tone;
use crate::shell::Shell;

mod stream;

use self::stream::Stream;

/// To the first answer of the gateway; the run itself has `--timeout`.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Where a gateway's hello names its default agent.
const DEFAULT_AGENT: &str = "/snapshot/sessionDefaults/defaultAgentId";

#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// The message; `-` reads it from standard input.
    #[arg(short, long, value_name = "text")]
    message: String,
    /// The agent; the default agent when neither this nor a session is given.
    #[arg(long, value_name = "id")]
    agent: Option<String>,
    /// Continue the conversation with this id or key.
    #[arg(long, value_name = "id")]
    session_id: Option<String>,
    /// Continue the conversation with this person.
    #[arg(short, long, value_name = "number")]
    to: Option<String>,
    /// Send the answer to the chat app too.
    #[arg(long)]
    deliver: bool,
    /// The chat app of --to and --deliver.
    #[arg(long, value_name = "channel")]
    channel: Option<String>,
    /// Send the answer to this recipient instead.
    #[arg(long, value_name = "target")]
    reply_to: Option<String>,
    /// Send the answer over this chat app instead.
    #[arg(long, value_name = "channel")]
    reply_channel: Option<String>,
    /// Send the answer over this account instead.
    #[arg(long, value_name = "id")]
    reply_account: Option<String>,
    /// How much the model thinks: off, minimal, low, medium, high.
    #[arg(long, value_name = "level")]
    thinking: Option<String>,
    /// Show which tools are used.
    #[arg(long, value_name = "on|off", value_parser = ["on", "off", "full"])]
    verbose: Option<String>,
    /// How long the answer may take, in seconds.
    #[arg(long, value_name = "seconds", default_value_t = 600)]
    timeout: u64,
}

pub(crate) async fn run(args: &AgentArgs, shell: &Shell) -> CommandResult {
    let message = message(&args.message)?;
    let endpoint = Endpoint::resolve(&Flags::default(), shell.config()?)?;
    let mut client = Client::connect(endpoint, CONNECT_WITHIN).await?;
    let run_id = uuid::Uuid::new_v4().to_string();
    let mut params = params(args, &message, &run_id);
    if args.agent.is_none() && args.session_id.is_none() && args.to.is_none() {
        // OpenClaw's own gateway wants the default agent named.
        let agent = client.hello().pointer(DEFAULT_AGENT);
        params.extend(agent.map(|agent| ("agentId".to_owned(), agent.clone())));
    }
    let id = client.send("agent", &Value::Object(params)).await?;
    let mut stream = Stream::new(run_id.clone(), shell.terminal, args.verbose.as_deref());
    let limit = Duration::from_secs(args.timeout.max(1));
    // The gateway ends the run at its limit and says so; this clock only guards against silence.
    let deadline = Instant::now() + limit + CONNECT_WITHIN;
    let mut session = None;
    let result = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let incoming = tokio::select! {
            incoming = client.next(left) => incoming?,
            _ = tokio::signal::ctrl_c() => {
                stream.end()?;
                abort(client, session.as_deref(), &run_id).await;
                return Err(CommandError::reported(Kind::Code(130)));
            }
        };
        match incoming {
            None => {
                return Err(CommandError::new(
                    Kind::Connect,
                    format!("no answer within {} s", limit.as_secs()),
                )
                .hint("see what it is doing: openclaw supervisor tree"));
            }
            Some(Incoming::Event { name, payload }) if name == "agent" => stream.event(&payload)?,
            Some(Incoming::Event { .. }) => {}
            Some(Incoming::Answer { id: of, answer }) if of == id => {
                let payload = answer.map_err(|refusal| failed(&refusal.message))?;
                if payload.get("status") != Some(&json!("accepted")) {
                    break payload;
                }
                session = payload
                    .get("sessionKey")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
            }
            Some(Incoming::Answer { .. }) => {}
        }
    };
    client.close().await;
    if shell.terminal.json {
        shell.terminal.document(&result)?;
    } else {
        stream.finish(&result)?;
    }
    let aborted = result.pointer("/result/meta/aborted") == Some(&json!(true));
    if aborted || string(&result, "status") == "error" {
        return Err(CommandError::new(
            Kind::Daemon,
            match string(&result, "summary") {
                summary if summary.is_empty() || summary == "completed" => {
                    "the run was stopped before it was done".to_owned()
                }
                summary => summary,
            },
        ));
    }
    Ok(())
}

fn message(text: &str) -> CommandResult<String> {
    let text = if text == "-" {
        let mut piped = String::new();
        std::io::stdin()
            .read_to_string(&mut piped)
            .map_err(|error| {
                CommandError::new(Kind::Io, format!("reading standard input: {error}"))
            })?;
        piped
    } else {
        text.to_owned()
    };
    if text.trim().is_empty() {
        return Err(CommandError::new(Kind::Usage, "the message is empty")
            .hint("openclaw agent --message \"what is on today?\""));
    }
    Ok(text)
}

fn params(args: &AgentArgs, message: &str, run_id: &str) -> Map<String, Value> {
    let mut params = Map::new();
    params.insert("message".into(), message.into());
    params.insert("idempotencyKey".into(), run_id.into());
    params.insert("timeout".into(), args.timeout.into());
    if args.deliver {
        params.insert("deliver".into(), true.into());
    }
    // A key names the conversation itself, an id one of its lives.
    let (key, id) = match &args.session_id {
        Some(text) if text.contains(':') || text == "main" => (Some(text), None),
        other => (None, other.as_ref()),
    };
    let optional = [
        ("agentId", args.agent.as_ref()),
        ("sessionKey", key),
        ("sessionId", id),
        ("to", args.to.as_ref()),
        ("channel", args.channel.as_ref()),
        ("replyTo", args.reply_to.as_ref()),
        ("replyChannel", args.reply_channel.as_ref()),
        ("replyAccountId", args.reply_account.as_ref()),
        ("thinking", args.thinking.as_ref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            params.insert(name.into(), value.as_str().into());
        }
    }
    params
}

/// Asks the gateway to end the run; whoever pressed Ctrl-C doesn't wait long for the answer.
async fn abort(mut client: Client, session: Option<&str>, run_id: &str) {
    let params = json!({ "sessionKey": session.unwrap_or("main"), "runId": run_id });
    drop(
        client
            .call("chat.abort", &params, Duration::from_secs(1))
            .await,
    );
    client.close().await;
}

fn failed(message: &str) -> CommandError {
    CommandError::new(Kind::Daemon, format!("the agent gave no answer: {message}"))
        .hint("why: openclaw logs --limit 50")
        .hint("which model answers: openclaw models status")
}

/// Says which tool is used, for people who asked.
fn tool_line(terminal: &crate::render::Terminal, name: &str) {
    terminal.note(Tone::Muted, &format!("· {name}"));
}
