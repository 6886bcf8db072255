//! `process`: follows the programs that run in the background, and speaks to them.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::child::FeedError;
use serde_json::Value;
use serde_json::json;

use super::Programs;
use super::keys;
use super::output;
use super::outside;
use super::run::End;
use super::run::Run;
use super::tool::SHOWN;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

/// Lines of a log, if nobody says how many.
const LINES: usize = 200;
const MOST_LINES: usize = 5000;
/// A program that is ended is gone within milliseconds.
const GONE: Duration = Duration::from_secs(5);
/// A poll may wait so long for news.
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// Follows programs.
#[derive(Debug)]
pub struct Process {
    spec: ToolSpec,
    programs: Programs,
}

impl Process {
    /// Follows these.
    pub fn new(programs: Programs) -> Self {
        Self {
            spec: arguments::spec(
                "process",
                "Follows programs that exec left running: list; poll (what is new, and whether it ended); log (lines of all it said); write, submit, paste, send-keys (its input); kill; clear (forget one that ended); remove (end and forget).",
                json!({
                    "action": {
                        "type": "string",
                        "enum": ["list", "poll", "log", "write", "send-keys", "submit", "paste", "kill", "clear", "remove"],
                    },
                    "sessionId": { "type": "string", "description": "the session id that exec gave; for all but list" },
                    "data": { "type": "string", "description": "what write writes" },
                    "eof": { "type": "boolean", "description": "close its input after writing" },
                    "keys": { "type": "array", "items": { "type": "string" }, "description": "keys such as Enter, C-c, Up" },
                    "literal": { "type": "string", "description": "text that send-keys types as it is" },
                    "hex": { "type": "array", "items": { "type": "string" }, "description": "bytes that send-keys sends, as hexadecimal" },
                    "text": { "type": "string", "description": "what paste pastes" },
                    "bracketed": { "type": "boolean", "description": "paste in brackets (usual)" },
                    "offset": { "type": "integer", "description": "the first line of log, from 0; else the last lines" },
                    "limit": { "type": "integer", "description": "how many lines of log" },
                    "timeout": { "type": "integer", "description": "poll waits so many milliseconds for the end" },
                }),
                &["action"],
            ),
            programs,
        }
    }
}

impl Tool for Process {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        false
    }

    fn deadline(&self) -> Duration {
        LONGEST_POLL + GONE
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let programs = self.programs.clone();
        Box::pin(async move {
            let brought = brought(&programs, &call);
            match act(&programs, call).await {
                Ok(text) => ToolOutcome::text(text).from_outside(brought),
                Err(outcome) => outcome,
            }
        })
    }
}

async fn act(programs: &Programs, call: ToolCall) -> Result<String, ToolOutcome> {
    let arguments = Arguments::new(&call.name, call.arguments)?;
    let action = arguments.text("action").unwrap_or_default();
    if action == "list" {
        return Ok(list(programs, &call.agent));
    }
    let id = arguments
        .text("sessionId")
        .or_else(|| arguments.text("session_id"));
    let id = id.ok_or_else(|| ToolOutcome::error(format!("process {action} needs a sessionId")))?;
    let run = programs.get(&call.agent, &id).ok_or_else(|| {
        ToolOutcome::error(format!("there is no session {id}; it may have ended long ago, or with the gateway's last restart"))
    })?;
    let fed = |bytes: Vec<u8>, eof: bool| feed(&run, &bytes, eof);
    match action.as_str() {
        "poll" => Ok(poll(&run, &arguments).await),
        "log" => Ok(log(&run, &arguments)),
        "write" => {
            let data = arguments.exact(&["data"]).unwrap_or_default();
            fed(data.as_bytes().to_vec(), arguments.flag(&["eof"]))
        }
        "submit" => {
            let data = arguments.exact(&["data"]).unwrap_or_default();
            fed([data.as_bytes(), b"\r"].concat(), false)
        }
        "paste" => {
            let text = arguments.exact(&["text", "data"]).unwrap_or_default();
            let bracketed = arguments.get("bracketed").is_none() || arguments.flag(&["bracketed"]);
            fed(keys::pasted(text, bracketed), false)
        }
        "send-keys" => fed(typed(&arguments).map_err(ToolOutcome::error)?, false),
        "kill" => kill(&run).await,
        "clear" => {
            if run.end().is_none() {
                return Err(ToolOutcome::error(format!(
                    "session {id} still runs; use kill or remove"
                )));
            }
            programs.forget(&id);
            Ok(format!("forgot session {id}"))
        }
        "remove" => {
            if run.end().is_none() {
                kill(&run).await?;
            }
            programs.forget(&id);
            Ok(format!("removed session {id}"))
        }
        other => Err(ToolOutcome::error(format!(
            "process knows no action \"{other}\""
        ))),
    }
}

/// Where the words of a run come from, if they are from outside.
fn brought(programs: &Programs, call: &ToolCall) -> Option<String> {
    let said = |name: &str| call.arguments.get(name).and_then(Value::as_str);
    let id = said("sessionId").or_else(|| said("session_id"))?;
    let run = programs.get(&call.agent, id.trim())?;
    outside::brings(&run.facts.command).then(|| "a program".to_owned())
}

fn list(programs: &Programs, agent: &AgentId) -> String {
    let lines: Vec<String> = programs
        .of(agent)
        .iter()
        .map(|run| {
            format!(
                "{} {} {}",
                run.facts.id,
                status(run),
                run.facts.command.replace('\n', " ")
            )
        })
        .collect();
    match lines.len() {
        0 => "no program runs, and none ended lately".to_owned(),
        _ => lines.join("\n"),
    }
}

fn status(run: &Run) -> String {
    let seconds = run.took().as_secs();
    match run.end() {
        None => format!("running {seconds}s"),
        Some(end) => format!("ended after {seconds}s ({})", end.told(run.facts.deadline)),
    }
}

async fn poll(run: &Arc<Run>, arguments: &Arguments) -> String {
    if let Some(ms) = arguments.text("timeout").and_then(|text| text.parse().ok()) {
        let longest = Duration::from_millis(ms).min(LONGEST_POLL);
        let _ended_or_not = tokio::time::timeout(longest, run.ended()).await;
    }
    // Asked first: what it says after this is in the next poll.
    let end = run.end();
    let news = run.news();
    let news = match output::shortened(&news, SHOWN).unwrap_or(news).trim_end() {
        "" => "(nothing new)".to_owned(),
        news => news.to_owned(),
    };
    match end {
        None => format!("{news}\n\nStill running."),
        Some(end) => {
            run.know();
            format!("{news}\n\nOver: {}.", end.told(run.facts.deadline))
        }
    }
}

fn log(run: &Run, arguments: &Arguments) -> String {
    let offset = arguments.text("offset").and_then(|text| text.parse().ok());
    let limit = arguments.count("limit", LINES, MOST_LINES);
    let (some, all) = output::lines(&run.said(), offset, limit);
    let some = output::shortened(&some, SHOWN).unwrap_or(some);
    if some.is_empty() {
        return format!("(nothing; {all} lines in all)");
    }
    format!("{some}\n\n[{all} lines in all; use offset and limit for others]")
}

fn typed(arguments: &Arguments) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if let Some(literal) = arguments.exact(&["literal"]) {
        bytes.extend_from_slice(literal.as_bytes());
    }
    for (name, read) in [
        ("hex", keys::hex as fn(&str) -> Option<Vec<u8>>),
        ("keys", keys::bytes),
    ] {
        let words: Vec<&str> = match arguments.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text.split_whitespace().collect(),
            _ => continue,
        };
        for word in words {
            bytes.extend(read(word).ok_or_else(|| format!("there is no key \"{word}\""))?);
        }
    }
    if bytes.is_empty() {
        return Err("send-keys needs keys, literal or hex".to_owned());
    }
    Ok(bytes)
}

fn feed(run: &Run, bytes: &[u8], eof: bool) -> Result<String, ToolOutcome> {
    let id = &run.facts.id;
    if run.end().is_some() {
        return Err(ToolOutcome::error(format!("session {id} is over")));
    }
    run.feed(bytes).map_err(|error| match error {
        FeedError::Closed => ToolOutcome::error(format!("the input of session {id} is closed")),
        error @ FeedError::Full(_) => ToolOutcome::error(format!("session {id}: {error}")),
    })?;
    if eof {
        run.end_input();
    }
    Ok(format!(
        "wrote {} bytes to session {id}{}",
        bytes.len(),
        if eof { " and closed its input" } else { "" }
    ))
}

async fn kill(run: &Arc<Run>) -> Result<String, ToolOutcome> {
    let id = &run.facts.id;
    if run.end().is_some() {
        return Ok(format!("session {id} was over already"));
    }
    run.know();
    run.stop(End::Ended);
    match tokio::time::timeout(GONE, run.ended()).await {
        Ok(_) => Ok(format!("ended session {id}")),
        Err(_) => Err(ToolOutcome::error(format!(
            "session {id} was told to end and hasn't yet"
        ))),
    }
}
