//! Amazon's signature, version 4: a request proves the key without showing it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use openclaw_protocol::Secret;
use reqwest::header::HeaderMap;
use ring::digest;
use ring::hmac;

use crate::http::secret_header;

/// The service in the signature's scope.
const SERVICE: &str = "bedrock";

/// A key pair for Amazon's services.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsKeys {
    /// The access key's id.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
    /// Of a temporary key.
    pub session: Option<Secret>,
    /// Such as `us-east-1`.
    pub region: String,
}

impl AwsKeys {
    /// Adds the headers that sign a POST.
    pub(crate) fn sign(&self, url: &str, body: &str, headers: &mut HeaderMap, now: Timestamp) {
        let (host, path) = split(url);
        let stamp = now
            .to_zoned(TimeZone::UTC)
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let hash = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
        let mut signed = vec![
            ("content-type", "application/json"),
            ("host", host),
            ("x-amz-content-sha256", &hash),
            ("x-amz-date", &stamp),
        ];
        if let Some(session) = &self.session {
            signed.push(("x-amz-security-token", session.expose()));
        }
        let authorization = self.authorization(path, &signed, &hash, &stamp);
        for (name, value) in &signed {
            // The client writes these two itself.
            if !matches!(*name, "content-type" | "host") {
                secret_header(headers, name, value);
            }
        }
        secret_header(headers, "authorization", &authorization);
    }

    fn authorization(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body_hash: &str,
        stamp: &str,
    ) -> String {
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = format!("POST\n{}\n\n", path_encoded(path));
        for (name, value) in headers {
            canonical.push_str(&format!("{name}:{}\n", value.trim()));
        }
        canonical.push_str(&format!("\n{names}\n{body_hash}"));
        let day = stamp.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}");
        let begin = format!("AWS4{}", self.secret.expose()).into_bytes();
        let steps = [day, &self.region, SERVICE, "aws4_request", &text];
        let signature = steps
            .iter()
            .fold(begin, |key, step| keyed(&key, step.as_bytes()));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.id,
            hex(&signature)
        )
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The host with its port, and the path.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let at = rest.find('/').unwrap_or(rest.len());
    rest.split_at(at)
}

/// The signature is over the path encoded once more than it is sent.
fn path_encoded(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(encoded).collect();
    segments.join("/")
}

/// One segment of a path in the letters that need no encoding.
pub(crate) fn encoded(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures are those of Amazon's own client (botocore 1.44) for the same request.
    #[test]
    fn the_signature_is_that_of_amazon_s_own_client() {
        let keys = |session: Option<&str>| AwsKeys {
            id: "AKIDEXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: session.map(Secret::new),
            region: "eu-central-1".into(),
        };
        let signature = |session| {
            let model = encoded("eu.anthropic.claude-x:0");
            let url = format!(
                "https://bedrock-runtime.eu-central-1.amazonaws.com/model/{model}/converse-stream"
            );
            let mut headers = HeaderMap::new();
            let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
            keys(session).sign(&url, "{\"a\":1}", &mut headers, now);
            let value = headers["authorization"].to_str().unwrap().to_owned();
            value.rsplit('=').next().unwrap().to_owned()
        };
        assert_eq!(
            signature(None),
            "789873d7c4439a328d363bf183e73c1bdd0c8b3b8b60188343633804084b4083"
        );
        assert_eq!(
            signature(Some("session-token")),
            "8763520436558537c786665a16caa31453e810210890a39c2739740f1c1c61e7"
        );
    }
}
