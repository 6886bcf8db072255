//! `health`: the running gateway's own account of itself.

use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Ask the platforms again instead of showing what is known, and show addresses on failure.
    #[arg(long, visible_alias = "debug")]
    verbose: bool,
}

pub(crate) async fn run(args: &HealthArgs, shell: &Shell) -> CommandResult {
    let located = |error: CommandError| {
        if !args.verbose {
            return error;
        }
        let Ok(config) = shell.config() else {
            return error;
        };
        error.hint(format!("config: {}", config.path.display()))
    };
    let mut client = args.remote.connect(shell).await.map_err(located)?;
    let health = client
        .call(
            "health",
            &json!({ "probe": args.verbose }),
            args.remote.timeout(),
        )
        .await?;
    client.close().await;
    shell
        .terminal
        .show(&health, |terminal| render(&health, terminal))?;
    if health.get("ok").and_then(Value::as_bool) == Some(false) {
        return Err(CommandError::reported(Kind::No));
    }
    Ok(())
}

/// The snapshot as lines: the verdict, the channels, the agents.
pub(crate) fn render(health: &Value, terminal: &Terminal) -> String {
    let healthy = health.get("ok").and_then(Value::as_bool).unwrap_or(false);
    let problems = problems(health);
    let verdict = match (healthy, problems.is_empty()) {
        (true, true) => terminal.paint(Tone::Good, "healthy"),
        (true, false) => terminal.paint(Tone::Warn, "works, but not all of it"),
        (false, _) => terminal.paint(Tone::Bad, "not healthy"),
    };
    let took = health.get("durationMs").and_then(Value::as_f64);
    let mut text = format!("Gateway: {verdict}");
    if let Some(took) = took {
        text.push_str(&terminal.paint(Tone::Muted, &format!("  ({took} ms)")));
    }
    text.push('\n');
    for problem in problems {
        text.push_str(&problem_line(problem, terminal));
    }
    let mut table = Table::new(&["", "", ""]);
    for (name, channel) in object(health, "channels") {
        let label = health
            .get("channelLabels")
            .and_then(|labels| labels.get(name))
            .and_then(Value::as_str)
            .unwrap_or(name);
        let (tone, state) = channel_state(channel);
        table.row(vec![
            (Tone::Strong, label.to_owned()),
            (tone, state),
            (Tone::Muted, string(channel, "lastError")),
        ]);
    }
    let agents = health.get("agents").and_then(Value::as_array);
    for agent in agents.into_iter().flatten() {
        let count = agent
            .pointer("/sessions/count")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let is_default = agent.get("isDefault").and_then(Value::as_bool) == Some(true);
        table.row(vec![
            (Tone::Strong, format!("agent {}", string(agent, "agentId"))),
            (
                Tone::Plain,
                format!("{count} session{}", if count == 1 { "" } else { "s" }),
            ),
            (
                Tone::Muted,
                if is_default { "default" } else { "" }.to_owned(),
            ),
        ]);
    }
    text.push_str(&table.render(terminal));
    text
}

/// What is wrong, as the gateway sees it.
pub(crate) fn problems(health: &Value) -> Vec<&Value> {
    let problems = health.get("problems").and_then(Value::as_array);
    problems.into_iter().flatten().collect()
}

/// One problem: the part, what is wrong with it, and what mends it.
pub(crate) fn problem_line(problem: &Value, terminal: &Terminal) -> String {
    let fix = string(problem, "fix");
    let fix = match fix.as_str() {
        "" => String::new(),
        fix => terminal.paint(Tone::Muted, &format!("  → {}", render::clean(fix))),
    };
    format!(
        "  {} {}{fix}\n",
        terminal.paint(Tone::Bad, &format!("{}:", string(problem, "part"))),
        render::clean(&string(problem, "message")),
    )
}

/// What a channel's health object comes down to.
pub(crate) fn channel_state(channel: &Value) -> (Tone, String) {
    let flag = |name: &str| channel.get(name).and_then(Value::as_bool);
    let problem = string(channel, "lastError");
    if flag("configured") == Some(false) {
        (Tone::Muted, "not configured".into())
    } else if flag("enabled") == Some(false) {
        (Tone::Muted, "disabled".into())
    } else if flag("connected") == Some(true)
        || (flag("running") == Some(true) && problem.is_empty())
    {
        (Tone::Good, "connected".into())
    } else if flag("running") == Some(true) {
        (Tone::Warn, "connecting".into())
    } else if flag("running") == Some(false) {
        (Tone::Bad, "down".into())
    } else if flag("linked") == Some(false) {
        (Tone::Bad, "not linked".into())
    } else {
        (Tone::Plain, "configured".into())
    }
}

/// The members of an object in an object.
pub(crate) fn object<'a>(
    value: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(name)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// A string in an object, or nothing.
pub(crate) fn string(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_works_in_part_says_which_part_does_not() {
        let health = json!({ "ok": true, "problems": [
            { "part": "telegram/home", "message": "the token was refused", "fix": "ask @BotFather" },
        ] });
        assert_eq!(
            render(&health, &Terminal::plain()),
            "Gateway: works, but not all of it\n  telegram/home: the token was refused  → ask @BotFather\n"
        );
        assert_eq!(
            render(&json!({ "ok": true, "problems": [] }), &Terminal::plain()),
            "Gateway: healthy\n"
        );
    }
}
