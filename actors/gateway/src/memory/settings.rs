//! `memorySearch` of the configuration: what holds for all agents, and what one has of its own.

use std::path::PathBuf;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_tool::memory::Chunking;
use openclaw_tool::memory::MemorySettings;
use openclaw_tool::memory::Ranking;
use serde_json::Value;

/// A token has about so many characters.
const TOKEN: usize = 4;
/// Editors write a file in several steps.
const QUIET: Duration = Duration::from_millis(1500);

/// Finds a setting: the agent's own before the defaults.
struct Places<'a> {
    own: Option<&'a Value>,
    all: Option<&'a Value>,
}

impl<'a> Places<'a> {
    fn of(tree: &'a Value, agent: &AgentId) -> Self {
        let agents = tree.pointer("/agents/list").and_then(Value::as_array);
        let named = |entry: &&Value| {
            let id = entry.get("id").and_then(Value::as_str);
            id.and_then(|id| AgentId::parse(id).ok()).as_ref() == Some(agent)
        };
        let own = agents.and_then(|agents| agents.iter().find(named));
        Self {
            own: own.and_then(|own| own.get("memorySearch")),
            all: tree.pointer("/agents/defaults/memorySearch"),
        }
    }

    fn get(&self, pointer: &str) -> Option<&'a Value> {
        let places = [self.own, self.all].into_iter().flatten();
        places.filter_map(|place| place.pointer(pointer)).next()
    }

    fn flag(&self, pointer: &str) -> bool {
        self.get(pointer).and_then(Value::as_bool).unwrap_or(true)
    }

    fn count(&self, pointer: &str, usual: usize) -> usize {
        let found = self.get(pointer).and_then(Value::as_u64);
        found
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(usual)
    }

    fn share(&self, pointer: &str, usual: f64) -> f64 {
        let found = self.get(pointer).and_then(Value::as_f64);
        found.map_or(usual, |share| share.clamp(0.0, 1.0))
    }
}

/// How an agent's memory is set up.
pub(super) fn of(
    tree: &Value,
    agent: &AgentId,
    expand: &dyn Fn(&str) -> PathBuf,
) -> MemorySettings {
    let places = Places::of(tree, agent);
    let (chunking, ranking) = (Chunking::default(), Ranking::default());
    let paths = places.get("/extraPaths").and_then(Value::as_array);
    let paths = paths.into_iter().flatten().filter_map(Value::as_str);
    MemorySettings {
        is_enabled: places.flag("/enabled"),
        extra_paths: paths
            .filter(|path| !path.trim().is_empty())
            .map(expand)
            .collect(),
        chunking: Chunking {
            chars: places
                .count("/chunking/tokens", chunking.chars / TOKEN)
                .saturating_mul(TOKEN),
            overlap: places
                .count("/chunking/overlap", chunking.overlap / TOKEN)
                .saturating_mul(TOKEN),
        },
        ranking: Ranking {
            max_results: places
                .count("/query/maxResults", ranking.max_results)
                .max(1),
            min_score: places.share("/query/minScore", ranking.min_score),
            hybrid: places.flag("/query/hybrid/enabled"),
            vector_weight: places.share("/query/hybrid/vectorWeight", ranking.vector_weight),
            text_weight: places.share("/query/hybrid/textWeight", ranking.text_weight),
            candidates: places.count("/query/hybrid/candidateMultiplier", ranking.candidates),
        },
    }
}

/// How long an agent's files must be quiet before they are read; none when they are not watched.
pub(super) fn quiet(tree: &Value, agent: &AgentId) -> Option<Duration> {
    let places = Places::of(tree, agent);
    let set = places.get("/sync/watchDebounceMs").and_then(Value::as_u64);
    let is_watched = places.flag("/enabled") && places.flag("/sync/watch");
    is_watched.then(|| set.map_or(QUIET, Duration::from_millis))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_s_own_settings_go_before_those_of_all() {
        let tree = json!({ "agents": {
            "defaults": { "memorySearch": {
                "extraPaths": ["~/diary"], "query": { "maxResults": 4, "hybrid": { "textWeight": 0.5 } },
                "chunking": { "tokens": 200 }, "sync": { "watchDebounceMs": 5 },
            } },
            "list": [{ "id": "main" }, { "id": "quiet", "memorySearch": {
                "enabled": false, "query": { "maxResults": 9 },
            } }],
        } });
        let expand = |path: &str| PathBuf::from(path.replace('~', "/home/ada"));
        let main = of(&tree, &AgentId::main(), &expand);
        assert_eq!(main.extra_paths, [PathBuf::from("/home/ada/diary")]);
        assert_eq!((main.chunking.chars, main.chunking.overlap), (800, 320));
        assert_eq!(main.ranking.max_results, 4);
        assert!((main.ranking.text_weight - 0.5).abs() < 1e-9);
        assert_eq!(
            quiet(&tree, &AgentId::main()),
            Some(Duration::from_millis(5))
        );
        let other = "quiet".parse().unwrap();
        let quiet_one = of(&tree, &other, &expand);
        assert!(!quiet_one.is_enabled && main.is_enabled);
        assert_eq!(quiet_one.ranking.max_results, 9);
        assert_eq!(quiet(&tree, &other), None);
        let nothing = of(&json!({}), &AgentId::main(), &expand);
        assert_eq!(nothing, MemorySettings::default());
    }
}
