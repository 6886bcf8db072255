//! What a turn needs before it can ask: conversation, command or prompt, model, the user's words.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use openclaw_ledger::InboxRow;
use openclaw_ledger::LedgerError;
use openclaw_protocol::AccountKey;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Content;
use openclaw_protocol::Inbound;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Prompt;
use openclaw_protocol::Tools;
use openclaw_protocol::config::Compaction;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::ContextPruning;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_protocol::message::Extra;
use openclaw_protocol::message::UserMessage;

use crate::command;
use crate::command::Command;
use crate::command::Shown;
use crate::command::approve;
use crate::command::directive;
use crate::command::directive::Directives;
use crate::command::model;
use crate::command::report;
use crate::command::right;
use crate::command::setting;
use crate::command::usage;
use crate::compact;
use crate::compact::notes;
use crate::context::prune;
use crate::context::recent;
use crate::context::room::Window;
use crate::conversation;
use crate::conversation::Conversation;
use crate::conversation::Slot;
use crate::deps::Deps;
use crate::elevated;
use crate::entry;
use crate::entry::Entry;
use crate::envelope;
use crate::event::now_ms;
use crate::models::Chosen;
use crate::notice;
use crate::outbound;
use crate::outbound::Manner;
use crate::outside;
use crate::overheard;
use crate::queue;
use crate::quick;
use crate::reset;
use crate::send;
use crate::shown;
use crate::skill::Snapshot;
use crate::status;

mod ask;
mod words;

use self::ask::Asking;
use self::ask::called;
use self::words::heard;
pub(crate) use self::words::meanwhile;
use self::words::user_message;
use self::words::words;

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
    /// Whether programs shall leave the sandbox, when somebody said so.
    pub(crate) elevated: Option<String>,
    pub(crate) cwd: PathBuf,
    pub(crate) session_id: String,
    /// How many answers came since the conversation was last summed up; none when it never was.
    pub(crate) since: Option<u64>,
    /// How often it was summed up.
    pub(crate) compactions: u64,
    /// Where words from outside in the conversation before this turn come from; none if there are none.
    pub(crate) outside: Option<String>,
    /// Notes may be taken before the next time.
    pub(crate) may_note: bool,
    /// What was heard before the row of this number stands in the user's message.
    pub(crate) heard: Option<u64>,
    /// What is said of usage with the answer.
    pub(crate) shown: Shown,
    /// What else is shown beside it.
    pub(crate) wanted: shown::Wanted,
    /// Whether the answer may go out.
    pub(crate) may_send: bool,
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
        system: Prompt,
        tools: Tools,
        /// What the prompt tells of; the conversation keeps it.
        skills: Arc<Snapshot>,
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
    let (current, messages) = conversation::whole(&deps, key, &mut *slot.lock().await).await?;
    let stored = conversation::entry_of(&deps.ledger, key);
    let last_ms = stored.as_ref().and_then(entry::updated_at);
    let agent = deps.agent(&key.agent());
    let defaults = config.agents.defaults.or_default();
    let zone = envelope::zone(
        defaults.envelope_timezone.as_deref(),
        defaults.user_timezone.as_deref(),
    );
    // Where it came from, which need not be where the answer goes.
    let channel = queue::channel(&row);

    let mut command = right::of(&config, &row);
    if matches!(command, Some(Command::Approve { .. })) && !approve::may(&deps, &row) {
        command = None;
    }
    let mut inbound = row.body.clone();
    let mut said = Directives::default();
    if command.is_none() && !row.body.is_press && right::may_direct(&config, &row) {
        let most = elevated::most(&config, &row);
        (said, inbound.text) = directive::strip(&row.body.text, most);
    }
    let rule = reset::rule(&session, channel, &inbound);
    let is_stale = current.is_stored
        && last_ms.is_some_and(|last_ms| reset::is_due(&rule, last_ms, now_ms, &zone));
    let begins_anew = is_stale || matches!(command, Some(Command::Reset { .. }));
    let fresh = begins_anew.then(|| Conversation::begin(stored.clone()));
    let history = if begins_anew {
        Arc::default()
    } else {
        messages
    };
    // `/new provider/name` begins with that model, whatever follows.
    let mut of_reset = None;
    if let Some(Command::Reset { rest }) = &command
        && !rest.is_empty()
    {
        let (name, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let known = deps.models.names();
        of_reset = known
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name));
        let first = if of_reset.is_some() {
            after.trim()
        } else {
            rest
        };
        inbound.text = first.to_owned();
        command = first.is_empty().then(|| Command::Reset {
            rest: String::new(),
        });
    }
    let wanted = (said.model.clone())
        .or(of_reset.clone())
        .or_else(|| stored.as_ref().and_then(entry::model_override));
    let conversation = fresh.as_ref().unwrap_or(&current);

    if let (None, Some(agent)) = (&command, &agent)
        && let Some(told) = called(&deps, agent, conversation, &inbound.text).await
    {
        inbound.text = told;
    }

    let thinking = inbound
        .thinking
        .clone()
        .or_else(|| said.think.clone())
        .or_else(|| {
            let entry = stored.as_ref()?;
            entry::text(entry, "thinkingLevel").map(str::to_owned)
        })
        .or_else(|| defaults.thinking_default.clone());
    // Directives without anything else are for the session.
    let only_directives = said != Directives::default() && inbound.text.is_empty();
    if only_directives {
        inbound.text = row.body.text.clone();
    }
    let previous_ms = last_ms.filter(|_| !begins_anew);
    let rules = queue::Rules::of(
        &config.messages.or_default().queue,
        channel,
        stored.as_ref(),
    );
    let is_command = command.is_some() || only_directives || row.body.is_press;
    let last = with.last().unwrap_or(&row).seq;
    let overheard = match inbound.chat.kind {
        ChatKind::Group | ChatKind::Channel if !is_command => deps.ledger.heard(key, last),
        _ => Vec::new(),
    };
    let text = {
        let heard = heard((&row, &inbound, previous_ms), &with, &config, &zone);
        let said = queue::together(&heard, rules.shortened(heard.len()));
        let before = overheard
            .iter()
            .map(|row| words(row, &row.body, None, &zone));
        overheard::before(before, said)
    };
    let mut prepared = Prepared {
        next: Next::Refuse(String::new()),
        user: Arc::new(user_message(
            &config, &row, &with, &overheard, text, is_command,
        )),
        manner: outbound::manner(&config, &row),
        chosen: Arc::new(unknown_model()),
        thinking,
        elevated: said
            .elevated
            .clone()
            .or_else(|| kept_level(&stored, fresh.is_none())),
        cwd: deps.folders.state_dir.clone(),
        session_id: conversation.session_id.clone(),
        since: conversation.since,
        compactions: (stored.as_ref().filter(|_| fresh.is_none()))
            .map_or(0, |entry| compact::number(entry, "compactionCount")),
        outside: conversation.outside.clone(),
        may_note: false,
        heard: (!overheard.is_empty()).then_some(last),
        shown: usage::shown(stored.as_ref()),
        wanted: wanted_beside(&said, stored.as_ref(), defaults.verbose_default.as_deref()),
        may_send: send::may(
            session.send_policy.as_ref(),
            stored.as_ref(),
            &send::Place {
                key,
                channel,
                kind: inbound.chat.kind,
            },
        ),
        patch: Entry::new(),
        history,
        fresh: None,
    };
    let Some(agent) = agent else {
        prepared.next = Next::Refuse(notice::no_agent(key.agent_str()));
        prepared.fresh = fresh;
        return Ok(prepared);
    };
    prepared.cwd = deps.workspace_of(&agent);
    if let Some(name) = &of_reset {
        let (_, patch) = model::model(&*deps.models, &agent, stored.as_ref(), Some(name));
        prepared.patch = patch;
    }
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
    if let Some(turns) = direct_history(&config, &row) {
        prepared.history = recent::turns(prepared.history, turns);
    }
    let kept = conversation.skills.clone();
    let (chosen, cwd) = (prepared.chosen.clone(), prepared.cwd.clone());
    let asking = Asking {
        deps: &deps,
        agent: &agent,
        row: &row,
        inbound: &inbound,
        model: &chosen.model,
        cwd: &cwd,
        zone: zone.iana_name().unwrap_or("local"),
    };
    if matches!(command, Some(Command::Stop)) {
        command::subagents::stop_all(&deps, key).await;
    }
    prepared.next = match (command, choice) {
        // A button stands for a command: to whoever may not give it, it is no words for the agent.
        (None, _) if row.body.is_press => {
            Next::Answer("That is for an owner of this gateway to decide.".to_owned())
        }
        (Some(Command::SubAgents(wanted)), _) => {
            Next::Answer(command::subagents::answer(&deps, key, &wanted, now_ms).await)
        }
        (Some(Command::Compact { instructions }), Ok(_)) => Next::Compact { instructions },
        (Some(Command::Context(form)), Ok(chosen)) => match asking.next(kept).await {
            Next::Ask { system, tools, .. } => Next::Answer(report::report(
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
        },
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
        (Some(Command::Approve { .. }), _) => match approve::answer(&deps, &row) {
            Some(answering) => Next::Answer(answering.await),
            None => Next::Answer(String::new()),
        },
        (Some(Command::Think { level }), _) => {
            let usual = defaults.thinking_default.as_deref();
            let (text, patch) = model::think(stored.as_ref(), usual, level.as_deref());
            prepared.patch = patch;
            Next::Answer(text)
        }
        (None, Ok(_)) if only_directives => {
            let mut patch = setting::keep(&said);
            if let Some(name) = &said.model {
                let chosen = model::model(&*deps.models, &agent, stored.as_ref(), Some(name));
                patch.extend(chosen.1);
            }
            prepared.patch = patch;
            Next::Answer("Noted for this session.".to_owned())
        }
        (Some(Command::Elevated { wish }), _) => {
            let (text, patch) = command::elevated::answer(&config, &row, stored.as_ref(), &wish);
            prepared.patch = patch;
            Next::Answer(text)
        }
        (Some(Command::Queue { wish }), _) => {
            let (text, patch) = command::queue::choose(&rules, &wish);
            prepared.patch = patch;
            Next::Answer(text)
        }
        (Some(command), choice) => {
            let switched = setting::answer(&command, stored.as_ref(), prepared.may_send);
            if let Some((_, patch)) = &switched {
                prepared.patch = patch.clone();
            }
            let model = choice.map(|chosen| chosen.model).map_err(|e| e.to_string());
            let facts = status::Facts {
                key,
                row: &row,
                entry: stored.as_ref(),
                model: &model,
                waiting: deps.ledger.pending(key).saturating_sub(1),
                messages: prepared.history.len(),
                rules: &rules,
                may_send: prepared.may_send,
            };
            match switched {
                Some((text, _)) => Next::Answer(text),
                None => Next::Answer(status::answer(&command, &facts)),
            }
        }
        (None, Err(error)) => {
            let wanted = wanted
                .or(agent.model.primary.clone())
                .and_then(|name| name.parse::<ModelRef>().ok())
                .unwrap_or_else(|| prepared.chosen.model.clone());
            Next::Refuse(notice::model_error(&wanted, &error))
        }
        (None, Ok(_)) => asking.next(kept).await,
    };
    if let Next::Ask { tools, .. } = &prepared.next {
        let is_held = outside::keeps_notes_back(&config, prepared.outside.as_deref());
        let may_be_taken = || notes::may_be_taken(stored.as_ref(), tools);
        prepared.may_note = fresh.is_none() && !is_held && may_be_taken();
    }
    prepared.fresh = fresh;
    Ok(prepared)
}

/// What the session's entry says of its way out of the sandbox, if the conversation is still that one.
fn kept_level(stored: &Option<Entry>, is_same: bool) -> Option<String> {
    elevated::kept(stored.as_ref().filter(|_| is_same))
}

/// How many of a person's messages the model gets to see of a direct chat, where that is bounded.
fn direct_history(config: &Config, row: &InboxRow) -> Option<usize> {
    let is_direct = row.body.chat.kind == ChatKind::Direct;
    let account: AccountKey = row.source.parse().ok().filter(|_| is_direct)?;
    if &*account.channel != "telegram" {
        return None;
    }
    let section = config.channels.telegram.get(&*account.account)?.get()?;
    section.direct_history(&row.body.sender.as_ref()?.id)
}

/// What is shown beside the answer: by the message's own word, else by the session's.
fn wanted_beside(said: &Directives, stored: Option<&Entry>, usual: Option<&str>) -> shown::Wanted {
    let is_on = |field, usual| setting::is_on(stored, field, usual);
    shown::Wanted {
        tools: said.verbose.unwrap_or_else(|| is_on("verboseLevel", usual)),
        reasoning: said
            .reasoning
            .unwrap_or_else(|| is_on("reasoningLevel", None)),
    }
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
