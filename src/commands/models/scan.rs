//! `models scan`: the free models of OpenRouter, and which to take.

use std::time::Duration;

use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::scan::Candidate;
use openclaw_provider::scan::ScanOptions;
use openclaw_provider::scan::scan;
use serde_json::Value;
use serde_json::json;

use super::change;
use super::change::Which;
use super::offline;
use crate::commands::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct ScanArgs {
    /// The fewest parameters, in thousand millions.
    #[arg(long, value_name = "b")]
    min_params: Option<f64>,
    /// The greatest age, in days.
    #[arg(long, value_name = "days")]
    max_age_days: Option<f64>,
    /// Only models of this maker.
    #[arg(long, value_name = "name")]
    provider: Option<String>,
    /// How many are asked and listed.
    #[arg(long, value_name = "n", default_value_t = 6)]
    max_candidates: usize,
    /// How long one question may take, in milliseconds.
    #[arg(long, value_name = "ms", default_value_t = 12_000)]
    timeout: u64,
    /// How many questions at the same time.
    #[arg(long, value_name = "n", default_value_t = 3)]
    concurrency: u8,
    /// Ask nobody: list what there is. Needs no key.
    #[arg(long)]
    no_probe: bool,
    /// Let those that call tools stand in, the best first.
    #[arg(long)]
    yes: bool,
    /// Nothing is ever asked of the person; taken for compatibility.
    #[arg(long, hide = true)]
    no_input: bool,
    /// Let the best one answer from now on.
    #[arg(long)]
    set_default: bool,
    /// Let the best one that sees answer where there are pictures.
    #[arg(long)]
    set_image: bool,
}

pub(super) async fn run(args: &ScanArgs, shell: &Shell) -> CommandResult {
    let (catalogue, _) = offline::catalogue(shell).await?;
    let entry = catalogue.provider("openrouter").ok_or_else(|| {
        let text = "OpenRouter is switched off in the configuration";
        CommandError::new(Kind::No, text)
    })?;
    let options = ScanOptions {
        min_params: args.min_params,
        max_age_days: args.max_age_days,
        maker: args.provider.clone(),
        most: args.max_candidates.max(1),
        within: Duration::from_millis(args.timeout.max(1)),
        concurrency: usize::from(args.concurrency.max(1)),
        ask: !args.no_probe,
    };
    let found = scan(entry, &options).await.map_err(refused)?;
    let name = |one: &Candidate| format!("openrouter/{}", one.id);
    // Without a question what the catalogue says has to do.
    let calls = |one: &&Candidate| match &one.tool {
        Some(asked) => asked.is_ok(),
        None => one.tools,
    };
    let sees = |one: &&Candidate| match &one.picture {
        Some(asked) => asked.is_ok(),
        None => one.images,
    };
    let talkers: Vec<String> = found.iter().filter(calls).map(name).collect();
    let seers: Vec<String> = found.iter().filter(sees).map(name).collect();
    let mut done: Vec<&str> = Vec::new();
    for (wanted, primary, which, list) in [
        (
            args.yes || args.set_default,
            args.set_default,
            Which::Model,
            &talkers,
        ),
        (args.set_image, true, Which::Image, &seers),
    ] {
        if !wanted {
            continue;
        }
        if list.is_empty() {
            let text = "none of them can do it; nothing was changed";
            return Err(CommandError::new(Kind::No, text));
        }
        change::take(which, list, primary, shell)?;
        done.push(match (which, primary) {
            (Which::Image, _) => "imageModel",
            (Which::Model, true) => "model",
            (Which::Model, false) => "model.fallbacks",
        });
    }
    let document = document(&found, &done);
    shell
        .terminal
        .show(&document, |terminal| render(&document, terminal))?;
    match found.is_empty() {
        true => Err(CommandError::reported(Kind::No)),
        false => Ok(()),
    }
}

fn refused(error: ModelError) -> CommandError {
    let failed = CommandError::new(Kind::No, error.message);
    match error.kind {
        ModelErrorKind::Auth => {
            failed.hint("to list them without asking: openclaw models scan --no-probe".to_owned())
        }
        _ => failed,
    }
}

fn document(found: &[Candidate], done: &[&str]) -> Value {
    let asked = |outcome: &Option<Result<Duration, String>>| {
        outcome.as_ref().map(|outcome| match outcome {
            Ok(took) => json!({ "ok": true, "latencyMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }),
            Err(why) => json!({ "ok": false, "error": why }),
        })
    };
    let rows = found.iter().map(|one| {
        json!({
            "id": one.id,
            "name": one.name,
            "modelRef": format!("openrouter/{}", one.id),
            "contextLength": one.context,
            "paramsB": one.params,
            "supportsImages": one.images,
            "supportsTools": one.tools,
            "tool": asked(&one.tool),
            "image": asked(&one.picture),
        })
    });
    json!({ "candidates": rows.collect::<Vec<_>>(), "changed": done })
}

fn render(document: &Value, terminal: &Terminal) -> String {
    let rows = document.get("candidates").and_then(Value::as_array);
    let rows: Vec<&Value> = rows.into_iter().flatten().collect();
    if rows.is_empty() {
        return "No free model fits.".to_owned();
    }
    let mut table = Table::new(&["MODEL", "CONTEXT", "SIZE", "TOOLS", "PICTURES"]);
    for row in rows {
        let context = row
            .get("contextLength")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let size = row.get("paramsB").and_then(Value::as_f64);
        let word = |asked: &str, said: &str| {
            let said = row.get(said).and_then(Value::as_bool) == Some(true);
            let asked = row.get(asked).filter(|asked| asked.is_object());
            let took = asked
                .and_then(|asked| asked.get("latencyMs"))
                .and_then(Value::as_u64);
            match (asked, took) {
                (_, Some(took)) => (Tone::Good, format!("{took} ms")),
                (Some(asked), None) => (Tone::Bad, string(asked, "error")),
                (None, None) if said => (Tone::Plain, "says so".to_owned()),
                (None, None) => (Tone::Muted, "-".to_owned()),
            }
        };
        table.row(vec![
            (Tone::Strong, string(row, "modelRef")),
            (Tone::Muted, format!("{}k", context / 1000)),
            (
                Tone::Muted,
                size.map_or_else(|| "-".to_owned(), |size| format!("{size}B")),
            ),
            word("tool", "supportsTools"),
            word("image", "supportsImages"),
        ]);
    }
    let mut text = table.render(terminal);
    let changed = document.get("changed").and_then(Value::as_array);
    for name in changed.into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("\nagents.defaults.{name} is set."));
    }
    text
}
