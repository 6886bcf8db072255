//! Turns a checked tree into typed sections.

mod channel;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::AgentEntry;
use super::Agents;
use super::Binding;
use super::Config;
use super::Env;
use super::Gateway;
use super::Issue;
use super::Loaded;
use super::Models;
use super::Section;
use super::Severity;
use super::Tree;
use super::alias;
use super::alias::Rewritten;
use super::check::Finding;
use super::check::check;
use super::path::Path;
use crate::AgentId;
use crate::Secret;

/// How long the login shell may take, unless told otherwise: slow profiles take seconds.
const SHELL_TIMEOUT_MS: u64 = 15_000;

/// A place that can't be used for a reason the tree doesn't show, such as a missing variable.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Where, as written in the file.
    pub path: Path,
    /// What is wrong there.
    pub issue: Issue,
}

impl Config {
    /// Reads a tree. Never fails: what can't be used is an issue and disables only its owner.
    pub fn from_value(tree: Value) -> Loaded {
        Self::from_parts(tree, Vec::new())
    }

    /// Reads a tree in which some places are known to be unusable.
    pub fn from_parts(mut tree: Value, broken: Vec<Broken>) -> Loaded {
        if !tree.is_object() {
            let issue = Issue::new(Severity::Error, "", "the file must hold one object: { … }");
            let mut loaded = Self::from_parts(Value::Object(serde_json::Map::new()), broken);
            loaded.issues.insert(0, issue);
            return loaded;
        }
        normalise(&mut tree);
        let mut rewritten = alias::rewrite(&mut tree);
        let mut findings = std::mem::take(&mut rewritten.findings);
        findings.extend(check(&tree));
        for broken in broken {
            let moved = rewritten.as_understood(&broken.path);
            // What the table says about an unresolved variable would only repeat this.
            findings.retain(|finding| finding.at != moved);
            findings.push(Finding {
                mend: moved.clone(),
                at: moved,
                issue: broken.issue,
            });
        }
        let mut decoder = Decoder {
            tree: &tree,
            findings,
        };
        let mut config = decoder.config();
        let issues = decoder
            .findings
            .into_iter()
            .map(|finding| as_written(finding, &rewritten))
            .collect();
        config.tree = Tree::new(tree);
        Loaded { config, issues }
    }
}

/// Names the places as the file has them, so that the remedy finds them.
fn as_written(finding: Finding, rewritten: &Rewritten) -> Issue {
    let written = rewritten.as_written(&finding.mend);
    let mut issue = finding.issue;
    if written != finding.mend && issue.fix.is_some() {
        issue.path = rewritten.as_written(&finding.at).to_string();
        issue = issue.fix_unset(&written.to_string());
    }
    issue
}

/// `null` means "not set", and `3.0` is `3`.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(normalise);
        }
        Value::Array(list) => list.iter_mut().for_each(normalise),
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_991.0)
                .and_then(|number| format!("{number:.0}").parse::<i64>().ok());
            if let Some(whole) = whole {
                *value = Value::from(whole);
            }
        }
        _ => {}
    }
}

struct Decoder<'a> {
    tree: &'a Value,
    findings: Vec<Finding>,
}

impl Decoder<'_> {
    fn config(&mut self) -> Config {
        let at = |name: &str| Path::root().key(name);
        let agents = self.agents();
        Config {
            models: self.models(),
            budgets: self.section(&at("budgets")),
            session: self.partly(
                &at("session"),
                &["dmScope", "scope", "mainKey", "identityLinks"],
            ),
            messages: self.partly(&at("messages"), &[]),
            channels: self.channels(),
            bindings: self.bindings(&agents),
            gateway: self.gateway(),
            logging: self.recovered(&at("logging")),
            diagnostics: self.recovered(&at("diagnostics")),
            env: self.env(),
            tools: self.section(&at("tools")),
            mcp: self.entries(&at("mcp").key("servers")),
            agents,
            tree: Tree::default(),
        }
    }

    /// The errors at, above or below a place.
    fn errors(&self, path: &Path) -> Vec<Issue> {
        let concerns = |finding: &&Finding| finding.at.is_under(path) || path.is_under(&finding.at);
        self.findings
            .iter()
            .filter(|finding| finding.is_error())
            .filter(concerns)
            .map(|finding| finding.issue.clone())
            .collect()
    }

    /// The parts of a map by name, each of which is off alone.
    fn entries<T: DeserializeOwned + Default>(
        &mut self,
        path: &Path,
    ) -> BTreeMap<String, Section<T>> {
        let mut sections = BTreeMap::new();
        if let Some(Value::Object(entries)) = path.get(self.tree) {
            for (id, value) in entries {
                let section = self.entry(&path.key(id.as_str()), value.clone());
                sections.insert(id.clone(), section);
            }
        }
        sections
    }

    /// A part that is off when anything in it is wrong.
    fn section<T: DeserializeOwned + Default>(&mut self, path: &Path) -> Section<T> {
        match path.get(self.tree).cloned() {
            None => match self.errors(path) {
                errors if errors.is_empty() => Section::default(),
                errors => Section::Invalid(errors),
            },
            Some(value) => self.entry(path, value),
        }
    }

    /// A part that is off when one of its decisive keys is wrong; any other falls back alone.
    fn partly<T: DeserializeOwned + Default>(
        &mut self,
        path: &Path,
        decisive: &[&str],
    ) -> Section<T> {
        let mut errors: Vec<Issue> = self
            .findings
            .iter()
            .filter(|finding| finding.is_error())
            .filter(|finding| {
                let is_decisive = |key: &&str| finding.at.is_under(&path.key(*key));
                path.is_under(&finding.at) || decisive.iter().any(is_decisive)
            })
            .map(|finding| finding.issue.clone())
            .collect();
        if errors.is_empty() {
            return Section::Valid(self.recovered(path));
        }
        errors.dedup();
        Section::Invalid(errors)
    }

    fn entry<T: DeserializeOwned>(&mut self, path: &Path, value: Value) -> Section<T> {
        let errors = self.errors(path);
        if !errors.is_empty() {
            return Section::Invalid(errors);
        }
        match serde_json::from_value(value) {
            Ok(value) => Section::Valid(value),
            Err(error) => self.invalid(Finding::error(path, error.to_string())),
        }
    }

    fn invalid<T>(&mut self, finding: Finding) -> Section<T> {
        let issues = vec![finding.issue.clone()];
        self.findings.push(finding);
        Section::Invalid(issues)
    }

    /// A part that is always there: what is wrong in it falls back to its default.
    fn recovered<T: DeserializeOwned + Default>(&mut self, path: &Path) -> T {
        let mut tree = self.tree.clone();
        // Last first, so that places in lists stay where they are.
        let wrong = self
            .findings
            .iter()
            .rev()
            .filter(|finding| finding.is_error());
        for finding in wrong {
            if path.is_under(&finding.at) {
                return T::default();
            }
            if finding.at.is_under(path) {
                drop(finding.mend.unset(&mut tree));
            }
        }
        let Some(value) = path.get(&tree) else {
            return T::default();
        };
        match serde_json::from_value(value.clone()) {
            Ok(value) => value,
            Err(error) => {
                self.findings.push(Finding::error(path, error.to_string()));
                T::default()
            }
        }
    }

    fn agents(&mut self) -> Agents {
        let path = Path::root().key("agents");
        // Where an agent works, behind which walls, and who gets to read what it is told.
        let decisive = [
            "workspace",
            "sandbox",
            "elevatedDefault",
            "cliBackends",
            "model",
        ];
        let defaults = self.partly(&path.key("defaults"), &decisive);
        let list_path = path.key("list");
        let mut list: Vec<Section<AgentEntry>> = Vec::new();
        let mut default = None;
        if let Some(Value::Array(entries)) = list_path.get(self.tree) {
            let mut seen = Vec::new();
            for (index, value) in entries.iter().enumerate() {
                let path = list_path.index(index);
                let id = value.get("id").and_then(Value::as_str);
                let id = id.and_then(|id| AgentId::parse(id).ok());
                // The default agent stays the default when its entry is broken: its messages must
                // not be answered by another.
                if value.get("default") == Some(&Value::Bool(true)) && default.is_none() {
                    default.clone_from(&id);
                }
                match id {
                    Some(id) if seen.contains(&id) => {
                        let message = format!("there is an agent \"{id}\" above already");
                        list.push(self.invalid(Finding::error(&path, message)));
                    }
                    id => {
                        list.push(self.entry(&path, value.clone()));
                        seen.extend(id);
                    }
                }
            }
            default = default.or_else(|| seen.into_iter().next());
        }
        let list_errors = self.errors(&list_path);
        if list.is_empty() && !list_errors.is_empty() {
            list.push(Section::Invalid(list_errors));
        }
        Agents {
            defaults,
            list,
            default,
        }
    }

    fn models(&mut self) -> Models {
        let path = Path::root().key("models");
        let providers = self.entries(&path.key("providers"));
        let mode = path.key("mode").get(self.tree).and_then(Value::as_str);
        Models {
            replace: mode == Some("replace"),
            providers,
        }
    }

    fn bindings(&mut self, agents: &Agents) -> Vec<Section<Binding>> {
        let path = Path::root().key("bindings");
        let Some(Value::Array(entries)) = path.get(self.tree) else {
            return Vec::new();
        };
        let mut bindings = Vec::new();
        for (index, value) in entries.iter().enumerate() {
            let path = path.index(index);
            let section: Section<Binding> = self.entry(&path, value.clone());
            let unknown = section
                .get()
                .map(|binding| &binding.agent_id)
                .filter(|id| agents.resolve(id).is_none() && !agents.is_named(id));
            bindings.push(match unknown {
                Some(id) => {
                    let known: Vec<String> = agents.ids().iter().map(ToString::to_string).collect();
                    let message = format!("there is no agent \"{id}\"");
                    let mut finding = Finding::error(&path, message);
                    finding.issue = finding.issue.allowed(known);
                    self.invalid(finding)
                }
                None => section,
            });
        }
        bindings
    }

    fn gateway(&mut self) -> Gateway {
        let path = Path::root().key("gateway");
        let mut gateway: Gateway = self.recovered(&path);
        let auth = path.key("auth");
        gateway.auth = self.partly(&auth, &["mode", "token", "password"]);
        self.bind(&mut gateway, &path);
        gateway
    }

    fn env(&mut self) -> Env {
        let path = Path::root().key("env");
        let mut vars = BTreeMap::new();
        for (from, skip) in [(path.key("vars"), None), (path.clone(), Some("vars"))] {
            let Some(Value::Object(map)) = from.get(self.tree) else {
                continue;
            };
            for (name, value) in map {
                if Some(name.as_str()) != skip
                    && let Value::String(value) = value
                {
                    let slot = vars.entry(name.clone());
                    slot.or_insert_with(|| Secret::new(value.as_str()));
                }
            }
        }
        let shell = path.key("shellEnv");
        let enabled = shell.key("enabled").get(self.tree);
        let timeout = shell.key("timeoutMs").get(self.tree);
        Env {
            vars,
            shell_enabled: enabled == Some(&Value::Bool(true)),
            shell_timeout_ms: timeout.and_then(Value::as_u64).unwrap_or(SHELL_TIMEOUT_MS),
        }
    }
}
