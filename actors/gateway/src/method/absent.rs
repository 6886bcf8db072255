//! What the page of protocol 4 asks about and this gateway has not: the true answer is an empty one. The greeting
//! names none of these methods.

use openclaw_protocol::AgentId;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

fn answer(value: Value) -> Outcome {
    Outcome::now(Ok(value))
}

/// There is no registry of plugins.
pub(super) fn plugin_catalog(_call: Call) -> Outcome {
    answer(json!({ "items": [] }))
}

/// There is no registry of skills.
pub(super) fn skill_search(_call: Call) -> Outcome {
    answer(json!({ "results": [] }))
}

/// Skills are files of a workspace; nothing is kept for single people.
pub(super) fn skill_library(_call: Call) -> Outcome {
    answer(json!({ "entries": [], "defaultTarget": "workspace", "canManageWorkspace": false }))
}

/// A conversation is one line; nobody can go back to an earlier place in it.
pub(super) fn branches(_call: Call) -> Outcome {
    answer(json!({ "branches": [] }))
}

/// Nobody beside the agent answers questions about a session.
pub(super) fn companion(_call: Call) -> Outcome {
    answer(json!({ "exchanges": [] }))
}

pub(super) fn progress_card(_call: Call) -> Outcome {
    answer(json!({ "card": null }))
}

/// The page's own themes are all there are.
pub(super) fn themes(call: Call) -> Outcome {
    let config = call.services.configuration();
    let wanted = config.tree.value().pointer("/ui/prefs/theme");
    let id = wanted.and_then(Value::as_str).unwrap_or("claw");
    answer(json!({
        "themes": [],
        "current": { "id": id, "mode": "system", "scope": "gateway", "overrides": {} },
        "theme": { "id": id, "name": id, "source": "builtin", "modes": ["light", "dark"] },
    }))
}

/// Nothing is kept of a conversation beside its messages.
pub(super) fn artifacts(_call: Call) -> Outcome {
    answer(json!({ "artifacts": [] }))
}

/// Agents work in their workspace itself.
pub(super) fn worktrees(_call: Call) -> Outcome {
    answer(json!({ "worktrees": [] }))
}

/// Questions that were answered are not kept: the log says what became of them.
pub(super) fn approval_history(_call: Call) -> Outcome {
    answer(json!({ "items": [] }))
}

/// No tool of this gateway acts on GitHub, so no identity is there for it.
pub(super) fn github(call: Call) -> Outcome {
    let scope = call.text("selectedScope").unwrap_or("system");
    answer(json!({
        "agentId": agent(&call),
        "selectedScope": scope,
        "selected": { "scope": scope, "configured": false, "identity": null },
        "effective": {
            "source": "system-detected",
            "credentialKind": "native",
            "credentialState": "unavailable",
            "account": null,
            "gitAuthor": { "name": null, "email": null },
            "evidence": "none",
            "accessExpiresAtMs": null,
            "refreshState": "not_applicable",
        },
    }))
}

/// No provider of searches is built in.
pub(super) fn web_search(call: Call) -> Outcome {
    let catalogue = (call.services.catalogue)();
    let model = &catalogue.choice().model;
    answer(json!({
        "enabled": false,
        "provider": null,
        "agentId": agent(&call),
        "model": { "provider": model.provider, "id": model.model, "runtime": "openclaw" },
        "route": {
            "kind": "unavailable",
            "label": "No web search",
            "reason": "this gateway searches no web",
            "testable": false,
        },
        "providers": [],
    }))
}

/// Whether vectors can be made for the search of notes.
pub(super) fn memory(call: Call) -> Outcome {
    let agent = agent(&call);
    let embedding = match (call.services.catalogue)().embedding_for(&agent, None) {
        Ok(embedder) => json!({ "ok": true, "model": embedder.model }),
        Err(error) => json!({ "ok": false, "error": error.to_string() }),
    };
    answer(json!({
        "agentId": agent,
        "searchRuntimeRegistered": false,
        "embedding": embedding,
    }))
}

/// The agent that is asked about.
fn agent(call: &Call) -> AgentId {
    let named = call.text("agentId").and_then(|id| AgentId::parse(id).ok());
    named.unwrap_or_else(|| call.services.configuration().agents.default_id())
}
