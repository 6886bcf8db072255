//! A list of people: platform ids, `@names`, or everybody.

use std::collections::BTreeSet;

use super::Grants;

/// Who is on a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AllowList {
    everybody: bool,
    ids: BTreeSet<String>,
    names: BTreeSet<String>,
    /// The first person as written: an id, or a name without `@`.
    first: Option<String>,
}

impl AllowList {
    /// Reads entries as they stand in the configuration: `123`, `telegram:123`, `tg:123`, `@name`, `*`.
    pub fn parse<S: AsRef<str>>(channel: &str, entries: impl IntoIterator<Item = S>) -> Self {
        let mut list = Self::default();
        for entry in entries {
            list.add(channel, entry.as_ref().trim());
        }
        list
    }

    fn add(&mut self, channel: &str, entry: &str) {
        let lower = entry.to_lowercase();
        let bare = lower
            .strip_prefix(channel)
            .and_then(|rest| rest.strip_prefix(':'))
            .or_else(|| lower.strip_prefix("tg:").filter(|_| channel == "telegram"))
            .unwrap_or(&lower);
        let is_id = !bare.is_empty()
            && bare
                .strip_prefix('-')
                .unwrap_or(bare)
                .chars()
                .all(|c| c.is_ascii_digit());
        match bare {
            "" => {}
            "*" => self.everybody = true,
            id if is_id => {
                if !id.starts_with('-') {
                    self.first.get_or_insert_with(|| id.to_owned());
                }
                self.ids.insert(id.to_owned());
            }
            name => {
                let name = name.trim_start_matches('@').to_owned();
                self.first.get_or_insert_with(|| name.clone());
                self.names.insert(name);
            }
        }
    }

    /// Whether this id is on the list, by itself or through a pinned name.
    pub fn admits(&self, id: &str, grants: &Grants) -> bool {
        self.everybody
            || self.ids.contains(id)
            || self
                .names
                .iter()
                .any(|name| grants.pinned.get(name).is_some_and(|pinned| pinned == id))
    }

    /// The id of the first person on the list; a name counts once an id was pinned to it. None for groups and `*`.
    pub fn owner(&self, grants: &Grants) -> Option<String> {
        let first = self.first.as_ref()?;
        if self.ids.contains(first) {
            return Some(first.clone());
        }
        grants.pinned.get(first).cloned()
    }

    pub fn is_empty(&self) -> bool {
        !self.everybody && self.ids.is_empty() && self.names.is_empty()
    }

    pub fn is_everybody(&self) -> bool {
        self.everybody
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The entries again, for a status.
    pub fn entries(&self) -> Vec<String> {
        let everybody = self.everybody.then(|| "*".to_owned());
        let names = self.names.iter().map(|name| format!("@{name}"));
        everybody
            .into_iter()
            .chain(self.ids.iter().cloned())
            .chain(names)
            .collect()
    }
}
