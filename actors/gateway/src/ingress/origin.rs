//! Which web pages may talk to the gateway. Decided before any credential is read.
//!
//! A browser lets every page open a socket to loopback; the `Origin` header is the only thing that
//! tells our own page from a hostile one. So the list is exact: the address that served the page,
//! if that is a private name, or an entry of `gateway.controlUi.allowedOrigins`.

use std::net::IpAddr;

use super::peer::fold;

#[cfg(test)]
mod tests;

/// What the request says about the page it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct OriginFacts<'a> {
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Host` header.
    pub host: Option<&'a str>,
    /// Whether headers are there that only a browser sends (`Sec-Fetch-…`).
    pub is_browser: bool,
}

/// Where an admitted request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginPass {
    /// Not from a web page.
    NotABrowser,
    /// From the page that this gateway served.
    SameOrigin,
    /// From a page on the allow list.
    Listed,
}

/// Why a page is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginRefusal {
    /// A browser's request without an origin.
    #[error("origin missing or invalid")]
    Missing,
    /// `null`, or not `scheme://host[:port]`.
    #[error("origin missing or invalid")]
    Malformed,
    /// A page that is not on the list.
    #[error("origin not allowed")]
    NotAllowed,
}

/// The message every refusal carries; clients show it as it stands.
pub const ORIGIN_MESSAGE: &str = "origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)";

/// An origin in canonical form: lower case, with its port written out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    scheme: String,
    host: String,
    port: u16,
}

/// Decides on one request.
pub fn check(facts: &OriginFacts<'_>, allowed: &[String]) -> Result<OriginPass, OriginRefusal> {
    let Some(origin) = facts.origin else {
        if facts.is_browser {
            return Err(OriginRefusal::Missing);
        }
        return Ok(OriginPass::NotABrowser);
    };
    let site = Site::parse(origin).ok_or(OriginRefusal::Malformed)?;
    if allowed
        .iter()
        .filter_map(|entry| Site::parse(entry))
        .any(|entry| entry == site)
    {
        return Ok(OriginPass::Listed);
    }
    let served_by = facts
        .host
        .and_then(|host| Site::parse(&format!("{}://{host}", site.scheme)));
    // A public name proves nothing here: its owner can point it at this machine after the page is
    // loaded (DNS rebinding). Such a name must be on the list.
    if served_by.as_ref() == Some(&site) && is_private_name(&site.host) {
        return Ok(OriginPass::SameOrigin);
    }
    Err(OriginRefusal::NotAllowed)
}

impl Site {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
            return None;
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => {
                let (host, after) = v6.split_once(']')?;
                (
                    host,
                    after.strip_prefix(':').or(after.is_empty().then_some(""))?,
                )
            }
            None => rest.split_once(':').unwrap_or((rest, "")),
        };
        let port = match port {
            "" => default_port,
            digits => digits.parse().ok()?,
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }
}

/// Names that only resolve inside: loopback, private and link-local addresses, `.local`, `.ts.net`.
fn is_private_name(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match fold(address) {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        };
    }
    host == "localhost"
        || [".localhost", ".local", ".ts.net"]
            .iter()
            .any(|suffix| host.ends_with(suffix))
}
