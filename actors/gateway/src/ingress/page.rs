//! The page's files, under the configured base path.

use std::path::PathBuf;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use super::bootstrap;
use super::routes::refuse;
use crate::gateway::Asset;
use crate::services::Services;

#[cfg(test)]
mod tests;

const INDEX: &str = "index.html";

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// A file.
    File(&'a str),
    /// The base path without its slash.
    Redirect,
    /// Not the page.
    Elsewhere,
}

/// Answers a request for the page.
pub(super) async fn answer(services: &Services, request: Request) -> Response {
    let uri = request.uri();
    let config = services.configuration();
    let page = &config.gateway.control_ui;
    if !page.enabled {
        return not_found();
    }
    let base = base_path(page.base_path.as_deref());
    if let Some(below) = uri.path().strip_prefix(&base) {
        if bootstrap::CONFIG.contains(&below) {
            return bootstrap::config(services, &request, &base);
        }
        if let Some(id) = below.strip_prefix(bootstrap::AVATAR) {
            return bootstrap::avatar(services, id, uri.query()).await;
        }
    }
    // A secret in the query would stand in histories and logs: it is dropped, never read.
    let leaks = uri.query().is_some_and(|query| {
        query.split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            ["token", "password", "gatewayUrl"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        })
    });
    match place(uri.path(), &base) {
        Place::Redirect => Redirect::permanent(&format!("{base}/")).into_response(),
        Place::File(_) if leaks => Redirect::to(&format!("{base}/")).into_response(),
        Place::File(path) if page.root.is_some() => {
            let root = services
                .paths
                .expand(page.root.as_deref().unwrap_or_default());
            from_folder(services, root, path, &base).await
        }
        // Another page than the built-in one has views of its own.
        Place::Elsewhere if page.root.is_some() && is_view(uri.path(), &base) => {
            let root = services
                .paths
                .expand(page.root.as_deref().unwrap_or_default());
            from_folder(services, root, INDEX, &base).await
        }
        Place::File(path) => match (services.assets)(path) {
            Some(asset) => found(asset, path),
            None => not_found(),
        },
        Place::Elsewhere => not_found(),
    }
}

/// A file of a folder that stands in for the built-in page. Nothing outside the folder is ever read.
async fn from_folder(services: &Services, root: PathBuf, path: &str, base: &str) -> Response {
    let name = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let root = root.canonicalize().ok()?;
        let path = root.join(name).canonicalize().ok()?;
        if !path.starts_with(&root) {
            return None;
        }
        let kind = bootstrap::media_type(&path)?;
        Some((std::fs::read(path).ok()?, kind))
    });
    match reading.await.ok().flatten() {
        Some((bytes, _)) if path == INDEX => {
            bootstrap::html(services, &String::from_utf8_lossy(&bytes), base)
        }
        Some((bytes, kind)) => found(
            Asset {
                bytes: bytes.into(),
                media_type: kind,
            },
            path,
        ),
        None => not_found(),
    }
}

/// Tells whether a path may be a view of a page: below the base, and none of the gateway's own interfaces.
fn is_view(path: &str, base: &str) -> bool {
    let Some(below) = path
        .strip_prefix(base)
        .filter(|below| below.starts_with('/'))
    else {
        return false;
    };
    let is_own = ["/v1/", "/api/", "/tools/", "/hooks/", "/metrics"]
        .iter()
        .any(|own| below.starts_with(own));
    !is_own && !below.split('/').any(|part| part == ".." || part == ".")
}

/// The base path without a trailing slash; empty for the root.
fn base_path(configured: Option<&str>) -> String {
    let trimmed = configured.unwrap_or_default().trim().trim_matches('/');
    if trimmed.is_empty() {
        String::new()
    } else {
        format!("/{trimmed}")
    }
}

fn place<'a>(path: &'a str, base: &str) -> Place<'a> {
    let Some(rest) = path.strip_prefix(base) else {
        return Place::Elsewhere;
    };
    if rest.is_empty() && !base.is_empty() {
        return Place::Redirect;
    }
    let Some(file) = rest.strip_prefix('/') else {
        return Place::Elsewhere;
    };
    let is_asset = file.starts_with("assets/")
        || file
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains('.'));
    match file {
        "" => Place::File(INDEX),
        _ if file.split('/').any(|part| part == ".." || part == ".") => Place::Elsewhere,
        _ if is_asset => Place::File(file),
        // A view of the page: it finds its way from the address itself.
        "chat" | "sessions" | "overview" | "tree" | "supervisor" | "settings" => Place::File(INDEX),
        _ => Place::Elsewhere,
    }
}

fn found(asset: Asset, path: &str) -> Response {
    let kind = HeaderValue::from_static(asset.media_type);
    // Files keep their names over versions, so a browser asks each time.
    let cache = if path.starts_with("assets/") {
        "public, max-age=3600"
    } else {
        "no-cache"
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    (headers, asset.bytes).into_response()
}

pub(super) fn not_found() -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path",
        None,
    )
}
