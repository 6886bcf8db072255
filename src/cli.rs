//! The command line as a value: every command and flag, spelled as existing scripts spell them.

use clap::ArgAction;
use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;

use crate::commands::agent::AgentArgs;
use crate::commands::approvals::ApprovalsArgs;
use crate::commands::audit::AuditArgs;
use crate::commands::channels::ChannelsArgs;
use crate::commands::completion::CompletionArgs;
use crate::commands::config::ConfigArgs;
use crate::commands::cron::CronArgs;
use crate::commands::deadletters::DeadLettersArgs;
use crate::commands::devices::DevicesArgs;
use crate::commands::gateway::GatewayArgs;
use crate::commands::health::HealthArgs;
use crate::commands::logs::LogsArgs;
use crate::commands::memory::MemoryArgs;
use crate::commands::models::ModelsArgs;
use crate::commands::nodes::NodesArgs;
use crate::commands::pairing::PairingArgs;
use crate::commands::protocol::ProtocolArgs;
use crate::commands::qr::QrArgs;
use crate::commands::sandbox::SandboxArgs;
use crate::commands::sessions::SessionsArgs;
use crate::commands::skills::SkillsArgs;
use crate::commands::status::StatusArgs;
use crate::commands::supervisor::SupervisorArgs;
use crate::commands::system::SystemArgs;
use crate::commands::trace::TraceArgs;
use crate::commands::up::UpArgs;
use crate::error::EXIT_CODES;

#[cfg(test)]
mod tests;

/// A personal-AI gateway that is always on.
#[derive(Debug, Parser)]
#[command(
    name = "openclaw",
    version,
    disable_version_flag = true,
    propagate_version = false
)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100
)]
#[command(
    after_help = "New here? `openclaw up` starts a gateway and prints the address of its page."
)]
pub(crate) struct Cli {
    /// Print the version.
    #[arg(short = 'V', short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(flatten)]
    pub(crate) globals: Globals,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// Keep config and state apart under a name: ~/.openclaw-<name>.
    #[arg(long, global = true, value_name = "name")]
    pub(crate) profile: Option<String>,

    /// The profile "dev": ~/.openclaw-dev, port 19001.
    #[arg(long, global = true, conflicts_with = "profile")]
    pub(crate) dev: bool,

    /// No colours. NO_COLOR does the same.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,

    /// What is logged: silent, fatal, error, warn, info, debug or trace; or by part, as in
    /// `info,openclaw_ledger=trace`.
    #[arg(long, global = true, value_name = "level")]
    pub(crate) log_level: Option<String>,

    /// Print one JSON document and nothing else on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start here: make a safe first config if there is none, and run the gateway.
    Up(UpArgs),
    /// Run, stop, question the gateway.
    Gateway(GatewayArgs),
    /// Ask the running gateway how it is.
    Health(HealthArgs),
    /// Show what is configured and what runs; works without a gateway too.
    Status(StatusArgs),
    /// Send an agent one message and print the answer as it comes.
    Agent(AgentArgs),
    /// Show the gateway's log.
    Logs(LogsArgs),
    /// Let people in who wrote to a chat account.
    Pairing(PairingArgs),
    /// Show the devices that may connect, and let new ones in.
    Devices(DevicesArgs),
    /// Make a code by which a phone finds this gateway and is let in once.
    Qr(QrArgs),
    /// Print what the gateway's WebSocket speaks.
    Protocol(ProtocolArgs),
    /// Show the chat accounts.
    Channels(ChannelsArgs),
    /// Show what sessions may do, and what stands around them.
    Sandbox(SandboxArgs),
    /// List the conversations.
    Sessions(SessionsArgs),
    /// Show the models and where they come from.
    Models(ModelsArgs),
    /// Make and watch jobs that run by the clock.
    Cron(CronArgs),
    /// Show the devices that offer their abilities.
    Nodes(NodesArgs),
    /// Show the rules about commands.
    #[command(alias = "exec-approvals")]
    Approvals(ApprovalsArgs),
    /// Tell the agent a line; show who is here.
    System(SystemArgs),
    /// Read and change the configuration.
    Config(ConfigArgs),
    /// Show where a message stands and how it came there.
    Trace(TraceArgs),
    /// Show messages that could not be answered or sent; try one again, or drop it.
    #[command(alias = "dead-letters")]
    Deadletters(DeadLettersArgs),
    /// Show who did what, and prove that nothing of it was changed.
    Audit(AuditArgs),
    /// Show what agents know how to do, and what is missing for it.
    Skills(SkillsArgs),
    /// Search the agents' notes, and see how they are indexed.
    Memory(MemoryArgs),
    /// Look at the actors, and restart, park or stop one.
    Supervisor(SupervisorArgs),
    /// Print the completions for a shell.
    Completion(CompletionArgs),
}

/// The whole command line, with the table of exit codes in its long help.
pub(crate) fn command() -> clap::Command {
    let mut table = String::from(
        "New here? `openclaw up` starts a gateway and prints the address of its page.\n\nExit codes:\n",
    );
    for (code, meaning) in EXIT_CODES {
        table.push_str(&format!("  {code:>3}  {meaning}\n"));
    }
    Cli::command().after_long_help(table)
}

/// Reads the words of this process.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches()?)
}
