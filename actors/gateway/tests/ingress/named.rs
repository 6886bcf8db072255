//! Callers whom Tailscale names, and a port that is encrypted.

use std::sync::Arc;

use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::client::Refusal;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

/// A `tailscale` that knows one address.
#[cfg(unix)]
fn tailscale(house: &House) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = house.state_dir().join("tailscale");
    let script = "#!/bin/sh\n[ \"$1 $2 $3\" = \"whois --json 100.64.0.7\" ] || exit 1\necho '{\"UserProfile\":{\"LoginName\":\"ann@example.com\"}}'\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[cfg(unix)]
#[tokio::test]
async fn tailscale_is_asked_before_its_header_counts() {
    let house = House::start().await;
    let program = tailscale(&house);
    house.reconfigure(json!({
        "gateway": {
            "auth": { "allowTailscale": true },
            "controlUi": { "allowedOrigins": ["https://claw.example.ts.net"] },
        },
        "env": { "vars": { "OPENCLAW_TAILSCALE_BIN": program } },
    }));
    let page = |user: &str, from: &str| {
        Hello::new(4, 4)
            .client("webchat-ui", "webchat")
            .with("auth", json!({}))
            .header("Origin", "https://claw.example.ts.net")
            .header("X-Forwarded-For", from)
            .header("Tailscale-User-Login", user)
    };
    let admitted = Client::connect(house.address, page("ann@example.com", "100.64.0.7")).await;
    assert_eq!(admitted.unwrap().hello["auth"]["method"], "tailscale");
    for (user, from, code) in [
        (
            "bob@example.com",
            "100.64.0.7",
            "AUTH_TAILSCALE_IDENTITY_MISMATCH",
        ),
        (
            "ann@example.com",
            "100.64.0.8",
            "AUTH_TAILSCALE_WHOIS_FAILED",
        ),
    ] {
        match Client::connect(house.address, page(user, from)).await {
            Err(Refusal::Connect(error, ..)) => assert_eq!(error["details"]["code"], code),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_encrypted_port_shows_the_certificate_it_made() {
    let settings = json!({ "gateway": { "tls": { "enabled": true } } });
    let house = House::with(settings).await;
    let made = std::fs::read(house.state_dir().join("gateway/tls/gateway-cert.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in {
        use rustls::pki_types::pem::PemObject;
        rustls::pki_types::CertificateDer::pem_slice_iter(&made).map(Result::unwrap)
    } {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    let hello = Hello::new(4, 4).token(TOKEN);
    let mut client = Client::over(stream, house.address, hello).await.unwrap();
    assert!(client.call("health", json!({})).await.is_ok());
    // Plain text is not answered.
    let answer = openclaw_support::client::http(house.address, "GET", "/health", &[]).await;
    assert_eq!(answer.status, 0, "{answer:?}");
}
