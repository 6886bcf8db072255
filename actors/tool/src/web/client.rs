//! The HTTP client of the web tools, and the names it trusts.
//!
//! Names are resolved once for each connection, here, and every address is asked about before any is called:
//! a name that answers differently the next time gains nothing. No proxy is asked, as it would resolve names by
//! itself.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openclaw_runtime::BoxFuture;
use reqwest::Client;
use reqwest::Url;
use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;

use super::guard::Guard;
use super::guard::Refused;

/// A host that doesn't answer sooner is down.
const CONNECT: Duration = Duration::from_secs(10);

/// Looks names up.
pub trait Names: Send + Sync {
    /// All addresses of a host.
    fn look_up(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The names that this machine knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Names whose addresses were asked about.
struct Checked {
    names: Arc<dyn Names>,
    guard: Guard,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(checked(Arc::clone(&self.names), self.guard.clone(), name))
    }
}

async fn checked(
    names: Arc<dyn Names>,
    guard: Guard,
    name: Name,
) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
    let found = names.look_up(name.as_str()).await?;
    // One bad address among good ones is enough: which one is called is not ours to say.
    for address in &found {
        guard.check(name.as_str(), *address)?;
    }
    let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
    Ok(Box::new(found))
}

/// A client that calls what the guard lets through. It follows no redirect by itself.
pub(super) fn guarded(names: Arc<dyn Names>, guard: Guard) -> Result<Client, reqwest::Error> {
    // An error means that another part of the process has installed one: as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .connect_timeout(CONNECT)
        // A connection that is kept would outlive a change of the list.
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(Checked { names, guard }))
        .build()
}

/// A client for addresses that the owner configured.
pub(super) fn trusted() -> Result<Client, reqwest::Error> {
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        // The headers hold keys.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Whether an address as it is written may be called; names are asked about when they are resolved.
pub(super) fn check_written(guard: &Guard, url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "only http and https can be read, not {}:",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a name or password in it is not called".to_owned());
    }
    let Some(host) = url.host_str() else {
        return Err("the address names no host".to_owned());
    };
    // The parser has turned decimal, octal, hexadecimal and short forms into the usual one.
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => guard
            .check(host, address)
            .map_err(|refused| refused.to_string()),
        Err(_) => Ok(()),
    }
}

/// Why a request failed, for the model: the guard's own words where it refused.
pub(super) fn failure(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut last = None;
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        last = Some(error);
        cause = error.source();
    }
    match last {
        _ if error.is_timeout() => "no answer in time".to_owned(),
        Some(last) => last.to_string(),
        None => "the request failed".to_owned(),
    }
}
