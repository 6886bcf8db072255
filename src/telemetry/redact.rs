//! Hides secrets in lines before they are written: keys, tokens, passwords, bearer headers, private keys.

use std::borrow::Cow;
use std::sync::OnceLock;

use regex::Captures;
use regex::Regex;

#[cfg(test)]
mod tests;

/// A secret whose name stands before it, in JSON, in a URL, in an environment or in Debug output. The value must
/// have some length: `token: 3` is a count.
const NAMED: &str = r#"(?i)((?:[a-z0-9_.-]*(?:api[_-]?key|token|secret|passw(?:or)?d|credential|authorization))\\?["']?\s*[:=]\s*(?:Some\()?\\?["']?(?:bearer\s+|basic\s+|token\s+)?)([^\s"'\\,;&)}\]]{8,})"#;
/// A header's scheme.
const BEARER: &str = r"(?i)(\bbearer\s+)([a-z0-9._~+/=-]{8,})";
/// Credentials before the host of a URL.
const USERINFO: &str = r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)([^\s/@]+)(@)";
/// Secrets that are known by their own look. Telegram bot tokens stand in the path of every API call.
const SHAPED: &str = r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgsk_[A-Za-z0-9]{20,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{20,}|\bpplx-[A-Za-z0-9]{20,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|(?:\b|bot)[0-9]{6,12}:[A-Za-z0-9_-]{30,}";
/// A private key, with real line breaks or with those of JSON.
const PEM: &str =
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)";

/// What hides. Its patterns are compiled with the first line, on the thread that writes.
#[derive(Debug)]
pub(super) struct Redactor {
    enabled: bool,
    own: Vec<String>,
    compiled: OnceLock<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    named: Vec<Regex>,
    whole: Vec<Regex>,
    userinfo: Option<Regex>,
}

impl Redactor {
    /// `own` are more patterns: what they match is hidden, or only their first group if they have one.
    pub(super) fn new(enabled: bool, own: Vec<String>) -> Self {
        Self {
            enabled,
            own,
            compiled: OnceLock::new(),
        }
    }

    pub(super) fn hide(&self, line: String) -> String {
        if !self.enabled {
            return line;
        }
        let compiled = self.compiled.get_or_init(|| Compiled::new(&self.own));
        let mut text = Cow::Owned(line);
        for pattern in &compiled.whole {
            text = replace(pattern, text, |found| match (found.get(0), found.get(1)) {
                (Some(whole), Some(part)) => {
                    whole
                        .as_str()
                        .replacen(part.as_str(), &mask(part.as_str()), 1)
                }
                (Some(whole), None) => mask(whole.as_str()),
                (None, _) => String::new(),
            });
        }
        for pattern in &compiled.named {
            text = replace(pattern, text, |found| {
                let part = |index| found.get(index).map_or("", |part| part.as_str());
                format!("{}{}", part(1), mask(part(2)))
            });
        }
        if let Some(pattern) = &compiled.userinfo {
            text = replace(pattern, text, |found| {
                let part = |index| found.get(index).map_or("", |part| part.as_str());
                format!("{}***{}", part(1), part(3))
            });
        }
        text.into_owned()
    }
}

impl Compiled {
    fn new(own: &[String]) -> Self {
        let built = |pattern: &str| Regex::new(pattern).ok();
        let whole = [PEM, SHAPED].into_iter().filter_map(built);
        Self {
            // A pattern of the config that makes no sense is named by `config validate`; here it is left out.
            whole: whole
                .chain(own.iter().filter_map(|own| built(own)))
                .collect(),
            named: [BEARER, NAMED].into_iter().filter_map(built).collect(),
            userinfo: built(USERINFO),
        }
    }
}

fn replace<'t>(
    pattern: &Regex,
    text: Cow<'t, str>,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'t, str> {
    match pattern.replace_all(&text, |found: &Captures<'_>| with(found)) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => Cow::Owned(changed),
    }
}

/// Long secrets keep their ends, so that two can be told apart; nothing of a short one stays.
fn mask(secret: &str) -> String {
    if secret.starts_with("-----BEGIN") {
        return "-----BEGIN PRIVATE KEY----- *** -----END PRIVATE KEY-----".to_owned();
    }
    let is_masked = secret.contains("***") || secret.contains('…');
    if is_masked {
        return secret.to_owned();
    }
    if secret.len() < 24 || !secret.is_ascii() {
        return "***".to_owned();
    }
    let head = secret.get(..4).unwrap_or_default();
    let tail = secret.get(secret.len() - 4..).unwrap_or_default();
    format!("{head}…{tail}")
}
