//! Reads the configuration: the file, its includes, the variables. Never fails.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::AccountKey;
use openclaw_protocol::Config;
use openclaw_protocol::Secret;
use openclaw_protocol::config::Bind;
use openclaw_protocol::config::GatewayAuth;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Section;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::TelegramAccount;
use openclaw_protocol::config::Tree;
use openclaw_protocol::config::issue::shell_word;
use serde_json::Map;
use serde_json::Value;

use super::Environment;
use super::LoadedConfig;
use super::Text;
use super::dotenv;
use super::include;
use super::shell;
use super::source;
use super::store;
use super::substitute;
use crate::paths::Paths;

/// Whether the login shell may be asked; it takes seconds, so a reload doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    Ask,
    Known,
}

/// Reads the configuration with the process's variables `env`. Never fails.
pub fn load(paths: &Paths, env: &Environment) -> LoadedConfig {
    read(paths, &with_dotenv(paths, env), Shell::Ask)
}

/// Reads the configuration again: the process's variables and those of the login shell stay.
pub(super) fn reload(paths: &Paths, process: &Environment, before: &LoadedConfig) -> LoadedConfig {
    let env = with_dotenv(paths, process).with_missing(before.from_shell.iter().cloned());
    let mut loaded = read(paths, &env, Shell::Known);
    loaded.from_shell.clone_from(&before.from_shell);
    loaded
}

/// The `.env` of the working folder, then that of the installation.
fn with_dotenv(paths: &Paths, env: &Environment) -> Environment {
    let here = std::env::current_dir().ok().map(|dir| dir.join(".env"));
    let mut env = env.clone();
    for file in here.into_iter().chain([paths.dotenv()]) {
        match source::read_text(&file) {
            Ok(Some(text)) => env = env.with_missing(dotenv::parse(&text)),
            Ok(None) => {}
            Err(error) => tracing::warn!(file = %file.display(), %error, "can't read variables"),
        }
    }
    env
}

fn read(paths: &Paths, env: &Environment, shell: Shell) -> LoadedConfig {
    let path = &paths.config_path;
    let (raw, fatal) = match source::read_text(path) {
        Ok(raw) => (raw, None),
        Err(error) => (None, Some(unreadable(path, &error))),
    };
    let hash = source::hash(raw.as_deref().unwrap_or_default());
    let (parsed, fatal) = match (source::parse(raw.as_deref().unwrap_or_default()), fatal) {
        (Ok(tree), fatal) => (tree, fatal),
        (Err(error), _) => (Value::Object(Map::new()), Some(unparsable(path, &error))),
    };
    let (mut tree, includes) = include::resolve(parsed.clone(), path);
    let (environment, from_shell) = environment(&tree, env, shell);
    let mut broken = includes.broken;
    broken.extend(substitute::substitute(&mut tree, &environment));
    let mut loaded = Config::from_parts(tree, broken);
    let is_fatal = fatal.is_some();
    apply(&environment, &mut loaded.config, &mut loaded.issues);
    if let Some(issue) = fatal {
        // Nobody knows who was meant to have access.
        loaded.config.gateway.auth = Section::Invalid(vec![issue.clone()]);
        loaded.issues.insert(0, issue);
    }
    name_profile(paths, &mut loaded.issues);
    LoadedConfig {
        path: path.clone(),
        exists: raw.is_some() || is_fatal,
        is_fatal,
        is_last_good: false,
        raw: raw.map(Text),
        hash,
        parsed: Tree::new(parsed),
        config: Arc::new(loaded.config),
        issues: loaded.issues,
        includes: includes
            .files
            .iter()
            .map(|included| included.file.clone())
            .collect(),
        environment,
        from_shell,
    }
}

/// The errors that a tree would have as the file's content.
pub(super) fn check(paths: &Paths, env: &Environment, tree: &Value) -> Vec<Issue> {
    let (mut tree, includes) = include::resolve(tree.clone(), &paths.config_path);
    let mut broken = includes.broken;
    broken.extend(substitute::substitute(&mut tree, env));
    let mut loaded = Config::from_parts(tree, broken);
    apply(env, &mut loaded.config, &mut loaded.issues);
    loaded
        .issues
        .retain(|issue| issue.severity == Severity::Error);
    loaded.issues
}

/// A remedy must change the file that the mistake is in.
fn name_profile(paths: &Paths, issues: &mut [Issue]) {
    let Some(profile) = &paths.profile else {
        return;
    };
    for fix in issues.iter_mut().filter_map(|issue| issue.fix.as_mut()) {
        if let Some(command) = fix.strip_prefix("openclaw ") {
            *fix = format!("openclaw --profile {profile} {command}");
        }
    }
}

/// The file's own variables, then those of the login shell.
fn environment(
    tree: &Value,
    env: &Environment,
    shell: Shell,
) -> (Environment, Vec<(String, String)>) {
    // Only the variables of the file are needed here; they may refer to earlier ones.
    let mut section = tree.get("env").cloned().unwrap_or_default();
    drop(substitute::substitute(&mut section, env));
    let alone = serde_json::json!({ "env": section });
    let own = Config::from_value(alone).config.env;
    let vars = own
        .vars
        .iter()
        .map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let env = env.clone().with_missing(vars);
    let is_asked = own.shell_enabled
        || env
            .get("OPENCLAW_LOAD_SHELL_ENV")
            .is_some_and(|value| !matches!(value, "0" | "false"));
    if !is_asked || shell == Shell::Known {
        return (env, Vec::new());
    }
    let timeout = env
        .get("OPENCLAW_SHELL_ENV_TIMEOUT_MS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(own.shell_timeout_ms);
    let found = shell::import(
        &env,
        &substitute::wanted(tree),
        Duration::from_millis(timeout),
    );
    (env.with_missing(found.iter().cloned()), found)
}

/// What the environment adds to the file.
fn apply(env: &Environment, config: &mut Config, issues: &mut Vec<Issue>) {
    let gateway = &mut config.gateway;
    if let Some(port) = env.get("OPENCLAW_GATEWAY_PORT") {
        match port.trim().parse::<u16>() {
            Ok(port) if port > 0 => gateway.port = port,
            _ => issues.push(Issue::new(
                Severity::Warning,
                "gateway.port",
                format!("OPENCLAW_GATEWAY_PORT is no port: {port}; it has no effect"),
            )),
        }
    }
    let secret = |names: [&str; 2]| {
        names
            .into_iter()
            .find_map(|name| env.get(name))
            .map(Secret::new)
    };
    if let Section::Valid(auth) = &mut gateway.auth {
        let GatewayAuth {
            token, password, ..
        } = auth;
        *token = token
            .take()
            .filter(|token| !token.is_empty())
            .or_else(|| secret(["OPENCLAW_GATEWAY_TOKEN", "CLAWDBOT_GATEWAY_TOKEN"]));
        *password = password
            .take()
            .filter(|word| !word.is_empty())
            .or_else(|| secret(["OPENCLAW_GATEWAY_PASSWORD", "CLAWDBOT_GATEWAY_PASSWORD"]));
        if gateway.bind != Bind::Loopback && auth.token.is_none() && auth.password.is_none() {
            gateway.bind = Bind::Loopback;
            let message = "other machines may connect only with a token or password, and there is none; listening on this machine only";
            issues.push(
                Issue::new(Severity::Error, "gateway.bind", message)
                    .allowed(["loopback"])
                    .fix_set("gateway.bind", "loopback"),
            );
        }
    }
    telegram_token(env, config);
}

/// `TELEGRAM_BOT_TOKEN` is the default account's token, and enough to have one.
fn telegram_token(env: &Environment, config: &mut Config) {
    let Some(token) = env.get("TELEGRAM_BOT_TOKEN") else {
        return;
    };
    let accounts = &mut config.channels.telegram;
    let is_taken = accounts.values().filter_map(Section::get).any(|account| {
        account
            .bot_token
            .as_ref()
            .is_some_and(|own| own.expose() == token)
    });
    if accounts.is_empty() {
        let section = Section::Valid(TelegramAccount::default());
        accounts.insert(AccountKey::DEFAULT.to_owned(), section);
    }
    if let Some(Section::Valid(account)) = accounts.get_mut(AccountKey::DEFAULT)
        && account.bot_token.is_none()
        && account.token_file.is_none()
        && !is_taken
    {
        account.bot_token = Some(Secret::new(token));
    }
}

fn unreadable(path: &FilePath, error: &std::io::Error) -> Issue {
    let shown = path.display();
    let message = format!("can't read {shown}: {error}; safe defaults are in force");
    let mut issue = Issue::new(Severity::Error, "", message);
    issue.fix = Some(match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("sudo chown \"$USER\" {}", shell_word(&shown.to_string()))
        }
        _ => move_away(path),
    });
    issue
}

fn unparsable(path: &FilePath, error: &str) -> Issue {
    let shown = path.display();
    let message = format!("{shown} is not JSON5: {error}; safe defaults are in force");
    let mut issue = Issue::new(Severity::Error, "", message);
    issue.fix = Some(match store::newest_good_backup(path) {
        Some(backup) => {
            let (backup, file) = (backup.display().to_string(), shown.to_string());
            format!("cp {} {}", shell_word(&backup), shell_word(&file))
        }
        None => move_away(path),
    });
    issue
}

fn move_away(path: &FilePath) -> String {
    let shown = path.display().to_string();
    let broken = format!("{shown}.broken");
    format!("mv {} {}", shell_word(&shown), shell_word(&broken))
}
