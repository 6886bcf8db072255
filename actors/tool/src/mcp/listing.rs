//! The tools that a server lists, as agents get them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::BETWEEN;
use super::result;
use super::server::ServerArgs;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;

/// What providers allow a tool's name to be.
const NAME: usize = 64;
/// A description is for every request of every turn.
const DESCRIPTION_CHARS: usize = 2_000;
/// And so are the parameters.
const PARAMETERS_BYTES: usize = 32 * 1024;
/// More tools than that are no help to a model.
const TOOLS: usize = 128;

/// A tool of a server.
struct Brought {
    spec: ToolSpec,
    /// As the server calls it.
    name: String,
    is_repeatable: bool,
    reads_only: bool,
    server: ServerArgs,
}

/// The tools of a listing: those that are wanted and can be told to a model, in the order of their names.
pub(super) fn tools(listed: Vec<Value>, server: &ServerArgs) -> Vec<Arc<dyn Tool>> {
    let mut tools: BTreeMap<String, Arc<dyn Tool>> = BTreeMap::new();
    for tool in listed {
        let Some(name) = tool.get("name").and_then(Value::as_str) else {
            continue;
        };
        if !server.settings().tool_filter.takes(name) {
            continue;
        }
        let spec = match spec(server.name(), name, &tool) {
            Ok(spec) => spec,
            Err(why) => {
                tracing::warn!(server = server.name(), tool = name, "left out: {why}");
                continue;
            }
        };
        if tools.len() >= TOOLS || tools.contains_key(&spec.name) {
            tracing::warn!(
                server = server.name(),
                tool = name,
                "left out: too many, or a second of its name"
            );
            continue;
        }
        let hint = |name: &str| tool.pointer(&format!("/annotations/{name}")) == Some(&json!(true));
        let brought = Brought {
            name: name.to_owned(),
            reads_only: hint("readOnlyHint"),
            is_repeatable: hint("readOnlyHint") || hint("idempotentHint"),
            server: server.clone(),
            spec,
        };
        tools.insert(brought.spec.name.clone(), Arc::new(brought));
    }
    tools.into_values().collect()
}

fn spec(server: &str, name: &str, tool: &Value) -> Result<ToolSpec, &'static str> {
    let full = format!("{}{BETWEEN}{}", plain(server), plain(name));
    if full.len() > NAME {
        return Err("its name is longer than 64 letters");
    }
    let parameters = match tool.get("inputSchema") {
        Some(schema) if schema.is_object() => schema.clone(),
        _ => json!({ "type": "object" }),
    };
    if parameters.to_string().len() > PARAMETERS_BYTES {
        return Err("its parameters take more than 32 KB");
    }
    let said = tool.get("description").or_else(|| tool.get("title"));
    let said = said.and_then(Value::as_str).unwrap_or(name);
    Ok(ToolSpec {
        name: full,
        description: said.chars().take(DESCRIPTION_CHARS).collect(),
        parameters,
    })
}

/// The letters that names of tools may have.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect()
}

impl Tool for Brought {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        self.is_repeatable
    }

    fn reads_only(&self) -> bool {
        self.reads_only
    }

    fn deadline(&self) -> Duration {
        self.server.answers_within()
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let (server, name) = (self.server.clone(), self.name.clone());
        Box::pin(async move {
            let Some(client) = server.client() else {
                return ToolOutcome::error(format!(
                    "the MCP server {0} is not connected now; it is tried again by itself. What is wrong with it: openclaw \
                     supervisor tree tools/mcp/{0}",
                    server.name()
                ));
            };
            let params = json!({ "name": name, "arguments": call.arguments });
            match client.ask("tools/call", params).await {
                Ok(answer) => result::outcome(server.name(), &answer),
                Err(error) => {
                    ToolOutcome::error(format!("the MCP server {}: {error}", server.name()))
                }
            }
        })
    }
}
