//! `models`: which models there are, which one answers, and why.

use clap::Subcommand;
use openclaw_protocol::AgentId;
use openclaw_protocol::ModelRef;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

mod auth;
mod change;
mod login;
mod offline;
mod probe;
pub(crate) mod quota;
mod scan;

use self::change::AliasCommand;
use self::change::ListCommand;
use self::change::Which;

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
    /// Let a model answer.
    Set {
        /// The model: provider/model, or an alias.
        model: String,
    },
    /// Let a model answer where there are pictures.
    SetImage {
        /// The model: provider/model, or an alias.
        model: String,
    },
    /// The short names of models.
    #[command(subcommand)]
    Aliases(AliasCommand),
    /// The models that stand in when the one that answers can't.
    #[command(subcommand)]
    Fallbacks(ListCommand),
    /// The same for pictures.
    #[command(subcommand)]
    ImageFallbacks(ListCommand),
    /// Find free models at OpenRouter, and try them.
    Scan(scan::ScanArgs),
    /// The stored credentials.
    Auth(auth::AuthArgs),
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
    /// Let the exit code say it: 1 when the model that answers or one that stands in can't be called, or says no to
    /// --probe, 2 when a credential of theirs expires within a day.
    #[arg(long)]
    check: bool,
    /// One fact a line.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    probe: probe::ProbeArgs,
}

pub(crate) async fn run(args: &ModelsArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        Some(ModelsCommand::List(args)) => list(args, shell).await,
        Some(ModelsCommand::Status(args)) => status(args, shell).await,
        Some(ModelsCommand::Set { model }) => change::set(Which::Model, model, shell).await,
        Some(ModelsCommand::SetImage { model }) => change::set(Which::Image, model, shell).await,
        Some(ModelsCommand::Aliases(command)) => change::aliases(command, shell).await,
        Some(ModelsCommand::Fallbacks(command)) => {
            change::stand_ins(Which::Model, command, shell).await
        }
        Some(ModelsCommand::ImageFallbacks(command)) => {
            change::stand_ins(Which::Image, command, shell).await
        }
        Some(ModelsCommand::Scan(args)) => scan::run(args, shell).await,
        Some(ModelsCommand::Auth(args)) => auth::run(args, shell).await,
        None => status(&args.status, shell).await,
    }
}

async fn list(args: &ModelsListArgs, shell: &Shell) -> CommandResult {
    let mut models = match from_gateway(args, shell).await {
        Ok(models) if !args.all => models,
        Err(error) if !args.all && error.kind() != Kind::Connect => return Err(error),
        // Without a gateway, and for what can't be called, the catalogue is made here.
        _ => offline::rows(&offline::catalogue(shell).await?.0, args.all),
    };
    models.retain(|model| {
        let provider = string(model, "provider");
        args.provider
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(&provider))
            && (!args.local || offline::is_local(&provider))
    });
    let answer = json!({ "models": models });
    shell
        .terminal
        .show(&answer, |terminal| render(&models, args.plain, terminal))?;
    Ok(())
}

async fn from_gateway(args: &ModelsListArgs, shell: &Shell) -> CommandResult<Vec<Value>> {
    let mut client = args.remote.connect(shell).await?;
    let mut answer = client
        .call("models.list", &json!({}), args.remote.timeout())
        .await?;
    client.close().await;
    match answer.get_mut("models").map(Value::take) {
        Some(Value::Array(models)) => Ok(models),
        _ => Ok(Vec::new()),
    }
}

fn render(models: &[Value], plain: bool, terminal: &Terminal) -> String {
    let reference =
        |model: &Value| format!("{}/{}", string(model, "provider"), string(model, "id"));
    if plain {
        return models.iter().map(|model| reference(model) + "\n").collect();
    }
    if models.is_empty() {
        return "No model fits.".to_owned();
    }
    let mut table = Table::new(&["MODEL", "NAME", "CONTEXT", ""]);
    for model in models {
        let context = model.get("contextWindow").and_then(Value::as_u64);
        table.row(vec![
            (Tone::Strong, reference(model)),
            (Tone::Plain, string(model, "name")),
            (
                Tone::Muted,
                context.map_or_else(|| "-".into(), |tokens| format!("{}k", tokens / 1000)),
            ),
            (Tone::Warn, string(model, "problem")),
        ]);
    }
    table.render(terminal)
}

async fn status(args: &ModelsStatusArgs, shell: &Shell) -> CommandResult {
    let agent = args
        .agent
        .as_deref()
        .map(AgentId::parse)
        .transpose()
        .map_err(|error| CommandError::new(Kind::Usage, error.to_string()))?
        .unwrap_or_else(|| default_agent(shell));
    let (catalogue, profiles) = offline::catalogue(shell).await?;
    let mut document = offline::status(&catalogue, &agent);
    // Whoever wants one fact a line waits for no provider.
    let quotas = match args.plain {
        true => Vec::new(),
        false => openclaw_provider::quota::ask(&catalogue).await,
    };
    let probed = match args.probe.probe {
        true => Some(args.probe.run(&catalogue).await),
        false => None,
    };
    if let Value::Object(fields) = &mut document {
        fields.insert("quotas".to_owned(), quota::document(&quotas));
        if let Some(probed) = &probed {
            fields.insert("probes".to_owned(), probe::document(probed));
        }
    }
    shell.terminal.show(&document, |terminal| {
        let text = offline::render(&document, args.plain, terminal);
        let quotas = quota::render(&document, render::now_ms(), terminal);
        text + &quotas + &probe::render(&document, args.plain, terminal)
    })?;
    if !args.check {
        return Ok(());
    }
    let choice = catalogue.choice_for(&agent);
    let chain = || std::iter::once(&choice.model).chain(&choice.fallbacks);
    let says_no = |model: &ModelRef| {
        let asked = probed.as_deref().unwrap_or_default();
        catalogue.check(model).is_err() || probe::failed(&model.provider, asked)
    };
    if choice.problem.is_some() || chain().any(says_no) {
        return Err(CommandError::reported(Kind::No));
    }
    if chain().any(|model| offline::expires_soon(&model.provider, &profiles)) {
        return Err(CommandError::reported(Kind::Code(2)));
    }
    Ok(())
}

fn default_agent(shell: &Shell) -> AgentId {
    shell.config().map_or_else(
        |_| AgentId::main(),
        |loaded| loaded.config.agents.default_id(),
    )
}

/// The model that answers, in a line.
pub(crate) async fn answering(shell: &Shell) -> String {
    let Ok((catalogue, _)) = offline::catalogue(shell).await else {
        return "unknown".to_owned();
    };
    let choice = catalogue.choice_for(&default_agent(shell));
    match &choice.problem {
        Some(problem) => format!("{}: {problem}", choice.model),
        None => choice.model.to_string(),
    }
}
