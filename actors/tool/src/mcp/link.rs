//! The conversation with a server: hello, its tools, and its tools again when it says that they are others.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::client::CallError;
use super::client::Client;
use super::listing;
use super::message;
use super::server::ServerArgs;
use crate::Tool;

/// Pages of tools that are asked for; more than that is a server that never ends.
const PAGES: usize = 20;

/// Talks to the server until something fails; `listed` hears how many tools it has each time.
pub(super) async fn talk(
    client: &Client,
    args: &ServerArgs,
    listed: impl Fn(usize),
) -> Result<Infallible, String> {
    let within = args.connects_within();
    let has_tools = timely(within, "hello", hello(client)).await?;
    loop {
        let tools = match has_tools {
            true => timely(within, "its tools", tools(client, args)).await?,
            false => Vec::new(),
        };
        args.connected(client);
        listed(tools.len());
        if args.shelf().put(args.name(), tools) {
            tracing::info!(
                server = args.name(),
                "an MCP server brings other tools than before"
            );
        }
        client.changed().await;
    }
}

async fn timely<T>(
    within: Duration,
    what: &str,
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, String> {
    match tokio::time::timeout(within, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("asked for {what}: {error}")),
        Err(_) => Err(format!(
            "asked for {what}: no answer within {} s",
            within.as_secs_f32()
        )),
    }
}

/// Says hello; tells whether the server has tools.
async fn hello(client: &Client) -> Result<bool, CallError> {
    let answer = client.ask("initialize", message::hello()).await?;
    let version = answer.get("protocolVersion").and_then(Value::as_str);
    let version = version.unwrap_or_default();
    if !message::VERSIONS.contains(&version) {
        let text =
            format!("it speaks version {version:?} of the protocol, which is not understood");
        return Err(CallError::Failed(text));
    }
    if let Some(post) = client.post() {
        post.speaks(version);
    }
    client.tell("notifications/initialized", json!({})).await?;
    Ok(answer.pointer("/capabilities/tools").is_some())
}

async fn tools(client: &Client, args: &ServerArgs) -> Result<Vec<Arc<dyn Tool>>, CallError> {
    let (mut all, mut cursor) = (Vec::new(), None::<Value>);
    for _ in 0..PAGES {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let mut page = client.ask("tools/list", params).await?;
        if let Some(Value::Array(tools)) = page.get_mut("tools").map(Value::take) {
            all.extend(tools);
        }
        cursor = page
            .get("nextCursor")
            .filter(|next| next.is_string())
            .cloned();
        if cursor.is_none() {
            break;
        }
    }
    Ok(listing::tools(all, args))
}
