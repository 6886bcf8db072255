//! Encryption of the port: the owner's certificate, or one that is made once and kept.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::config::gateway::Tls;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::Digest;
use sha2::Sha256;
use tokio_rustls::TlsAcceptor;

use crate::device::write_private_text;
use crate::paths::Paths;
use crate::services::host_name;

#[cfg(test)]
mod tests;

/// Why the port is not encrypted as it should be.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Half a pair.
    #[error("gateway.tls: set certPath and keyPath, or neither")]
    Half,
    /// There is no certificate, and none may be made.
    #[error(
        "gateway.tls: there is no certificate at {} and gateway.tls.autoGenerate is false",
        .0.display()
    )]
    Absent(PathBuf),
    /// A file can't be read or written.
    #[error("gateway.tls: {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds nothing usable.
    #[error("gateway.tls: {}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No certificate could be made.
    #[error("gateway.tls: no certificate could be made: {0}")]
    Unmade(String),
}

/// What encrypts the port, and the certificate's fingerprint, by which clients can know it again.
#[derive(Clone)]
pub struct Encryption {
    /// Turns a connection into an encrypted one.
    pub acceptor: TlsAcceptor,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: String,
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Reads what the settings name, or makes it; `None` when the port is not encrypted. Reads and writes files.
pub fn encryption(tls: &Tls, paths: &Paths) -> Result<Option<Encryption>, TlsError> {
    if !tls.enabled {
        return Ok(None);
    }
    let folder = paths.state_dir.join("gateway").join("tls");
    let (cert_path, key_path) = match (&tls.cert_path, &tls.key_path) {
        (Some(cert), Some(key)) => (paths.expand(cert), paths.expand(key)),
        (None, None) => (
            folder.join("gateway-cert.pem"),
            folder.join("gateway-key.pem"),
        ),
        _ => return Err(TlsError::Half),
    };
    if !cert_path.exists() && !key_path.exists() {
        if tls.auto_generate == Some(false) {
            return Err(TlsError::Absent(cert_path));
        }
        generate(&cert_path, &key_path)?;
    }
    load(&cert_path, &key_path).map(Some)
}

fn load(cert_path: &Path, key_path: &Path) -> Result<Encryption, TlsError> {
    let invalid = |path: &Path, problem: String| TlsError::Invalid {
        path: path.to_owned(),
        problem,
    };
    let read = |path: &Path| {
        fs::read(path).map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(cert_path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(cert_path, error.to_string()))?;
    let Some(leaf) = chain.first() else {
        return Err(invalid(cert_path, "holds no certificate".to_owned()));
    };
    let fingerprint: String = Sha256::digest(leaf)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let key = PrivateKeyDer::from_pem_slice(&read(key_path)?)
        .map_err(|error| invalid(key_path, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unmade(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| invalid(cert_path, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Encryption {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        fingerprint,
    })
}

fn generate(cert_path: &Path, key_path: &Path) -> Result<(), TlsError> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let host = host_name();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if host != "localhost" && host.chars().all(is_name) {
        names.push(format!("{host}.local"));
        names.push(host);
    }
    names.extend(super::bind::outward_address().map(|address| address.to_string()));
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| TlsError::Unmade(error.to_string()))?;
    let write = |path: &Path, text: &str| {
        write_private_text(path, text).map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })
    };
    write(key_path, &made.signing_key.serialize_pem())?;
    write(cert_path, &made.cert.pem())
}
