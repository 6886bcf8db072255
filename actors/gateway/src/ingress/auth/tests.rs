use openclaw_protocol::Secret;

use super::AuthFailure;
use super::AuthMode;
use super::AuthPolicy;
use super::Presented;

fn policy(mode: AuthMode, secret: Option<&str>) -> AuthPolicy {
    AuthPolicy {
        mode,
        token: secret.map(Secret::from),
        password: secret.map(Secret::from),
    }
}

fn shown<'a>(token: Option<&'a str>, password: Option<&'a str>) -> Presented<'a> {
    Presented { token, password }
}

#[test]
fn only_the_right_secret_is_verified() {
    for mode in [AuthMode::Token, AuthMode::Password] {
        let gateway = policy(mode, Some("s3cret"));
        let mismatch = Err(AuthFailure::Mismatch(mode));
        let missing = Err(AuthFailure::Missing(mode));
        assert_eq!(
            gateway
                .verify(shown(Some("s3cret"), None))
                .map(|v| v.mode()),
            Ok(mode)
        );
        assert_eq!(
            gateway
                .verify(shown(None, Some("s3cret")))
                .map(|v| v.mode()),
            Ok(mode)
        );
        for wrong in ["s3cre", "s3cretx", "S3CRET", "s3cret ", "x"] {
            assert_eq!(
                gateway.verify(shown(Some(wrong), None)).map(|v| v.mode()),
                mismatch
            );
        }
        for absent in [None, Some(""), Some("  ")] {
            assert_eq!(
                gateway.verify(shown(absent, absent)).map(|v| v.mode()),
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
    assert_eq!(verified.map(|v| v.mode()), Ok(AuthMode::None));
}
