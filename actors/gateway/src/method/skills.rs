//! `skills.*`: the skills that lie in their places, and whether they can be used here.

use std::collections::BTreeSet;

use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_session::skill::Skill;
use openclaw_session::skill::Source;
use openclaw_session::skill::Verdict;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::config;
use crate::services::Services;
use crate::skills;

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
        let judged = judged(services, agent.id.clone()).await?;
        let shown: Vec<Value> = judged
            .iter()
            .map(|(skill, verdict)| shown(skill, verdict))
            .collect();
        Ok(json!({
            "agentId": agent.id, "workspaceDir": workspace, "managedSkillsDir": managed, "skills": shown,
        }))
    })
}

/// The programs that skills ask for; a node tells which of them it has.
pub(super) fn bins(call: Call) -> Outcome {
    Outcome::later(async move {
        let services = &call.services;
        let mut bins = BTreeSet::new();
        for agent in services.configuration().agents.ids() {
            for (skill, _) in judged(services, agent).await? {
                bins.extend(skill.needs.bins);
                bins.extend(skill.needs.any_bins);
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

/// The skills of an agent with their verdicts.
async fn judged(services: &Services, agent: AgentId) -> Result<Vec<(Skill, Verdict)>, ErrorShape> {
    let loaded = services.loaded();
    let paths = services.paths.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let resolved = loaded.config.agents.resolve(&agent);
        let workspace = resolved.map(|agent| {
            let configured = agent.workspace.as_deref();
            paths.workspace(&agent.id, agent.is_default, configured)
        });
        let places = skills::places(&paths, &loaded, workspace.as_deref());
        skills::judged(&places, &loaded, &agent)
    });
    reading
        .await
        .map_err(|error| ErrorShape::unavailable(error.to_string()))
}

fn shown(skill: &Skill, verdict: &Verdict) -> Value {
    json!({
        "name": skill.name,
        "description": skill.description,
        "source": skill.source,
        "bundled": skill.source == Source::Bundled,
        "filePath": skill.file,
        "baseDir": skill.file.parent(),
        "skillKey": skill.key,
        "primaryEnv": skill.primary_env,
        "emoji": skill.emoji,
        "homepage": skill.homepage,
        "always": skill.always,
        "disabled": verdict.is_disabled,
        "blockedByAllowlist": verdict.is_blocked,
        "eligible": verdict.is_eligible(),
        "reasons": verdict.reasons(),
        "userInvocable": skill.by_slash,
        "modelVisible": skill.by_model,
        "requirements": skill.needs,
        "missing": verdict.missing,
        "configChecks": [],
        "install": [],
    })
}
