//! What is set aside, what has been told of it, and what there is to tell. Pure.

use std::collections::BTreeMap;

use openclaw_channel::status::{AccountState, AccountStatus};
use openclaw_protocol::{AccountKey, Route};
use openclaw_runtime::{State, TreeNode};
use serde::{Deserialize, Serialize};

/// A part that has been well for so long is back: one that comes out of parking fails again within seconds, or not.
const SETTLED_MS: i64 = 60_000;
/// A reason is one line of a message, not the log.
const REASON_CHARS: usize = 160;

/// A part of the tree that can be set aside alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Set aside, and why.
    Down { reason: String },
    /// At work, with evidence where there is any.
    Well,
    /// Neither: trying.
    Trying,
}

/// The parts by path: an account is one part, whatever below it failed.
pub(super) type Parts = BTreeMap<String, Part>;

/// Someone who can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) account: AccountKey,
    pub(super) to: String,
}

/// A line to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The same for the same line.
    pub(super) id: String,
    pub(super) to: Owner,
    pub(super) text: String,
}

/// The troubles that have not ended, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known(BTreeMap<String, Trouble>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    since_ms: i64,
    /// Who was told; none while no account works.
    told: Option<Owner>,
    /// Since when it has been well again.
    well_since_ms: Option<i64>,
}

impl Owner {
    pub(super) fn route(&self) -> Route {
        Route {
            channel: self.account.channel.to_string(),
            account: self.account.account.to_string(),
            to: self.to.clone(),
            ..Route::default()
        }
    }
}

/// Whether an account can carry a line now.
pub(super) fn works(status: &AccountStatus) -> bool {
    status.state == AccountState::Live
}

/// The parts of a tree with the evidence of the accounts.
pub(super) fn parts(tree: Option<&TreeNode>, statuses: &[(AccountKey, AccountStatus)]) -> Parts {
    let mut parts = Parts::new();
    for node in tree.map(TreeNode::walk).unwrap_or_default() {
        if node.is_task {
            continue;
        }
        let path = part_of(node.path.as_str());
        let part = match node.state {
            // Without a next try it was parked by hand, by somebody who knows.
            State::Parked if node.until_ms.is_some() => Part::Down {
                reason: short(node.last_exit.as_deref().unwrap_or("it kept failing")),
            },
            State::Running => Part::Well,
            _ => Part::Trying,
        };
        merge(&mut parts, path, part);
    }
    for (key, status) in statuses {
        let path = format!("channels/{key}");
        if !parts.contains_key(&path) {
            continue; // switched off, or gone
        }
        let part = match status.state {
            AccountState::Parked => Part::Down {
                reason: short(status.last_error.as_deref().unwrap_or("it kept failing")),
            },
            AccountState::Live => Part::Well,
            _ => Part::Trying,
        };
        merge(&mut parts, path, part);
    }
    parts
}

/// The worst of what is known of a part holds.
fn merge(parts: &mut Parts, path: String, part: Part) {
    let rank = |part: &Part| match part {
        Part::Well => 0,
        Part::Trying => 1,
        Part::Down { .. } => 2,
    };
    match parts.get(&path) {
        Some(known) if rank(known) >= rank(&part) => {}
        _ => {
            parts.insert(path, part);
        }
    }
}

/// What is below an account belongs to the account.
fn part_of(path: &str) -> String {
    let mut names = path.splitn(4, '/');
    match (names.next(), names.next(), names.next()) {
        (Some("channels"), Some(channel), Some(account)) => {
            format!("channels/{channel}/{account}")
        }
        _ => path.to_owned(),
    }
}

fn short(reason: &str) -> String {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_CHARS) {
        Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or_default()),
        None => line,
    }
}

impl Known {
    /// Reads what was written; what can't be read was never told.
    pub(super) fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    pub(super) fn write(&self) -> String {
        // A map of plain data always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is anything to decide; most of the time there is not.
    pub(super) fn is_concerned(&self, parts: &Parts) -> bool {
        !self.0.is_empty() || parts.values().any(|part| matches!(part, Part::Down { .. }))
    }

    /// Takes up what is, and says what there is to tell.
    pub(super) fn take(
        &mut self,
        parts: &Parts,
        owners: &[Owner],
        profile: Option<&str>,
        now_ms: i64,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        let is_down = |path: &str| matches!(parts.get(path), Some(Part::Down { .. }));
        let can_hear = |owner: &&Owner| !is_down(&format!("channels/{}", owner.account));
        for (path, part) in parts {
            let Part::Down { reason } = part else {
                continue;
            };
            let trouble = self.0.entry(path.clone()).or_insert(Trouble {
                since_ms: now_ms,
                told: None,
                well_since_ms: None,
            });
            trouble.well_since_ms = None;
            if trouble.told.is_none()
                && let Some(owner) = owners.iter().find(can_hear)
            {
                trouble.told = Some(owner.clone());
                lines.push(Line {
                    id: format!("{path}@{}/down", trouble.since_ms),
                    to: owner.clone(),
                    text: down(path, reason, profile),
                });
            }
        }
        self.0.retain(|path, trouble| match parts.get(path) {
            // Gone from the configuration: nobody waits for it.
            None => false,
            Some(Part::Well) => {
                let since = *trouble.well_since_ms.get_or_insert(now_ms);
                if now_ms - since < SETTLED_MS {
                    return true;
                }
                if let Some(owner) = &trouble.told {
                    lines.push(Line {
                        id: format!("{path}@{}/back", trouble.since_ms),
                        to: owner.clone(),
                        text: format!("{} works again.", name(path)),
                    });
                }
                false
            }
            Some(_) => {
                trouble.well_since_ms = None;
                true
            }
        });
        lines
    }
}

fn down(path: &str, reason: &str, profile: Option<&str>) -> String {
    let profile = profile.map_or_else(String::new, |profile| format!("--profile {profile} "));
    format!(
        "{} keeps failing and is set aside: {reason}. It is tried again by itself; to try at once: openclaw \
         {profile}supervisor unpark {path}",
        name(path)
    )
}

/// What a part is called.
fn name(path: &str) -> String {
    match path.split_once('/') {
        Some(("channels", account)) => format!("The account {account}"),
        Some(("providers", provider)) => format!("The model provider {provider}"),
        Some(("sessions", rest)) => match rest.split_once('/') {
            Some((_, session)) => format!("The conversation {session}"),
            None => path.to_owned(),
        },
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(account: &str, to: &str) -> Owner {
        Owner {
            account: AccountKey::new("telegram", account),
            to: to.to_owned(),
        }
    }

    fn down_part() -> Part {
        Part::Down {
            reason: "401".to_owned(),
        }
    }

    fn parts(list: &[(&str, Part)]) -> Parts {
        list.iter()
            .map(|(path, part)| ((*path).to_owned(), part.clone()))
            .collect()
    }

    const WORK: &str = "channels/telegram/work";

    #[test]
    fn a_trouble_is_told_once_and_its_end_once() {
        let owners = [owner("work", "1"), owner("home", "2")];
        let mut known = Known::default();
        let bad = parts(&[(WORK, down_part()), ("channels/telegram/home", Part::Well)]);
        let told = known.take(&bad, &owners, None, 1_000);
        assert_eq!(told.len(), 1);
        // Not over the account that is down itself.
        assert_eq!(told[0].to, owners[1]);
        assert_eq!(
            told[0].text,
            "The account telegram/work keeps failing and is set aside: 401. It is tried again by itself; to try at \
             once: openclaw supervisor unpark channels/telegram/work"
        );
        // Tried again, and again set aside; and a restart in between.
        let well = parts(&[(WORK, Part::Well)]);
        let trying = parts(&[(WORK, Part::Trying)]);
        assert_eq!(known.take(&well, &owners, None, 2_000), []);
        assert_eq!(known.take(&trying, &owners, None, 3_000), []);
        known = Known::read(Some(&known.write()));
        assert_eq!(known.take(&bad, &owners, None, 90_000), []);
        // Well for a while: back, once.
        assert_eq!(known.take(&well, &owners, None, 100_000), []);
        let back = known.take(&well, &owners, None, 160_000);
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].text, "The account telegram/work works again.");
        assert_eq!(known.take(&well, &owners, None, 170_000), []);
        // The next trouble is another one.
        let again = known.take(&bad, &owners, None, 200_000);
        assert_ne!(again[0].id, told[0].id);
    }

    #[test]
    fn without_an_account_that_works_it_is_told_when_there_is_one() {
        let mut known = Known::default();
        let bad = parts(&[(WORK, down_part())]);
        assert_eq!(known.take(&bad, &[owner("work", "1")], None, 0), []);
        let later = known.take(&bad, &[owner("home", "2")], Some("dev"), 5);
        assert!(later[0].text.contains("openclaw --profile dev supervisor"));
        // A trouble that nobody heard of ends unheard.
        let mut known = Known::default();
        known.take(&bad, &[], None, 0);
        let well = parts(&[(WORK, Part::Well)]);
        known.take(&well, &[owner("home", "2")], None, 1);
        assert_eq!(known.take(&well, &[owner("home", "2")], None, 90_000), []);
        assert_eq!(known.len(), 0);
    }

    #[test]
    fn what_was_taken_out_of_the_configuration_is_forgotten() {
        let mut known = Known::default();
        let owners = [owner("home", "2")];
        known.take(&parts(&[(WORK, down_part())]), &owners, None, 0);
        assert_eq!(known.take(&Parts::new(), &owners, None, 1), []);
        assert_eq!(known.len(), 0);
    }
}
