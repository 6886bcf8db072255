//! What an agent may do in a session, and why: for `tools.effective` and `openclaw sandbox explain`.

use openclaw_protocol::Config;
use openclaw_protocol::SessionKey;
use openclaw_session::elevated;
use openclaw_tool::Caller;
use openclaw_tool::SessionKind;
use openclaw_tool::Toolbox;
use openclaw_tool::policy;
use openclaw_tool::policy::OUTSIDE_TOLD;
use openclaw_tool::policy::OutsideRules;
use openclaw_tool::policy::Policy;
use openclaw_tool::policy::Subject;
use openclaw_tool::sandbox::Backend;
use openclaw_tool::sandbox::DockerSetting;
use openclaw_tool::sandbox::Setting;
use serde_json::Value;
use serde_json::json;

/// The verdict on every tool, by the same function that turns are held to.
///
/// `is_owner` says for whom: an owner of the gateway, or anybody else who may write to the session.
pub fn explain(config: &Config, toolbox: &Toolbox, session: &SessionKey, is_owner: bool) -> Value {
    let agent = session.agent();
    let tree = config.tree.value();
    let setting = Setting::of(tree, &agent);
    let policy = Policy::new(config.tree.clone(), toolbox.clone());
    let model = config
        .agents
        .resolve(&agent)
        .and_then(|agent| agent.model.primary);
    let layers = policy.layers(&Subject {
        agent: agent.clone(),
        session: session.clone(),
        caller: Caller {
            is_owner,
            session: SessionKind::of(session),
            model: model.and_then(|model| model.parse().ok()),
            ..Caller::default()
        },
    });
    let mut names: Vec<String> = policy::known().map(str::to_owned).collect();
    names.extend(toolbox.names());
    names.sort_unstable();
    names.dedup();
    let tools = names.into_iter().map(|name| {
        let verdict = layers.verdict(&name);
        json!({
            "tool": name,
            "isThere": toolbox.get(&name).is_some(),
            "allowed": verdict.allowed,
            "reasons": verdict.reasons,
        })
    });
    json!({
        "agentId": agent,
        "sessionKey": session,
        "for": if is_owner { "owner" } else { "others" },
        "sandbox": {
            "mode": setting.mode,
            "scope": setting.scope,
            "workspaceAccess": setting.workspace_access,
            "backend": setting.backend,
            "docker": (setting.backend == Backend::Docker).then(|| DockerSetting::of(tree, &agent).told()),
            "sessionIsSandboxed": setting.covers(session),
        },
        "elevated": elevated::told(tree, &agent),
        "outside": {
            "rules": OutsideRules::of(tree),
            "holds": OUTSIDE_TOLD
                .iter()
                .map(|(tools, what)| json!({ "tools": tools, "what": what }))
                .collect::<Vec<Value>>(),
        },
        "tools": tools.collect::<Vec<Value>>(),
    })
}
