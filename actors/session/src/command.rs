//! What people type that the gateway answers itself, without a model.
//!
//! Commands are ordinary rows: they are claimed, answered and committed like any turn, so they
//! keep their place in the queue and survive a crash. Only stop words also act at once.

use openclaw_tool::approval::Decision;

/// Whole messages that end the running turn and empty the queue.
const STOP_WORDS: [&str; 6] = ["stop", "esc", "abort", "wait", "exit", "interrupt"];
/// The same as commands.
const STOP_COMMANDS: [&str; 2] = ["stop", "abort"];
/// What starts a session anew when nothing else is configured.
pub const RESET_TRIGGERS: [&str; 2] = ["/new", "/reset"];

/// A message read as a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// End the running turn and what waits behind it.
    Stop,
    /// Begin a new session; the rest is its first message.
    Reset { rest: String },
    /// Say how things are.
    Status,
    /// Say what can be typed.
    Help,
    /// Say who the sender is to the gateway.
    WhoAmI,
    /// Sum the conversation up; a person may say what matters.
    Compact { instructions: Option<String> },
    /// Say what the model gets to see, and how much room it takes.
    Context(Form),
    /// Say what was used, or what shall be said of it with each answer.
    Usage(Option<Shown>),
    /// Choose the model, or say which there are.
    Model { name: Option<String> },
    /// Answer a question about a program.
    Approve { id: String, decision: Decision },
    /// Choose how much the model thinks, or say it.
    Think { level: Option<String> },
    /// Choose what becomes of messages that come while a turn runs, or say it.
    Queue { wish: String },
    /// Choose whether tools are named with each answer, or say it.
    Verbose { wish: String },
    /// Choose whether the model's reasoning is shown with each answer, or say it.
    Reasoning { wish: String },
    /// Say whether answers go out here, or choose it.
    Send { wish: String },
    /// Choose whether programs leave the sandbox, or say it.
    Elevated { wish: String },
    /// Say where it is chosen what the agent hears in a group.
    Activation,
    /// Show the sub-agents of this session, or stop them.
    SubAgents(Children),
}

/// What is wanted of sub-agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Children {
    List,
    /// One of the list, or all.
    Stop(String),
    /// One of the list.
    Info(String),
    /// What one of the list said last.
    Log(String),
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    List,
    Detail,
    Json,
}

/// What is said of usage: with each answer, or now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Off,
    Tokens,
    Full,
    /// Now.
    Cost,
}

pub(crate) mod approve;
pub(crate) mod directive;
pub(crate) mod elevated;
pub(crate) mod model;
pub(crate) mod queue;
pub(crate) mod report;
pub(crate) mod right;
pub(crate) mod setting;
pub(crate) mod subagents;
pub(crate) mod usage;

/// Reads a message; none when it is for the model. `triggers` are the configured reset triggers.
pub fn read(text: &str, triggers: &[String]) -> Option<Command> {
    let text = text.trim();
    if is_stop(text) {
        return Some(Command::Stop);
    }
    let configured = triggers.iter().map(String::as_str);
    for trigger in configured.chain(RESET_TRIGGERS) {
        if let Some(rest) = after_word(text, trigger) {
            return Some(Command::Reset {
                rest: rest.to_owned(),
            });
        }
    }
    let name = text.strip_prefix('/')?;
    let (name, rest) = split_name(name);
    if let Some(command) = with_rest(&name, rest) {
        return Some(command);
    }
    if !rest.is_empty() {
        return None;
    }
    match name.as_str() {
        "status" => Some(Command::Status),
        "help" | "commands" => Some(Command::Help),
        "whoami" | "id" => Some(Command::WhoAmI),
        _ => None,
    }
}

/// The commands that take something.
fn with_rest(name: &str, rest: &str) -> Option<Command> {
    let given = (!rest.is_empty()).then(|| rest.to_owned());
    let is_word = !rest.contains(char::is_whitespace);
    Some(match name {
        "compact" => Command::Compact {
            instructions: given,
        },
        "context" => Command::Context(match rest {
            "" | "list" => Form::List,
            "detail" => Form::Detail,
            "json" => Form::Json,
            _ => return None,
        }),
        "usage" => Command::Usage(match rest {
            "" => None,
            "off" => Some(Shown::Off),
            "tokens" | "on" => Some(Shown::Tokens),
            "full" => Some(Shown::Full),
            "cost" => Some(Shown::Cost),
            _ => return None,
        }),
        "queue" => Command::Queue {
            wish: rest.to_owned(),
        },
        "approve" => approve::read(rest)?,
        "verbose" | "v" if is_word => Command::Verbose {
            wish: rest.to_lowercase(),
        },
        "reasoning" | "reason" if is_word => Command::Reasoning {
            wish: rest.to_lowercase(),
        },
        "send" if is_word => Command::Send {
            wish: rest.to_lowercase(),
        },
        "elevated" | "elev" if is_word => Command::Elevated {
            wish: rest.to_lowercase(),
        },
        "activation" if is_word => Command::Activation,
        "subagents" => Command::SubAgents(children(rest)?),
        "model" | "models" if is_word => Command::Model { name: given },
        "think" | "thinking" | "t" if is_word => Command::Think { level: given },
        _ => return None,
    })
}

fn children(rest: &str) -> Option<Children> {
    let mut words = rest.split_whitespace();
    let wanted = match (words.next(), words.next()) {
        (None | Some("list"), None) => Children::List,
        (Some("stop" | "kill"), Some(which)) => Children::Stop(which.to_owned()),
        (Some("info"), Some(which)) => Children::Info(which.to_owned()),
        (Some("log"), Some(which)) => Children::Log(which.to_owned()),
        _ => return None,
    };
    words.next().is_none().then_some(wanted)
}

/// Whether a whole message says stop.
pub fn is_stop(text: &str) -> bool {
    let text = text.trim();
    if let Some(name) = text.strip_prefix('/') {
        let (name, rest) = split_name(name);
        return rest.is_empty() && STOP_COMMANDS.contains(&name.as_str());
    }
    let bare = text.trim_end_matches(['.', '!']);
    STOP_WORDS
        .iter()
        .any(|word| bare.eq_ignore_ascii_case(word))
}

/// `/status@my_bot: now` is the command `status` with the rest `now`, and so is `/status:now`.
fn split_name(text: &str) -> (String, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || c == ':')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim();
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    (name.to_ascii_lowercase(), rest)
}

/// The rest of the text after a word that stands alone at its start.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let word = word.trim();
    if word.is_empty() {
        return None;
    }
    let head = text.get(..word.len())?;
    if !head.eq_ignore_ascii_case(word) {
        return None;
    }
    let rest = text.get(word.len()..)?;
    let rest = match rest.strip_prefix('@') {
        Some(named) => named.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_'),
        None => rest,
    };
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// What can be typed.
pub fn help() -> String {
    "These are answered without a model:\n\
     - `/new` or `/reset`: begin a new session; text after it is its first message, and a model's name chooses the model\n\
     - `/stop`, or just `stop`: end what runs and drop what waits\n\
     - `/status`: model, session, context and queue\n\
     - `/whoami`: how the gateway knows you\n\
     - `/model`: the models there are; `/model <name>`: choose one for this session, `/model default`: the usual one\n\
     - `/think <level>`: how much the model thinks: off, minimal, low, medium, high, xhigh\n\
     - `/queue`: what becomes of messages that come while I answer; `/queue collect`, `followup`, `steer`, `steer-backlog` or `interrupt`: choose it; `/queue default`: as configured\n\
     - `/verbose on` or `off`: name the tools that were used with each answer\n\
     - `/reasoning on` or `off`: show the model's reasoning with each answer, where it has one\n\
     - `/send on`, `off` or `inherit`: whether my answers go out here; for owners\n\
     - `/elevated on`, `full` or `off`: whether programs leave the sandbox, asked about or not; for people who are listed for it\n\
     - `/activation`: where it is chosen what I hear in a group\n\
     - `/subagents`: what works for me on the side; `/subagents info 1`: more of one, `/subagents stop 1` or `stop all`: end it\n\
     - `/compact`: sum the conversation up; text after it says what matters\n\
     - `/context list`, `detail` or `json`: what the model gets to see\n\
     - `/usage off`, `tokens` or `full`: what is said with each answer; `/usage cost`: what was spent\n\
     - `/approve <id> allow-once`, `allow-always` or `deny`: answer a command that waits\n\
     - `/help`: this list\n\n\
     `/think:high`, `/model:provider/name`, `/verbose:on`, `/reasoning:on` and `/elevated:on` inside a message hold for that message. In a \
     group only people who are listed by id change the conversation. Everything else goes to the agent."
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(rest: &str) -> Option<Command> {
        Some(Command::Reset {
            rest: rest.to_owned(),
        })
    }

    #[test]
    fn stop_words_count_only_as_whole_messages() {
        for text in [
            "stop",
            " Stop! ",
            "/stop",
            "/STOP@home_bot",
            "/abort:",
            "esc",
        ] {
            assert_eq!(read(text, &[]), Some(Command::Stop), "{text}");
        }
        for text in ["stop the music", "/stop now", "don't stop", "/stopper"] {
            assert_eq!(read(text, &[]), None, "{text}");
        }
    }

    #[test]
    fn a_reset_passes_the_rest_on() {
        assert_eq!(read("/new", &[]), reset(""));
        assert_eq!(read("/New@home_bot", &[]), reset(""));
        assert_eq!(read("/reset: hello you", &[]), reset("hello you"));
        assert_eq!(read("/newest", &[]), None);
        let own = ["fresh start".to_owned()];
        assert_eq!(read("fresh start please", &own), reset("please"));
    }

    #[test]
    fn other_commands_stand_alone() {
        assert_eq!(read("/status", &[]), Some(Command::Status));
        assert_eq!(read("/status of the union?", &[]), None);
        assert_eq!(read("/frobnicate", &[]), None);
        let think = Some(Command::Think {
            level: Some("high".to_owned()),
        });
        for text in ["/think:high", "/t high", "/THINK@home_bot: high"] {
            assert_eq!(read(text, &[]), think, "{text}");
        }
        assert_eq!(
            read("/think:high and act", &[]),
            None,
            "a directive is no command"
        );
        assert_eq!(read("", &[]), None);
    }
}
