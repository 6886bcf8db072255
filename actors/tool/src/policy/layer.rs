//! The layers that hold for one subject, read from the configuration.

use openclaw_protocol::ChatKind;
use openclaw_protocol::ModelRef;
use serde_json::Value;

use super::Reason;
use super::Subject;
use super::group::OWNER_ONLY;
use super::group::profile;
use super::rule::Names;
use super::rule::Rule;
use super::rule::names;
use crate::Entry;
use crate::SessionKind;
use crate::sandbox;

/// What a sandboxed session has and has not unless told otherwise: what works inside, and nothing that reaches out.
const SANDBOX_ALLOW: &[&str] = &["group:runtime", "group:sessions", "image", "current_time"];
const SANDBOX_DENY: &[&str] = &[
    "group:ui",
    "group:nodes",
    "group:automation",
    "gateway_status",
];

/// What a sub-agent has not unless told otherwise: other sessions, the gateway, and the person's memory.
const SUBAGENT_DENY: &[&str] = &[
    "group:sessions",
    "gateway",
    "agents_list",
    "whatsapp_login",
    "cron",
    "memory_search",
    "memory_get",
    "memory_note",
];

/// One layer: where it stands, and its rule.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    name: String,
    rule: Rule,
    /// What lifts a refusal of it.
    remedy: String,
    /// It names tools that nobody knows, so it is not applied.
    is_ignored: bool,
}

impl Layer {
    pub(super) fn new(name: impl Into<String>, rule: Rule, remedy: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rule,
            remedy: remedy.into(),
            is_ignored: false,
        }
    }

    /// Whether it lets a tool through: the same as [`Self::says`] without the words.
    pub(super) fn lets(&self, tool: &str) -> bool {
        let is_on = |allow: &Names| self.is_ignored || allow.naming(tool).is_some();
        self.rule.deny.naming(tool).is_none() && self.rule.allow.as_ref().is_none_or(is_on)
    }

    /// What it says on a tool; none if it has no word on it.
    pub(super) fn says(&self, tool: &str) -> Option<Reason> {
        let reason = |allows, text| {
            Some(Reason {
                layer: self.name.clone(),
                allows,
                text,
            })
        };
        if let Some(entry) = self.rule.deny.naming(tool) {
            return reason(false, format!("refused by \"{entry}\"; {}", self.remedy));
        }
        let allow = self.rule.allow.as_ref()?;
        match allow.naming(tool) {
            Some(entry) => reason(true, format!("allowed by \"{entry}\"")),
            None if self.is_ignored => reason(
                true,
                "its list names no tool that there is, so it is ignored".to_owned(),
            ),
            None => reason(false, format!("not on the list; {}", self.remedy)),
        }
    }

    /// A list on which no tool stands that anybody knows is a mistake, not a wish for none: it is left out, and said.
    fn unless_unknown(mut self, is_known: &dyn Fn(&str) -> bool) -> Self {
        let allow = self.rule.allow.as_ref();
        self.is_ignored = allow.is_some_and(|allow| !allow.has_known(is_known));
        self
    }
}

/// The layers in their order.
pub(super) fn layers(
    tree: &Value,
    subject: &Subject,
    is_known: &dyn Fn(&str) -> bool,
) -> Vec<Layer> {
    let nothing = Value::Null;
    let global = tree.get("tools").unwrap_or(&nothing);
    let agent = sandbox::agent_entry(tree, &subject.agent);
    let own = agent
        .and_then(|agent| agent.get("tools"))
        .unwrap_or(&nothing);
    let own_name = format!("agents.list[{}].tools", subject.agent);
    let scopes = [("tools", global), (own_name.as_str(), own)];

    let mut layers = Vec::new();
    // The more specific scope chooses where to begin; from there on layers only narrow.
    layers.extend(begin(&scopes.map(|(name, tools)| (name.to_owned(), tools))));
    let providers =
        scopes.map(|(name, tools)| by_provider(name, tools, subject.caller.model.as_ref()));
    layers.extend(begin(
        &providers
            .clone()
            .map(|found| found.unwrap_or((String::new(), &nothing))),
    ));
    for ((name, tools), provider) in scopes.into_iter().zip(providers) {
        layers.extend(ruled(name, tools).map(|layer| layer.unless_unknown(is_known)));
        if let Some((name, tools)) = provider {
            layers.extend(ruled(&name, tools).map(|layer| layer.unless_unknown(is_known)));
        }
    }
    layers.extend(of_group(tree, subject));
    if sandbox::Setting::of(tree, &subject.agent).covers(&subject.session) {
        layers.push(in_sandbox(&scopes));
        // They would work outside the walls, so no list brings them back.
        let rule = Rule {
            allow: None,
            deny: Names::new(["group:fs", "group:memory"]),
        };
        let remedy = "it works on the host's files: use exec, which runs inside";
        layers.push(Layer::new("sandbox", rule, remedy));
    }
    if subject.caller.session == SessionKind::SubAgent || subject.caller.entry == Entry::SubAgent {
        layers.push(of_subagent(global));
    }
    if !subject.caller.is_owner {
        let rule = Rule {
            allow: None,
            deny: Names::new(OWNER_ONLY),
        };
        let remedy = "it is for owners of this gateway: name them in commands.ownerAllowFrom";
        layers.push(Layer::new("owner", rule, remedy));
    }
    layers
}

/// The profile of the last scope that names one, with what is also allowed.
fn begin(scopes: &[(String, &Value); 2]) -> Option<Layer> {
    let chosen = scopes.iter().rev().find_map(|(name, tools)| {
        let chosen = tools.get("profile")?.as_str()?;
        Some((name, chosen))
    });
    let (scope, chosen) = chosen?;
    let also = scopes
        .iter()
        .rev()
        .find_map(|(_, tools)| names(tools, "alsoAllow"));
    let allow = Names::new(profile(chosen)?).and(also.unwrap_or_default());
    let rule = Rule {
        allow: Some(allow),
        deny: Names::default(),
    };
    let remedy = format!("add it to {scope}.alsoAllow or choose another profile");
    Some(Layer::new(
        format!("{scope}.profile \"{chosen}\""),
        rule,
        remedy,
    ))
}

/// What a scope says of the model that answers: by its whole name, else by its provider's.
fn by_provider<'a>(
    scope: &str,
    tools: &'a Value,
    model: Option<&ModelRef>,
) -> Option<(String, &'a Value)> {
    let model = model?;
    let entries = tools.get("byProvider")?.as_object()?;
    let find = |wanted: String| {
        let mut entries = entries.iter();
        entries.find(|(name, _)| name.trim().eq_ignore_ascii_case(&wanted))
    };
    let (name, rules) = find(model.to_string()).or_else(|| find(model.provider.clone()))?;
    Some((format!("{scope}.byProvider.{name}"), rules))
}

fn ruled(name: &str, tools: &Value) -> Option<Layer> {
    let rule = Rule::read(tools);
    let says = rule.allow.is_some() || !rule.deny.is_empty();
    says.then(|| Layer::new(name, rule, format!("change {name}.allow or {name}.deny")))
}

/// What is set for the group, or for this sender in it. The session's name counts too: whoever speaks in a group's
/// session by another way gets no more than the group.
fn of_group(tree: &Value, subject: &Subject) -> Option<Layer> {
    let caller = &subject.caller;
    let (channel, id) = match (&caller.account, &caller.chat) {
        (Some(account), Some(chat)) if chat.kind != ChatKind::Direct => {
            (account.channel.to_string(), chat.id.clone())
        }
        _ => {
            let mut words = subject.session.rest().split(':');
            let channel = words.next()?.to_owned();
            words
                .next()
                .filter(|kind| ["group", "channel"].contains(kind))?;
            (channel, words.next()?.to_owned())
        }
    };
    let set = tree.get("channels")?.get(&channel)?;
    let account = caller
        .account
        .as_ref()
        .map(|account| account.account.as_ref());
    let account = account.and_then(|account| set.get("accounts")?.get(account));
    let scopes = account.into_iter().chain([set]);
    let maps: Vec<&Value> = scopes
        .flat_map(|scope| {
            ["groups", "channels"]
                .into_iter()
                .filter_map(|name| scope.get(name))
        })
        .collect();
    let fits = |key: &str| key.eq_ignore_ascii_case(&id);
    let listed = |is: &dyn Fn(&str) -> bool| {
        let mut entries = maps.iter().filter_map(|map| map.as_object()).flatten();
        entries.find(|(key, _)| is(key))
    };
    let (key, group) = listed(&fits).or_else(|| listed(&|key| key == "*"))?;
    let name = format!("channels.{channel}.groups.{key}");
    let by_sender = group.get("toolsBySender").and_then(Value::as_object);
    let sender = by_sender.and_then(|entries| {
        let sender = caller.sender.as_deref();
        let is = |key: &str| {
            let key = key.strip_prefix(&format!("{channel}:")).unwrap_or(key);
            sender == Some(key)
        };
        let own = entries.iter().find(|(key, _)| is(key));
        own.or_else(|| entries.iter().find(|(key, _)| *key == "*"))
    });
    match sender {
        Some((sender, rules)) => ruled(&format!("{name}.toolsBySender.{sender}"), rules),
        None => ruled(&format!("{name}.tools"), group.get("tools")?),
    }
}

/// What a sandboxed session may use: the agent's own list, else the global one, else the usual one.
fn in_sandbox(scopes: &[(&str, &Value)]) -> Layer {
    let lists = |field: &str| {
        scopes
            .iter()
            .rev()
            .find_map(|(_, tools)| names(tools.get("sandbox")?.get("tools")?, field))
    };
    let allow = lists("allow").unwrap_or_else(|| Names::new(SANDBOX_ALLOW));
    let also = lists("alsoAllow").unwrap_or_default();
    let allow = Some(allow).filter(|allow| !allow.is_empty());
    let rule = Rule {
        allow: allow.map(|allow| allow.and(also)),
        deny: lists("deny").unwrap_or_else(|| Names::new(SANDBOX_DENY)),
    };
    Layer::new(
        "tools.sandbox.tools",
        rule,
        "change tools.sandbox.tools.allow or .deny",
    )
}

/// What a sub-agent may use. Naming a tool in `allow` or `alsoAllow` takes it off the usual refusals.
fn of_subagent(global: &Value) -> Layer {
    let own = global.get("subagents").and_then(|sub| sub.get("tools"));
    let list = |field: &str| own.and_then(|own| names(own, field)).unwrap_or_default();
    let named = list("allow").and(list("alsoAllow"));
    let usual = Names::new(SUBAGENT_DENY.iter().copied().flat_map(|name| {
        let tools = super::group::members(name).unwrap_or_else(|| vec![name]);
        let left = tools
            .into_iter()
            .filter(|tool| named.naming(tool).is_none());
        left.collect::<Vec<_>>()
    }));
    let allow = list("allow");
    let rule = Rule {
        allow: (!allow.is_empty()).then_some(named),
        deny: list("deny").and(usual),
    };
    let name = "tools.subagents.tools";
    Layer::new(name, rule, "add it to tools.subagents.tools.alsoAllow")
}
