use openclaw_protocol::config::gateway::Tls;

use super::TlsError;
use super::encryption;
use crate::paths::Paths;

fn enabled() -> Tls {
    Tls {
        enabled: true,
        ..Tls::default()
    }
}

#[test]
fn a_certificate_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path());
    assert!(encryption(&Tls::default(), &paths).unwrap().is_none());
    let first = encryption(&enabled(), &paths).unwrap().unwrap();
    let again = encryption(&enabled(), &paths).unwrap().unwrap();
    assert_eq!(first.fingerprint, again.fingerprint);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = dir.path().join("gateway/tls/gateway-key.pem");
        let mode = std::fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_is_half_absent_or_broken_is_said_and_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path());
    let half = Tls {
        cert_path: Some("x.pem".to_owned()),
        ..enabled()
    };
    assert!(matches!(encryption(&half, &paths), Err(TlsError::Half)));
    let never = Tls {
        auto_generate: Some(false),
        ..enabled()
    };
    assert!(matches!(
        encryption(&never, &paths),
        Err(TlsError::Absent(_))
    ));
    let folder = dir.path().join("gateway/tls");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("gateway-cert.pem"), "not a certificate").unwrap();
    std::fs::write(folder.join("gateway-key.pem"), "not a key").unwrap();
    assert!(matches!(
        encryption(&enabled(), &paths),
        Err(TlsError::Invalid { .. })
    ));
}
