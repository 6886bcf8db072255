//! Where tools ask about programs: the rules as they are now, the questions of the ledger, and who is told of one.

mod uses;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openclaw_channel::nudge_outbox;
use openclaw_ledger::InboundBatch;
use openclaw_ledger::Ledger;
use openclaw_ledger::NewOutbound;
use openclaw_ledger::Notice;
use openclaw_protocol::AgentId;
use openclaw_protocol::Button;
use openclaw_protocol::Config;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::config::Tree;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Directory;
use openclaw_session::skill::Skills;
use openclaw_session::skill::Source;
use openclaw_tool::approval::Decision;
use openclaw_tool::approval::Desk;
use openclaw_tool::approval::Request;
use openclaw_tool::approval::Used;
use serde_json::Value;
use serde_json::json;

use crate::approval;
use crate::approval::ApprovalDesk;
use crate::approval::ApprovalError;
use crate::approval::Question;
use crate::hub::Hub;
use crate::services::now_ms;
use crate::state_file::StateFile;

pub(crate) use self::uses::UseKeeper;
pub use self::uses::Uses;

/// Under which the ledger knows what was said of a question.
const SCOPE: &str = "exec.approval";
/// A longer command is not shown whole in a chat; nobody should allow what they can't read.
const SHOWN: usize = 3000;

/// The gateway's desk. Cheap to clone.
#[derive(Clone)]
pub struct HouseDesk {
    /// The questions.
    pub approvals: ApprovalDesk,
    /// The rules about commands.
    pub rules: StateFile,
    /// The configuration as it is now.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// Who hears what.
    pub hub: Hub,
    /// Where messages out are kept.
    pub ledger: Ledger,
    /// Who is where.
    pub directory: Directory,
    /// What of the list was used and isn't written down yet.
    pub uses: Uses,
    /// What agents know how to do.
    pub skills: Arc<dyn Skills>,
}

impl Desk for HouseDesk {
    fn config(&self) -> Tree {
        (self.config)().tree.clone()
    }

    fn file(&self) -> BoxFuture<'static, Result<Option<Value>, String>> {
        let rules = self.rules.clone();
        Box::pin(async move { read(&rules).await })
    }

    fn allow(
        &self,
        agent: &AgentId,
        programs: Vec<String>,
    ) -> BoxFuture<'static, Result<(), String>> {
        let (rules, agent) = (self.rules.clone(), agent.clone());
        Box::pin(async move {
            let _turn = rules.turn().await;
            let mut file = read(&rules)
                .await?
                .unwrap_or_else(|| json!({ "version": 1, "defaults": {}, "agents": {} }));
            add(&mut file, &agent, programs)?;
            let written = rules.replace(&file).await;
            written
                .map(drop)
                .map_err(|error| format!("exec-approvals.json: {error}"))
        })
    }

    fn skill_programs(&self, agent: &AgentId, workspace: &Path) -> Vec<String> {
        let skills = self.skills.now(agent, workspace);
        // Agents write to their workspaces: what they declare there must not let it run.
        let skills = skills.skills().iter();
        let foreign = skills.filter(|skill| skill.source != Source::Workspace);
        let needed = foreign.map(|skill| skill.needs.bins.iter().chain(&skill.needs.any_bins));
        needed.flatten().cloned().collect()
    }

    fn used(&self, agent: &AgentId, used: Vec<Used>, command: &str) {
        self.uses.note(agent, used, command, now_ms());
        // While its keeper is down it waits.
        let _up: bool = uses::nudge(&self.directory);
    }

    fn ask(&self, request: Request) -> BoxFuture<'static, Result<Option<Decision>, String>> {
        Box::pin(self.clone().wait_for(request))
    }

    fn resolve(
        &self,
        id: &str,
        decision: Decision,
        by: &str,
    ) -> BoxFuture<'static, Result<Value, String>> {
        let (desk, id, by) = (self.clone(), id.to_owned(), by.to_owned());
        Box::pin(async move {
            let word = decision.as_str();
            match desk.approvals.resolve(&id, word, now_ms()).await {
                Ok(question) => {
                    let payload = json!({ "id": id, "decision": word, "resolvedBy": by, "ts": now_ms(),
                        "request": question.request });
                    approval::announce(&desk.hub, "exec.approval.resolved", payload);
                    Ok(question.request)
                }
                // Said twice is said once.
                Err(ApprovalError::Resolved) => match desk.approvals.follow(&id) {
                    Some((question, said)) if said.borrow().as_deref() == Some(word) => {
                        Ok(question.request)
                    }
                    _ => Err(ApprovalError::Resolved.to_string()),
                },
                Err(ApprovalError::Unknown) => {
                    Err("nobody waits for this answer: without one in time it was a no".to_owned())
                }
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

impl HouseDesk {
    async fn wait_for(self, request: Request) -> Result<Option<Decision>, String> {
        let told = |error: ApprovalError| format!("nobody could be asked: {error}");
        let parse = |word: Option<String>| word.as_deref().and_then(Decision::parse);
        let taken = self
            .approvals
            .take(&request.id, &request.facts)
            .await
            .map_err(told)?;
        if taken.is_some() {
            return Ok(parse(taken));
        }
        let now = now_ms();
        let wait_ms = i64::try_from(request.wait.as_millis()).unwrap_or(i64::MAX);
        let question = Question {
            id: request.id.clone(),
            request: request.facts.clone(),
            created_at_ms: now,
            expires_at_ms: now.saturating_add(wait_ms),
        };
        let ((question, mut decided), is_new) = self.approvals.ask(question).await.map_err(told)?;
        if is_new {
            approval::announce(&self.hub, "exec.approval.requested", question.value());
            self.tell(&request, &question).await;
        }
        let left = question.expires_at_ms.saturating_sub(now_ms()).max(0);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        drop(tokio::time::timeout(left, decided.wait_for(Option::is_some)).await);
        let taken = self
            .approvals
            .take(&request.id, &request.facts)
            .await
            .map_err(told)?;
        Ok(parse(taken))
    }

    /// Tells the chats that are to know of a question. Who can't be told is asked over the other ways all the same.
    async fn tell(&self, request: &Request, question: &Question) {
        let config = self.config();
        let text = text(question);
        for (number, route) in routes(config.value(), request).into_iter().enumerate() {
            let id = format!("{}/{}/{number}", question.id, question.created_at_ms);
            let account = route.account_key();
            let notice = Notice {
                source: SCOPE.to_owned(),
                source_id: id.clone(),
                at_ms: question.created_at_ms,
                outbound: NewOutbound {
                    account: account.clone(),
                    route,
                    payload: OutboundPayload::plain(text.clone()).with_buttons(buttons(question)),
                    session: None,
                    turn: None,
                    idem_key: id,
                    // Later nobody can answer it any more.
                    expires_at_ms: Some(question.expires_at_ms),
                    notice: true,
                },
            };
            let batch = InboundBatch {
                notices: vec![notice],
                ..InboundBatch::default()
            };
            match self.ledger.append_batch(batch).await {
                Ok(_) => nudge_outbox(&self.directory, &account),
                Err(error) => {
                    tracing::warn!(%account, %error, "nobody was told of a command that waits");
                }
            }
        }
    }
}

impl fmt::Debug for HouseDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HouseDesk").finish_non_exhaustive()
    }
}

async fn read(rules: &StateFile) -> Result<Option<Value>, String> {
    let text = rules
        .text()
        .await
        .map_err(|error| format!("exec-approvals.json: {error}"))?;
    let parse = |text: String| {
        let parsed = serde_json::from_str(&text);
        // Rules that can't be read forbid: nobody knows what they would.
        parsed.map_err(|error| {
            format!("exec-approvals.json can't be read, so nothing is run: {error}")
        })
    };
    text.map(parse).transpose()
}

/// Puts programs on an agent's list, each once; what else stands in the file stays.
fn add(file: &mut Value, agent: &AgentId, programs: Vec<String>) -> Result<(), String> {
    let broken = || "exec-approvals.json: not in the form it should have".to_owned();
    let agents = file
        .as_object_mut()
        .ok_or_else(broken)?
        .entry("agents")
        .or_insert_with(|| json!({}));
    let agents = agents.as_object_mut().ok_or_else(broken)?;
    let is_older = agent.as_str() == AgentId::MAIN
        && !agents.contains_key(AgentId::MAIN)
        && agents.contains_key("default");
    let name = if is_older { "default" } else { agent.as_str() };
    let entry = agents.entry(name).or_insert_with(|| json!({}));
    let list = entry
        .as_object_mut()
        .ok_or_else(broken)?
        .entry("allowlist")
        .or_insert_with(|| json!([]));
    let list = list.as_array_mut().ok_or_else(broken)?;
    for program in programs {
        if !list
            .iter()
            .any(|entry| entry.get("pattern").and_then(Value::as_str) == Some(&program))
        {
            list.push(json!({ "id": uuid::Uuid::new_v4().to_string(), "pattern": program, "lastUsedAt": now_ms(),
                "lastResolvedPath": program }));
        }
    }
    Ok(())
}

/// Which chats are told of a question.
fn routes(config: &Value, request: &Request) -> Vec<Route> {
    let set = config.pointer("/approvals/exec");
    let word = |name: &str| set.and_then(|set| set.get(name));
    let is_on = word("enabled").and_then(Value::as_bool);
    let said = |name: &str| {
        request
            .facts
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let filter = |name: &str, fits: &dyn Fn(&str) -> bool| {
        let list = word(name)
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty());
        list.is_none_or(|list| list.iter().filter_map(Value::as_str).any(fits))
    };
    let (agent, session) = (said("agentId"), said("sessionKey"));
    let is_meant = filter("agentFilter", &|name| name == agent)
        && filter("sessionFilter", &|part| session.contains(part));
    if is_on == Some(false) || !is_meant {
        return Vec::new();
    }
    let mode = word("mode").and_then(Value::as_str).unwrap_or("session");
    let mut routes = Vec::new();
    // Unless somebody wishes so, a group doesn't read what an agent wants to run.
    if mode != "targets" && (request.is_private || is_on == Some(true)) {
        routes.extend(request.reply.clone());
    }
    if mode != "session" && is_on == Some(true) {
        let targets = word("targets").and_then(Value::as_array);
        routes.extend(targets.into_iter().flatten().filter_map(|target| {
            let text = |name: &str| match target.get(name)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            Some(Route {
                channel: text("channel")?,
                account: text("accountId").unwrap_or_else(|| "default".to_owned()),
                to: text("to")?,
                thread: text("threadId"),
                reply_to: None,
            })
        }));
    }
    routes
}

/// What can be answered with one press: a yes only to what can be read.
fn buttons(question: &Question) -> Vec<Button> {
    let asked = &question.request;
    let command = asked.get("command").and_then(Value::as_str);
    let is_shown = command.unwrap_or_default().chars().count() <= SHOWN;
    let may_list = asked.get("canBeListed") == Some(&Value::Bool(true));
    let offered = [
        ("Allow once", Decision::AllowOnce, is_shown),
        ("Always allow", Decision::AllowAlways, is_shown && may_list),
        ("Deny", Decision::Deny, true),
    ];
    let offered = offered.into_iter().filter(|(_, _, is)| *is);
    offered
        .map(|(label, decision, _)| Button {
            label: label.to_owned(),
            command: format!("/approve {} {}", question.id, decision.as_str()),
        })
        .collect()
}

fn text(question: &Question) -> String {
    let said = |name: &str| {
        question
            .request
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let id = &question.id;
    let command = said("command");
    let seconds = question
        .expires_at_ms
        .saturating_sub(question.created_at_ms)
        / 1000;
    if command.chars().count() > SHOWN {
        return format!(
            "A command waits for a yes, but it is too long to be shown here. See: openclaw approvals waiting. \
             To refuse it: /approve {id} deny. No answer within {seconds} s is a no."
        );
    }
    if question.request.get("tool").is_some() {
        return format!(
            "A call waits for a yes: {}.\n\n    {}\n\nby the agent {}.\n/approve {id} allow-once or deny. No answer within \
             {seconds} s is a no.",
            said("warningText"),
            command.replace('\n', "\n    "),
            said("agentId"),
        );
    }
    let always = match question.request.get("canBeListed").and_then(Value::as_bool) {
        Some(true) => ", allow-always",
        _ => "",
    };
    format!(
        "A command waits for a yes ({}):\n\n    {}\n\nin {} for the agent {}.\n/approve {id} allow-once{always} or deny. \
         No answer within {seconds} s is a no.",
        said("warningText"),
        command.replace('\n', "\n    "),
        said("cwd"),
        said("agentId"),
    )
}

#[cfg(test)]
mod tests;
