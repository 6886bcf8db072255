//! Who may talk to the agent: DM policy, group policy, the mention gate. Pure.
//!
//! Only ids that the platform vouches for authorise anyone. A `@name` in a list stands for the id that was
//! pinned to it; a name without an id authorises nobody. The order in a group is: policy, group list, sender
//! list, mention gate.

mod list;
mod mention;
#[cfg(test)]
mod tests;

pub use self::list::AllowList;
pub use self::mention::BadPattern;
pub use self::mention::MentionPatterns;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub use openclaw_protocol::config::DmPolicy;
pub use openclaw_protocol::config::GroupPolicy;

/// What is set for one group or topic; nothing set means inherited.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GroupRule {
    pub enabled: Option<bool>,
    pub require_mention: Option<bool>,
    pub policy: Option<GroupPolicy>,
    pub allow_from: Option<AllowList>,
    pub topics: BTreeMap<String, GroupRule>,
}

/// The access rules of one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AccessRules {
    pub dm: DmPolicy,
    pub allow_from: AllowList,
    pub group: GroupPolicy,
    pub group_allow_from: Option<AllowList>,
    /// By group id; `*` is for all others. When not empty, groups that are not in it are refused.
    pub groups: BTreeMap<String, GroupRule>,
}

/// What was granted outside the configuration.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Ids approved by pairing.
    pub paired: BTreeSet<String>,
    /// Ids pinned to `@name` entries, by lower-case name without `@`.
    pub pinned: BTreeMap<String, String>,
}

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    Direct,
    Group {
        id: &'a str,
        topic: Option<&'a str>,
        /// Whether the bot was addressed: by mention, reply, pattern or command.
        addressed: bool,
    },
    /// A broadcast channel: its posts carry no sender, so its own id stands for one.
    Broadcast {
        id: &'a str,
    },
}

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Admit,
    /// Offer a pairing code.
    Pair,
    Ignore(Refusal),
}

/// Why an event is not for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    DmDisabled,
    NotOnDmList,
    NoSender,
    GroupsDisabled,
    GroupNotListed,
    GroupSwitchedOff,
    NotOnGroupList,
    NotAddressed,
    ForAnotherBot,
    FromBot,
}

impl Refusal {
    /// The reason in words, for the log and the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DmDisabled => "direct messages are disabled",
            Self::NotOnDmList => "the sender's id is not in allowFrom",
            Self::NoSender => "the event names no sender",
            Self::GroupsDisabled => "groups are disabled",
            Self::GroupNotListed => "the group's id is not in groups",
            Self::GroupSwitchedOff => "the group is switched off",
            Self::NotOnGroupList => "the sender's id is not in groupAllowFrom",
            Self::NotAddressed => "the bot was not addressed",
            Self::ForAnotherBot => "the command names another bot",
            Self::FromBot => "the sender is a bot",
        }
    }
}

impl AccessRules {
    /// Decides on one event from `sender` (a platform id).
    pub fn decide(&self, grants: &Grants, sender: Option<&str>, place: Place<'_>) -> Verdict {
        let refusal = match place {
            Place::Direct => return self.decide_direct(grants, sender),
            Place::Group {
                id,
                topic,
                addressed,
            } => self.refuse_group(grants, sender, id, topic, addressed),
            Place::Broadcast { id } => self.refuse_group(grants, Some(id), id, None, true),
        };
        refusal.map_or(Verdict::Admit, Verdict::Ignore)
    }

    fn decide_direct(&self, grants: &Grants, sender: Option<&str>) -> Verdict {
        if self.dm == DmPolicy::Disabled {
            return Verdict::Ignore(Refusal::DmDisabled);
        }
        let Some(sender) = sender else {
            return Verdict::Ignore(Refusal::NoSender);
        };
        let is_listed = self.allow_from.admits(sender, grants);
        let is_paired = self.dm != DmPolicy::Allowlist && grants.paired.contains(sender);
        match self.dm {
            _ if is_listed || is_paired => Verdict::Admit,
            DmPolicy::Pairing => Verdict::Pair,
            _ => Verdict::Ignore(Refusal::NotOnDmList),
        }
    }

    fn refuse_group(
        &self,
        grants: &Grants,
        sender: Option<&str>,
        id: &str,
        topic: Option<&str>,
        addressed: bool,
    ) -> Option<Refusal> {
        let listed = self.groups.get(id);
        let fallback = self.groups.get("*");
        let topic = topic.and_then(|topic| listed.or(fallback)?.topics.get(topic));
        let layers = [topic, listed, fallback];
        let policy = first(layers, |rule| rule.policy).unwrap_or(self.group);

        if policy == GroupPolicy::Disabled {
            return Some(Refusal::GroupsDisabled);
        }
        if !self.groups.is_empty() && listed.or(fallback).is_none() {
            return Some(Refusal::GroupNotListed);
        }
        if first(layers, |rule| rule.enabled) == Some(false) {
            return Some(Refusal::GroupSwitchedOff);
        }
        let own_list = layers
            .into_iter()
            .flatten()
            .find_map(|rule| rule.allow_from.as_ref());
        if policy == GroupPolicy::Allowlist || own_list.is_some() {
            let Some(sender) = sender else {
                return Some(Refusal::NoSender);
            };
            let is_admitted = match own_list.or(self.group_allow_from.as_ref()) {
                Some(list) => list.admits(sender, grants),
                // Without a list of their own, groups follow the DM list and its paired people.
                None => {
                    self.allow_from.admits(sender, grants)
                        || (self.dm != DmPolicy::Allowlist && grants.paired.contains(sender))
                }
            };
            if !is_admitted {
                return Some(Refusal::NotOnGroupList);
            }
        }
        let needs_mention = first(layers, |rule| rule.require_mention).unwrap_or(true);
        (needs_mention && !addressed).then_some(Refusal::NotAddressed)
    }

    /// The `@names` in any list, lower-case and without `@`.
    pub fn names(&self) -> BTreeSet<&str> {
        let group_lists = self.groups.values().flat_map(|group| {
            let topics = group
                .topics
                .values()
                .filter_map(|topic| topic.allow_from.as_ref());
            group.allow_from.iter().chain(topics)
        });
        std::iter::once(&self.allow_from)
            .chain(&self.group_allow_from)
            .chain(group_lists)
            .flat_map(AllowList::names)
            .collect()
    }
}

/// The value of the closest layer that sets one.
fn first<T>(layers: [Option<&GroupRule>; 3], get: impl Fn(&GroupRule) -> Option<T>) -> Option<T> {
    layers.into_iter().flatten().find_map(get)
}
