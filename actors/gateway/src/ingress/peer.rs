//! Who is on the other end: the canonical address that limits are counted by.
//!
//! An address never grants a right. It only says in which bucket a caller's failures are counted,
//! so every spelling of one caller must land in the same bucket.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv6Addr;

#[cfg(test)]
mod tests;

/// A caller's bucket: one for all of loopback, one for each IPv4 address, one for each IPv6 /64.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanonicalAddress(String);

impl CanonicalAddress {
    /// Folds IPv4-mapped addresses to IPv4, all loopback spellings to one, IPv6 to its /64.
    pub fn of(address: IpAddr) -> Self {
        let address = fold(address);
        if address.is_loopback() {
            return Self("loopback".to_owned());
        }
        match address {
            IpAddr::V4(v4) => Self(v4.to_string()),
            // One subscriber usually holds a whole /64: a bucket per address would be no limit.
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
        }
    }

    /// The bucket's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it is.
pub fn fold(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `address` or `address/bits`; `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let whole = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(whole);
        (bits <= whole).then_some(Self { base, bits })
    }

    /// Tells whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, fold(address)) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                let part = |value: u32| value.checked_shr(shift).unwrap_or(0);
                part(base.to_bits()) == part(address.to_bits())
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                let part = |value: u128| value.checked_shr(shift).unwrap_or(0);
                part(base.to_bits()) == part(address.to_bits())
            }
            _ => false,
        }
    }
}

/// The headers by which a proxy speaks for somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Whether any forwarding header is there at all.
    pub is_present: bool,
    /// The values of `X-Forwarded-For`, first to last, each possibly a list.
    pub forwarded_for: Vec<String>,
    /// `X-Real-IP`.
    pub real_ip: Option<String>,
}

/// Names of the headers that mean "I speak for somebody else".
pub const FORWARDING_HEADERS: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
];

/// A peer that speaks for somebody else without being a trusted proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "forwarding headers from a peer that is not in gateway.trustedProxies: add the proxy's address there, or let it stop sending them"
)]
pub struct UntrustedProxy;

/// The address to count by: the peer's, or the nearest untrusted one that a trusted proxy names.
pub fn client_address(
    peer: IpAddr,
    forwarding: &Forwarding,
    trusted: &[Network],
) -> Result<IpAddr, UntrustedProxy> {
    let peer = fold(peer);
    if !forwarding.is_present {
        return Ok(peer);
    }
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Err(UntrustedProxy);
    }
    // Right to left: what stands further left was written by whoever sent it.
    let mut hops = forwarding
        .forwarded_for
        .iter()
        .flat_map(|value| value.split(','))
        .filter_map(|hop| hop.trim().parse::<IpAddr>().ok())
        .map(fold);
    let nearest = hops.rfind(|hop| !is_trusted(*hop));
    let real = || forwarding.real_ip.as_deref()?.trim().parse().ok().map(fold);
    Ok(nearest.or_else(real).unwrap_or(peer))
}
