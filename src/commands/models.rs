//! `models`: which models there are, which one answers, and why.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandResult;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
    #[command(flatten)]
    status: ModelsStatusArgs,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// List the models that can be used.
    List(ModelsListArgs),
    /// Show which model answers, why, and which credentials are there.
    Status(ModelsStatusArgs),
}

#[derive(Debug, clap::Args)]
struct ModelsListArgs {
    /// The whole catalogue, usable or not.
    #[arg(long)]
    all: bool,
    /// Only models on this machine.
    #[arg(long)]
    local: bool,
    /// Only models of this provider.
    #[arg(long, value_name = "name")]
    provider: Option<String>,
    /// One name a line.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, clap::Args)]
struct ModelsStatusArgs {
    /// The agent; the default agent otherwise.
    #[arg(long, value_name = "id")]
    agent: Option<String>,
    /// Only the exit code: 1 when a credential is missing or expired, 2 when one expires within a day.
    #[arg(long)]
    check: bool,
    /// One fact a line.
    #[arg(long)]
    plain: bool,
}

pub(crate) async fn run(args: &ModelsArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        Some(ModelsCommand::List(args)) => list(args, shell).await,
        Some(ModelsCommand::Status(args)) => status(args, shell),
        None => status(&args.status, shell),
    }
}

async fn list(args: &ModelsListArgs, shell: &Shell) -> CommandResult {
    let mut client = args.remote.connect(shell).await?;
    let mut answer = client
        .call("models.list", &json!({}), args.remote.timeout())
        .await?;
    client.close().await;
    if let Some(models) = answer.get_mut("models").and_then(Value::as_array_mut) {
        models.retain(|model| {
            let provider = string(model, "provider");
            args.provider
                .as_ref()
                .is_none_or(|wanted| *wanted == provider)
        });
    }
    shell
        .terminal
        .show(&answer, |terminal| render(&answer, args.plain, terminal))?;
    Ok(())
}

fn render(answer: &Value, plain: bool, terminal: &Terminal) -> String {
    let models = answer.get("models").and_then(Value::as_array);
    let mut table = Table::new(&["MODEL", "NAME", "CONTEXT"]);
    let mut names = String::new();
    for model in models.into_iter().flatten() {
        let reference = format!("{}/{}", string(model, "provider"), string(model, "id"));
        names.push_str(&reference);
        names.push('\n');
        let context = model.get("contextWindow").and_then(Value::as_u64);
        table.row(vec![
            (Tone::Strong, reference),
            (Tone::Plain, string(model, "name")),
            (
                Tone::Muted,
                context.map_or_else(|| "-".into(), |tokens| format!("{}k", tokens / 1000)),
            ),
        ]);
    }
    if plain {
        return names;
    }
    table.render(terminal)
}

fn status(_: &ModelsStatusArgs, _: &Shell) -> CommandResult {
    todo!("the catalogue")
}
