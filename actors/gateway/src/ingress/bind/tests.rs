use std::net::IpAddr;

use openclaw_protocol::Secret;
use openclaw_protocol::config::AuthMode;
use openclaw_protocol::config::Bind;
use openclaw_protocol::config::Gateway;
use openclaw_protocol::config::TrustedProxy;

use super::BindError;
use super::NOT_SAFE;
use super::PORT_TAKEN;
use super::Plan;
use super::listen;
use super::plan;
use crate::gateway::Overrides;
use crate::ingress::auth::AuthPolicy;

fn auth(mode: AuthMode, token: &str) -> AuthPolicy {
    AuthPolicy {
        mode,
        token: (!token.is_empty()).then(|| Secret::from(token)),
        password: None,
        proxy: TrustedProxy::default(),
        trusts_tailscale: false,
    }
}

fn planned(bind: Bind, host: Option<&str>, auth: &AuthPolicy) -> Result<Plan, BindError> {
    let gateway = Gateway {
        bind,
        custom_bind_host: host.map(str::to_owned),
        ..Gateway::default()
    };
    plan(&gateway, &Overrides::default(), auth, None)
}

#[test]
fn loopback_needs_no_secret_to_start_and_everything_else_does() {
    let none = auth(AuthMode::None, "");
    let blank = auth(AuthMode::Token, "   ");
    let good = auth(AuthMode::Token, "t");
    let risky = [
        (Bind::Lan, None),
        (Bind::Custom, Some("0.0.0.0")),
        (Bind::Custom, Some("192.168.1.2")),
        (Bind::Custom, Some("::")),
    ];
    for (bind, host) in risky {
        for policy in [&none, &blank] {
            let error = planned(bind, host, policy).unwrap_err();
            assert_eq!(error.code(), NOT_SAFE);
            assert!(error.to_string().contains("gateway.auth.token"), "{error}");
        }
        assert!(planned(bind, host, &good).is_ok());
    }
    for bind in [Bind::Loopback, Bind::Auto] {
        let plan = planned(bind, None, &none).unwrap();
        assert_eq!(plan.address.to_string(), "127.0.0.1:18789");
        assert_eq!(plan.companion, Some("::1".parse::<IpAddr>().unwrap()));
    }
    assert!(planned(Bind::Custom, Some("example.com"), &good).is_err());
    assert!(planned(Bind::Tailnet, None, &good).is_err());
}

#[test]
fn the_command_line_chooses_port_and_address() {
    let overrides = Overrides {
        port: Some(19_000),
        bind: Some("lan".to_owned()),
        ..Overrides::default()
    };
    let good = auth(AuthMode::Token, "t");
    let planned = plan(&Gateway::default(), &overrides, &good, None).unwrap();
    assert_eq!(planned.address.to_string(), "0.0.0.0:19000");
    let overrides = Overrides {
        bind: Some("everywhere".to_owned()),
        ..Overrides::default()
    };
    assert!(plan(&Gateway::default(), &overrides, &good, None).is_err());
}

#[tokio::test]
async fn a_taken_port_is_named_with_what_to_do() {
    let free = Plan {
        address: "127.0.0.1:0".parse().unwrap(),
        companion: None,
        tls: openclaw_protocol::config::gateway::Tls::default(),
    };
    let first = listen(&free).await.unwrap();
    let address = first[0].local_addr().unwrap();
    let error = listen(&Plan {
        address,
        companion: None,
        tls: openclaw_protocol::config::gateway::Tls::default(),
    })
    .await
    .unwrap_err();
    assert_eq!(error.code(), PORT_TAKEN);
    let text = error.to_string();
    assert!(text.contains(&address.port().to_string()), "{text}");
    assert!(text.contains("openclaw gateway status"), "{text}");
}
