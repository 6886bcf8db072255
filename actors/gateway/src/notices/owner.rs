//! Who is told over an account: its owner.

use std::path::Path;

use openclaw_channel::access::Grants;
use openclaw_channel::{AccountConfig, PairingStore};

/// The owner's id: the first person in `allowFrom`, else the first who was paired. Reads the disk.
///
/// A `@name` counts when an id was pinned to it. `*` names nobody.
pub(super) fn of(account: &AccountConfig, credentials_dir: &Path) -> Option<String> {
    let store = PairingStore::new(credentials_dir, &account.key.channel);
    // A file that can't be read is told of where people are let in; here it only means fewer to choose from.
    let grants = Grants {
        paired: store.paired(&account.key.account).unwrap_or_default(),
        pinned: store.pinned().unwrap_or_default(),
    };
    let written = account.rules.allow_from.owner(&grants);
    written.or_else(|| grants.paired.iter().next().cloned())
}
