//! What clients do to a session besides speaking: reset, delete, inject.
//!
//! They run in the session's own place in the queue, never beside a turn's commit.

use openclaw_ledger::TranscriptEdit;
use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::message::AssistantMessage;
use serde_json::Value;

use super::*;
use crate::compact;
use crate::compact::Compacted;
use crate::compact::Done;
use crate::context::room::Window;
use crate::conversation;
use crate::conversation::Conversation;
use crate::entry;
use crate::entry::Entry;
use crate::event::now_ms;
use crate::files;
use crate::notice;
use crate::sessions::SessionError;
use crate::tab::Tab;

/// The task that an operation runs in.
pub(super) const OPERATION: &str = "operation";
/// Reading and writing a conversation takes milliseconds; this is for a disk that hangs.
const FILES_WITHIN: Duration = Duration::from_secs(60);

/// One operation, with where its result goes.
pub(crate) enum Operation {
    /// Begin a new session under the same key; the old transcript stays.
    Reset(Reply<Result<Entry, LedgerError>>),
    /// Forget the session; its transcript is archived unless told otherwise.
    Delete {
        keep_transcript: bool,
        reply: Reply<Result<Deleted, LedgerError>>,
    },
    /// Sum the conversation up; none when it is short.
    Compact(Reply<Result<Option<Done>, SessionError>>),
    /// Put a note of the gateway into the conversation.
    Inject {
        text: String,
        label: Option<String>,
        reply: Reply<Result<Injected, LedgerError>>,
    },
}

/// What a delete did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    pub deleted: bool,
    /// Files that the transcript was moved to.
    pub archived: Vec<String>,
}

/// A note that was put into the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    pub message_id: String,
    pub message: Message,
}

impl Operation {
    /// Whether a running turn is ended for it.
    pub(super) fn ends_turns(&self) -> bool {
        matches!(self, Self::Reset(_) | Self::Delete { .. })
    }
}

impl Session {
    pub(super) fn operate(&mut self, operation: Operation, ctx: &mut Context<Self>) {
        self.busy = Some(Busy::Operating);
        let (deps, slot) = (self.args.deps.clone(), self.slot.clone());
        let key = self.args.key.clone();
        let deadline = match &operation {
            // A model is asked, as in a turn.
            Operation::Compact(_) => Duration::from_secs(
                (deps.config)()
                    .agents
                    .defaults
                    .or_default()
                    .timeout_seconds
                    .max(1),
            ),
            _ => FILES_WITHIN,
        };
        let work = async move {
            match operation {
                Operation::Reset(reply) => reply.send(reset(&deps, &slot, &key).await),
                Operation::Delete {
                    keep_transcript,
                    reply,
                } => reply.send(delete(&deps, &slot, &key, keep_transcript).await),
                Operation::Compact(reply) => reply.send(compact(&deps, &slot, &key).await),
                Operation::Inject { text, label, reply } => {
                    reply.send(inject(&deps, &slot, &key, text, label).await);
                }
            }
        };
        let task = Task::new(OPERATION).kind("operation").deadline(deadline);
        ctx.task(task, work, |()| SessionMail::Operated);
    }
}

async fn reset(deps: &Arc<Deps>, slot: &Slot, key: &SessionKey) -> Result<Entry, LedgerError> {
    let mut guard = slot.lock().await;
    if guard.is_none() {
        // An existing file is imported first, so that what the entry keeps isn't lost.
        *guard = Some(conversation::load(deps, key).await?);
    }
    let previous = conversation::entry_of(&deps.ledger, key);
    let mut conversation = Conversation::begin(previous);
    let patch = conversation.opening(key, &deps.folders, now_ms());
    *guard = None;
    let patched = deps
        .ledger
        .patch_session_entry(key, Value::Object(patch))
        .await;
    patched?;
    conversation.previous = None;
    conversation.is_stored = true;
    *guard = Some(conversation);
    files::touch(deps, key);
    Ok(conversation::entry_of(&deps.ledger, key).unwrap_or_default())
}

async fn compact(
    deps: &Arc<Deps>,
    slot: &Slot,
    key: &SessionKey,
) -> Result<Option<Done>, SessionError> {
    let Some(agent) = deps.agent(&key.agent()) else {
        return Err(SessionError::Invalid(notice::no_agent(key.agent_str())));
    };
    let wanted = conversation::entry_of(&deps.ledger, key);
    let wanted = wanted.as_ref().and_then(entry::model_override);
    let chosen = deps.models.choose(&agent, wanted.as_deref());
    let chosen = chosen.map_err(|error| SessionError::Invalid(error.message))?;
    let tab = Tab::of_operation(deps, key);
    let wish = compact::Wish {
        key: key.clone(),
        window: Window::new(chosen.context_window, &agent.defaults.compaction),
        chosen: Arc::new(chosen),
        instructions: None,
        is_forced: false,
        tab: tab.clone(),
    };
    let compacted = compact::compact(deps, slot, wish).await;
    if let Some(conversation) = slot.lock().await.as_mut() {
        conversation.keep(deps.shared.kept);
    }
    tab.flush().await?;
    match compacted? {
        Compacted::Done(done) => Ok(Some(done)),
        Compacted::Nothing => Ok(None),
    }
}

async fn delete(
    deps: &Arc<Deps>,
    slot: &Slot,
    key: &SessionKey,
    keep_transcript: bool,
) -> Result<Deleted, LedgerError> {
    let mut guard = slot.lock().await;
    let had = conversation::load(deps, key).await?;
    *guard = None;
    if !had.is_stored {
        return Ok(Deleted::default());
    }
    // The file first: if the process ends here the session still exists and its file is made anew.
    let archived = if keep_transcript {
        Vec::new()
    } else {
        files::archive(deps, key, &had.session_id).await
    };
    let edit = if keep_transcript {
        TranscriptEdit::Keep
    } else {
        TranscriptEdit::Drop {
            session_id: had.session_id,
        }
    };
    deps.ledger.put_session_entry(key, None, edit).await?;
    files::touch(deps, key);
    Ok(Deleted {
        deleted: true,
        archived,
    })
}

async fn inject(
    deps: &Arc<Deps>,
    slot: &Slot,
    key: &SessionKey,
    text: String,
    label: Option<String>,
) -> Result<Injected, LedgerError> {
    let mut guard = slot.lock().await;
    let mut conversation = match guard.take() {
        Some(conversation) => conversation,
        None => conversation::load(deps, key).await?,
    };
    let now_ms = now_ms();
    let text = match label {
        Some(label) => format!("[{label}]\n\n{text}"),
        None => text,
    };
    let message = Message::Assistant(AssistantMessage {
        content: vec![Content::text(text)],
        api: "openclaw".to_owned(),
        provider: "openclaw".to_owned(),
        model: "gateway-injected".to_owned(),
        timestamp: now_ms,
        ..AssistantMessage::default()
    });
    let mut patch = if conversation.is_stored {
        Entry::new()
    } else {
        conversation.opening(key, &deps.folders, now_ms)
    };
    entry::patch(&mut patch, &Entry::new(), now_ms);
    let mut scribe = conversation.scribe(now_ms);
    if conversation.rows == 0 {
        let cwd = deps
            .agent(&key.agent())
            .map(|agent| deps.workspace_of(&agent))
            .unwrap_or_default();
        let model = openclaw_protocol::ModelRef::new("openclaw", "gateway-injected");
        scribe.open(&cwd.to_string_lossy(), &model, "openclaw", "off");
    }
    let message_id = scribe.message(message.clone());
    let (rows, leaf) = (scribe.rows(), scribe.leaf().map(str::to_owned));
    let lines = scribe.finish();
    let expected_first = rows + 1 - u64::try_from(lines.len()).unwrap_or(0);
    let first = deps
        .ledger
        .append_transcript(
            key,
            &conversation.session_id,
            lines,
            Some(Value::Object(patch)),
        )
        .await?;
    if first == expected_first {
        conversation.advance(rows, leaf.as_deref(), vec![message.clone()]);
        conversation.keep(deps.shared.kept);
        *guard = Some(conversation);
    }
    drop(guard);
    files::touch(deps, key);
    Ok(Injected {
        message_id,
        message,
    })
}
