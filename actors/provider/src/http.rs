//! The HTTP clients that all providers share.
//!
//! There are two. The plain one serves `http://`: no TLS roots are read for it, which would cost
//! milliseconds and megabytes, and no proxy is asked, because such servers are on this machine or
//! its network. The other serves `https://`, with the roots of the system and its proxy; it is made
//! when the first `https://` address is called. Both keep idle connections for half a minute, no
//! more of them than sessions usually work at once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::Client;
use reqwest::ClientBuilder;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use rustls::ClientConfig;
use rustls::RootCertStore;

use crate::error::ModelError;
use crate::error::ModelErrorKind;

/// A conversation pauses for longer than this more often than not; a new connection costs less than
/// memory held for it.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// As many as sessions usually work at once: a connection that is made anew costs more than one that waits.
const KEEP_IDLE_PER_HOST: usize = 32;

/// Returns the client for an address; made at first use. Redirects are not followed: the headers
/// hold keys.
///
/// Installs ring as the process's TLS provider if none is installed: this is the one place of the
/// crate that does.
pub fn client(url: &str, connect: Duration) -> Result<Client, ModelError> {
    type Clients = Mutex<HashMap<(bool, Duration), Client>>;
    static CLIENTS: OnceLock<Clients> = OnceLock::new();
    let tls = url
        .get(..8)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let mut clients = CLIENTS
        .get_or_init(Clients::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(&(tls, connect)) {
        return Ok(client.clone());
    }
    let client = build(tls, connect)?;
    clients.insert((tls, connect), client.clone());
    Ok(client)
}

fn build(tls: bool, connect: Duration) -> Result<Client, ModelError> {
    // An error means that another part of the process has installed one: as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder()
        .connect_timeout(connect)
        .pool_idle_timeout(KEEP_IDLE)
        .pool_max_idle_per_host(KEEP_IDLE_PER_HOST)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")));
    let builder = if tls { builder } else { without_tls(builder) };
    builder.build().map_err(|error| {
        ModelError::new(
            ModelErrorKind::Network,
            format!(
                "the HTTPS client could not be made: {error}; install the system's CA certificates (package ca-certificates)"
            ),
        )
    })
}

/// Hands in a TLS configuration without roots, so that none are loaded.
fn without_tls(builder: ClientBuilder) -> ClientBuilder {
    let empty = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    builder.no_proxy().tls_backend_preconfigured(empty)
}

/// Adds a header that is never printed. One that can't be sent (a line break in a key) is left out:
/// the provider then answers that it is missing.
pub(crate) fn secret_header(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::try_from(name);
    let value = HeaderValue::try_from(value.trim());
    if let (Ok(name), Ok(mut value)) = (name, value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::client;

    const WAIT: Duration = Duration::from_secs(1);

    #[test]
    fn a_local_server_needs_no_roots() {
        client("http://127.0.0.1:1", WAIT).unwrap();
    }

    #[test]
    fn the_other_says_what_it_misses() {
        // A machine without certificates is told which package brings them.
        if let Err(error) = client("HTTPS://example.org", WAIT) {
            assert!(error.message.contains("ca-certificates"), "{error}");
        }
    }
}
