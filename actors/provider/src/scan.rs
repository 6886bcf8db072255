//! The free models of OpenRouter: which there are, which of them see and call tools, and which to take.
//!
//! What ranks them is pure; [`scan`] asks the catalogue of the provider, and each candidate for a tool call and for
//! what is on a picture.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::ToolSpec;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::access::Access;
use crate::catalogue::ProviderEntry;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::http;
use crate::probe;

#[cfg(test)]
mod tests;

/// A white point: enough to see whether pictures are taken.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
/// The catalogue is a few hundred kilobytes.
const LONGEST: usize = 16 * 1024 * 1024;
const MAX_TOKENS: u32 = 64;

/// What is looked for, and how.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// The fewest parameters, in thousand millions.
    pub min_params: Option<f64>,
    /// The greatest age, in days.
    pub max_age_days: Option<f64>,
    /// Only models whose maker's name begins so.
    pub maker: Option<String>,
    /// How many are asked and listed.
    pub most: usize,
    /// How long one question may take.
    pub within: Duration,
    /// How many questions at the same time.
    pub concurrency: usize,
    /// Whether the candidates are asked at all.
    pub ask: bool,
}

/// A model that costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// As OpenRouter names it.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// How much it reads, in tokens.
    pub context: u64,
    /// Thousand millions of parameters, where its name says so.
    pub params: Option<f64>,
    /// Whether it is said to take pictures.
    pub images: bool,
    /// Whether it is said to call tools.
    pub tools: bool,
    /// When it was listed, in seconds since 1970.
    pub created: i64,
    /// How long a call of a tool took, or why there was none; `None` when it was not asked.
    pub tool: Option<Result<Duration, String>>,
    /// The same for a picture.
    pub picture: Option<Result<Duration, String>>,
}

/// Asks for the catalogue and the candidates; the best first.
pub async fn scan(
    entry: &ProviderEntry,
    options: &ScanOptions,
) -> Result<Vec<Candidate>, ModelError> {
    let endpoint = &entry.endpoint;
    let list = tokio::time::timeout(options.within.max(Duration::from_secs(15)), list(endpoint));
    let list = list
        .await
        .unwrap_or_else(|_| Err(probe::late(&endpoint.provider, options.within)))?;
    let now = jiff::Timestamp::now().as_second();
    let mut found = candidates(&list, options, now);
    // Those that are asked are the likeliest.
    rank(&mut found);
    found.truncate(options.most);
    if !options.ask {
        return Ok(found);
    }
    if let Some(problem) = entry.problem() {
        return Err(ModelError::new(ModelErrorKind::Auth, problem));
    }
    let asked = found.into_iter().map(|one| asked(endpoint, one, options));
    let mut found: Vec<Candidate> = stream::iter(asked)
        .buffered(options.concurrency.max(1))
        .collect()
        .await;
    rank(&mut found);
    Ok(found)
}

async fn list(endpoint: &Endpoint) -> Result<Value, ModelError> {
    let url = format!("{}/models", endpoint.base_url);
    let client = http::client(&url, endpoint.deadlines.connect)?;
    let sent = client.get(&url).send().await;
    let response = sent.map_err(|error| crate::call::unreachable(endpoint, &error))?;
    if !response.status().is_success() {
        return Err(crate::call::refused(endpoint, response).await);
    }
    let mut bytes = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| crate::call::broken(&endpoint.provider, &error))?;
        body.extend_from_slice(&piece);
        if body.len() > LONGEST {
            break;
        }
    }
    serde_json::from_slice(&body).map_err(|error| {
        let text = format!(
            "the catalogue of {} can't be read: {error}",
            endpoint.provider
        );
        ModelError::new(ModelErrorKind::Format, text)
    })
}

/// The free models of a catalogue that fit.
pub(crate) fn candidates(list: &Value, options: &ScanOptions, now: i64) -> Vec<Candidate> {
    let rows = list.get("data").and_then(Value::as_array);
    let rows = rows.into_iter().flatten().filter(|row| is_free(row));
    let fits = |one: &Candidate| {
        #[allow(clippy::cast_precision_loss)] // seconds since 1970 fit a float exactly
        let age = (now - one.created) as f64 / 86_400.0;
        let maker = one.id.split('/').next().unwrap_or_default();
        // A size or an age that isn't known does not reach a bound that somebody set.
        options
            .min_params
            .is_none_or(|least| one.params.is_some_and(|params| params >= least))
            && options
                .max_age_days
                .is_none_or(|most| one.created > 0 && age <= most)
            && options
                .maker
                .as_deref()
                .is_none_or(|wanted| maker.to_lowercase().starts_with(&wanted.to_lowercase()))
    };
    rows.filter_map(candidate).filter(fits).collect()
}

fn is_free(row: &Value) -> bool {
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
    let price = |name: &str| {
        let price = row.get("pricing")?.get(name)?;
        price.as_f64().or_else(|| price.as_str()?.parse().ok())
    };
    let costs_nothing = price("prompt") == Some(0.0) && price("completion") == Some(0.0);
    id.ends_with(":free") || costs_nothing
}

fn candidate(row: &Value) -> Option<Candidate> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let id = text("id")?.to_owned();
    let name = text("name").unwrap_or(&id).to_owned();
    let holds = |pointer: &str, word: &str| {
        let list = row.pointer(pointer).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|item| item == word))
    };
    let number = |pointer: &str| row.pointer(pointer).and_then(Value::as_u64);
    let modality = row
        .pointer("/architecture/modality")
        .and_then(Value::as_str);
    let said = modality.and_then(|modality| modality.split("->").next());
    Some(Candidate {
        context: number("/context_length")
            .or(number("/top_provider/context_length"))
            .unwrap_or(0),
        params: params(&id).or_else(|| params(&name)),
        images: holds("/architecture/input_modalities", "image")
            || said.is_some_and(|said| said.contains("image")),
        tools: holds("/supported_parameters", "tools"),
        created: row.get("created").and_then(Value::as_i64).unwrap_or(0),
        tool: None,
        picture: None,
        id,
        name,
    })
}

/// Reads a size such as `70b` or `1.5B` out of a name.
fn params(name: &str) -> Option<f64> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let sizes = words.filter_map(|word| {
        let digits = word.strip_suffix(['b', 'B'])?;
        // A mixture such as 8x22b.
        let (times, digits) = match digits.split_once(['x', 'X']) {
            Some((times, rest)) => (times.parse().ok()?, rest),
            None => (1.0, digits),
        };
        let size: f64 = digits.parse().ok()?;
        Some(times * size).filter(|size| *size > 0.0)
    });
    sizes.fold(None, |most: Option<f64>, size| {
        Some(most.map_or(size, |most| most.max(size)))
    })
}

/// Those that see first, then those that call tools, the quicker the better, then by what they read, then by size.
fn rank(found: &mut [Candidate]) {
    found.sort_by(|a, b| {
        let sees = |one: &Candidate| match &one.picture {
            Some(seen) => seen.is_ok(),
            None => one.images,
        };
        let calls = |one: &Candidate| match &one.tool {
            Some(Ok(took)) => (0, *took),
            None if one.tools => (1, Duration::ZERO),
            _ => (2, Duration::ZERO),
        };
        let size = |one: &Candidate| one.params.unwrap_or(0.0);
        sees(b)
            .cmp(&sees(a))
            .then(calls(a).cmp(&calls(b)))
            .then(b.context.cmp(&a.context))
            .then(size(b).total_cmp(&size(a)))
            .then(a.id.cmp(&b.id))
    });
}

async fn asked(endpoint: &Arc<Endpoint>, mut one: Candidate, options: &ScanOptions) -> Candidate {
    let model = ModelRef::new(&*endpoint.provider, &*one.id);
    let seeing = Endpoint {
        models: vec![crate::endpoint::ModelInfo {
            images: true,
            ..endpoint.model(&model)
        }],
        access: access(endpoint).await,
        ..(**endpoint).clone()
    };
    let seeing = Arc::new(seeing);
    let mut request = probe::plain(&model, MAX_TOKENS);
    request.messages = [Arc::new(Message::user("Call the tool `ping` now.", 0))].into();
    request.tools = [ToolSpec {
        name: "ping".into(),
        description: "Answers pong. Call it when asked to.".into(),
        parameters: json!({ "type": "object", "properties": {} }),
    }]
    .into();
    one.tool = Some(match timed(&seeing, request, options.within).await {
        Ok((took, called)) if called.iter().any(|name| name == "ping") => Ok(took),
        Ok(_) => Err("it answered without a call".to_owned()),
        Err(error) => Err(error.kind.as_str().to_owned()),
    });
    if one.images {
        let message = json!({ "role": "user", "timestamp": 0, "content": [
            { "type": "text", "text": "Reply with OK." },
            { "type": "image", "data": PICTURE, "mimeType": "image/png" } ] });
        let mut request = probe::plain(&model, MAX_TOKENS);
        request.messages = serde_json::from_value(message)
            .into_iter()
            .map(Arc::new)
            .collect();
        let seen = timed(&seeing, request, options.within).await;
        one.picture = Some(match seen {
            Ok((took, _)) => Ok(took),
            Err(error) => Err(error.kind.as_str().to_owned()),
        });
    }
    one
}

/// The first account that is at hand.
async fn access(endpoint: &Endpoint) -> Access {
    match endpoint.accounts.first() {
        Some(account) => crate::keeper::grant(account).await.unwrap_or_default(),
        None => endpoint.access.clone(),
    }
}

async fn timed(
    endpoint: &Arc<Endpoint>,
    request: crate::model::ModelRequest,
    within: Duration,
) -> Result<(Duration, Vec<String>), ModelError> {
    let begun = Instant::now();
    let answered = tokio::time::timeout(within, probe::follow(endpoint, None, request)).await;
    let (_, called) = answered.unwrap_or_else(|_| Err(probe::late(&endpoint.provider, within)))?;
    Ok((begun.elapsed(), called))
}
