//! What a turn needs before it can ask: conversation, command or prompt, model, the user's words.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use openclaw_ledger::InboxRow;
use openclaw_ledger::LedgerError;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Content;
use openclaw_protocol::Inbound;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::config::Compaction;
use openclaw_protocol::config::ContextPruning;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_protocol::message::Extra;
use openclaw_protocol::message::UserMessage;

use crate::command;
use crate::command::Command;
use crate::command::Shown;
use crate::command::model;
use crate::command::report;
use crate::command::usage;
use crate::compact;
use crate::compact::notes;
use crate::context::prune;
use crate::context::room::Window;
use crate::conversation;
use crate::conversation::Conversation;
use crate::conversation::Slot;
use crate::deps::Deps;
use crate::entry;
use crate::entry::Entry;
use crate::envelope;
use crate::event::now_ms;
use crate::models::Chosen;
use crate::notice;
use crate::outbound;
use crate::outbound::Manner;
use crate::prompt::Ask;
use crate::queue;
use crate::reset;
use crate::status;
use crate::workspace;

/// Everything a turn knows before its first call.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) next: Next,
    /// The user's message as the transcript keeps it.
    pub(crate) user: Arc<Message>,
    pub(crate) manner: Manner,
    pub(crate) chosen: Arc<Chosen>,
    /// How much the model shall think, when somebody said so.
    pub(crate) thinking: Option<String>,
    pub(crate) cwd: PathBuf,
    pub(crate) session_id: String,
    /// How many answers came since the conversation was last summed up; none when it never was.
    pub(crate) since: Option<u64>,
    /// How often it was summed up.
    pub(crate) compactions: u64,
    /// Notes may be taken before the next time.
    pub(crate) may_note: bool,
    /// What is said of usage with the answer.
    pub(crate) shown: Shown,
    /// What a person changes of the session by a command.
    pub(crate) patch: Entry,
    /// The messages before this turn.
    pub(crate) history: Arc<Vec<Arc<Message>>>,
    /// A conversation that begins with this turn, in place of the session's current one.
    pub(crate) fresh: Option<Conversation>,
}

/// What to do with the row.
#[derive(Debug)]
pub(crate) enum Next {
    /// Ask the model.
    Ask {
        system: Arc<str>,
        tools: Arc<[ToolSpec]>,
    },
    /// Sum the conversation up, and say so.
    Compact { instructions: Option<String> },
    /// The gateway answers.
    Answer(String),
    /// It can't be done; the text is for the user.
    Refuse(String),
}

/// Gathers what a turn needs.
pub(crate) async fn prepare(
    deps: Arc<Deps>,
    slot: Slot,
    row: Arc<InboxRow>,
    with: Arc<[InboxRow]>,
) -> Result<Prepared, LedgerError> {
    let key = &row.session;
    let config = (deps.config)();
    let session = config.session.or_default();
    let now_ms = now_ms();
    let current = {
        let mut guard = slot.lock().await;
        match &*guard {
            Some(conversation) => conversation.clone(),
            None => guard.insert(conversation::load(&deps, key).await?).clone(),
        }
    };
    let stored = conversation::entry_of(&deps.ledger, key);
    let last_ms = stored.as_ref().and_then(entry::updated_at);
    let wanted = stored.as_ref().and_then(entry::model_override);
    let agent = deps.agent(&key.agent());
    let defaults = config.agents.defaults.or_default();
    let zone = envelope::zone(
        defaults.envelope_timezone.as_deref(),
        defaults.user_timezone.as_deref(),
    );
    // Where it came from, which need not be where the answer goes.
    let channel = queue::channel(&row);

    let mut command = command::read(&row.body.text, &session.reset_triggers);
    let mut inbound = row.body.clone();
    let rule = reset::rule(&session, channel, &inbound);
    let is_stale = current.is_stored
        && last_ms.is_some_and(|last_ms| reset::is_due(&rule, last_ms, now_ms, &zone));
    let begins_anew = is_stale || matches!(command, Some(Command::Reset { .. }));
    let fresh = begins_anew.then(|| Conversation::begin(stored.clone()));
    if let Some(Command::Reset { rest }) = &command
        && !rest.is_empty()
    {
        inbound.text = rest.clone();
        command = None;
    }
    let conversation = fresh.as_ref().unwrap_or(&current);

    let thinking = inbound
        .thinking
        .clone()
        .or_else(|| {
            let entry = stored.as_ref()?;
            entry::text(entry, "thinkingLevel").map(str::to_owned)
        })
        .or_else(|| defaults.thinking_default.clone());
    let previous_ms = last_ms.filter(|_| !begins_anew);
    let rules = queue::Rules::of(
        &config.messages.or_default().queue,
        channel,
        stored.as_ref(),
    );
    let text = {
        let first = (&*row, words(&row, &inbound, previous_ms, &zone));
        let heard = heard(first, &with, &zone);
        queue::together(&heard, rules.shortened(heard.len()))
    };
    let mut prepared = Prepared {
        next: Next::Refuse(String::new()),
        user: Arc::new(user_message(&row, &with, text, command.is_some())),
        manner: outbound::manner(&config, &row),
        chosen: Arc::new(unknown_model()),
        thinking,
        cwd: deps.folders.state_dir.clone(),
        session_id: conversation.session_id.clone(),
        since: conversation.since,
        compactions: (stored.as_ref().filter(|_| fresh.is_none()))
            .map_or(0, |entry| compact::number(entry, "compactionCount")),
        may_note: false,
        shown: usage::shown(stored.as_ref()),
        patch: Entry::new(),
        history: conversation.messages.clone(),
        fresh: None,
    };
    let Some(agent) = agent else {
        prepared.next = Next::Refuse(notice::no_agent(key.agent_str()));
        prepared.fresh = fresh;
        return Ok(prepared);
    };
    prepared.cwd = deps.workspace_of(&agent);
    let choice = deps.models.choose(&agent, wanted.as_deref());
    let choice = choice.map(|chosen| chosen.for_message(&prepared.user));
    if let Ok(chosen) = &choice {
        prepared.chosen = Arc::new(chosen.clone());
        if fresh.is_none() {
            let (settings, window) = (&defaults.context_pruning, chosen.context_window);
            let messages = prepared.history.clone();
            prepared.history = pruned(&slot, messages, settings, window, now_ms).await;
        }
    }
    prepared.next = match (command, choice) {
        (Some(Command::Compact { instructions }), Ok(_)) => Next::Compact { instructions },
        (Some(Command::Context(form)), Ok(chosen)) => {
            let asked = ask(&deps, &agent, &inbound, &prepared.cwd, zone_name(&zone)).await;
            match asked {
                Next::Ask { system, tools } => Next::Answer(report::report(
                    form,
                    &report::Facts {
                        model: chosen.model.to_string(),
                        window: Window::new(chosen.context_window, &defaults.compaction),
                        system: &system,
                        tools: &tools,
                        history: prepared.history.iter().map(Arc::as_ref).collect(),
                        compactions: prepared.compactions,
                    },
                )),
                refused => refused,
            }
        }
        (Some(Command::Usage(Some(Shown::Cost))), _) => {
            let (ledger, key, zone) = (deps.ledger.clone(), key.clone(), zone.clone());
            let count = move || usage::cost(&ledger, &key, now_ms, &zone);
            Next::Answer(tokio::task::spawn_blocking(count).await.unwrap_or_default())
        }
        (Some(Command::Usage(wanted)), _) => {
            let (text, patch) = usage::choose(stored.as_ref(), wanted);
            prepared.patch = patch;
            Next::Answer(text)
        }
        (Some(Command::Model { name }), _) => {
            let (text, patch) =
                model::model(&*deps.models, &agent, stored.as_ref(), name.as_deref());
            prepared.patch = patch;
            Next::Answer(text)
        }
        (Some(Command::Think { level }), _) => {
            let usual = defaults.thinking_default.as_deref();
            let (text, patch) = model::think(stored.as_ref(), usual, level.as_deref());
            prepared.patch = patch;
            Next::Answer(text)
        }
        (Some(Command::Queue { wish }), _) => {
            let (text, patch) = command::queue::choose(&rules, &wish);
            prepared.patch = patch;
            Next::Answer(text)
        }
        (Some(command), choice) => {
            let model = choice.map(|chosen| chosen.model).map_err(|e| e.to_string());
            let facts = status::Facts {
                key,
                row: &row,
                entry: stored.as_ref(),
                model: &model,
                waiting: deps.ledger.pending(key).saturating_sub(1),
                messages: conversation.messages.len(),
            };
            Next::Answer(status::answer(&command, &facts))
        }
        (None, Err(error)) => {
            let wanted = wanted
                .or(agent.model.primary.clone())
                .and_then(|name| name.parse::<ModelRef>().ok())
                .unwrap_or_else(|| prepared.chosen.model.clone());
            Next::Refuse(notice::model_error(&wanted, &error))
        }
        (None, Ok(_)) => ask(&deps, &agent, &inbound, &prepared.cwd, zone_name(&zone)).await,
    };
    if let Next::Ask { tools, .. } = &prepared.next {
        prepared.may_note = fresh.is_none() && notes::may_be_taken(stored.as_ref(), tools);
    }
    prepared.fresh = fresh;
    Ok(prepared)
}

/// The messages with old results shortened, when the provider's cache of them is gone anyway.
async fn pruned(
    slot: &Slot,
    messages: Arc<Vec<Arc<Message>>>,
    settings: &ContextPruning,
    window: Option<u64>,
    now_ms: i64,
) -> Arc<Vec<Arc<Message>>> {
    let Some(ttl) = prune::ttl(settings) else {
        return messages;
    };
    let called = messages.iter().rev().find_map(|message| match &**message {
        Message::Assistant(answer) => Some(answer.timestamp),
        _ => None,
    });
    let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    let is_gone = called.is_some_and(|called| now_ms.saturating_sub(called) > ttl_ms);
    let mut guard = slot.lock().await;
    let Some(conversation) = guard.as_mut() else {
        return messages;
    };
    if is_gone {
        conversation.pruned = messages.len();
    }
    let (old, new) = messages.split_at(conversation.pruned.min(messages.len()));
    let window = Window::new(window, &Compaction::default()).whole;
    let mut out = prune::prune(old, settings, window);
    out.extend(new.iter().cloned());
    Arc::new(out)
}

/// The prompt and the tools of a model turn; makes the workspace at the agent's first turn.
async fn ask(
    deps: &Arc<Deps>,
    agent: &ResolvedAgent,
    inbound: &openclaw_protocol::Inbound,
    cwd: &std::path::Path,
    zone: String,
) -> Next {
    let tools = deps.toolbox.specs();
    let is_private = inbound.chat.kind == ChatKind::Direct;
    let job = {
        let (deps, agent, cwd, tools) =
            (deps.clone(), agent.clone(), cwd.to_owned(), tools.clone());
        move || {
            workspace::seed(&cwd, agent.defaults.skip_bootstrap)?;
            let name = agent.identity.name.as_deref().or(agent.name.as_deref());
            Ok::<_, std::io::Error>(deps.shared.prompts.get(&Ask {
                agent: &agent.id,
                name,
                theme: agent.identity.theme.as_deref(),
                workspace: &cwd,
                max_chars: agent.defaults.bootstrap_max_chars,
                tools: &tools,
                is_private,
                zone: &zone,
            }))
        }
    };
    // The disk may be slow: its work belongs on a blocking thread.
    let system = match tokio::task::spawn_blocking(job).await {
        Ok(Ok(system)) => system,
        Ok(Err(error)) => {
            return Next::Refuse(notice::no_workspace(&cwd.display().to_string(), &error));
        }
        Err(error) => return Next::Refuse(format!("The prompt could not be built: {error}")),
    };
    let system = match inbound.extra_system_prompt.as_deref() {
        // After the stable part, so that the cache of that part still holds.
        Some(extra) if !extra.trim().is_empty() => format!("{system}\n{extra}\n").into(),
        _ => system,
    };
    Next::Ask { system, tools }
}

/// What the model sees of a message that is in a row.
fn words(row: &InboxRow, inbound: &Inbound, previous_ms: Option<i64>, zone: &TimeZone) -> String {
    let frame = envelope::Frame {
        channel: queue::channel(row),
        received_at_ms: row.received_at_ms,
        previous_ms,
        zone,
    };
    envelope::wrap(inbound, &frame)
}

/// The same of all rows of a turn.
fn heard<'a>(
    first: (&'a InboxRow, String),
    with: &'a [InboxRow],
    zone: &TimeZone,
) -> Vec<(&'a InboxRow, String)> {
    let mut before = said_at(first.0);
    let mut heard = vec![first];
    for row in with {
        heard.push((row, words(row, &row.body, Some(before), zone)));
        before = said_at(row);
    }
    heard
}

/// The words of messages that a running turn takes in.
pub(crate) fn meanwhile(deps: &Deps, rows: &[InboxRow]) -> Message {
    let config = (deps.config)();
    let defaults = config.agents.defaults.or_default();
    let zone = envelope::zone(
        defaults.envelope_timezone.as_deref(),
        defaults.user_timezone.as_deref(),
    );
    let Some((first, with)) = rows.split_first() else {
        return Message::user("", now_ms());
    };
    let heard = heard((first, words(first, &first.body, None, &zone)), with, &zone);
    user_message(first, with, queue::together(&heard, 0), false)
}

fn said_at(row: &InboxRow) -> i64 {
    match row.body.timestamp_ms {
        said if said > 0 => said,
        _ => row.received_at_ms,
    }
}

fn user_message(row: &InboxRow, with: &[InboxRow], text: String, is_command: bool) -> Message {
    let mut content = vec![Content::text(text)];
    let rows = || std::iter::once(row).chain(with);
    for attachment in rows().flat_map(|row| &row.body.attachments) {
        if attachment.mime_type.starts_with("image/") {
            content.push(Content::image(
                attachment.data.clone(),
                attachment.mime_type.clone(),
            ));
        }
    }
    let mut extra = if is_command {
        command_mark()
    } else {
        Extra::new()
    };
    if row.source == "ws" {
        // The name its client gave it: by it a page knows its own message again.
        let key = format!("{}:user", row.run_id);
        extra.insert("idempotencyKey".to_owned(), key.into());
    }
    Message::User(UserMessage {
        content,
        timestamp: said_at(with.last().unwrap_or(row)),
        extra,
    })
}

/// Marks a message that the gateway handled itself, so that no model sees it.
pub(crate) fn command_mark() -> Extra {
    Extra::from_iter([(
        crate::context::COMMAND.to_owned(),
        serde_json::Value::Bool(true),
    )])
}

fn unknown_model() -> Chosen {
    Chosen::plain(ModelRef::new("openclaw", "gateway"), "openclaw")
}

fn zone_name(zone: &jiff::tz::TimeZone) -> String {
    zone.iana_name().unwrap_or("local").to_owned()
}
