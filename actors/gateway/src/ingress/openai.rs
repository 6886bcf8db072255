//! The interfaces that programs written for OpenAI speak: `/v1/chat/completions`, `/v1/responses`,
//! `/v1/models`, `/v1/embeddings`. Each request is a run of an agent, by the same dispatch as any other.

mod chat;
mod embeddings;
mod prompt;
mod responses;
mod run;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use openclaw_protocol::Config;
use serde_json::Value;
use serde_json::json;

use super::body;
use super::caller::caller;
use super::leaving::Left;
use super::principal::Principal;
use super::routes::not_allowed;
use super::routes::refuse;
use super::routes::text;
use crate::services::Services;

/// Pictures travel inside a request.
const BODY_LIMIT: usize = 20 * 1024 * 1024;

/// An interface of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interface {
    Chat,
    Responses,
    Models,
    Embeddings,
}

impl Interface {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/responses" => Self::Responses,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/models" => Self::Models,
            _ if path.starts_with("/v1/models/") => Self::Models,
            _ => return None,
        })
    }

    /// Each is off until its owner says otherwise.
    fn is_enabled(self, config: &Config) -> bool {
        let is_on = |name: &str| {
            let place = config
                .gateway
                .http
                .pointer(&format!("/endpoints/{name}/enabled"));
            place.and_then(Value::as_bool).unwrap_or(false)
        };
        match self {
            Self::Chat => is_on("chatCompletions"),
            Self::Responses => is_on("responses"),
            Self::Models | Self::Embeddings => is_on("chatCompletions") || is_on("responses"),
        }
    }
}

/// Answers a request for one of the interfaces; hands back what is not for them.
pub(super) async fn answer(
    services: &Arc<Services>,
    request: Request,
) -> Result<Response, Request> {
    let Some(interface) = Interface::of(request.uri().path()) else {
        return Err(request);
    };
    if !interface.is_enabled(&services.configuration()) {
        return Ok(not_here());
    }
    let expected = if interface == Interface::Models {
        Method::GET
    } else {
        Method::POST
    };
    if *request.method() != expected {
        return Ok(not_allowed(expected.as_str()));
    }
    let principal = match caller(services, &request) {
        Ok(principal) => principal,
        Err(refusal) => return Ok(*refusal),
    };
    if interface == Interface::Models {
        return Ok(models(services, request.uri().path()));
    }
    let (parts, body) = request.into_parts();
    let asked = match body::json(&parts.headers, body, BODY_LIMIT).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal),
    };
    let caller = Caller {
        services: Arc::clone(services),
        principal,
        headers: parts.headers,
        left: parts.extensions.get::<Left>().cloned().unwrap_or_default(),
    };
    Ok(match interface {
        Interface::Chat => chat::answer(caller, &asked).await,
        Interface::Responses => responses::answer(caller, &asked).await,
        _ => embeddings::answer(caller, &asked).await,
    })
}

fn not_here() -> Response {
    let message = "this interface is off: set gateway.http.endpoints";
    refuse(StatusCode::NOT_FOUND, "not_found", message, None)
}

/// The agents, as models.
fn models(services: &Services, path: &str) -> Response {
    let config = services.configuration();
    let mut ids = vec!["openclaw".to_owned(), "openclaw/default".to_owned()];
    ids.extend(
        config
            .agents
            .ids()
            .iter()
            .map(|id| format!("openclaw/{id}")),
    );
    let row = |id: &String| {
        json!({
            "id": id, "object": "model", "created": 0, "owned_by": "openclaw", "permission": [],
        })
    };
    match path.strip_prefix("/v1/models/") {
        None => {
            let rows: Vec<Value> = ids.iter().map(row).collect();
            Json(json!({ "object": "list", "data": rows })).into_response()
        }
        Some(wanted) => match ids.iter().find(|id| *id == &wanted.replace("%2F", "/")) {
            Some(id) => Json(row(id)).into_response(),
            None => {
                let message = format!("the model '{wanted}' does not exist");
                refuse(
                    StatusCode::NOT_FOUND,
                    "invalid_request_error",
                    &message,
                    None,
                )
            }
        },
    }
}

/// Which agent is meant: by header, else by the model's name, else the default one.
fn agent(services: &Services, headers: &HeaderMap, asked: &Value) -> Result<String, Box<Response>> {
    let config = services.configuration();
    let by_header = ["x-openclaw-agent-id", "x-openclaw-agent"]
        .iter()
        .find_map(|name| text(headers, name))
        .map(str::trim)
        .filter(|id| !id.is_empty());
    let model = asked
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim();
    let by_model = ["openclaw:", "openclaw/", "agent:"]
        .iter()
        .find_map(|prefix| model.strip_prefix(prefix))
        .filter(|id| *id != "default");
    let id = match by_header.or(by_model) {
        Some(id) => id.to_lowercase(),
        None => config.agents.default_id().to_string(),
    };
    let known = openclaw_protocol::AgentId::parse(&id).ok();
    match known.and_then(|id| config.agents.resolve(&id)) {
        Some(agent) => Ok(agent.id.to_string()),
        None => Err(body::invalid(&format!("there is no agent \"{id}\"")).into()),
    }
}

/// Which conversation is meant: by header, else by the user, else one of its own.
fn session(headers: &HeaderMap, asked: &Value, agent: &str, kind: &str) -> String {
    if let Some(key) = text(headers, "x-openclaw-session-key").filter(|key| !key.trim().is_empty())
    {
        return key.trim().to_owned();
    }
    let user = asked.get("user").and_then(Value::as_str).map(str::trim);
    match user.filter(|user| !user.is_empty()) {
        Some(user) => {
            let user: String = user
                .chars()
                .map(|c| if c.is_whitespace() { '-' } else { c })
                .take(200)
                .collect();
            format!("agent:{agent}:{kind}-user:{user}")
        }
        None => format!("agent:{agent}:{kind}:{}", uuid::Uuid::new_v4()),
    }
}

/// Whose request it is.
struct Caller {
    services: Arc<Services>,
    principal: Arc<Principal>,
    headers: HeaderMap,
    left: Left,
}

impl Caller {
    /// The run that was asked for.
    fn run(self, agent: String, session: String, prompt: prompt::Prompt) -> run::Run {
        run::start(Asked {
            services: self.services,
            principal: self.principal,
            agent,
            session,
            prompt,
            left: self.left,
        })
    }
}

/// What a run is started with.
struct Asked {
    services: Arc<Services>,
    principal: Arc<Principal>,
    agent: String,
    session: String,
    prompt: prompt::Prompt,
    left: Left,
}

fn failed(status: StatusCode, kind: &str, message: &str) -> Response {
    refuse(status, kind, message, None)
}
