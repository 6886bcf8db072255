use openclaw_protocol::Secret;
use openclaw_protocol::config::AuthMode;
use openclaw_protocol::config::Gateway;
use openclaw_protocol::config::GatewayAuth;
use openclaw_protocol::config::Section;
use openclaw_protocol::config::TrustedProxy;

use super::AuthFailure;
use super::AuthPolicy;
use super::Presented;
use super::Proof;
use crate::gateway::Overrides;

fn policy(mode: AuthMode, secret: Option<&str>) -> AuthPolicy {
    AuthPolicy {
        mode,
        token: secret.map(Secret::from),
        password: secret.map(Secret::from),
        proxy: TrustedProxy::default(),
        trusts_tailscale: false,
    }
}

fn shown<'a>(token: Option<&'a str>, password: Option<&'a str>) -> Presented<'a> {
    Presented { token, password }
}

#[test]
fn only_the_right_secret_is_verified() {
    for (mode, proof) in [
        (AuthMode::Token, Proof::Token),
        (AuthMode::Password, Proof::Password),
    ] {
        let gateway = policy(mode, Some("s3cret"));
        let mismatch = Err(AuthFailure::Mismatch(mode));
        let missing = Err(AuthFailure::Missing(mode));
        assert_eq!(
            gateway
                .verify(shown(Some("s3cret"), None))
                .map(|v| v.proof()),
            Ok(proof)
        );
        assert_eq!(
            gateway
                .verify(shown(None, Some("s3cret")))
                .map(|v| v.proof()),
            Ok(proof)
        );
        for wrong in ["s3cre", "s3cretx", "S3CRET", "s3cret ", "x"] {
            assert_eq!(
                gateway.verify(shown(Some(wrong), None)).map(|v| v.proof()),
                mismatch
            );
        }
        for absent in [None, Some(""), Some("  ")] {
            assert_eq!(
                gateway.verify(shown(absent, absent)).map(|v| v.proof()),
                missing
            );
        }
    }
}

#[test]
fn a_gateway_without_a_secret_lets_nobody_in() {
    for secret in [None, Some(""), Some("   ")] {
        let gateway = policy(AuthMode::Token, secret);
        let verdict = gateway.verify(shown(Some(""), Some("   ")));
        assert_eq!(verdict, Err(AuthFailure::NotConfigured(AuthMode::Token)));
        assert!(!gateway.has_secret());
    }
}

#[test]
fn mode_none_asks_for_nothing() {
    let verified = policy(AuthMode::None, None).verify(Presented::default());
    assert_eq!(verified.map(|v| v.proof()), Ok(Proof::Nothing));
}

#[test]
fn the_policy_comes_from_the_file_then_from_the_environment() {
    let gateway = |auth| Gateway {
        auth,
        ..Gateway::default()
    };
    let env = |name: &str| Some(format!("env {name}"));
    let token = Some(Secret::from("file"));
    let with_token = gateway(Section::Valid(GatewayAuth {
        token,
        ..GatewayAuth::default()
    }));
    let policy = AuthPolicy::of(&with_token, env);
    assert_eq!(policy.token.unwrap().expose(), "file");
    let policy = AuthPolicy::of(&gateway(Section::default()), env);
    assert_eq!(policy.token.unwrap().expose(), "env OPENCLAW_GATEWAY_TOKEN");

    let only_password = |name: &str| name.ends_with("PASSWORD").then(|| "p".to_owned());
    let policy = AuthPolicy::of(&gateway(Section::default()), only_password);
    assert_eq!(policy.mode, AuthMode::Password);

    // A section that can't be read lets nobody in, whatever the environment holds.
    let policy = AuthPolicy::of(&gateway(Section::Invalid(Vec::new())), env);
    assert!(!policy.has_secret());
    assert_eq!(
        policy.verify(shown(Some("env OPENCLAW_GATEWAY_TOKEN"), None)),
        Err(AuthFailure::NotConfigured(AuthMode::Token))
    );
}

#[test]
fn the_command_line_goes_before_both() {
    let file = policy(AuthMode::Password, Some("file"));
    let overrides = |auth: Option<&str>, token: Option<&str>| Overrides {
        auth: auth.map(str::to_owned),
        token: token.map(Secret::from),
        ..Overrides::default()
    };
    let same = file.clone().overridden(&overrides(None, None));
    assert_eq!(
        (same.mode, same.token.unwrap().expose()),
        (AuthMode::Password, "file")
    );
    let token = file.clone().overridden(&overrides(None, Some("line")));
    assert_eq!(
        (token.mode, token.token.unwrap().expose()),
        (AuthMode::Token, "line")
    );
    let none = file.overridden(&overrides(Some("none"), None));
    assert_eq!(none.mode, AuthMode::None);
}
