//! `memory.*`: what the agents' notes hold, and how they are indexed.

use std::path::PathBuf;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_tool::memory::Asked;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;

/// How long the making of vectors may take before it goes on without somebody who waits.
const LONGEST: Duration = Duration::from_secs(900);

/// The agents that are asked about, with their workspaces.
fn agents(call: &Call) -> Result<Vec<(AgentId, PathBuf)>, ErrorShape> {
    let config = call.services.configuration();
    let ids = match call.text("agentId") {
        Some(agent) => vec![AgentId::parse(agent).map_err(run::invalid)?],
        None => config.agents.ids(),
    };
    let place = |id: AgentId| {
        let agent = config.agents.resolve(&id);
        let agent = agent.ok_or_else(|| ErrorShape::invalid("unknown agent id"))?;
        let configured = agent.workspace.as_deref();
        let paths = &call.services.paths;
        Ok((id, paths.workspace(&agent.id, agent.is_default, configured)))
    };
    ids.into_iter().map(place).collect()
}

async fn shown(call: &Call, agent: AgentId, workspace: PathBuf) -> Result<Value, ErrorShape> {
    let memory = call.services.memory.clone();
    let looking = tokio::task::spawn_blocking(move || memory.status(&agent, &workspace));
    looking
        .await
        .map_err(|error| ErrorShape::unavailable(error.to_string()))
}

pub(super) fn status(call: Call) -> Outcome {
    Outcome::later(async move {
        let is_deep = call.flag("deep").unwrap_or(false);
        let mut shown_agents = Vec::new();
        for (agent, workspace) in agents(&call)? {
            let mut one = shown(&call, agent.clone(), workspace).await?;
            if let (true, Some(vectors)) = (is_deep, one.get_mut("vectors")) {
                let probe = match call.services.memory.probe(&agent).await {
                    Ok(dimensions) => json!({ "ok": true, "dimensions": dimensions }),
                    Err(error) => json!({ "ok": false, "error": error.to_string() }),
                };
                if let Some(vectors) = vectors.as_object_mut() {
                    vectors.insert("probe".to_owned(), probe);
                }
            }
            shown_agents.push(one);
        }
        Ok(json!({ "agents": shown_agents }))
    })
}

pub(super) fn index(call: Call) -> Outcome {
    Outcome::within(LONGEST, async move {
        let force = call.flag("force").unwrap_or(false);
        let mut done = Vec::new();
        for (agent, workspace) in agents(&call)? {
            let memory = call.services.memory.clone();
            let (id, place) = (agent.clone(), workspace.clone());
            let reading = tokio::task::spawn_blocking(move || memory.refresh(&id, &place, force));
            reading
                .await
                .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
            let made = if call.services.memory.makes_vectors(&agent) {
                call.services.memory.embed(&agent, &workspace).await
            } else {
                Ok(0)
            };
            let mut one = shown(&call, agent, workspace).await?;
            if let Some(fields) = one.as_object_mut() {
                fields.insert("embedded".to_owned(), json!(made.as_ref().unwrap_or(&0)));
                if let Err(error) = made {
                    fields.insert("error".to_owned(), json!(error.to_string()));
                }
            }
            done.push(one);
        }
        Ok(json!({ "agents": done }))
    })
}

pub(super) fn search(call: Call) -> Outcome {
    Outcome::later(async move {
        let named = call.text("agentId").map(AgentId::parse).transpose();
        let named = named.map_err(run::invalid)?;
        let agent = named.unwrap_or_else(|| call.services.configuration().agents.default_id());
        let places = agents(&call)?;
        let place = places.into_iter().find(|(id, _)| *id == agent);
        let (agent, workspace) = place.ok_or_else(|| ErrorShape::invalid("unknown agent id"))?;
        let memory = &call.services.memory;
        let most = call
            .number("maxResults")
            .and_then(|most| usize::try_from(most).ok());
        let asked = Asked {
            query: call.text("query").unwrap_or_default().to_owned(),
            most: most.unwrap_or_else(|| memory.settings(&agent).ranking.max_results),
            min_score: call.params.get("minScore").and_then(Value::as_f64),
            is_private: true,
        };
        let found = memory.search(&agent, &workspace, asked).await;
        let found = found.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        Ok(found.to_json())
    })
}
