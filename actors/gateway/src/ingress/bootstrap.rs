//! What a page of OpenClaw's own needs before it can connect: early ones read globals of their HTML, later
//! ones attributes and a file. Pictures of agents stand beside it.

use std::path::Path;

use axum::Json;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use serde_json::Value;
use serde_json::json;

use super::caller::bearer;
use super::caller::caller;
use super::document;
use super::page::not_found;
use super::routes::text;
use crate::services::Services;

/// Where later pages ask, below the base path.
pub(super) const CONFIG: [&str; 2] = [
    "/control-ui-config.json",
    "/__openclaw/control-ui-config.json",
];
/// Where pictures of agents are, below the base path.
pub(super) const AVATAR: &str = "/avatar/";

/// The largest picture.
const PICTURE_LIMIT: u64 = 2 * 1024 * 1024;

fn assistant(config: &Config, name: &str) -> Option<String> {
    let agent = config.agents.resolve(&config.agents.default_id());
    let own = agent.as_ref().and_then(|agent| match name {
        "name" => agent.identity.name.clone().or_else(|| agent.name.clone()),
        _ => agent
            .identity
            .avatar
            .clone()
            .or_else(|| agent.identity.emoji.clone()),
    });
    let ui = config
        .tree
        .value()
        .pointer(&format!("/ui/assistant/{name}"));
    own.or_else(|| ui.and_then(Value::as_str).map(str::to_owned))
}

/// The file that later pages read; for those who know the secret, and for the token of a device that may read.
pub(super) fn config(services: &Services, request: &Request, base: &str) -> Response {
    // The device's token first: it is no wrong guess at the secret.
    let shown = text(request.headers(), header::AUTHORIZATION.as_str()).and_then(bearer);
    let is_device = shown.is_some_and(|token| services.devices.book().lets_read(token));
    if !is_device && let Err(refusal) = caller(services, request) {
        return *refusal;
    }
    let config = services.configuration();
    Json(json!({
        "basePath": base,
        "assistantName": assistant(&config, "name").unwrap_or_else(|| "Assistant".to_owned()),
        "assistantAvatar": assistant(&config, "avatar").unwrap_or_else(|| "A".to_owned()),
        "assistantAvatarSource": null,
        "assistantAvatarStatus": "none",
        "assistantAvatarReason": null,
        "assistantAgentId": config.agents.default_id(),
        "serverVersion": services.version,
        "embedSandbox": "scripts",
        "allowExternalEmbedUrls": false,
        "automaticallyFetchFavicons": false,
        "communityInvite": false,
        "terminalEnabled": false,
        "cliAgentsEnabled": false,
        "pluginAssetsRequireAuth": false,
        "pluginFrameGrants": [],
    }))
    .into_response()
}

/// The HTML of a page, with what it needs.
pub(super) fn html(services: &Services, text: &str, base: &str) -> Response {
    let config = services.configuration();
    let name = assistant(&config, "name").unwrap_or_else(|| "Assistant".to_owned());
    let avatar = assistant(&config, "avatar").unwrap_or_else(|| "A".to_owned());
    let page = document::dress(text, base, &name, &avatar);
    let policy = document::policy(&page);
    let mut response = page.into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// An agent's picture, or what is known of it.
pub(super) async fn avatar(services: &Services, id: &str, query: Option<&str>) -> Response {
    let config = services.configuration();
    let agent = AgentId::parse(id)
        .ok()
        .and_then(|id| config.agents.resolve(&id));
    let Some(agent) = agent else {
        return not_found();
    };
    let avatar = agent.identity.avatar.clone().unwrap_or_default();
    let is_address = avatar.starts_with("data:image/") || avatar.starts_with("https://");
    let workspace =
        services
            .paths
            .workspace(&agent.id, agent.is_default, agent.workspace.as_deref());
    let picture = if is_address || avatar.is_empty() {
        None
    } else {
        tokio::task::spawn_blocking(move || picture(&workspace, &avatar))
            .await
            .ok()
            .flatten()
    };
    if query.is_some_and(|query| query.split('&').any(|pair| pair == "meta=1")) {
        let url = match (is_address, &picture) {
            (true, _) => agent.identity.avatar.clone(),
            (false, Some(_)) => Some(format!("{AVATAR}{}", agent.id)),
            (false, None) => None,
        };
        return Json(json!({ "avatarUrl": url })).into_response();
    }
    match picture {
        Some((bytes, kind)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => not_found(),
    }
}

/// A picture inside the workspace; nothing outside it is ever read.
fn picture(workspace: &Path, name: &str) -> Option<(Vec<u8>, &'static str)> {
    let workspace = workspace.canonicalize().ok()?;
    let path = workspace.join(name).canonicalize().ok()?;
    let kind = media_type(&path).filter(|kind| kind.starts_with("image/"))?;
    let is_small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= PICTURE_LIMIT);
    if !path.starts_with(&workspace) || !is_small {
        return None;
    }
    Some((std::fs::read(path).ok()?, kind))
}

/// The media type of a file that a page may have.
pub(super) fn media_type(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}
