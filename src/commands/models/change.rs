//! `models set`, `aliases`, `fallbacks`: what the configuration says of models.

use clap::Subcommand;
use openclaw_gateway::config::edit;
use openclaw_protocol::config::Path;
use serde_json::Value;
use serde_json::json;

use super::offline;
use crate::commands::config;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::shell::Shell;

#[derive(Debug, Subcommand)]
pub(super) enum AliasCommand {
    /// Show the short names.
    List,
    /// Give a model a short name.
    Add {
        /// The short name.
        alias: String,
        /// The model.
        model: String,
    },
    /// Take a short name away.
    Remove {
        /// The short name.
        alias: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ListCommand {
    /// Show them.
    List,
    /// Add one at the end.
    Add {
        /// The model.
        model: String,
    },
    /// Take one out.
    Remove {
        /// The model.
        model: String,
    },
    /// Take all out.
    Clear,
}

/// Which of the two choices of models.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// The one that answers.
    Model,
    /// The one for pictures.
    Image,
}

impl Which {
    fn place(self) -> Path {
        let key = match self {
            Self::Model => "model",
            Self::Image => "imageModel",
        };
        Path::root().key("agents").key("defaults").key(key)
    }
}

/// Lets a model answer.
pub(super) async fn set(which: Which, name: &str, shell: &Shell) -> CommandResult {
    let model = resolved(name, shell).await?;
    let place = which.place();
    // What is written in the short form has no room for those who stand in.
    let value = match fallbacks(which, shell)? {
        list if list.is_empty() => json!({ "primary": model }),
        list => json!({ "primary": model, "fallbacks": list }),
    };
    write(
        &place,
        value,
        shell,
        &json!({ "ok": true, "model": model }),
        &format!("{model} answers from now on."),
    )
}

/// Takes a list of models: the first answers where `primary` says so, the others stand in.
pub(super) fn take(which: Which, list: &[String], primary: bool, shell: &Shell) -> CommandResult {
    let place = which.place();
    let (first, others) = match (primary, list.split_first()) {
        (true, Some((first, others))) => (Some(first.clone()), others),
        _ => (written_primary(which, shell)?, list),
    };
    let mut value = json!({ "fallbacks": others });
    if let (Some(first), Value::Object(fields)) = (first, &mut value) {
        fields.insert("primary".to_owned(), json!(first));
    }
    let change = edit::set(shell.paths()?, &shell.environment, &place, value);
    change.map_err(config::refused)?;
    Ok(())
}

fn written_primary(which: Which, shell: &Shell) -> CommandResult<Option<String>> {
    let written = edit::get(shell.config()?, &which.place());
    Ok(written.and_then(|written| match written {
        Value::String(model) => Some(model.clone()),
        other => Some(other.get("primary")?.as_str()?.to_owned()),
    }))
}

/// Lets a provider's usual model answer.
pub(super) fn set_default_of(provider: &str, shell: &Shell) -> CommandResult {
    let model = match provider {
        "openai-codex" | "codex" => "openai-codex/gpt-5.3-codex",
        "github-copilot" | "copilot" => "github-copilot/gpt-4o",
        "qwen-portal" | "qwen" => "qwen-portal/coder-model",
        other => {
            let text = format!("which model of {other} shall answer?");
            return Err(CommandError::new(Kind::Usage, text)
                .hint("choose one: openclaw models set <provider/model>".to_owned()));
        }
    };
    let place = Which::Model.place().key("primary");
    write(
        &place,
        json!(model),
        shell,
        &json!({ "ok": true, "model": model }),
        &format!("{model} answers from now on."),
    )
}

/// The short names.
pub(super) async fn aliases(command: &AliasCommand, shell: &Shell) -> CommandResult {
    let models = Path::root().key("agents").key("defaults").key("models");
    match command {
        AliasCommand::List => {
            let (catalogue, _) = offline::catalogue(shell).await?;
            let list: Vec<(&str, &str)> = catalogue.aliases().collect();
            let document = json!({ "aliases": serde_json::Map::from_iter(
                list.iter().map(|(alias, model)| ((*alias).to_owned(), json!(model)))) });
            shell.terminal.show(&document, |_| {
                let lines = list
                    .iter()
                    .map(|(alias, model)| format!("{alias}  {model}\n"));
                lines.collect()
            })?;
            Ok(())
        }
        AliasCommand::Add { alias, model } => {
            let model = resolved(model, shell).await?;
            let place = models.key(&model).key("alias");
            let document = json!({ "ok": true, "alias": alias, "model": model });
            write(
                &place,
                json!(alias),
                shell,
                &document,
                &format!("{alias} is {model}."),
            )
        }
        AliasCommand::Remove { alias } => {
            let written = edit::get(shell.config()?, &models).and_then(Value::as_object);
            let same = |settings: &Value| {
                let found = settings.get("alias").and_then(Value::as_str);
                found.is_some_and(|found| found.eq_ignore_ascii_case(alias))
            };
            let owner = written
                .into_iter()
                .flatten()
                .find(|(_, settings)| same(settings));
            let Some((model, _)) = owner else {
                let text = format!("the configuration has no alias \"{alias}\"");
                return Err(CommandError::new(Kind::No, text));
            };
            let place = models.key(model).key("alias");
            let change = edit::unset(shell.paths()?, &shell.environment, &place);
            change.map_err(config::refused)?;
            let document = json!({ "ok": true, "alias": alias });
            shell
                .terminal
                .show(&document, |_| format!("{alias} is no alias any more."))?;
            Ok(())
        }
    }
}

/// Those who stand in.
pub(super) async fn stand_ins(which: Which, command: &ListCommand, shell: &Shell) -> CommandResult {
    let mut list = fallbacks(which, shell)?;
    match command {
        ListCommand::List => {
            let document = json!({ "fallbacks": list });
            shell.terminal.show(&document, |_| match list.is_empty() {
                true => "None.".to_owned(),
                false => list.join("\n"),
            })?;
            return Ok(());
        }
        ListCommand::Add { model } => {
            let model = resolved(model, shell).await?;
            if !list.contains(&model) {
                list.push(model);
            }
        }
        ListCommand::Remove { model } => {
            let named = resolved(model, shell)
                .await
                .unwrap_or_else(|_| model.clone());
            let before = list.len();
            list.retain(|other| *other != named && other != model);
            if list.len() == before {
                let text = format!("{model} is not among them");
                return Err(CommandError::new(Kind::No, text));
            }
        }
        ListCommand::Clear => list.clear(),
    }
    let place = which.place();
    let primary = written_primary(which, shell)?;
    let mut value = json!({ "fallbacks": list });
    if let (Some(primary), Value::Object(fields)) = (primary, &mut value) {
        fields.insert("primary".to_owned(), json!(primary));
    }
    let text = match list.is_empty() {
        true => "Nobody stands in.".to_owned(),
        false => format!("In this order: {}", list.join(", ")),
    };
    write(
        &place,
        value,
        shell,
        &json!({ "ok": true, "fallbacks": list }),
        &text,
    )
}

fn fallbacks(which: Which, shell: &Shell) -> CommandResult<Vec<String>> {
    let place = which.place().key("fallbacks");
    let list = edit::get(shell.config()?, &place).and_then(Value::as_array);
    let names = list.into_iter().flatten().filter_map(Value::as_str);
    Ok(names.map(str::to_owned).collect())
}

async fn resolved(name: &str, shell: &Shell) -> CommandResult<String> {
    let (catalogue, _) = offline::catalogue(shell).await?;
    let found = catalogue.resolve_any(name);
    found
        .map(|model| model.to_string())
        .map_err(|error| CommandError::new(Kind::No, error.to_string()))
}

fn write(place: &Path, value: Value, shell: &Shell, document: &Value, text: &str) -> CommandResult {
    let change = edit::set(shell.paths()?, &shell.environment, place, value);
    change.map_err(config::refused)?;
    shell.terminal.show(document, |_| text.to_owned())?;
    Ok(())
}
