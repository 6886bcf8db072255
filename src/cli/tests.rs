use clap::CommandFactory;
use clap::Parser;

use super::Cli;

#[test]
fn the_parser_is_consistent() {
    Cli::command().debug_assert();
}

/// Spellings that existing scripts and units use.
#[test]
fn spellings_of_existing_scripts_are_understood() {
    for line in [
        "openclaw gateway --port 18789",
        "openclaw --dev gateway",
        "openclaw gateway --force",
        "openclaw gateway run --port 18789 --bind lan --auth token --token t --verbose --allow-unconfigured",
        "openclaw gateway status --no-probe --deep --json --url ws://h:1 --token t --timeout 5000",
        "openclaw gateway stop --json",
        "openclaw gateway call chat.history --params {} --expect-final --json --timeout 10",
        "openclaw gateway health --json",
        "openclaw agent --to +15555550123 --message x --deliver",
        "openclaw agent -m hi --session-id main --thinking low --verbose on --timeout 60 --json",
        "openclaw agent --agent ops --message hi --reply-channel telegram --reply-to 1 --reply-account a",
        "openclaw health --json --timeout 1000",
        "openclaw health --verbose",
        "openclaw status --all",
        "openclaw status --deep --usage --json --timeout 1 --debug",
        "openclaw logs --follow --limit 10 --plain --no-color --local-time --interval 100 --max-bytes 1",
        "openclaw pairing list",
        "openclaw pairing list telegram --json",
        "openclaw pairing approve telegram ABCD2345",
        "openclaw pairing approve --channel telegram ABCD2345",
        "openclaw channels status --probe --json --timeout 1",
        "openclaw sessions --json --active 60 --store /x --verbose",
        "openclaw models",
        "openclaw models status --check --plain --agent main",
        "openclaw models list --all --local --provider x --plain --json",
        "openclaw gateway probe --json --url ws://h:1 --token t --timeout 5000",
        "openclaw gateway discover --json --timeout 500",
        "openclaw cron status --json",
        "openclaw cron list --all --json",
        "openclaw cron add --name tea --every 1h --system-event x --session main --wake now",
        "openclaw cron create --name b --cron 0\u{a0}9 --tz UTC --message x --announce --channel last --to 1",
        "openclaw cron add --name c --at 20m --message x --no-deliver --model m --thinking low --delete-after-run",
        "openclaw cron edit id --disable --name y --timeout-seconds 5",
        "openclaw cron run id --force",
        "openclaw cron run id --due",
        "openclaw cron runs --id id --limit 50",
        "openclaw cron rm id",
        "openclaw cron enable id",
        "openclaw nodes status --connected --json",
        "openclaw nodes pending",
        "openclaw nodes approve id",
        "openclaw approvals get --gateway --json",
        "openclaw exec-approvals get",
        "openclaw system event --text x --mode now",
        "openclaw system heartbeat last --json",
        "openclaw system presence --json",
        "openclaw config get gateway.auth.token",
        "openclaw config get gateway --json",
        "openclaw config set gateway.port 18790 --json",
        "openclaw config unset gateway.port",
        "openclaw config validate --strict",
        "openclaw config file",
        "openclaw completion --shell zsh",
        "openclaw completion -s fish",
        "openclaw supervisor tree --watch",
        "openclaw supervisor crash c-81f2",
        "openclaw supervisor restart channels/telegram/home/poll",
        "openclaw supervisor park channels/telegram/home",
        "openclaw --profile x --no-color up --port 4000",
        "openclaw --log-level debug gateway",
    ] {
        if let Err(error) = Cli::try_parse_from(line.split(' ')) {
            panic!("{line}: {error}");
        }
    }
}

/// `docs/cli.md` is the help of every command. `UPDATE_DOCS=1 cargo test -p openclaw` writes it anew.
#[test]
fn the_help_of_every_command_is_in_the_docs() {
    let mut text = String::from(
        "# Command line\n\nThe help of every command, written by a test from the commands themselves\n\
         (`UPDATE_DOCS=1 cargo test -p openclaw --bin openclaw cli`).\n",
    );
    write_help(super::command().bin_name("openclaw"), 2, &mut text);
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "docs/cli.md is not what the commands say: UPDATE_DOCS=1 cargo test -p openclaw --bin openclaw cli"
    );
}

fn write_help(mut command: clap::Command, level: usize, into: &mut String) {
    command.build();
    let command = command.term_width(100).mut_args(|arg| {
        // What every command understands is told once, at the top.
        let everywhere = arg.get_help_heading() == Some("Everywhere");
        arg.hide(everywhere && level > 2)
    });
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let help = command.clone().render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    into.push_str(&format!(
        "\n{} `{name}`\n\n```text\n{}\n```\n",
        "#".repeat(level),
        lines.join("\n").trim_end()
    ));
    for child in command.get_subcommands() {
        if child.get_name() == "help" || child.is_hide_set() {
            continue;
        }
        write_help(child.clone(), (level + 1).min(4), into);
    }
}
