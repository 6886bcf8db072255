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
