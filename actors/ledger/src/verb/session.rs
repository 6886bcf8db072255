//! Verbs of session entries and transcripts.

use openclaw_protocol::key::SessionKey;
use serde_json::Value;

use super::mismatched;
use crate::error::LedgerError;
use crate::op::{EntryEdit, LinesEdit, Op, Receipt};
use crate::row::TranscriptEdit;
use crate::{Ledger, codec};

impl Ledger {
    /// Puts or (with none) removes a session's entry, and edits its transcript in the same transaction.
    pub async fn put_session_entry(
        &self,
        session: &SessionKey,
        entry: Option<Value>,
        transcript: TranscriptEdit,
    ) -> Result<(), LedgerError> {
        let entry = entry.map_or(EntryEdit::Remove, EntryEdit::Put);
        let lines = match transcript {
            TranscriptEdit::Keep => LinesEdit::Keep,
            TranscriptEdit::Drop { session_id } => LinesEdit::Drop { session_id },
            TranscriptEdit::Replace {
                session_id,
                entries,
            } => LinesEdit::Replace {
                session_id,
                lines: encode(&entries)?,
            },
        };
        self.edit(session, entry, lines).await.map(drop)
    }

    /// Sets some keys of a session's entry (`null` removes one) and leaves the others as they are.
    pub async fn patch_session_entry(
        &self,
        session: &SessionKey,
        patch: Value,
    ) -> Result<(), LedgerError> {
        self.edit(session, EntryEdit::Merge(patch), LinesEdit::Keep)
            .await
            .map(drop)
    }

    /// Appends transcript lines outside of a turn (inject, import), with keys of the entry to set.
    /// Returns the number of the first line.
    pub async fn append_transcript(
        &self,
        session: &SessionKey,
        session_id: &str,
        entries: Vec<Value>,
        entry: Option<Value>,
    ) -> Result<u64, LedgerError> {
        let lines = LinesEdit::Append {
            session_id: session_id.into(),
            lines: encode(&entries)?,
        };
        self.edit(
            session,
            entry.map_or(EntryEdit::Keep, EntryEdit::Merge),
            lines,
        )
        .await
    }

    async fn edit(
        &self,
        session: &SessionKey,
        entry: EntryEdit,
        lines: LinesEdit,
    ) -> Result<u64, LedgerError> {
        match self
            .submit(Op::EditSession {
                session: session.clone(),
                entry,
                lines,
            })
            .await?
        {
            Receipt::Number(first) => Ok(first),
            _ => Err(mismatched("put_session_entry")),
        }
    }
}

fn encode(entries: &[Value]) -> Result<Vec<Vec<u8>>, LedgerError> {
    entries.iter().map(codec::body).collect()
}
