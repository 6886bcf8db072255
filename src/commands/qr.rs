//! `qr`: a code by which a phone finds the gateway and is let in once.

use openclaw_gateway::device::setup;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct QrArgs {
    /// The address the phone shall use; by default the one the gateway listens on.
    #[arg(long, value_name = "url")]
    public_url: Option<String>,
    /// Use gateway.remote.url.
    #[arg(long)]
    remote_url: bool,
    /// Let a machine in that is only a node, not a phone.
    #[arg(long)]
    node: bool,
    /// Print the code as text only.
    #[arg(long)]
    setup_code_only: bool,
    /// Don't draw the code.
    #[arg(long)]
    no_ascii: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &QrArgs, shell: &Shell) -> CommandResult {
    let mut params = json!({ "bootstrapProfile": if args.node { "node" } else { "limited" } });
    if let Value::Object(params) = &mut params {
        if let Some(url) = &args.public_url {
            params.insert("publicUrl".to_owned(), json!(url));
        }
        if args.remote_url {
            params.insert("preferRemoteUrl".to_owned(), json!(true));
        }
    }
    let mut client = args.remote.connect(shell).await?;
    let made = client
        .call("device.pair.setupCode", &params, args.remote.timeout())
        .await?;
    client.close().await;
    let code = string(&made, "setupCode");
    if code.is_empty() {
        let message = "the gateway made no code";
        return Err(CommandError::new(Kind::Daemon, message));
    }
    shell.terminal.show(&made, |terminal| {
        if args.setup_code_only {
            return code.clone();
        }
        drawn(args, &made, &code, terminal)
    })?;
    Ok(())
}

fn drawn(args: &QrArgs, made: &Value, code: &str, terminal: &Terminal) -> String {
    let mut out = String::new();
    if !args.no_ascii
        && let Some((width, dark)) = setup::qr(code)
    {
        out.push_str(&blocks(width, &dark));
        out.push('\n');
    }
    let until = made.get("expiresAtMs").and_then(Value::as_i64);
    let left = until.map_or(0, |until| until.saturating_sub(render::now_ms()));
    let left = render::duration(u64::try_from(left).unwrap_or_default());
    let line =
        |name: &str, value: &str| format!("{}  {value}\n", terminal.paint(Tone::Muted, name));
    out.push_str(&line("Gateway", &string(made, "gatewayUrl")));
    out.push_str(&line("Code   ", code));
    out.push_str(&line("Good   ", &format!("once, for {left}")));
    out
}

/// Two rows of modules a line, dark on light whatever the terminal's colours are.
fn blocks(width: usize, dark: &[bool]) -> String {
    const RIM: usize = 2;
    let is_dark = |x: usize, y: usize| {
        let (x, y) = (x.checked_sub(RIM), y.checked_sub(RIM));
        match (x.filter(|x| *x < width), y.filter(|y| *y < width)) {
            (Some(x), Some(y)) => dark.get(y * width + x).copied().unwrap_or(false),
            _ => false,
        }
    };
    let side = width + 2 * RIM;
    let mut out = String::new();
    for y in (0..side).step_by(2) {
        for x in 0..side {
            // Light modules are drawn, dark ones are left: most terminals are dark.
            out.push(match (is_dark(x, y), is_dark(x, y + 1)) {
                (true, true) => ' ',
                (true, false) => '▄',
                (false, true) => '▀',
                (false, false) => '█',
            });
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn two_rows_of_modules_make_a_line() {
        // A dark module above a light one, in a light rim of two.
        let drawn = blocks(2, &[true, false, false, true]);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines, ["██████", "██▄▀██", "██████"]);
    }
}
