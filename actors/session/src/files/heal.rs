//! A damaged `sessions.json` that can still be read: told from one that only lags behind, and kept before it is mended.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use openclaw_ledger::Ledger;
use openclaw_protocol::SessionKey;
use serde_json::Map;
use serde_json::Value;

use super::store;
use super::store::Store;
use crate::entry;

/// Looks for entries that were damaged on the disk. If there are any, a copy of the file is kept. Returns the names that
/// are no session's, to be taken out.
pub(super) fn heal(
    dir: &Path,
    store: &Store,
    ledger: &Ledger,
    agent: &str,
) -> io::Result<Vec<String>> {
    let known = ledger.session_entries(agent);
    let map = store.values();
    let astray = astray(&map, &known);
    let is_damaged = known.iter().any(|(key, entry)| {
        map.get(key.as_str())
            .is_some_and(|filed| is_damaged(filed, entry))
    });
    if astray.is_empty() && !is_damaged {
        return Ok(astray);
    }
    let path = dir.join(store::NAME);
    let aside = store::aside(&path);
    store::write_atomic(&aside, &std::fs::read(&path)?)?;
    tracing::warn!(
        file = %path.display(), kept = %aside.display(),
        "the session store differs from the ledger; a copy is kept and it is mended"
    );
    Ok(astray)
}

/// Names whose session belongs to another name: a damaged key.
pub(super) fn astray(map: &Map<String, Value>, known: &[(SessionKey, Value)]) -> Vec<String> {
    let id = |entry: &Value| {
        let id = entry.get("sessionId").and_then(Value::as_str);
        id.map(str::to_owned)
    };
    let keys: HashSet<&SessionKey> = known.iter().map(|(key, _)| key).collect();
    let ids: HashSet<String> = known.iter().filter_map(|(_, entry)| id(entry)).collect();
    map.iter()
        // An older spelling of a session's key is that session.
        .filter(|(name, _)| !SessionKey::parse(name).is_ok_and(|key| keys.contains(&key)))
        .filter(|(_, entry)| id(entry).is_some_and(|id| ids.contains(&id)))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether an entry differs though it is not older: a file that lags behind is only older.
fn is_damaged(filed: &Value, entry: &Value) -> bool {
    let at = |value: &Value| value.as_object().and_then(entry::updated_at);
    filed != entry && at(filed).is_none_or(|filed| at(entry).is_none_or(|own| filed >= own))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_that_lags_behind_is_not_taken_for_damaged() {
        let entry = json!({"sessionId": "a", "updatedAt": 7, "label": "x"});
        assert!(!is_damaged(&entry, &entry));
        assert!(!is_damaged(
            &json!({"sessionId": "a", "updatedAt": 6}),
            &entry
        ));
        for filed in [
            json!({"sessionId": "a", "updatedAt": 7, "label": "y"}),
            json!({"sessionId": "a", "updatedAu": 7, "label": "x"}),
            json!({"sessionId": "a", "updatedAt": 71, "label": "x"}),
            json!(null),
        ] {
            assert!(is_damaged(&filed, &entry), "{filed}");
        }
    }

    #[test]
    fn only_a_name_whose_session_is_another_s_is_astray() {
        let key = |text: &str| SessionKey::parse(text).unwrap();
        let known = [(
            key("agent:main:telegram:direct:42"),
            json!({"sessionId": "a"}),
        )];
        let map = json!({
            "agent:main:telegram:direct:42": {"sessionId": "a"},
            "agent:main:telegram:dm:42": {"sessionId": "a"},
            "agent:main:telegram:direct:52": {"sessionId": "a"},
            "agent:main:other": {"sessionId": "b"},
            "global": {},
        });
        assert_eq!(
            astray(map.as_object().unwrap(), &known),
            ["agent:main:telegram:direct:52"]
        );
    }
}
