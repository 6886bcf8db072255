//! The catalogue as this process makes it: config, environment, stored credentials, local servers.

use openclaw_protocol::AgentId;
use openclaw_provider::Catalogue;
use openclaw_provider::catalogue::Credential;
use openclaw_provider::catalogue::Inputs;
use openclaw_provider::discovery;
use openclaw_provider::profile::Profiles;
use serde_json::Value;
use serde_json::json;

use crate::commands::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

/// A credential that lasts no longer than this is worth a warning.
const SOON_MS: i64 = 24 * 3600 * 1000;

/// Makes the catalogue as a gateway would.
pub(super) async fn catalogue(shell: &Shell) -> CommandResult<(Catalogue, Profiles)> {
    let (loaded, paths) = (shell.config()?, shell.paths()?);
    let agent = loaded.config.agents.default_id();
    let file = paths.agent_dir(&agent).join("auth-profiles.json");
    let profiles = Profiles::load(&file).map_err(|error| {
        CommandError::new(
            Kind::Config,
            format!("can't read {}: {error}", file.display()),
        )
    })?;
    let env = loaded.environment.lookup();
    let profiles = profiles.with_amazon(&env);
    let local = discovery::discover(&discovery::places(&env)).await;
    let catalogue = Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &env,
        profiles: &profiles,
        local: &local,
        now_ms: render::now_ms(),
    });
    Ok((catalogue, profiles))
}

/// The rows of `models.list`; with `all` also what can't be called, and why.
pub(super) fn rows(catalogue: &Catalogue, all: bool) -> Vec<Value> {
    if !all {
        return catalogue.list();
    }
    let rows = catalogue.providers().flat_map(|entry| {
        entry.endpoint.models.iter().map(|info| {
            json!({
                "provider": info.reference.provider,
                "id": info.reference.model,
                "name": info.name,
                "contextWindow": info.context_window,
                "reasoning": info.reasoning,
                "usable": entry.usable(),
                "problem": entry.problem().map(|_| "no key"),
            })
        })
    });
    rows.collect()
}

/// Whether a provider runs on this machine.
pub(super) fn is_local(provider: &str) -> bool {
    matches!(provider, "builtin" | "ollama" | "lmstudio" | "llamacpp")
}

/// Which model answers, why, and what credentials there are.
pub(super) fn status(catalogue: &Catalogue, agent: &AgentId) -> Value {
    let choice = catalogue.choice_for(agent);
    let providers: Vec<Value> = catalogue
        .providers()
        .map(|entry| {
            let (credential, from) = match &entry.credential {
                Credential::NotNeeded => ("not-needed", String::new()),
                Credential::Profile(id) => ("profile", id.clone()),
                Credential::Env(name) => ("environment", name.clone()),
                Credential::Config => ("config", String::new()),
                Credential::Missing(names) => ("missing", names.join(" or ")),
            };
            json!({
                "id": entry.endpoint.provider,
                "name": entry.name,
                "usable": entry.usable(),
                "credential": credential,
                "from": from,
                "configured": entry.configured,
                "discovered": entry.discovered,
                "baseUrl": entry.endpoint.base_url,
                "models": entry.endpoint.models.len(),
                "problem": entry.problem(),
            })
        })
        .collect();
    let fallbacks: Vec<String> = choice.fallbacks.iter().map(ToString::to_string).collect();
    json!({
        "agent": agent.as_str(),
        "model": choice.model.to_string(),
        "reason": choice.reason,
        "problem": choice.problem,
        "fallbacks": fallbacks,
        "providers": providers,
    })
}

pub(super) fn expires_soon(provider: &str, profiles: &Profiles) -> bool {
    let now = render::now_ms();
    !profiles.accounts(provider, None, now).is_empty()
        && profiles.accounts(provider, None, now + SOON_MS).is_empty()
}

pub(super) fn render(document: &Value, plain: bool, terminal: &Terminal) -> String {
    let model = string(document, "model");
    if plain {
        return model;
    }
    let mut text = format!(
        "Model:  {}\nWhy:    {}\n",
        terminal.paint(Tone::Strong, &model),
        string(document, "reason")
    );
    let problem = string(document, "problem");
    if !problem.is_empty() {
        text.push_str(&format!(
            "{} {problem}\n",
            terminal.paint(Tone::Bad, "Problem:")
        ));
    }
    let fallbacks = document.get("fallbacks").and_then(Value::as_array);
    let fallbacks: Vec<&str> = fallbacks
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !fallbacks.is_empty() {
        text.push_str(&format!("Then:   {}\n", fallbacks.join(", ")));
    }
    text.push('\n');
    let mut table = Table::new(&["PROVIDER", "KEY", "FROM", "ADDRESS"]);
    let providers = document.get("providers").and_then(Value::as_array);
    for provider in providers.into_iter().flatten() {
        let usable = provider.get("usable").and_then(Value::as_bool) == Some(true);
        let credential = string(provider, "credential");
        let (tone, word) = match credential.as_str() {
            "missing" => (Tone::Muted, "missing"),
            "not-needed" => (Tone::Good, "not needed"),
            _ if usable => (Tone::Good, "there"),
            _ => (Tone::Warn, "there"),
        };
        table.row(vec![
            (
                if usable { Tone::Strong } else { Tone::Muted },
                string(provider, "id"),
            ),
            (tone, word.to_owned()),
            (Tone::Plain, string(provider, "from")),
            (Tone::Muted, string(provider, "baseUrl")),
        ]);
    }
    text + &table.render(terminal)
}
