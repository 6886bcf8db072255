//! The end of a turn, in one transaction: transcript lines, entry, outbox rows, usage, the row itself.

use std::sync::Arc;

use openclaw_ledger::InboxRow;
use openclaw_ledger::LedgerError;
use openclaw_ledger::TurnCommit;
use openclaw_ledger::TurnNo;
use openclaw_ledger::TurnOutcome;
use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_protocol::message::AssistantMessage;
use openclaw_runtime::fault;
use serde_json::Value;

use crate::command::usage;
use crate::conversation;
use crate::conversation::Slot;
use crate::deps::Deps;
use crate::entry;
use crate::event::now_ms;
use crate::files;
use crate::models::Chosen;
use crate::outbound;
use crate::outbound::Manner;
use crate::outside;
use crate::plan::Outcome;
use crate::prepare::Next;
use crate::prepare::Prepared;
use crate::reply;
use crate::reply::Reply;
use crate::shown;
use crate::subagent;
use crate::subagent::End;
use crate::tab::Tab;

/// A turn that is over but for its commit.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) row: Arc<InboxRow>,
    /// Rows that it answers besides, oldest first.
    pub(crate) with: Vec<InboxRow>,
    /// None when the turn ended before it knew its context.
    pub(crate) prepared: Option<Arc<Prepared>>,
    pub(crate) said: Vec<Message>,
    pub(crate) outcome: Outcome,
    /// The crash that made the row a dead letter.
    pub(crate) crash: Option<String>,
    /// What its calls cost.
    pub(crate) tab: Tab,
}

/// What is told once the commit is durable.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The answer for people; none when there is nothing to say.
    pub(crate) message: Option<Message>,
    pub(crate) usage: Usage,
    pub(crate) stop_reason: StopReason,
    pub(crate) model: String,
}

/// Writes the end of a turn.
pub(crate) async fn commit(deps: Arc<Deps>, slot: Slot, ending: Ending) -> Result<Told, TurnError> {
    let Ending {
        row,
        with,
        prepared,
        said,
        outcome,
        crash,
        tab,
    } = ending;
    let told = told(&said, &outcome);
    let key = &row.session;
    let now_ms = now_ms();

    // Held until the rows are durable: the next writer chains to what is written here.
    let mut guard = slot.lock().await;
    let replaced = prepared.as_deref().and_then(|p| p.fresh.clone());
    let mut conversation = match (replaced, guard.take()) {
        (Some(fresh), _) => fresh,
        (None, Some(current)) => current,
        (None, None) => conversation::load(&deps, key).await?,
    };
    let is_new = !conversation.is_stored;
    let mut scribe = conversation.scribe(now_ms);
    let mut patch = if is_new {
        conversation.opening(key, &deps.folders, now_ms)
    } else {
        entry::Entry::new()
    };
    let mut added = Vec::new();
    if let Some(prepared) = &prepared {
        // Who answered, which need not be who was chosen.
        let chosen = answered(&prepared.chosen, &said);
        if conversation.rows == 0 {
            let cwd = prepared.cwd.to_string_lossy();
            let thinking = prepared.thinking.as_deref().unwrap_or("off");
            scribe.open(&cwd, &chosen.model, &chosen.api, thinking);
        } else if conversation.model.as_ref() != Some(&chosen.model) {
            scribe.switch(&chosen.model, &chosen.api);
        }
        conversation.model = Some(chosen.model.clone());
        if let Next::Ask { skills, .. } = &prepared.next {
            conversation.skills = Some(skills.clone());
        }
        added.push((*prepared.user).clone());
        added.extend(said.iter().cloned());
        for message in &added {
            scribe.message(message.clone());
        }
        let known = conversation::entry_of(&deps.ledger, key).unwrap_or_default();
        entry::record(
            &mut patch,
            &known,
            &entry::TurnFacts {
                chat: &row.body.chat,
                route: row.reply.as_ref(),
                surface: surface(&row.source),
                model: &chosen.model,
                context_window: chosen.context_window,
                usage: last_usage(&said),
                aborted: matches!(outcome, Outcome::Aborted { .. }),
                now_ms,
            },
        );
        // What a person changed by a command.
        patch.extend(prepared.patch.clone());
    }
    let (rows, leaf) = (scribe.rows(), scribe.leaf().map(str::to_owned));
    let lines = scribe.finish();
    let expected_first = rows + 1 - u64::try_from(lines.len()).unwrap_or(0);
    let manner = prepared
        .as_deref()
        .map_or_else(Manner::default, |prepared| prepared.manner.clone());
    let (mut reply, is_notice) = to_send(&said, &outcome);
    if let Some(prepared) = prepared
        .as_deref()
        .filter(|_| !is_notice && !reply.text.is_empty())
    {
        reply.text = shown::beside(std::mem::take(&mut reply.text), &said, prepared.wanted);
        if let Some(footer) = usage::footer(prepared.shown, &told.usage, &told.model) {
            reply.text = format!("{}\n\n{footer}", reply.text);
        }
    }
    // What the gateway itself answers to a command is heard everywhere: it says how to get the rest back.
    if prepared
        .as_deref()
        .is_some_and(|p| !p.may_send && !matches!(p.next, Next::Answer(_)))
    {
        reply = Reply::default();
    }
    let ended = [&*row].into_iter().chain(&with);
    let outside = conversation.outside.clone();
    let outside = outside.or_else(|| outside::first(&added));
    let outside = outside.as_deref();
    let tell = match End::of(&outcome) {
        // Rows that a dead turn had taken with it wait again, each for a turn of its own.
        None => subagent::outcome(&row, End::Failed, &reply.text, 0, outside)
            .into_iter()
            .collect(),
        Some(end) => ended
            .filter_map(|row| {
                subagent::outcome(
                    row,
                    end,
                    &spoken_or(&said, &reply.text),
                    told.usage.total_tokens,
                    outside,
                )
            })
            .collect(),
    };
    let commit = TurnCommit {
        session: key.clone(),
        turn: TurnNo(row.seq),
        with: with.iter().map(|row| row.seq).collect(),
        outcome: stored(outcome, crash),
        session_id: conversation.session_id.clone(),
        entries: lines,
        entry: (!patch.is_empty()).then_some(Value::Object(patch)),
        outbox: outbound::rows(&row, said_last(&row, &with), &reply, &manner, is_notice),
        usage: tab.take().await,
        tell,
        heard: prepared.as_deref().and_then(|prepared| prepared.heard),
    };
    let has_lines = !commit.entries.is_empty();
    fault::point_async!("turn.before_commit").await?;
    let committed = deps.ledger.commit_turn(commit).await?;
    fault::point_async!("turn.after_commit").await?;

    if !has_lines || committed.first_entry == expected_first {
        conversation.advance(rows, leaf.as_deref(), added);
        conversation.keep(deps.shared.kept);
        *guard = Some(conversation);
    } // else somebody else wrote to this transcript: read it again at the next turn
    drop(guard);
    subagent::wake(&deps, [&*row].into_iter().chain(&with));
    for account in &committed.outbox_accounts {
        openclaw_channel::nudge_outbox(&deps.directory, account);
    }
    files::touch(&deps, key);
    Ok(told)
}

/// Why a turn could not be ended or begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Injected(#[from] fault::Injected),
}

/// The model of the chain that the last answer is from.
fn answered<'c>(chosen: &'c Chosen, said: &[Message]) -> &'c Chosen {
    let last = said.iter().rev().find_map(|message| match message {
        Message::Assistant(message) if message.extra.contains_key("failover") => Some(message),
        _ => None,
    });
    let is_last = |candidate: &&Chosen| {
        last.is_some_and(|last| {
            candidate.model.provider == last.provider && candidate.model.model == last.model
        })
    };
    chosen.chain().find(is_last).unwrap_or(chosen)
}

/// What goes out over the channel, and whether these are the gateway's own words.
fn to_send(said: &[Message], outcome: &Outcome) -> (Reply, bool) {
    match outcome {
        Outcome::Done => (reply::read(&spoken(said)), false),
        Outcome::Failed { notice } | Outcome::Dead { notice } => (
            Reply {
                text: notice.clone(),
                answers: None,
            },
            true,
        ),
        // Who says stop knows that it stopped; the stop command has its own answer.
        Outcome::Aborted { reason: "timeout" } => (
            Reply {
                text: "The turn took too long and was ended.".to_owned(),
                answers: None,
            },
            true,
        ),
        Outcome::Aborted { .. } => (Reply::default(), true),
    }
}

fn told(said: &[Message], outcome: &Outcome) -> Told {
    let mut usage = Usage::default();
    let mut last: Option<&AssistantMessage> = None;
    for message in said {
        if let Message::Assistant(message) = message {
            usage.add(&message.usage);
            last = Some(message);
        }
    }
    let text = reply::read(&spoken(said)).text;
    // An answer that is done and still has calls left them to the client.
    let is_call = |part: &&Content| matches!(part, Content::ToolCall { .. });
    let calls: Vec<Content> = last
        .filter(|_| matches!(outcome, Outcome::Done))
        .map(|last| last.content.iter().filter(is_call).cloned().collect())
        .unwrap_or_default();
    let message = last
        .filter(|_| !text.is_empty() || !calls.is_empty())
        .map(|last| {
            let text = (!text.is_empty()).then(|| Content::text(text));
            Message::Assistant(AssistantMessage {
                content: text.into_iter().chain(calls).collect(),
                usage,
                ..last.clone()
            })
        });
    Told {
        message,
        usage,
        stop_reason: match outcome {
            Outcome::Done => last.map(|l| l.stop_reason.clone()).unwrap_or_default(),
            Outcome::Aborted { .. } => StopReason::Aborted,
            _ => StopReason::Error,
        },
        model: last
            .map(|last| format!("{}/{}", last.provider, last.model))
            .unwrap_or_default(),
    }
}

/// What the model said; the gateway's own words if it said nothing.
fn spoken_or(said: &[Message], notice: &str) -> String {
    let spoken = spoken(said);
    if spoken.is_empty() {
        return notice.to_owned();
    }
    spoken
}

/// All that the model said to people in this turn, a blank line between two messages.
fn spoken(said: &[Message]) -> String {
    let mut spoken = String::new();
    for message in said {
        if let Message::Assistant(message) = message {
            let text = openclaw_protocol::message::plain_text(&message.content);
            let text = text.trim();
            if !text.is_empty() {
                if !spoken.is_empty() {
                    spoken.push_str("\n\n");
                }
                spoken.push_str(text);
            }
        }
    }
    spoken
}

fn last_usage(said: &[Message]) -> Option<Usage> {
    said.iter().rev().find_map(|message| match message {
        Message::Assistant(message) if message.usage != Usage::default() => Some(message.usage),
        _ => None,
    })
}

fn stored(outcome: Outcome, crash: Option<String>) -> TurnOutcome {
    match outcome {
        Outcome::Done => TurnOutcome::Done,
        Outcome::Failed { notice } => TurnOutcome::Failed { reason: notice },
        Outcome::Aborted { .. } => TurnOutcome::Aborted,
        Outcome::Dead { notice } => TurnOutcome::Dead {
            reason: notice,
            crash,
        },
    }
}

/// The message that an answer is attached to: the last that it answers.
fn said_last<'a>(row: &'a InboxRow, with: &'a [InboxRow]) -> Option<&'a str> {
    with.last().unwrap_or(row).body.message_id.as_deref()
}

/// The client's kind, for entries of sessions without a channel.
fn surface(source: &str) -> &str {
    match source.split_once('/').map_or(source, |(kind, _)| kind) {
        "ws" | "http" => "webchat",
        other => other,
    }
}
