//! `memory`: the agents' notes, searched from outside, and how they are indexed.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::ask;
use super::health::string;
use crate::error::CommandResult;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct MemoryArgs {
    #[command(subcommand)]
    command: MemoryCommand,
}

#[derive(Debug, Subcommand)]
enum MemoryCommand {
    /// Show what each agent's memory holds, and whether vectors are made of it.
    Status {
        /// Only this agent.
        #[arg(long, value_name = "id")]
        agent: Option<String>,
        /// Also ask whoever makes vectors for one.
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Read what changed, and have the vectors made that are missing.
    Index {
        /// Only this agent.
        #[arg(long, value_name = "id")]
        agent: Option<String>,
        /// Read every file again. Vectors of texts that are known stay.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Find notes.
    Search {
        /// What to look for; an empty text shows the latest notes.
        query: String,
        /// Another agent than the default one.
        #[arg(long, value_name = "id")]
        agent: Option<String>,
        /// Not more than this.
        #[arg(long, value_name = "n", value_parser = clap::value_parser!(u32).range(1..=100))]
        max_results: Option<u32>,
        /// Leave out what scores less, from 0 to 1.
        #[arg(long, value_name = "score")]
        min_score: Option<f64>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

pub(crate) async fn run(args: &MemoryArgs, shell: &Shell) -> CommandResult {
    let (method, mut params, remote) = match &args.command {
        MemoryCommand::Status {
            agent,
            deep,
            remote,
        } => (
            "memory.status",
            json!({ "agentId": agent, "deep": deep }),
            remote,
        ),
        MemoryCommand::Index {
            agent,
            force,
            remote,
        } => (
            "memory.index",
            json!({ "agentId": agent, "force": force }),
            remote,
        ),
        MemoryCommand::Search {
            query,
            agent,
            max_results,
            min_score,
            remote,
        } => (
            "memory.search",
            json!({
                "query": query, "agentId": agent, "maxResults": max_results, "minScore": min_score,
            }),
            remote,
        ),
    };
    if let Some(params) = params.as_object_mut() {
        params.retain(|_, value| !value.is_null());
    }
    let answer = ask(method, params, remote, shell).await?;
    shell
        .terminal
        .show(&answer, |terminal| match &args.command {
            MemoryCommand::Search { .. } => hits(&answer, terminal),
            _ => agents(&answer, terminal),
        })?;
    Ok(())
}

fn agents(answer: &Value, terminal: &Terminal) -> String {
    let mut table = Table::new(&[
        "AGENT", "FILES", "CHUNKS", "SEARCH", "VECTORS", "MISSING", "MODEL",
    ]);
    let mut notes = Vec::new();
    let agents = answer.get("agents").and_then(Value::as_array);
    for agent in agents.into_iter().flatten() {
        let id = string(agent, "agentId");
        let number = |pointer: &str| {
            let number = agent.pointer(pointer).and_then(Value::as_u64);
            number.unwrap_or(0).to_string()
        };
        let vectors = agent.get("vectors").unwrap_or(&Value::Null);
        let is_on = agent.get("enabled") == Some(&json!(true));
        let search = if is_on {
            string(agent, "search")
        } else {
            "off".to_owned()
        };
        table.row(vec![
            (Tone::Accent, id.clone()),
            (Tone::Plain, number("/files")),
            (Tone::Plain, number("/chunks")),
            (Tone::Plain, search),
            (Tone::Plain, number("/vectors/stored")),
            (Tone::Plain, number("/vectors/missing")),
            (Tone::Muted, string(vectors, "model")),
        ]);
        let probe = vectors.get("probe").unwrap_or(&Value::Null);
        let unreadable = agent.get("unreadable").and_then(Value::as_array);
        let said = [vectors.get("error"), probe.get("error"), agent.get("error")];
        let said = said
            .into_iter()
            .flatten()
            .chain(unreadable.into_iter().flatten());
        notes.extend(
            said.filter_map(Value::as_str)
                .map(|said| format!("{id}: {said}\n")),
        );
        if let Some(dimensions) = probe.get("dimensions") {
            notes.push(format!("{id}: vectors come, {dimensions} numbers each\n"));
        }
    }
    table.render(terminal) + &notes.concat()
}

fn hits(answer: &Value, terminal: &Terminal) -> String {
    let results = answer.get("results").and_then(Value::as_array);
    let results: Vec<&Value> = results.into_iter().flatten().collect();
    let mut text = String::new();
    if results.is_empty() {
        text.push_str("Nothing in the notes.\n");
    }
    for hit in results {
        let line = |name: &str| hit.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (first, last) = (line("startLine"), line("endLine"));
        let lines = if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        };
        let place = format!("{}:{lines}", string(hit, "path"));
        let score = hit.get("score").and_then(Value::as_f64).unwrap_or(0.0);
        text.push_str(&format!(
            "{}  {score:.2}\n",
            terminal.paint(Tone::Accent, &place)
        ));
        for line in string(hit, "snippet").lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    if let Some(why) = answer.get("byWordsOnly").and_then(Value::as_str) {
        text.push_str(&format!("By words only: {why}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_says_where_it_stands() {
        let answer = json!({ "results": [{
            "path": "memory/2026-02-15.md", "startLine": 3, "endLine": 4, "score": 0.812,
            "snippet": "- 09:30 the bins\ngo out", "source": "memory",
        }], "byWordsOnly": "the server is away" });
        assert_eq!(
            hits(&answer, &Terminal::plain()),
            "memory/2026-02-15.md:3-4  0.81\n    - 09:30 the bins\n    go out\nBy words only: the server is away\n"
        );
        assert_eq!(
            hits(&json!({ "results": [] }), &Terminal::plain()),
            "Nothing in the notes.\n"
        );
    }
}
