//! `skills.*`: the skills that lie in the workspace and the state folder, and whether they could run here.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::config;
use crate::services::Services;

/// What a skill may need, by kind.
const NEEDS: [&str; 5] = ["bins", "anyBins", "env", "config", "os"];

/// What the system calls itself in lists of systems.
const SYSTEM: &str = if cfg!(target_os = "macos") {
    "darwin"
} else {
    "linux"
};

pub(super) fn status(call: Call) -> Outcome {
    Outcome::later(async move {
        let config = call.services.configuration();
        let agent = match call.text("agentId") {
            Some(agent) => AgentId::parse(agent).map_err(run::invalid)?,
            None => config.agents.default_id(),
        };
        let agent = config.agents.resolve(&agent);
        let agent = agent.ok_or_else(|| ErrorShape::invalid("unknown agent id"))?;
        let services = &call.services;
        let configured = agent.workspace.as_deref();
        let workspace = services
            .paths
            .workspace(&agent.id, agent.is_default, configured);
        let managed = services.paths.state_dir.join("skills");
        let skills = read(
            services,
            vec![
                (workspace.join("skills"), "openclaw-workspace"),
                (managed.clone(), "openclaw-managed"),
            ],
        )
        .await?;
        Ok(json!({
            "agentId": agent.id, "workspaceDir": workspace, "managedSkillsDir": managed, "skills": skills,
        }))
    })
}

/// The programs that skills ask for; a node tells which of them it has.
pub(super) fn bins(call: Call) -> Outcome {
    Outcome::later(async move {
        let services = &call.services;
        let config = services.configuration();
        let mut folders = vec![(services.paths.state_dir.join("skills"), "openclaw-managed")];
        for agent in config
            .agents
            .ids()
            .iter()
            .filter_map(|id| config.agents.resolve(id))
        {
            let configured = agent.workspace.as_deref();
            let workspace = services
                .paths
                .workspace(&agent.id, agent.is_default, configured);
            folders.push((workspace.join("skills"), "openclaw-workspace"));
        }
        let skills = read(services, folders).await?;
        let mut bins = BTreeSet::new();
        for skill in &skills {
            for kind in ["bins", "anyBins"] {
                let listed = skill.pointer(&format!("/requirements/{kind}"));
                let listed = listed.and_then(Value::as_array).into_iter().flatten();
                bins.extend(listed.filter_map(Value::as_str).map(str::to_owned));
            }
        }
        Ok(json!({ "bins": bins }))
    })
}

pub(super) fn install(_call: Call) -> Outcome {
    let message =
        "this gateway installs no skills yet: put the skill's folder into workspace/skills";
    Outcome::now(Err(ErrorShape::unavailable(message)))
}

/// Writes a skill's entry into the configuration: `skills.entries.<key>`.
pub(super) fn update(call: Call) -> Outcome {
    Outcome::later(async move {
        let Some(key) = call.text("skillKey").map(str::to_owned) else {
            let message = "this gateway knows no skill library: say skillKey";
            return Err(ErrorShape::unavailable(message));
        };
        let mut entry = Map::new();
        if let Some(enabled) = call.flag("enabled") {
            entry.insert("enabled".to_owned(), json!(enabled));
        }
        // An empty text takes a value away, as null does in a patch.
        let or_null = |text: &str| match text.trim() {
            "" => Value::Null,
            text => json!(text),
        };
        if let Some(secret) = call.params.get("apiKey").and_then(Value::as_str) {
            entry.insert("apiKey".to_owned(), or_null(secret));
        }
        if let Some(env) = call.params.get("env").and_then(Value::as_object) {
            let env = env.iter().filter(|(name, _)| !name.trim().is_empty());
            let env: Map<String, Value> = env
                .map(|(name, value)| (name.clone(), or_null(value.as_str().unwrap_or_default())))
                .collect();
            entry.insert("env".to_owned(), Value::Object(env));
        }
        let mut entries = Map::new();
        entries.insert(key.clone(), Value::Object(entry));
        let patch = json!({ "skills": { "entries": entries } }).to_string();
        let (paths, environment) = (
            call.services.paths.clone(),
            call.services.environment.clone(),
        );
        let writing = tokio::task::spawn_blocking(move || {
            let loaded = config::load(&paths, &environment);
            let base = loaded.exists.then_some(loaded.hash.as_str());
            config::edit::patch(&paths, &environment, &patch, base)
        });
        let written = writing
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let change = written.map_err(super::config::refused)?;
        let shown = openclaw_protocol::config::redact::redact(change.after.config.tree.value());
        let shown = shown
            .pointer("/skills/entries")
            .and_then(|entries| entries.get(&key))
            .cloned();
        Ok(json!({ "ok": true, "skillKey": key, "config": shown.unwrap_or(json!({})) }))
    })
}

async fn read(
    services: &Services,
    folders: Vec<(PathBuf, &'static str)>,
) -> Result<Vec<Value>, ErrorShape> {
    let loaded = services.loaded();
    let reading = tokio::task::spawn_blocking(move || {
        let env = loaded.environment.lookup();
        let facts = Facts {
            config: loaded.config.tree.value(),
            env: &env,
        };
        let mut skills = Vec::new();
        for (folder, source) in folders {
            let listed = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut paths: Vec<PathBuf> =
                listed.map(|entry| entry.path().join("SKILL.md")).collect();
            paths.sort();
            for path in paths {
                if let Ok(text) = std::fs::read_to_string(&path) {
                    skills.push(skill(&path, source, &text, &facts));
                }
            }
        }
        skills
    });
    reading
        .await
        .map_err(|error| ErrorShape::unavailable(error.to_string()))
}

/// What a skill's needs are measured against.
struct Facts<'a> {
    config: &'a Value,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Facts<'_> {
    fn has(&self, kind: &str, name: &str) -> bool {
        match kind {
            "bins" | "anyBins" => {
                let path = (self.env)("PATH").unwrap_or_default();
                std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
            }
            "env" => (self.env)(name).is_some_and(|value| !value.is_empty()),
            "config" => {
                let pointer = format!("/{}", name.replace('.', "/"));
                let value = self.config.pointer(&pointer);
                value.is_some_and(|value| !value.is_null() && *value != json!(false))
            }
            _ => name == SYSTEM,
        }
    }
}

fn skill(path: &Path, source: &str, text: &str, facts: &Facts<'_>) -> Value {
    let head = head(text);
    let folder = path.parent().unwrap_or(path);
    let folder_name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = head
        .get("name")
        .cloned()
        .or(folder_name)
        .unwrap_or_default();
    let metadata = head
        .get("metadata")
        .and_then(|text| json5::from_str::<Value>(text).ok());
    let own = |names: [&str; 2]| {
        let metadata = metadata.as_ref()?;
        names.iter().find_map(|name| metadata.get(*name)).cloned()
    };
    let own = own(["openclaw", "clawdbot"]).unwrap_or_default();
    let text_of = |name: &str| own.get(name).and_then(Value::as_str).map(str::to_owned);
    let key = text_of("skillKey").unwrap_or_else(|| name.clone());
    let (mut wanted, mut missing) = (Map::new(), Map::new());
    for kind in NEEDS {
        let place = if kind == "os" {
            own.get(kind)
        } else {
            own.pointer(&format!("/requires/{kind}"))
        };
        let listed = place.and_then(Value::as_array).into_iter().flatten();
        let listed: Vec<&str> = listed.filter_map(Value::as_str).collect();
        let mut lacks: Vec<&str> = listed
            .iter()
            .filter(|name| !facts.has(kind, name))
            .copied()
            .collect();
        // One of several is enough.
        if matches!(kind, "anyBins" | "os") && lacks.len() < listed.len() {
            lacks.clear();
        }
        wanted.insert(kind.to_owned(), json!(listed));
        missing.insert(kind.to_owned(), json!(lacks));
    }
    let entry = facts
        .config
        .pointer("/skills/entries")
        .and_then(|entries| entries.get(&key));
    let disabled = entry.and_then(|entry| entry.get("enabled")) == Some(&json!(false));
    let lacks_nothing = missing
        .values()
        .all(|lacks| lacks.as_array().is_some_and(Vec::is_empty));
    json!({
        "name": name,
        "description": head.get("description").cloned().unwrap_or_default(),
        "source": source,
        "bundled": false,
        "filePath": path,
        "baseDir": folder,
        "skillKey": key,
        "primaryEnv": text_of("primaryEnv"),
        "emoji": text_of("emoji"),
        "homepage": head.get("homepage").cloned().or_else(|| text_of("homepage")),
        "always": own.get("always") == Some(&json!(true)),
        "disabled": disabled,
        "blockedByAllowlist": false,
        "eligible": lacks_nothing && !disabled,
        "requirements": wanted,
        "missing": missing,
        "configChecks": [],
        "install": [],
    })
}

/// The lines between the two rules at the top of a skill, as names and texts.
fn head(text: &str) -> std::collections::BTreeMap<String, String> {
    let mut lines = text.lines();
    let mut head = std::collections::BTreeMap::new();
    if lines.next().map(str::trim) != Some("---") {
        return head;
    }
    let mut last: Option<String> = None;
    for line in lines.take_while(|line| line.trim() != "---") {
        let is_inside = line.starts_with([' ', '\t', '}', ']']);
        match (is_inside, line.split_once(':'), &last) {
            (true, _, Some(name)) => {
                // A value over several lines, as metadata often is.
                if let Some(value) = head.get_mut(name) {
                    String::push_str(value, line.trim());
                }
            }
            (false, Some((name, value)), _) => {
                let value = value.trim().trim_matches(['"', '\'']).to_owned();
                last = Some(name.trim().to_owned());
                head.insert(name.trim().to_owned(), value);
            }
            _ => {}
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skill_says_what_it_lacks() {
        let text = "---\nname: tides\ndescription: \"When the sea comes\"\nmetadata:\n  {\"openclaw\": {\"emoji\": \"🌊\",\n  \"requires\": {\"env\": [\"TIDE_KEY\"], \"bins\": []}}}\n---\nbody";
        let facts = Facts {
            config: &json!({}),
            env: &|_| None,
        };
        let skill = skill(
            Path::new("/w/skills/tides/SKILL.md"),
            "openclaw-workspace",
            text,
            &facts,
        );
        assert_eq!(skill["name"], "tides");
        assert_eq!(skill["emoji"], "🌊");
        assert_eq!(skill["missing"]["env"], json!(["TIDE_KEY"]));
        assert_eq!(skill["eligible"], false);
        let facts = Facts {
            config: &json!({}),
            env: &|_| Some("x".to_owned()),
        };
        assert_eq!(
            super::skill(Path::new("/w/t/SKILL.md"), "x", text, &facts)["eligible"],
            true
        );
    }
}
