//! `sessions_spawn`: a task for a session of its own; what comes of it is told to this one when it ends.

use std::time::Duration;

use openclaw_ledger::NewInbound;
use openclaw_protocol::Inbound;
use openclaw_protocol::RunId;
use openclaw_protocol::Scope;
use openclaw_protocol::SessionKey;
use openclaw_protocol::message::Spawn;
use openclaw_session::subagent;
use openclaw_tool::sandbox::Setting;
use openclaw_tool::spec;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use super::Door;
use super::ask::Ask;
use super::tool::HouseTool;
use crate::services::now_ms;

/// Steps from a person's session, unless the configuration says otherwise.
const DEPTH: u64 = 1;
/// Tasks of one session at a time.
const CHILDREN: u64 = 5;
/// Tasks of all sessions at a time.
const CONCURRENT: u64 = 8;

pub(super) fn spawn(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "sessions_spawn",
            "Gives a task to a sub-agent in a session of its own and goes on at once.\nIts result comes to this conversation as a message when it ends: don't wait for it.",
            json!({
                "task": { "type": "string", "description": "all that it needs to know: it sees nothing of this conversation" },
                "label": { "type": "string", "description": "a short name for it" },
                "agentId": { "type": "string", "description": "another agent" },
                "model": { "type": "string" },
                "thinking": { "type": "string" },
                "runTimeoutSeconds": { "type": "integer", "description": "how long it may take" },
            }),
            &["task"],
        ),
        door: door.clone(),
        // The inbox knows the call by its key and takes its task in once.
        is_idempotent: true,
        deadline: Duration::from_secs(20),
        act: |ask| Box::pin(spawned(ask)),
    }
}

/// What holds for sub-agents, from `agents.list[].subagents`, else `agents.defaults.subagents`.
struct Rules<'a> {
    own: Option<&'a Value>,
    usual: Option<&'a Value>,
}

impl<'a> Rules<'a> {
    fn of(config: &'a Value, agent: &str) -> Self {
        let list = config.pointer("/agents/list").and_then(Value::as_array);
        let is_it = |entry: &&Value| entry.get("id").and_then(Value::as_str) == Some(agent);
        let own = list.and_then(|list| list.iter().find(is_it));
        Self {
            own: own.and_then(|own| own.get("subagents")),
            usual: config.pointer("/agents/defaults/subagents"),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        let get = |from: Option<&'a Value>| from?.get(name);
        get(self.own).or_else(|| get(self.usual))
    }

    fn number(&self, name: &str, usual: u64) -> u64 {
        self.get(name).and_then(Value::as_u64).unwrap_or(usual)
    }

    fn model(&self) -> Option<String> {
        let model = self.get("model")?;
        let model = model.as_str().or_else(|| model.get("primary")?.as_str())?;
        Some(model.to_owned())
    }

    fn lets(&self, agent: &str) -> bool {
        let list = self.get("allowAgents").and_then(Value::as_array);
        let mut names = list.into_iter().flatten().filter_map(Value::as_str);
        names.any(|name| name == "*" || name.eq_ignore_ascii_case(agent))
    }
}

/// Why no more may be begun; none if one may.
fn refused(rules: &Rules<'_>, depth: usize, own: usize, all: usize) -> Option<String> {
    let at_least = |count: usize, bound: u64| count as u64 >= bound;
    let most = rules.number("maxSpawnDepth", DEPTH);
    if at_least(depth, most) {
        return Some(format!(
            "a sub-agent of depth {depth} begins no more (agents.defaults.subagents.maxSpawnDepth is {most})"
        ));
    }
    let most = rules.number("maxChildrenPerAgent", CHILDREN);
    if at_least(own, most) {
        return Some(format!(
            "{own} of yours are at work, and more are not allowed (agents.defaults.subagents.maxChildrenPerAgent): wait \
             for their results"
        ));
    }
    let most = rules.number("maxConcurrent", CONCURRENT);
    at_least(all, most).then(|| {
        format!("{all} sub-agents are at work, and more are not allowed (agents.defaults.subagents.maxConcurrent): try later")
    })
}

async fn spawned(ask: Ask) -> Result<Value, String> {
    let task = ask.required("task")?;
    let config = ask.config();
    let parent = &ask.session;
    let agent = match ask.arguments.text("agentId") {
        Some(agent) => agent.trim().to_lowercase(),
        None => parent.agent_str().to_owned(),
    };
    let rules = Rules::of(config.tree.value(), parent.agent_str());
    if agent != parent.agent_str() && !rules.lets(&agent) {
        return Err(format!(
            "tasks for {agent} are not allowed: the owner can allow it in agents.list[].subagents.allowAgents"
        ));
    }
    let digest = Sha256::digest(ask.key.as_bytes());
    let id: String = digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let child = subagent::child_key(parent, &agent, &id).ok_or("no such agent")?;
    if config.agents.resolve(&child.agent()).is_none() {
        return Err(format!("unknown agent id \"{agent}\""));
    }
    let is_in =
        |session: &SessionKey| Setting::of(config.tree.value(), &session.agent()).covers(session);
    if is_in(parent) && !is_in(&child) {
        return Err(format!(
            "this session is sandboxed and one of {agent} would not be"
        ));
    }
    let run_id = RunId::from(format!("subagent/{id}").as_str());
    let answer = json!({ "status": "accepted", "childSessionKey": child, "runId": run_id });
    let ledger = &ask.services.ledger;
    // The same call once more makes the same session and the same task: it is refused nothing.
    if ledger.session_entry(&child).is_none() {
        let open = subagent::open_tasks(ledger, None);
        let is_own = |spawn: &Spawn| spawn.parent == *parent;
        let own = open
            .iter()
            .filter(|row| row.body.spawn.as_deref().is_some_and(is_own));
        let refusal = refused(&rules, subagent::depth(parent), own.count(), open.len());
        if let Some(why) = refusal {
            return Err(why);
        }
    }
    let asked_model = ask.arguments.text("model");
    if asked_model.is_some() && !ask.caller.scopes.allows(Scope::Write) {
        return Err("which model answers is not for this conversation to choose".to_owned());
    }
    let mut fields = Map::new();
    fields.insert("spawnedBy".to_owned(), json!(parent));
    if let Some(model) = asked_model.or_else(|| rules.model()) {
        fields.insert("model".to_owned(), json!(model));
    }
    let patched = ask.services.sessions.patch(&child, &fields).await;
    patched.map_err(|error| error.to_string())?;
    let now_ms = now_ms();
    ask.services.hub.expect_run(&run_id, &child, 0, now_ms);
    let stored = ask
        .services
        .intake
        .accept(row(&ask, child, run_id, &task, &rules, now_ms), None);
    stored
        .await
        .map_err(|error| format!("not stored: {error}"))?;
    Ok(answer)
}

/// How long a task may take: as asked, else as configured; 0 is no bound of its own.
fn run_timeout(asked: Option<u64>, rules: &Rules<'_>) -> Option<u64> {
    let seconds = asked.unwrap_or_else(|| rules.number("runTimeoutSeconds", 0));
    (seconds > 0).then_some(seconds)
}

fn row(
    ask: &Ask,
    child: SessionKey,
    run_id: RunId,
    task: &str,
    rules: &Rules<'_>,
    now_ms: i64,
) -> NewInbound {
    let caller = &ask.caller;
    let thinking = rules
        .get("thinking")
        .and_then(Value::as_str)
        .map(str::to_owned);
    NewInbound {
        session: child,
        source: subagent::SOURCE.to_owned(),
        source_id: format!("task/{}", ask.key),
        run_id,
        body: Inbound {
            text: format!(
                "[Task from the session {}, not from a person]\n{task}",
                ask.session
            ),
            timestamp_ms: now_ms,
            thinking: ask.arguments.text("thinking").or(thinking),
            scopes: caller.scopes,
            outside: (ask.outside.as_ref()).map(|outside| format!("a task, {}", outside.from)),
            spawn: Some(Box::new(Spawn {
                run_timeout_seconds: run_timeout(
                    ask.arguments
                        .value("runTimeoutSeconds")
                        .and_then(Value::as_u64),
                    rules,
                ),
                parent: ask.session.clone(),
                label: ask.arguments.text("label"),
                reply: caller.reply.clone(),
                account: caller.account.as_ref().map(ToString::to_string),
                sender: caller.sender.clone(),
                chat: caller.chat.clone(),
            })),
            ..Inbound::default()
        },
        reply: None,
        received_at_ms: now_ms,
        traceparent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bound_on_depth_on_children_and_on_all() {
        let config = json!({ "agents": {
            "defaults": { "subagents": { "maxSpawnDepth": 2, "maxConcurrent": 3, "allowAgents": ["work"] } },
            "list": [{ "id": "main", "subagents": { "maxChildrenPerAgent": 1 } }],
        } });
        let rules = Rules::of(&config, "main");
        assert_eq!(refused(&rules, 1, 0, 2), None);
        for (depth, own, all, key) in [
            (2, 0, 0, "maxSpawnDepth"),
            (0, 1, 1, "maxChildrenPerAgent"),
            (0, 0, 3, "maxConcurrent"),
        ] {
            let why = refused(&rules, depth, own, all).unwrap();
            assert!(why.contains(key), "{why}");
        }
        assert!(rules.lets("work") && !rules.lets("other"));
        let timed =
            json!({ "agents": { "defaults": { "subagents": { "runTimeoutSeconds": 60 } } } });
        let timed = Rules::of(&timed, "main");
        assert_eq!(run_timeout(None, &timed), Some(60));
        assert_eq!(run_timeout(Some(5), &timed), Some(5));
        assert_eq!(run_timeout(Some(0), &timed), None);
        let none = json!({});
        let usual = Rules::of(&none, "main");
        assert!(refused(&usual, 0, 4, 7).is_none());
        assert!(refused(&usual, 1, 0, 0).is_some(), "no nesting");
        assert!(!usual.lets("work"));
    }
}
