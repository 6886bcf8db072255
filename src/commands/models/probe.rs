//! `models status --probe`: one word from each credential.

use std::time::Duration;

use openclaw_provider::Catalogue;
use openclaw_provider::probe::ProbeOptions;
use openclaw_provider::probe::Probed;
use openclaw_provider::probe::probe;
use serde_json::Value;
use serde_json::json;

use crate::commands::health::string;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;

#[derive(Debug, clap::Args)]
pub(super) struct ProbeArgs {
    /// Ask each credential for a word; this costs a few tokens.
    #[arg(long)]
    pub(super) probe: bool,
    /// Ask only this provider.
    #[arg(long, value_name = "name", requires = "probe")]
    probe_provider: Option<String>,
    /// Ask only this credential; may be given several times.
    #[arg(long, value_name = "id", requires = "probe", value_delimiter = ',')]
    probe_profile: Vec<String>,
    /// How long one call may take, in milliseconds.
    #[arg(long, value_name = "ms", requires = "probe", default_value_t = 8000)]
    probe_timeout: u64,
    /// How many calls at the same time.
    #[arg(long, value_name = "n", requires = "probe", default_value_t = 2)]
    probe_concurrency: u8,
    /// The longest answer, in tokens.
    #[arg(long, value_name = "n", requires = "probe", default_value_t = 16)]
    probe_max_tokens: u32,
}

impl ProbeArgs {
    /// Asks.
    pub(super) async fn run(&self, catalogue: &Catalogue) -> Vec<Probed> {
        let options = ProbeOptions {
            provider: self.probe_provider.clone(),
            accounts: self.probe_profile.clone(),
            within: Duration::from_millis(self.probe_timeout.max(1)),
            concurrency: usize::from(self.probe_concurrency.max(1)),
            max_tokens: self.probe_max_tokens.max(1),
        };
        probe(catalogue, &options).await
    }
}

/// The results as a document.
pub(super) fn document(probed: &[Probed]) -> Value {
    let row = |probed: &Probed| {
        let error = probed.error.as_ref();
        json!({
            "provider": probed.provider,
            "profileId": probed.account,
            "model": probed.model.as_ref().map(ToString::to_string),
            "status": error.map_or("ok", |error| error.kind.as_str()),
            "error": error.map(|error| &error.message),
            "latencyMs": u64::try_from(probed.took.as_millis()).unwrap_or(u64::MAX),
        })
    };
    probed.iter().map(row).collect()
}

/// Whether a provider was asked and none of its credentials works.
pub(super) fn failed(provider: &str, probed: &[Probed]) -> bool {
    let of = || probed.iter().filter(|one| one.provider == provider);
    of().next().is_some() && of().all(|one| one.error.is_some())
}

pub(super) fn render(document: &Value, plain: bool, terminal: &Terminal) -> String {
    let rows = document.get("probes").and_then(Value::as_array);
    let Some(rows) = rows else {
        return String::new();
    };
    if plain {
        let line = |row: &Value| {
            let name = ["provider", "profileId", "status"].map(|name| string(row, name));
            format!("\n{}", name.join(" "))
        };
        return rows.iter().map(line).collect();
    }
    if rows.is_empty() {
        return "\nThere is no credential to ask.\n".to_owned();
    }
    let mut table = Table::new(&["ASKED", "CREDENTIAL", "SAYS", "TOOK", ""]);
    for row in rows {
        let status = string(row, "status");
        let tone = if status == "ok" {
            Tone::Good
        } else {
            Tone::Bad
        };
        let took = row.get("latencyMs").and_then(Value::as_u64).unwrap_or(0);
        let asked = match string(row, "model") {
            model if model.is_empty() => string(row, "provider"),
            model => model,
        };
        table.row(vec![
            (Tone::Strong, asked),
            (Tone::Plain, string(row, "profileId")),
            (tone, status),
            (Tone::Muted, format!("{took} ms")),
            (Tone::Muted, string(row, "error")),
        ]);
    }
    format!("\n{}", table.render(terminal))
}
