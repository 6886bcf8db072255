//! `models auth`: the stored credentials of an agent.

use std::io::BufRead;
use std::io::IsTerminal;
use std::io::Read;
use std::path::PathBuf;

use clap::Subcommand;
use openclaw_protocol::AgentId;
use openclaw_provider::profile::Profiles;
use openclaw_provider::store;
use serde_json::Value;
use serde_json::json;

use super::login;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct AuthArgs {
    /// The agent; the default agent otherwise, whose credentials all agents use.
    #[arg(long, value_name = "id", global = true)]
    agent: Option<String>,
    #[command(subcommand)]
    command: AuthCommand,
}

#[derive(Debug, Subcommand)]
enum AuthCommand {
    /// Store an API key; it is read from standard input.
    Add {
        /// The provider.
        #[arg(long, value_name = "id")]
        provider: String,
        /// The name of the credential.
        #[arg(long, value_name = "id")]
        profile_id: Option<String>,
    },
    /// Store a token; it is read from standard input.
    PasteToken {
        /// The provider.
        #[arg(long, value_name = "id")]
        provider: String,
        /// The name of the credential.
        #[arg(long, value_name = "id")]
        profile_id: Option<String>,
        /// How long it is good: 30d, 12h, 365d.
        #[arg(long, value_name = "duration")]
        expires_in: Option<String>,
    },
    /// Store the token that `claude setup-token` prints; it is read from standard input.
    SetupToken {
        /// The provider.
        #[arg(long, value_name = "id", default_value = "anthropic")]
        provider: String,
        /// Ask nothing.
        #[arg(long)]
        yes: bool,
    },
    /// Sign in at a provider: openai-codex, github-copilot, qwen-portal.
    Login {
        /// The provider.
        #[arg(long, value_name = "id")]
        provider: String,
        /// The way to sign in, where there are several.
        #[arg(long, value_name = "id", hide = true)]
        method: Option<String>,
        /// Let a model of the provider answer from now on.
        #[arg(long)]
        set_default: bool,
    },
    /// Sign in at GitHub for Copilot.
    LoginGithubCopilot {
        /// Ask nothing.
        #[arg(long)]
        yes: bool,
    },
    /// The order in which a provider's credentials are tried.
    #[command(subcommand)]
    Order(OrderCommand),
}

#[derive(Debug, Subcommand)]
enum OrderCommand {
    /// Show it.
    Get {
        /// The provider.
        #[arg(long, value_name = "id")]
        provider: String,
    },
    /// Set it.
    Set {
        /// The provider.
        #[arg(long, value_name = "id")]
        provider: String,
        /// The names of the credentials, first first.
        #[arg(required = true, value_name = "profile")]
        profiles: Vec<String>,
    },
    /// Forget it: what was used longest ago goes first again.
    Clear {
        /// The provider.
        #[arg(long, value_name = "id")]
        provider: String,
    },
}

pub(super) async fn run(args: &AuthArgs, shell: &Shell) -> CommandResult {
    let file = file(args, shell)?;
    match &args.command {
        AuthCommand::Add {
            provider,
            profile_id,
        } => {
            let key = secret(&format!("The API key for {provider}"))?;
            let id = named(provider, profile_id.as_deref(), "default");
            let profile = json!({ "type": "api_key", "provider": provider, "key": key });
            keep(file, id, profile, shell)
        }
        AuthCommand::PasteToken {
            provider,
            profile_id,
            expires_in,
        } => {
            let token = secret(&format!("The token for {provider}"))?;
            let id = named(provider, profile_id.as_deref(), "manual");
            let mut profile = json!({ "type": "token", "provider": provider, "token": token });
            if let (Some(word), Value::Object(fields)) = (expires_in, &mut profile) {
                let life = life_ms(word)?;
                fields.insert("expires".into(), json!(render::now_ms() + life));
            }
            keep(file, id, profile, shell)
        }
        AuthCommand::SetupToken { provider, .. } => {
            let token = secret("The token that `claude setup-token` printed")?;
            if provider == "anthropic" && !token.starts_with("sk-ant-oat") {
                let text = "this is no setup token: they begin with sk-ant-oat";
                return Err(CommandError::new(Kind::Usage, text).hint(
                    "for an API key: openclaw models auth add --provider anthropic".to_owned(),
                ));
            }
            let id = named(provider, None, "default");
            let profile = json!({ "type": "token", "provider": provider, "token": token });
            keep(file, id, profile, shell)
        }
        AuthCommand::Login {
            provider,
            set_default,
            ..
        } => {
            let (id, profile) = login::login(provider, shell).await?;
            keep(file, id, profile, shell)?;
            match set_default {
                true => super::change::set_default_of(provider, shell),
                false => Ok(()),
            }
        }
        AuthCommand::LoginGithubCopilot { .. } => {
            let (id, profile) = login::login("github-copilot", shell).await?;
            keep(file, id, profile, shell)
        }
        AuthCommand::Order(command) => order(command, file, shell),
    }
}

fn file(args: &AuthArgs, shell: &Shell) -> CommandResult<PathBuf> {
    let agent = match &args.agent {
        Some(id) => {
            AgentId::parse(id).map_err(|error| CommandError::new(Kind::Usage, error.to_string()))?
        }
        None => shell.config()?.config.agents.default_id(),
    };
    let paths = shell.paths()?;
    Ok(paths.agent_dir(&agent).join("auth-profiles.json"))
}

fn named(provider: &str, id: Option<&str>, usual: &str) -> String {
    match id {
        Some(id) if id.contains(':') => id.to_owned(),
        Some(id) => format!("{provider}:{id}"),
        None => format!("{provider}:{usual}"),
    }
}

/// Reads a secret from standard input: never an argument, which every process may read.
fn secret(what: &str) -> CommandResult<String> {
    let mut text = String::new();
    let input = std::io::stdin();
    let read = if input.is_terminal() {
        eprintln!("{what}, then Enter:");
        input.lock().read_line(&mut text)
    } else {
        input.lock().read_to_string(&mut text)
    };
    read.map_err(|error| CommandError::new(Kind::Io, format!("can't read it: {error}")))?;
    let text: String = text.split_whitespace().collect();
    match text.is_empty() {
        true => Err(CommandError::new(
            Kind::Usage,
            "nothing came on standard input".to_owned(),
        )),
        false => Ok(text),
    }
}

fn life_ms(word: &str) -> CommandResult<i64> {
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let read = units.iter().find_map(|(unit, ms)| {
        let number: i64 = word.trim().strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*ms).filter(|life| *life > 0)
    });
    read.ok_or_else(|| {
        let text = format!("\"{word}\" is no duration; 30d, 12h and 90m are");
        CommandError::new(Kind::Usage, text)
    })
}

fn keep(file: PathBuf, id: String, profile: Value, shell: &Shell) -> CommandResult {
    let written = store::hold(&file).and_then(|mut held| {
        held.put(&id, profile);
        held.write()
    });
    written.map_err(|error| unwritable(&file, &error))?;
    told(
        &json!({ "ok": true, "profile": id, "file": file }),
        &format!("Stored {id}."),
        shell,
    )
}

fn told(document: &Value, text: &str, shell: &Shell) -> CommandResult {
    let hint = shell.command("supervisor restart models");
    shell.terminal.show(document, |_| {
        format!("{text} A gateway that runs takes it up with: {hint}")
    })?;
    Ok(())
}

fn unwritable(file: &std::path::Path, error: &std::io::Error) -> CommandError {
    CommandError::new(
        Kind::Io,
        format!("can't change {}: {error}", file.display()),
    )
}

fn order(command: &OrderCommand, file: PathBuf, shell: &Shell) -> CommandResult {
    let (provider, order) = match command {
        OrderCommand::Get { provider } => return show(provider, &file, shell),
        OrderCommand::Set { provider, profiles } => (provider, Some(profiles.as_slice())),
        OrderCommand::Clear { provider } => (provider, None),
    };
    let mut held = store::hold(&file).map_err(|error| unwritable(&file, &error))?;
    for id in order.into_iter().flatten() {
        let of = held.profile(id).and_then(|profile| profile.get("provider"));
        if of.and_then(Value::as_str) != Some(provider) {
            let text = format!("there is no stored credential \"{id}\" for {provider}");
            return Err(CommandError::new(Kind::No, text).hint(format!(
                "which there are: openclaw models auth order get --provider {provider}"
            )));
        }
    }
    held.set_order(provider, order);
    held.write().map_err(|error| unwritable(&file, &error))?;
    let document = json!({ "ok": true, "provider": provider, "order": order });
    told(&document, "Done.", shell)
}

fn show(provider: &str, file: &std::path::Path, shell: &Shell) -> CommandResult {
    let profiles = Profiles::load(file).map_err(|error| unwritable(file, &error))?;
    let fixed = store::hold(file)
        .map_err(|error| unwritable(file, &error))?
        .order(provider);
    let accounts = profiles.accounts(provider, None, render::now_ms());
    let ids: Vec<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
    let document = json!({ "provider": provider, "order": fixed, "profiles": ids });
    shell.terminal.show(&document, |_| match ids.as_slice() {
        [] => format!("There is no stored credential for {provider}."),
        ids => {
            let how = match fixed {
                Some(_) => "in this order",
                None => "in turn",
            };
            format!("{} ({how})", ids.join(", "))
        }
    })?;
    Ok(())
}
