use super::CanonicalAddress;
use super::Forwarding;
use super::Network;
use super::UntrustedProxy;
use super::client_address;

fn bucket(address: &str) -> String {
    CanonicalAddress::of(address.parse().unwrap())
        .as_str()
        .to_owned()
}

#[test]
fn every_spelling_of_a_caller_lands_in_one_bucket() {
    let table = [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ];
    for (address, expected) in table {
        assert_eq!(bucket(address), expected, "{address}");
    }
}

#[test]
fn networks_hold_their_addresses() {
    let table = [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("127.0.0.1", "::ffff:127.0.0.1", true),
        ("fd00::/8", "fd12::1", true),
        ("fd00::/8", "fe80::1", false),
        ("10.0.0.0/8", "::1", false),
    ];
    for (network, address, expected) in table {
        let network = Network::parse(network).unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), expected);
    }
    for wrong in ["", "10.0.0.0/33", "example.com", "10.0.0.0/x"] {
        assert_eq!(Network::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn only_a_trusted_proxy_may_name_another_address() {
    let trusted = [Network::parse("127.0.0.1").unwrap()];
    let naming = |list: &[&str]| Forwarding {
        is_present: true,
        forwarded_for: list.iter().map(|&s| s.to_owned()).collect(),
        real_ip: None,
    };
    let peer = "127.0.0.1".parse().unwrap();
    let evil = "203.0.113.5".parse().unwrap();
    assert_eq!(client_address(evil, &Forwarding::default(), &[]), Ok(evil));
    assert_eq!(
        client_address(evil, &naming(&["127.0.0.1"]), &trusted),
        Err(UntrustedProxy)
    );
    assert_eq!(
        client_address(peer, &naming(&["127.0.0.1"]), &[]),
        Err(UntrustedProxy)
    );
    // What the caller wrote itself stands on the left and doesn't count.
    assert_eq!(
        client_address(peer, &naming(&["1.1.1.1, 203.0.113.5"]), &trusted),
        Ok(evil)
    );
    assert_eq!(
        client_address(
            peer,
            &naming(&["1.1.1.1", "203.0.113.5, 127.0.0.1"]),
            &trusted
        ),
        Ok(evil)
    );
    assert_eq!(
        client_address(peer, &naming(&["rubbish"]), &trusted),
        Ok(peer)
    );
}
