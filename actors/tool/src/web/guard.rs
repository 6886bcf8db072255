//! Which addresses may be called. Pure.
//!
//! Only what is a public address by its own form passes. Everything that stands for another address (mapped,
//! NAT64, 6to4, Teredo) is refused whatever it stands for: no public page needs it.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// The rule, with what the configuration lets through besides.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Guard {
    ranges: Vec<Range>,
    names: Vec<String>,
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is at {address}, which is {kind}: web_fetch reads public addresses only. The owner can list it in \
     tools.web.fetch.allowPrivate"
)]
pub(super) struct Refused {
    host: String,
    address: IpAddr,
    kind: &'static str,
}

/// Addresses with the same beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    first: IpAddr,
    bits: u32,
}

/// What refuses even a name that is listed: there the machine's own keys are handed out.
const LINK_LOCAL: &str = "link-local (where clouds hand out keys)";

/// Special ranges of version 4: <https://www.iana.org/assignments/iana-ipv4-special-registry>.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this machine"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documents"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for measurements"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documents"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documents"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "for many at once"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Special ranges of version 6; the first that holds an address names it.
const SPECIAL_V6: [([u16; 8], u32, &str); 14] = [
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "this machine"),
    (
        [0, 0, 0, 0, 0, 0xffff, 0, 0],
        96,
        "an IPv4 address in disguise",
    ),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "an IPv4 address in disguise"),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "NAT64"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "for documents"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "for documents"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LINK_LOCAL),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "private"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "for many at once"),
];

impl Guard {
    /// Reads what the configuration lets through: addresses, ranges such as `10.0.0.0/8`, names of hosts. What is
    /// none of these lets nothing through.
    pub(super) fn new(allowed: &[String]) -> Self {
        let mut guard = Self::default();
        for entry in allowed {
            let entry = entry.trim();
            match Range::parse(entry) {
                Some(range) => guard.ranges.push(range),
                None if entry.is_empty() || entry.contains('/') => {}
                None => guard.names.push(bare(entry)),
            }
        }
        guard
    }

    /// Whether a host may be called at an address.
    pub(super) fn check(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let Some(kind) = special(address) else {
            return Ok(());
        };
        let is_listed = self.ranges.iter().any(|range| range.holds(address));
        let is_named = kind != LINK_LOCAL && self.names.contains(&bare(host));
        if is_listed || is_named {
            return Ok(());
        }
        Err(Refused {
            host: host.to_owned(),
            address,
            kind,
        })
    }
}

/// A name as it is compared.
fn bare(host: &str) -> String {
    host.trim_end_matches('.').to_lowercase()
}

/// What an address is, if it is not a public one.
fn special(address: IpAddr) -> Option<&'static str> {
    let inside = |first: IpAddr, bits| Range { first, bits }.holds(address);
    match address {
        IpAddr::V4(_) => SPECIAL_V4
            .iter()
            .find(|(first, bits, _)| inside(IpAddr::V4(*first), *bits))
            .map(|(_, _, kind)| *kind),
        IpAddr::V6(v6) => {
            let known = SPECIAL_V6.iter().find(|(first, bits, _)| {
                let [a, b, c, d, e, f, g, h] = *first;
                inside(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), *bits)
            });
            let known = known.map(|(_, _, kind)| *kind);
            // Public addresses of version 6 all begin with the bits 001.
            known.or_else(|| {
                (v6.segments().first().copied().unwrap_or(0) >> 13 != 1).then_some("reserved")
            })
        }
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first.parse().ok()?, Some(bits.parse().ok()?)),
            None => (text.trim_matches(['[', ']']).parse().ok()?, None),
        };
        let most = match first {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { first, bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let shift = width - self.bits.min(width);
            a.checked_shr(shift) == b.checked_shr(shift)
        };
        match (self.first, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(guard: &Guard, host: &str, address: &str) -> Result<(), Refused> {
        guard.check(host, address.parse().unwrap())
    }

    #[test]
    fn what_is_not_a_public_address_is_refused() {
        let none = Guard::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "192.88.99.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "2001::1",
            "2001:0:4136:e378::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "4000::1",
            "5f00::1",
        ] {
            assert!(verdict(&none, "host", address).is_err(), "{address}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        let none = Guard::default();
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "2003::1",
            "3ffe::1",
        ] {
            assert_eq!(verdict(&none, "host", address), Ok(()), "{address}");
        }
    }

    #[test]
    fn what_is_listed_passes_and_nothing_beside_it() {
        let list = [
            "10.1.0.0/16",
            "[::1]",
            "192.168.1.7",
            "Wiki.Home.",
            "10.0.0.0/99",
            "",
        ];
        let guard = Guard::new(&list.map(str::to_owned));
        for (host, address, passes) in [
            ("x", "10.1.255.1", true),
            ("x", "10.2.0.1", false),
            ("x", "::1", true),
            ("x", "::2", false),
            ("x", "192.168.1.7", true),
            ("x", "192.168.1.8", false),
            ("wiki.home", "10.9.9.9", true),
            ("WIKI.home.", "127.0.0.1", true),
            ("evil.wiki.home", "127.0.0.1", false),
            // A name opens no way to where clouds hand out keys.
            ("wiki.home", "169.254.169.254", false),
            ("wiki.home", "fe80::1", false),
        ] {
            assert_eq!(
                verdict(&guard, host, address).is_ok(),
                passes,
                "{host} {address}"
            );
        }
        let metadata = Guard::new(&["169.254.0.0/16".to_owned()]);
        assert_eq!(verdict(&metadata, "x", "169.254.169.254"), Ok(()));
    }
}
