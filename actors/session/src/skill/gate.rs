//! Whether a skill can be used here, and what it lacks.

use std::collections::BTreeMap;
use std::fmt;

use openclaw_tool::exec::is_passed_on;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use super::Skill;
use super::Source;

/// What the system calls itself in lists of systems.
const SYSTEM: &str = if cfg!(target_os = "macos") {
    "darwin"
} else if cfg!(target_os = "windows") {
    "win32"
} else {
    "linux"
};

/// What a skill needs; of `any_bins` and `os` one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Needs {
    pub bins: Vec<String>,
    pub any_bins: Vec<String>,
    pub env: Vec<String>,
    pub config: Vec<String>,
    pub os: Vec<String>,
}

impl Needs {
    pub(super) fn read(own: &Value) -> Self {
        let list = |pointer: &str| {
            let listed = own.pointer(pointer).and_then(Value::as_array);
            let listed = listed.into_iter().flatten().filter_map(Value::as_str);
            listed.map(str::to_owned).collect()
        };
        Self {
            bins: list("/requires/bins"),
            any_bins: list("/requires/anyBins"),
            env: list("/requires/env"),
            config: list("/requires/config"),
            os: list("/os"),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a skill's needs are measured against.
pub struct Facts<'a> {
    pub config: &'a Value,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Names of skills that this agent may use; none means all.
    pub allowed: Option<Vec<String>>,
}

impl fmt::Debug for Facts<'_> {
    // The configuration holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// Whether a skill can be used, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Somebody switched it off.
    pub is_disabled: bool,
    /// It is not among those that are allowed.
    pub is_blocked: bool,
    /// What it lacks.
    pub missing: Needs,
}

impl Verdict {
    /// Whether it can be used.
    pub fn is_eligible(&self) -> bool {
        !self.is_disabled && !self.is_blocked && self.missing.is_empty()
    }

    /// Why it can't, for people.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_disabled {
            reasons.push("switched off (skills.entries)".to_owned());
        }
        if self.is_blocked {
            reasons.push("not among those that are allowed".to_owned());
        }
        let lacks = [
            ("programs", &self.missing.bins),
            ("one of the programs", &self.missing.any_bins),
            ("variables (skills.entries.<name>.env)", &self.missing.env),
            ("settings", &self.missing.config),
            ("another system:", &self.missing.os),
        ];
        for (what, names) in lacks {
            if !names.is_empty() {
                reasons.push(format!("needs {what} {}", names.join(", ")));
            }
        }
        reasons
    }
}

impl Facts<'_> {
    /// What the configuration says of a skill.
    pub fn entry(&self, skill: &Skill) -> Option<&Value> {
        self.config.pointer("/skills/entries")?.get(&skill.key)
    }

    /// Judges a skill.
    pub fn judge(&self, skill: &Skill) -> Verdict {
        let entry = self.entry(skill);
        let is_disabled = entry.and_then(|entry| entry.get("enabled")) == Some(&json!(false));
        let bundled = self
            .config
            .pointer("/skills/allowBundled")
            .and_then(Value::as_array);
        let names = |list: &[Value]| {
            let mut names = list.iter().filter_map(Value::as_str);
            names.any(|name| name == skill.name || name == skill.key)
        };
        // An empty list lets all in, as it does elsewhere in this configuration.
        let is_held_back = skill.source == Source::Bundled
            && bundled.is_some_and(|list| !list.is_empty() && !names(list));
        let is_foreign = self.allowed.as_ref().is_some_and(|allowed| {
            !allowed
                .iter()
                .any(|name| *name == skill.name || *name == skill.key)
        });
        Verdict {
            is_disabled,
            is_blocked: is_held_back || is_foreign,
            missing: self.missing(skill),
        }
    }

    /// The variables that the configuration gives to programs for a skill. The gateway's own are not among them: a skill's
    /// word for what it needs would be enough to read any of its secrets.
    pub fn variables(&self, skill: &Skill) -> BTreeMap<String, String> {
        let entry = self.entry(skill);
        let env = entry.and_then(|entry| entry.get("env"));
        let env = env.and_then(Value::as_object).into_iter().flatten();
        let key = entry.and_then(|entry| entry.get("apiKey"));
        let key = skill.primary_env.as_ref().zip(key);
        // What stands in `env` by its name counts more than the short way to say it.
        let given = key.into_iter().chain(env);
        given
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    fn missing(&self, skill: &Skill) -> Needs {
        let lacks = |names: &[String], has: &dyn Fn(&str) -> bool| -> Vec<String> {
            names.iter().filter(|name| !has(name)).cloned().collect()
        };
        let one_of = |names: &[String], has: &dyn Fn(&str) -> bool| {
            let lacks = lacks(names, has);
            if lacks.len() < names.len() {
                Vec::new()
            } else {
                lacks
            }
        };
        let os = one_of(&skill.needs.os, &|name| name == SYSTEM);
        if skill.always {
            return Needs {
                os,
                ..Needs::default()
            };
        }
        let path = (self.env)("PATH").unwrap_or_default();
        let has_program = |name: &str| {
            // A name with a path in it would ask about any file of the machine.
            !name.contains(['/', '\\'])
                && std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
        };
        let given = self.variables(skill);
        let has_variable = |name: &str| {
            let has_own = || (self.env)(name).is_some_and(|value| !value.is_empty());
            given.contains_key(name) || (is_passed_on(name) && has_own())
        };
        let is_set = |name: &str| {
            let value = self.config.pointer(&format!("/{}", name.replace('.', "/")));
            value.is_some_and(|value| !value.is_null() && *value != json!(false))
        };
        Needs {
            bins: lacks(&skill.needs.bins, &has_program),
            any_bins: one_of(&skill.needs.any_bins, &has_program),
            env: lacks(&skill.needs.env, &has_variable),
            config: lacks(&skill.needs.config, &is_set),
            os,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::skill::head;

    fn skill(source: Source, own: &Value) -> Skill {
        let metadata = json!({ "openclaw": own });
        let text = format!("---\nname: tides\ndescription: d\nmetadata: {metadata}\n---\n");
        head::read(Path::new("/w/tides/SKILL.md"), source, &text).unwrap()
    }

    fn judge(skill: &Skill, config: &Value, env: &[(&str, &str)]) -> Verdict {
        let find = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let facts = Facts {
            config,
            env: &find,
            allowed: None,
        };
        facts.judge(skill)
    }

    #[test]
    fn a_skill_says_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tidectl"), "").unwrap();
        let path = dir.path().to_str().unwrap();
        let own = json!({
            "primaryEnv": "TIDE_KEY",
            "requires": { "bins": ["tidectl", "seactl"], "anyBins": ["x", "tidectl"], "env": ["TIDE_KEY"],
                          "config": ["browser.enabled"] },
        });
        let tides = skill(Source::Managed, &own);
        let verdict = judge(&tides, &json!({}), &[("PATH", path)]);
        assert!(!verdict.is_eligible());
        assert_eq!(
            verdict.reasons(),
            [
                "needs programs seactl",
                "needs variables (skills.entries.<name>.env) TIDE_KEY",
                "needs settings browser.enabled"
            ]
        );
        std::fs::write(dir.path().join("seactl"), "").unwrap();
        let config = json!({
            "browser": { "enabled": true }, "skills": { "entries": { "tides": { "apiKey": "secret" } } },
        });
        assert!(judge(&tides, &config, &[("PATH", path)]).is_eligible());
        let off = json!({ "skills": { "entries": { "tides": { "enabled": false } } } });
        assert!(judge(&tides, &off, &[]).is_disabled);
    }

    #[test]
    fn only_what_is_configured_for_a_skill_is_given_to_its_programs() {
        let own = json!({ "primaryEnv": "TIDE_KEY", "requires": { "env": ["TIDE_KEY", "GATEWAY_TOKEN", "HOME"] } });
        let tides = skill(Source::Workspace, &own);
        let config = json!({ "skills": { "entries": { "tides": {
            "apiKey": "short way", "env": { "TIDE_PLACE": "Brest", "EMPTY": "", "ODD": 5 },
        } } } });
        let env = |name: &str| Some(format!("the gateway's {name}"));
        let facts = |config| Facts {
            config,
            env: &env,
            allowed: None,
        };
        let given = facts(&config).variables(&tides);
        let given: Vec<(&str, &str)> = given.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(given, [("TIDE_KEY", "short way"), ("TIDE_PLACE", "Brest")]);
        // What programs would not get is missing, whatever the gateway itself has.
        assert_eq!(facts(&config).judge(&tides).missing.env, ["GATEWAY_TOKEN"]);
        let longer = json!({ "skills": { "entries": { "tides": {
            "apiKey": "short way", "env": { "TIDE_KEY": "long way" },
        } } } });
        assert_eq!(facts(&longer).variables(&tides)["TIDE_KEY"], "long way");
    }

    #[test]
    fn another_system_holds_back_even_what_is_always_there() {
        let own = json!({ "always": true, "os": ["plan9"], "requires": { "bins": ["none"] } });
        let verdict = judge(&skill(Source::Workspace, &own), &json!({}), &[]);
        assert_eq!(verdict.reasons(), ["needs another system: plan9"]);
        let here = json!({ "always": true, "requires": { "bins": ["none"] } });
        assert!(judge(&skill(Source::Workspace, &here), &json!({}), &[]).is_eligible());
    }

    #[test]
    fn lists_of_what_is_allowed_bind() {
        let only = json!({ "skills": { "allowBundled": ["weather"] } });
        let own = json!({});
        assert!(judge(&skill(Source::Bundled, &own), &only, &[]).is_blocked);
        assert!(judge(&skill(Source::Managed, &own), &only, &[]).is_eligible());
        let facts = Facts {
            config: &json!({}),
            env: &|_| None,
            allowed: Some(vec!["other".into()]),
        };
        assert!(facts.judge(&skill(Source::Managed, &own)).is_blocked);
    }
}
