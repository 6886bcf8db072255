//! `memory_search`: finds notes by words, and by what they mean where vectors are made.

use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::json;

use super::Memory;
use super::is_shared;
use super::library::Asked;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

const MOST_HITS: usize = 20;

/// Finds notes.
#[derive(Debug)]
pub struct MemorySearch {
    spec: ToolSpec,
    memory: Memory,
}

impl MemorySearch {
    /// Searches this memory.
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            spec: spec(
                "memory_search",
                "Finds notes from earlier conversations (MEMORY.md and memory/*.md). Use it before answering questions about people, preferences, dates, decisions or earlier work. An empty query returns the latest notes.",
                json!({
                    "query": { "type": "string", "description": "what to look for" },
                    "maxResults": { "type": "integer", "description": "how many hits, 6 unless told" },
                    "minScore": { "type": "number", "description": "leaves out hits below this, from 0 to 1" },
                }),
                &["query"],
            ),
        }
    }
}

impl Tool for MemorySearch {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let memory = self.memory.clone();
        Box::pin(async move {
            let arguments = match Arguments::new(&call.name, call.arguments) {
                Ok(arguments) => arguments,
                Err(outcome) => return outcome,
            };
            let usual = memory.settings(&call.agent).ranking.max_results;
            let least = arguments.text("minScore");
            let asked = Asked {
                query: arguments.text("query").unwrap_or_default(),
                most: arguments.count("maxResults", usual, MOST_HITS.max(usual)),
                min_score: least.and_then(|text| text.parse().ok()),
                is_private: !is_shared(&call.session),
            };
            match memory.search(&call.agent, &call.workspace, asked).await {
                Ok(found) => ToolOutcome::json(&found.to_json()),
                Err(error) => ToolOutcome::error(error.to_string()),
            }
        })
    }
}
