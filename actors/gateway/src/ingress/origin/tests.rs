use super::OriginFacts;
use super::OriginPass;
use super::OriginRefusal;
use super::check;

fn verdict(origin: Option<&str>, host: &str) -> Result<OriginPass, OriginRefusal> {
    let facts = OriginFacts {
        origin,
        host: Some(host),
        is_browser: origin.is_some(),
    };
    check(
        &facts,
        &["https://ui.example.com".to_owned(), "*".to_owned()],
    )
}

#[test]
fn the_page_we_served_passes() {
    let table = [
        ("http://127.0.0.1:18789", "127.0.0.1:18789"),
        ("http://localhost:18789", "localhost:18789"),
        ("http://LocalHost:18789", "localhost:18789"),
        ("http://[::1]:18789", "[::1]:18789"),
        ("http://192.168.1.5:18789", "192.168.1.5:18789"),
        ("http://pi.local:18789", "pi.local:18789"),
        ("https://pi.tail1.ts.net", "pi.tail1.ts.net"),
    ];
    for (origin, host) in table {
        assert_eq!(
            verdict(Some(origin), host),
            Ok(OriginPass::SameOrigin),
            "{origin}"
        );
    }
}

#[test]
fn a_listed_page_passes() {
    for origin in [
        "https://ui.example.com",
        "https://ui.example.com:443",
        "https://UI.example.com/",
    ] {
        assert_eq!(
            verdict(Some(origin), "127.0.0.1:18789"),
            Ok(OriginPass::Listed),
            "{origin}"
        );
    }
}

#[test]
fn every_other_page_is_refused() {
    let host = "127.0.0.1:18789";
    let table = [
        ("https://evil.example", OriginRefusal::NotAllowed),
        ("null", OriginRefusal::Malformed),
        ("", OriginRefusal::Malformed),
        ("file://", OriginRefusal::Malformed),
        ("chrome-extension://abcdef", OriginRefusal::Malformed),
        // Look-alikes: another port, name, scheme, or a longer name.
        ("http://127.0.0.1:18790", OriginRefusal::NotAllowed),
        ("http://127.0.0.1", OriginRefusal::NotAllowed),
        ("http://localhost:18789", OriginRefusal::NotAllowed),
        (
            "http://127.0.0.1.evil.example:18789",
            OriginRefusal::NotAllowed,
        ),
        ("http://ui.example.com", OriginRefusal::NotAllowed),
        (
            "https://ui.example.com.evil.example",
            OriginRefusal::NotAllowed,
        ),
        ("https://ui.example.com:8443", OriginRefusal::NotAllowed),
        ("http://user@127.0.0.1:18789", OriginRefusal::Malformed),
        ("http://127.0.0.1:99999", OriginRefusal::Malformed),
    ];
    for (origin, expected) in table {
        assert_eq!(verdict(Some(origin), host), Err(expected), "{origin}");
    }
}

#[test]
fn a_rebound_public_name_is_refused() {
    let refused = Err(OriginRefusal::NotAllowed);
    assert_eq!(
        verdict(Some("http://evil.example:18789"), "evil.example:18789"),
        refused
    );
}

#[test]
fn a_browser_without_an_origin_is_refused() {
    let facts = OriginFacts {
        origin: None,
        host: Some("127.0.0.1:18789"),
        is_browser: true,
    };
    assert_eq!(check(&facts, &[]), Err(OriginRefusal::Missing));
    assert_eq!(
        verdict(None, "127.0.0.1:18789"),
        Ok(OriginPass::NotABrowser)
    );
}
