//! A conversation as a session keeps it in memory: what a turn needs without reading again.
//!
//! It is a cache of ledger rows. Whoever changes it holds its lock until the rows are durable, so
//! that two writers (a turn's end, an injected note) never chain to the same line. When a write
//! fails the cache is dropped and read again. Between turns the messages are kept while there is room
//! for them (`keep`); the rest of a conversation is small and stays with its session.

pub(crate) mod keep;

use std::sync::Arc;

use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::SessionKey;
use openclaw_runtime::memory::Budget;
use openclaw_runtime::memory::Share;
use serde_json::Value;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::context;
use crate::context::Line;
use crate::deps::Deps;
use crate::deps::Folders;
use crate::entry;
use crate::entry::Entry;
use crate::files::import;
use crate::outside;
use crate::skill::Snapshot;
use crate::transcript::Scribe;

/// Transcripts longer than this are read on a blocking thread.
const LONG: u64 = 256;

/// The conversation of a session, read at its first use.
pub(crate) type Slot = Arc<Mutex<Option<Conversation>>>;

/// Messages, oldest first.
pub(crate) type Messages = Arc<Vec<Arc<Message>>>;

/// A conversation in memory.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    pub(crate) session_id: String,
    /// Lines in the transcript.
    pub(crate) rows: u64,
    pub(crate) leaf: Option<String>,
    /// What the model sees; none when it was given back, and then the next turn reads it.
    pub(crate) messages: Option<Messages>,
    /// The bytes of the messages, by estimate.
    weight: usize,
    /// Their part of what all conversations may keep.
    share: Option<Arc<Share>>,
    /// The model that the transcript named last.
    pub(crate) model: Option<ModelRef>,
    /// How many answers came since it was last summed up; none when it never was.
    pub(crate) since: Option<u64>,
    /// So many of the messages have had old results shortened.
    pub(crate) pruned: usize,
    /// Where words from outside in it come from; none if there are none.
    pub(crate) outside: Option<String>,
    /// The skills that its last turn was told of.
    pub(crate) skills: Option<Arc<Snapshot>>,
    /// The entry of an earlier session under the same key, when this one begins with the next turn.
    pub(crate) previous: Option<Entry>,
    /// Whether the entry is in the ledger.
    pub(crate) is_stored: bool,
}

impl Conversation {
    /// A session that begins now.
    pub(crate) fn begin(previous: Option<Entry>) -> Self {
        Self {
            session_id: Uuid::new_v4().to_string(),
            rows: 0,
            leaf: None,
            messages: Some(Arc::default()),
            weight: 0,
            share: None,
            model: None,
            since: None,
            pruned: 0,
            outside: None,
            skills: None,
            previous,
            is_stored: false,
        }
    }

    /// A scribe that continues the transcript.
    pub(crate) fn scribe(&self, now_ms: i64) -> Scribe {
        Scribe::new(&self.session_id, self.rows, self.leaf.as_deref(), now_ms)
    }

    /// Takes up what was written and is durable now.
    pub(crate) fn advance(&mut self, rows: u64, leaf: Option<&str>, said: Vec<Message>) {
        let answers = said.iter().filter(|m| matches!(m, Message::Assistant(_)));
        let answers = u64::try_from(answers.count()).unwrap_or(0);
        self.since = self.since.map(|since| since + answers);
        self.rows = rows;
        self.leaf = leaf.map(str::to_owned);
        self.outside = self.outside.take().or_else(|| outside::first(&said));
        if let Some(messages) = self.messages.as_mut().filter(|_| !said.is_empty()) {
            let said = context::mend(said.into_iter().map(Arc::new).collect());
            self.weight += said.iter().map(|said| keep::weight(said)).sum::<usize>();
            Arc::make_mut(messages).extend(said);
        }
        self.previous = None;
        self.is_stored = true;
    }

    /// Keeps the messages for the next turn, or gives them back where all conversations together keep enough.
    pub(crate) fn keep(&mut self, budget: &'static Budget) {
        self.share = None;
        if self.messages.is_some() && budget.has_room(self.weight) {
            self.share = Some(Arc::new(budget.hold(self.weight)));
        } else {
            self.messages = None;
            self.weight = 0;
        }
    }

    /// The keys to set in the stored entry so that it is this session's and no longer the previous one's.
    pub(crate) fn opening(&self, key: &SessionKey, folders: &Folders, now_ms: i64) -> Entry {
        let file = folders.transcript(key.agent_str(), &self.session_id);
        let file = file.to_string_lossy();
        let mut patch = entry::begin(self.previous.as_ref(), &self.session_id, &file, now_ms);
        for name in self.previous.iter().flat_map(Entry::keys) {
            if !patch.contains_key(name) {
                patch.insert(name.clone(), Value::Null);
            }
        }
        patch
    }
}

/// The conversation with its messages: the one at hand, or read.
pub(crate) async fn whole(
    deps: &Deps,
    key: &SessionKey,
    held: &mut Option<Conversation>,
) -> Result<(Conversation, Messages), LedgerError> {
    if let Some(conversation) = held
        && let Some(messages) = conversation.messages.clone()
    {
        return Ok((conversation.clone(), messages));
    }
    let mut read = load(deps, key).await?;
    if let Some(held) = held
        .take()
        .filter(|held| held.session_id == read.session_id)
    {
        // What its turns decided is in no row, and the beginning of a request must stay as it was.
        read.pruned = held.pruned;
        read.skills = held.skills;
    }
    // A turn needs it, room or not; what is kept otherwise has so much less.
    read.share = Some(Arc::new(deps.shared.kept.hold(read.weight)));
    let messages = read.messages.clone().unwrap_or_default();
    Ok((held.insert(read).clone(), messages))
}

/// Reads a session's conversation; an unknown one is imported from existing files or begins anew.
pub(crate) async fn load(deps: &Deps, key: &SessionKey) -> Result<Conversation, LedgerError> {
    let stored = entry_of(&deps.ledger, key);
    let found = match stored {
        Some(entry) => Some(entry),
        None => import::first_touch(deps, key).await?,
    };
    let Some(entry) = found else {
        return Ok(Conversation::begin(None));
    };
    let Some(session_id) = entry::session_id(&entry).map(str::to_owned) else {
        return Ok(Conversation::begin(Some(entry)));
    };
    let context = if deps.ledger.transcript_len(&session_id) > LONG {
        let (ledger, id) = (deps.ledger.clone(), session_id.clone());
        tokio::task::spawn_blocking(move || read(&ledger, &id))
            .await
            .unwrap_or_default()
    } else {
        read(&deps.ledger, &session_id)
    };
    Ok(Conversation {
        session_id,
        rows: context.rows,
        leaf: context.leaf,
        weight: context.messages.iter().map(|said| keep::weight(said)).sum(),
        messages: Some(Arc::new(context.messages)),
        share: None,
        model: context.model,
        since: context.since,
        pruned: 0,
        outside: context.outside,
        skills: None,
        previous: None,
        is_stored: true,
    })
}

/// A session's stored entry.
pub(crate) fn entry_of(ledger: &Ledger, key: &SessionKey) -> Option<Entry> {
    match ledger.session_entry(key)? {
        Value::Object(entry) => Some(entry),
        _ => None,
    }
}

fn read(ledger: &Ledger, session_id: &str) -> context::Context {
    let (mut last, mut lines) = (0, Vec::new());
    ledger.each_transcript_text(session_id, |n, line| {
        last = n;
        let line = std::str::from_utf8(line).map_err(serde::de::Error::custom);
        match line.and_then(Line::of_text) {
            Ok(line) => lines.push(line),
            Err(error) => {
                tracing::warn!(session_id, n, %error, "a line can't be read; it is left out");
            }
        }
    });
    let mut context = context::of_lines(lines);
    context.rows = last; // numbers, not a count: a line that could not be read keeps its place
    context
}
