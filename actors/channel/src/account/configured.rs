//! From the configuration to accounts: which run, and why others do not.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use openclaw_protocol::AccountKey;
use openclaw_protocol::Config;
use openclaw_protocol::Secret;
use openclaw_protocol::config::GroupPolicy;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Section;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::TelegramAccount;
use openclaw_protocol::config::TelegramGroup;
use openclaw_protocol::config::UnknownSend;

use super::AccountConfig;
use super::PlatformConfig;
use crate::access::AccessRules;
use crate::access::AllowList;
use crate::access::DmPolicy;
use crate::access::GroupRule;
use crate::access::MentionPatterns;
use crate::status::AccountIssue;
use crate::status::AccountState;
use crate::status::StatusBoard;
use crate::telegram::TelegramConfig;
use crate::telegram::TokenSource;
use crate::telegram::set_token_command;

const TELEGRAM: &str = "telegram";
/// As many of a group's messages as existing gateways keep for the agent.
const HISTORY: usize = 50;

/// The accounts of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// Those that run.
    pub accounts: Vec<AccountConfig>,
    /// Those that do not, and why; switched-off ones have no issue.
    pub off: Vec<(AccountKey, Option<AccountIssue>)>,
    /// What should be mended though it stops nothing.
    pub issues: Vec<Issue>,
}

/// Reads the accounts. `env_token` is `TELEGRAM_BOT_TOKEN`, which serves the default account;
/// `expand` makes a configured path absolute.
pub fn configured(
    config: &Config,
    env_token: Option<&Secret>,
    profile: Option<&str>,
    expand: impl Fn(&str) -> PathBuf,
) -> Configured {
    let mut out = Configured::default();
    let mut sections = config.channels.telegram.clone();
    if sections.is_empty() && env_token.is_some_and(|token| !token.is_empty()) {
        // A token in the environment alone is enough to begin with: strangers still have to pair.
        let section = Section::Valid(TelegramAccount::default());
        sections.insert(AccountKey::DEFAULT.to_owned(), section);
    }
    let patterns = mention_patterns(config);
    let (_, bad) = MentionPatterns::compile(&patterns);
    out.issues.extend(bad.into_iter().map(|bad| {
        let path = "messages.groupChat.mentionPatterns";
        Issue::new(
            Severity::Warning,
            path,
            format!("{bad}; it addresses nobody"),
        )
        .fix_unset(path)
    }));
    let of_all = config.messages.or_default().group_chat.history_limit;
    let mut tokens: BTreeMap<String, AccountKey> = BTreeMap::new();
    for (name, section) in &sections {
        let key = AccountKey::new(TELEGRAM, name);
        let section = match section {
            Section::Valid(section) => section,
            Section::Invalid(issues) => {
                out.off.push((key, Some(invalid(issues))));
                continue;
            }
        };
        if !section.is_enabled() {
            out.off.push((key, None));
            continue;
        }
        let env = env_token.filter(|_| &*key.account == AccountKey::DEFAULT);
        let Some(token) = TelegramConfig::token_source(section, env, &expand) else {
            out.off.push((key.clone(), Some(no_token(&key))));
            continue;
        };
        // A file that cannot be read now may be there later; the poller finds out.
        if let Ok(value) = token.read() {
            if let Some(first) = tokens.get(value.expose()) {
                out.off
                    .push((key.clone(), Some(same_token(&key, first, &token))));
                continue;
            }
            tokens.insert(value.expose().to_owned(), key.clone());
        }
        let rules = rules(section, config.channels.defaults.group_policy);
        out.issues.extend(advice(&key, &rules));
        out.accounts.push(AccountConfig {
            name: section.name.clone(),
            rules,
            mention_patterns: patterns.clone(),
            history_limit: section.history_limit.or(of_all).unwrap_or(HISTORY),
            resends_unknown: section.on_unknown_send == UnknownSend::Resend,
            profile: profile.map(str::to_owned),
            platform: PlatformConfig::Telegram(TelegramConfig::from_config(
                &key.account,
                token,
                section,
            )),
            key,
        });
    }
    out
}

impl Configured {
    /// Writes what is known before anything runs.
    pub fn publish(&self, board: &StatusBoard) {
        let known = |key: &AccountKey| {
            self.accounts.iter().any(|account| account.key == *key)
                || self.off.iter().any(|(off, _)| off == key)
        };
        board.retain(known);
        for account in &self.accounts {
            let PlatformConfig::Telegram(telegram) = &account.platform;
            board.update(&account.key, |status| {
                status.name.clone_from(&account.name);
                status.enabled = true;
                status.configured = true;
                status.token_source = Some(telegram.token.as_str());
                status.dm_policy = account.rules.dm.as_str();
                status.group_policy = group_policy_word(account.rules.group);
                status.allow_from = account.rules.allow_from.entries();
                status.clear(CONFIGURATION);
                if status.state == AccountState::Disabled {
                    status.state = AccountState::Connecting;
                }
            });
        }
        for (key, issue) in &self.off {
            board.update(key, |status| {
                status.enabled = issue.is_some();
                status.configured = false;
                status.running = false;
                status.connected = false;
                status.state = AccountState::Disabled;
                status.clear(CONFIGURATION);
                if let Some(issue) = issue {
                    status.raise(issue.clone());
                }
            });
        }
    }
}

/// The kind of the issues that stand in the configuration.
const CONFIGURATION: &str = "configuration";

fn group_policy_word(policy: GroupPolicy) -> &'static str {
    match policy {
        GroupPolicy::Allowlist => "allowlist",
        GroupPolicy::Open => "open",
        GroupPolicy::Disabled => "disabled",
    }
}

fn invalid(issues: &[Issue]) -> AccountIssue {
    let first = issues.first();
    AccountIssue {
        kind: CONFIGURATION,
        message: match first {
            Some(issue) => format!("the account is off: {}: {}", issue.path, issue.message),
            None => "the account is off: its configuration is not valid".to_owned(),
        },
        fix: first
            .and_then(|issue| issue.fix.clone())
            .unwrap_or_else(|| "openclaw config validate".to_owned()),
    }
}

fn no_token(key: &AccountKey) -> AccountIssue {
    AccountIssue {
        kind: CONFIGURATION,
        message: "the account is off: it has no bot token".to_owned(),
        fix: set_token_command(&key.account),
    }
}

fn same_token(key: &AccountKey, first: &AccountKey, token: &TokenSource) -> AccountIssue {
    AccountIssue {
        kind: CONFIGURATION,
        message: format!(
            "the account is off: its bot token ({}) is that of {first}, and a token can be polled only once",
            token.as_str()
        ),
        fix: set_token_command(&key.account),
    }
}

/// Settings that leave people without an answer, or open a door wider than it looks.
fn advice(key: &AccountKey, rules: &AccessRules) -> Vec<Issue> {
    let path = |field: &str| match &*key.account {
        AccountKey::DEFAULT => format!("channels.telegram.{field}"),
        account => format!("channels.telegram.accounts.{account}.{field}"),
    };
    let mut issues = Vec::new();
    if rules.dm == DmPolicy::Open && !rules.allow_from.is_everybody() {
        let message =
            "dmPolicy \"open\" needs \"*\" in allowFrom; only those on the list are answered";
        let path = path("allowFrom");
        issues.push(Issue::new(Severity::Warning, path.clone(), message).fix_set(&path, "[\"*\"]"));
    }
    if !rules.names().is_empty() {
        let names: Vec<String> = rules
            .names()
            .into_iter()
            .map(|name| format!("@{name}"))
            .collect();
        let message = format!(
            "{} authorise nobody until the bot has seen them write to it; their numeric id is safer",
            names.join(", ")
        );
        issues.push(Issue::new(Severity::Warning, path("allowFrom"), message));
    }
    issues
}

/// The patterns that address an agent this gateway has.
fn mention_patterns(config: &Config) -> Vec<String> {
    let mut patterns = config.messages.or_default().group_chat.mention_patterns;
    for agent in config
        .agents
        .ids()
        .iter()
        .filter_map(|id| config.agents.resolve(id))
    {
        let derived = agent
            .identity
            .name
            .as_deref()
            .and_then(MentionPatterns::for_name);
        let own = if agent.mention_patterns.is_empty() {
            derived.into_iter().collect()
        } else {
            agent.mention_patterns
        };
        patterns.extend(own);
    }
    patterns.dedup();
    patterns
}

fn rules(section: &TelegramAccount, default_group: Option<GroupPolicy>) -> AccessRules {
    let list = |entries: &Option<Vec<String>>| {
        entries
            .as_ref()
            .map(|entries| AllowList::parse(TELEGRAM, entries))
    };
    let group_rule = |group: &TelegramGroup| GroupRule {
        enabled: group.enabled,
        require_mention: group.require_mention,
        policy: group.group_policy,
        allow_from: list(&group.allow_from),
        topics: group
            .topics
            .iter()
            .map(|(id, topic)| {
                let rule = GroupRule {
                    enabled: topic.enabled,
                    require_mention: topic.require_mention,
                    policy: topic.group_policy,
                    allow_from: list(&topic.allow_from),
                    topics: BTreeMap::new(),
                };
                (id.clone(), rule)
            })
            .collect(),
    };
    AccessRules {
        dm: section.dm_policy,
        allow_from: list(&section.allow_from).unwrap_or_default(),
        group: section.group_policy.or(default_group).unwrap_or_default(),
        group_allow_from: list(&section.group_allow_from),
        groups: section
            .groups
            .iter()
            .map(|(id, group)| (id.clone(), group_rule(group)))
            .collect(),
    }
}
