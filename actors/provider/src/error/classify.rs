//! From an HTTP answer to the sort of failure.

use std::time::Duration;

use serde_json::Value;

use super::ModelError;
use super::ModelErrorKind;

/// The longest piece of a provider's text that is shown to people.
const SHOWN: usize = 400;

/// The longest wait a provider may ask for; beyond it the header is a mistake.
/// Subscriptions count by the week.
const LONGEST_WAIT: Duration = Duration::from_secs(8 * 24 * 3600);

/// Sorts an answer that isn't a success. `status` 0 stands for an error inside a running stream.
pub fn classify(provider: &str, status: u16, body: &str, wait: Option<Duration>) -> ModelError {
    let said = Said::read(body);
    let kind = said.kind(status);
    ModelError {
        kind,
        message: sentence(provider, status, kind, &said.text),
        status: (status != 0).then_some(status),
        retry_after: wait.or(said.wait),
    }
}

/// Reads `retry-after` (seconds or a date) or `retry-after-ms`.
pub fn retry_after(
    seconds: Option<&str>,
    millis: Option<&str>,
    now: jiff::Timestamp,
) -> Option<Duration> {
    let wait = if let Some(millis) = millis.and_then(|text| text.trim().parse::<u64>().ok()) {
        Duration::from_millis(millis)
    } else {
        let text = seconds?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            Duration::try_from_secs_f64(seconds).ok()?
        } else {
            let date = jiff::fmt::rfc2822::parse(text).ok()?;
            let wait = date.timestamp().duration_since(now);
            Duration::try_from(wait).unwrap_or(Duration::ZERO)
        }
    };
    (wait <= LONGEST_WAIT).then_some(wait)
}

/// What the provider said, from the shapes providers use.
struct Said {
    /// `type` and `code` in one lower-case string.
    label: String,
    text: String,
    /// When it wants to be asked again.
    wait: Option<Duration>,
}

impl Said {
    fn read(body: &str) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        // Some providers wrap the object in a list of one.
        let value = match &value {
            Value::Array(list) => list.first().cloned().unwrap_or(Value::Null),
            _ => value,
        };
        let error = value.get("error").unwrap_or(&value);
        let mut label = String::new();
        for name in ["type", "code", "status"] {
            if let Some(word) = error.get(name).and_then(Value::as_str) {
                label.push_str(&word.to_ascii_lowercase());
                label.push(' ');
            }
        }
        let text = error
            .get("message")
            .or_else(|| value.get("message"))
            .or_else(|| value.get("detail"))
            .map(|text| {
                text.as_str()
                    .map_or_else(|| text.to_string(), str::to_owned)
            })
            .or_else(|| error.as_str().map(str::to_owned))
            .unwrap_or_else(|| {
                // A proxy's HTML page tells nobody anything.
                if body.trim_start().starts_with('<') {
                    String::new()
                } else {
                    body.trim().to_owned()
                }
            });
        Self {
            label,
            text: shorten(&text),
            wait: wait(error),
        }
    }

    fn kind(&self, status: u16) -> ModelErrorKind {
        let text = self.text.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let labelled = |words: &[&str]| words.iter().any(|word| self.label.contains(word));
        if labelled(&["context_length_exceeded", "exceed_context_size"])
            || (matches!(status, 0 | 400 | 413 | 422 | 500)
                && says(&[
                    "context length",
                    "context window",
                    "context size",
                    "prompt is too long",
                    "maximum context",
                    "too many tokens",
                    "input is too long",
                    "exceeds the maximum number of tokens",
                ]))
            || status == 413
        {
            return ModelErrorKind::ContextOverflow;
        }
        if labelled(&["insufficient_quota", "billing", "usage_not_included"])
            || status == 402
            || says(&[
                "credit balance",
                "insufficient credit",
                "insufficient balance",
            ])
        {
            return ModelErrorKind::Billing;
        }
        if labelled(&[
            "overloaded",
            "unavailable",
            "modelnotready",
            "modelstreamerror",
        ]) || status == 529
        {
            return ModelErrorKind::Overload;
        }
        if labelled(&["model_not_found", "resourcenotfound"])
            || (matches!(status, 400 | 404)
                && text.contains("model")
                && says(&[
                    "not found",
                    "does not exist",
                    "not exist",
                    "no such",
                    "unknown model",
                    "not a valid model",
                    "invalid model",
                ]))
            || (status == 404 && labelled(&["not_found_error"]) && text.starts_with("model:"))
        {
            return ModelErrorKind::ModelNotFound;
        }
        if labelled(&["content_filter", "content_policy", "refusal"])
            || says(&[
                "content policy",
                "content management policy",
                "safety system",
            ])
        {
            return ModelErrorKind::Refusal;
        }
        if labelled(&[
            "rate_limit",
            "resource_exhausted",
            "throttling",
            "quotaexceeded",
            "usage_limit_reached",
        ]) || says(&["rate limit"])
        {
            return ModelErrorKind::RateLimit;
        }
        if labelled(&[
            "authentication",
            "permission",
            "invalid_api_key",
            "unauthenticated",
            "accessdenied",
            "expiredtoken",
            "unrecognizedclient",
            "invalidsignature",
        ]) || says(&["invalid api key", "incorrect api key", "api key not valid"])
        {
            return ModelErrorKind::Auth;
        }
        match status {
            401 | 403 => ModelErrorKind::Auth,
            408 | 504 => ModelErrorKind::Timeout(super::Phase::FirstByte),
            429 => ModelErrorKind::RateLimit,
            500..=599 => ModelErrorKind::Overload,
            0 if labelled(&["modeltimeout"]) => ModelErrorKind::Timeout(super::Phase::Idle),
            0 if labelled(&["invalid", "validation"]) => ModelErrorKind::Format,
            // Who breaks off in the middle of an answer has trouble of its own.
            0 => ModelErrorKind::Overload,
            400..=499 => ModelErrorKind::Format,
            _ => ModelErrorKind::Unknown,
        }
    }
}

/// The wait that some providers name in the body: a number of seconds, or text such as `34.5s`.
fn wait(error: &Value) -> Option<Duration> {
    let details = error.get("details").and_then(Value::as_array);
    let mut delays = details.into_iter().flatten().filter_map(|detail| {
        let text = detail.get("retryDelay")?.as_str()?;
        text.strip_suffix('s')?.parse::<f64>().ok()
    });
    let seconds = error.get("resets_in_seconds").and_then(Value::as_f64);
    let wait = Duration::try_from_secs_f64(seconds.or_else(|| delays.next())?).ok()?;
    (wait <= LONGEST_WAIT).then_some(wait)
}

fn sentence(provider: &str, status: u16, kind: ModelErrorKind, said: &str) -> String {
    let mut text = match kind {
        ModelErrorKind::Auth => format!(
            "{provider} did not accept the key; set another with `openclaw config set models.providers.{provider}.apiKey <key>`"
        ),
        ModelErrorKind::Billing => {
            format!(
                "{provider} says there is no credit left; add credit there or choose another model"
            )
        }
        ModelErrorKind::RateLimit => format!("{provider} asks for a pause: too many requests"),
        ModelErrorKind::Overload => format!("{provider} cannot answer at the moment"),
        ModelErrorKind::Timeout(_) => format!("{provider} took too long"),
        ModelErrorKind::ContextOverflow => {
            format!("the conversation is longer than this model of {provider} can read")
        }
        ModelErrorKind::ModelNotFound => format!(
            "{provider} does not know this model; `openclaw models list` shows what there is"
        ),
        ModelErrorKind::Refusal => format!("{provider} refused the content"),
        ModelErrorKind::Format => format!("{provider} did not accept the request"),
        ModelErrorKind::Network | ModelErrorKind::Unknown => format!("{provider} failed"),
    };
    if status != 0 {
        text.push_str(&format!(" (HTTP {status})"));
    }
    if !said.is_empty() {
        text.push_str(": ");
        text.push_str(said);
    }
    text
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
