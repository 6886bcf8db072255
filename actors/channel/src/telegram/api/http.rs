//! The HTTP client: what was certainly not sent is told from what may have arrived, and a broken IPv6 is
//! remembered.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Client;
use serde::Serialize;

/// A server that does not even take the connection in this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that the server closes while we write would leave a send unknown: shorter than servers wait.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// A hundred updates of the largest kind stay below this.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How a request failed.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// It was not written.
    NotSent(String),
    /// It may have arrived.
    Unknown(String),
}

/// Two clients of one kind: one takes any address family, one IPv4 only.
#[derive(Debug, Default)]
pub(crate) struct Http {
    proxy: Option<String>,
    any: OnceLock<Result<Client, String>>,
    ipv4: OnceLock<Result<Client, String>>,
    prefers_ipv4: AtomicBool,
}

impl Http {
    pub(crate) fn new(proxy: Option<String>, ipv4_only: bool) -> Self {
        Self {
            proxy,
            prefers_ipv4: AtomicBool::new(ipv4_only),
            ..Self::default()
        }
    }

    /// Posts JSON; gives the status and the body.
    pub(crate) async fn post(
        &self,
        url: &str,
        body: &(impl Serialize + Sync),
        within: Duration,
    ) -> Result<(u16, Vec<u8>), HttpError> {
        let prefers_ipv4 = self.prefers_ipv4.load(Ordering::Relaxed);
        let first = self.attempt(prefers_ipv4, url, body, within).await;
        let Err(Attempt::NotConnected(reason)) = first else {
            return first.map_err(Attempt::into_error);
        };
        // Nothing was written, so the other family may be tried at once.
        let second = self.attempt(!prefers_ipv4, url, body, within).await;
        match second {
            Err(Attempt::NotConnected(_)) => Err(HttpError::NotSent(reason)),
            other => {
                self.prefers_ipv4.store(!prefers_ipv4, Ordering::Relaxed);
                let family = if prefers_ipv4 { "any family" } else { "IPv4" };
                tracing::info!(family, %reason, "could not connect; the other address family works and is kept");
                other.map_err(Attempt::into_error)
            }
        }
    }

    async fn attempt(
        &self,
        ipv4: bool,
        url: &str,
        body: &(impl Serialize + Sync),
        within: Duration,
    ) -> Result<(u16, Vec<u8>), Attempt> {
        let client = self.client(ipv4).map_err(Attempt::NotWritten)?;
        let request = client.post(url).timeout(within).json(body);
        let mut response = request.send().await.map_err(Attempt::of)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Attempt::of)? {
            if bytes.len() + chunk.len() > LARGEST_BODY {
                return Err(Attempt::Written("the answer is too large".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    }

    /// Clients are built at first use: that reads the system's certificates, which start-up must not wait for.
    fn client(&self, ipv4: bool) -> Result<&Client, String> {
        let slot = if ipv4 { &self.ipv4 } else { &self.any };
        let built = slot.get_or_init(|| self.build(ipv4));
        built.as_ref().map_err(Clone::clone)
    }

    fn build(&self, ipv4: bool) -> Result<Client, String> {
        // Whoever comes first installs it; the same one is used all over the process.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A redirect would carry the token to another server.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")));
        if ipv4 {
            builder = builder.local_address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        }
        if let Some(proxy) = &self.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| {
                format!(
                    "the proxy's address is not usable: {}",
                    describe(&error.without_url())
                )
            })?;
            builder = builder.proxy(proxy);
        }
        builder
            .build()
            .map_err(|error| format!("set up HTTP: {}", describe(&error.without_url())))
    }
}

/// How one try failed.
#[derive(Debug)]
enum Attempt {
    NotConnected(String),
    NotWritten(String),
    Written(String),
}

impl Attempt {
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let reason = describe(&error);
        if error.is_connect() {
            Self::NotConnected(reason)
        } else if error.is_builder() {
            Self::NotWritten(reason)
        } else {
            Self::Written(reason)
        }
    }

    fn into_error(self) -> HttpError {
        match self {
            Self::NotConnected(reason) | Self::NotWritten(reason) => HttpError::NotSent(reason),
            Self::Written(reason) => HttpError::Unknown(reason),
        }
    }
}

/// The innermost cause says what happened; the outer ones only where.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let what = if error.is_connect() {
            "connect"
        } else {
            "answer"
        };
        return format!("no {what} in time");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_connect() {
        "connect"
    } else {
        "request"
    };
    format!("{what} failed: {cause}")
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request.
    async fn answer_once(listener: &TcpListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        let _read = stream.read(&mut bytes).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
    }

    #[tokio::test]
    async fn the_address_family_that_works_is_remembered() {
        let Ok(listener) = TcpListener::bind("[::1]:0").await else {
            eprintln!("skipped: this machine has no IPv6");
            return;
        };
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let http = Http::new(None, true);
        let body = serde_json::json!({});
        let within = Duration::from_secs(5);
        for _ in 0..2 {
            let (answered, ()) =
                tokio::join!(http.post(&url, &body, within), answer_once(&listener));
            assert_eq!(answered.unwrap().0, 200);
            assert!(!http.prefers_ipv4.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn what_was_never_written_is_told_from_what_may_have_arrived() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let http = Http::new(None, false);
        let body = serde_json::json!({});
        let within = Duration::from_secs(5);
        let cut = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _read = stream.read(&mut [0; 64]).await.unwrap();
        };
        let (answered, ()) = tokio::join!(http.post(&url, &body, within), cut);
        assert!(
            matches!(answered, Err(HttpError::Unknown(_))),
            "{answered:?}"
        );
        drop(listener);
        let refused = http.post(&url, &body, within).await;
        assert!(matches!(refused, Err(HttpError::NotSent(_))), "{refused:?}");
    }
}
