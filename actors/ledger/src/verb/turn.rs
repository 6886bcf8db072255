//! Verbs of a turn.

use openclaw_protocol::key::SessionKey;
use serde_json::Value;

use super::{mismatched, now_ms, outbox_insert};
use crate::error::{LedgerError, Reject};
use crate::op::{Op, Receipt, TurnEnd};
use crate::row::{
    Committed, EndNote, InboxState, Recovery, StepBody, StepIntent, TurnCommit, TurnNo,
    TurnOutcome, TurnStart,
};
use crate::{Ledger, codec, decode};

impl Ledger {
    /// Claims the next row of `session`: the interrupted turn if there is one, else the oldest message.
    /// None if there is nothing to answer.
    pub async fn begin_turn(
        &self,
        session: &SessionKey,
        now_ms: i64,
    ) -> Result<Option<TurnStart>, LedgerError> {
        self.begin_turn_with(session, &[], now_ms).await
    }

    /// `begin_turn`, and these waiting rows with it, in one transaction: one turn answers them all. A turn that was
    /// interrupted keeps the rows it had, whatever is named here; a row that waits no more is left out.
    pub async fn begin_turn_with(
        &self,
        session: &SessionKey,
        with: &[u64],
        now_ms: i64,
    ) -> Result<Option<TurnStart>, LedgerError> {
        loop {
            let session = session.clone();
            let op = Op::BeginTurn {
                session: session.clone(),
                with: with.to_vec(),
                now_ms,
            };
            let raw = match self.submit(op).await? {
                Receipt::Turn(None) => return Ok(None),
                Receipt::Turn(Some(raw)) => raw,
                _ => return Err(mismatched("begin_turn")),
            };
            match decode::turn(&session, &raw) {
                Ok(start) => return Ok(Some(start)),
                // It would come back for ever, and block what is behind it.
                Err(reject) => self.set_aside(session, raw.seq, &reject, now_ms).await?,
            }
        }
    }

    /// Ends a row that cannot be read as a dead letter.
    async fn set_aside(
        &self,
        session: SessionKey,
        turn: u64,
        reject: &Reject,
        now_ms: i64,
    ) -> Result<(), LedgerError> {
        tracing::error!(%session, turn, error = %reject, "inbox row set aside");
        let note = EndNote {
            reason: reject.to_string(),
            crash: None,
        };
        let end = TurnEnd {
            session,
            turn,
            with: Vec::new(),
            state: InboxState::Dead,
            note: codec::body(&note)?,
            why: note.reason,
            session_id: String::new(),
            entries: Vec::new(),
            entry: None,
            outbox: Vec::new(),
            usage: Vec::new(),
            tell: Vec::new(),
            heard: None,
            now_ms,
        };
        self.submit(Op::CommitTurn(Box::new(end))).await.map(drop)
    }

    /// Takes waiting rows into a running turn, as its step `k` with what the model was shown: all of them, or none.
    pub async fn join_turn(
        &self,
        session: &SessionKey,
        turn: TurnNo,
        k: u32,
        rows: &[u64],
        shown: StepIntent,
    ) -> Result<(), LedgerError> {
        let step = StepBody {
            intent: shown,
            result: Some(Value::Bool(true)),
        };
        let op = Op::JoinTurn {
            session: session.clone(),
            turn: turn.0,
            k,
            rows: rows.to_vec(),
            step: codec::body(&step)?,
            now_ms: now_ms(),
        };
        self.submit(op).await.map(drop)
    }

    /// Gives a running turn back without counting the attempt; for an ordered stop.
    pub async fn release_turn(
        &self,
        session: &SessionKey,
        turn: TurnNo,
    ) -> Result<(), LedgerError> {
        let op = Op::ReleaseTurn {
            session: session.clone(),
            turn: turn.0,
            now_ms: now_ms(),
        };
        self.submit(op).await.map(drop)
    }

    /// Writes down a step before its effect. The same intent again is fine, another is refused.
    pub async fn step_intent(
        &self,
        session: &SessionKey,
        turn: TurnNo,
        k: u32,
        intent: StepIntent,
    ) -> Result<(), LedgerError> {
        let audit = super::audit::started(session, turn, k, &intent)?;
        let intent =
            serde_json::to_value(intent).map_err(|error| LedgerError::Encode(error.to_string()))?;
        let op = Op::StepIntent {
            session: session.clone(),
            turn: turn.0,
            k,
            intent,
            audit,
        };
        self.submit(op).await.map(drop)
    }

    /// Writes down what a step brought.
    pub async fn step_result(
        &self,
        session: &SessionKey,
        turn: TurnNo,
        k: u32,
        result: Value,
    ) -> Result<(), LedgerError> {
        let audit = super::audit::ended(session, turn, k, &result)?;
        let op = Op::StepResult {
            session: session.clone(),
            turn: turn.0,
            k,
            result,
            audit,
        };
        self.submit(op).await.map(drop)
    }

    /// Ends a turn: transcript, entry, outbox, usage, steps and the inbox row, in one transaction.
    pub async fn commit_turn(&self, commit: TurnCommit) -> Result<Committed, LedgerError> {
        let now_ms = now_ms();
        let (state, note) = match commit.outcome {
            TurnOutcome::Done => (InboxState::Done, None),
            TurnOutcome::Aborted => (InboxState::Aborted, None),
            TurnOutcome::Failed { reason } => (
                InboxState::Failed,
                Some(EndNote {
                    reason,
                    crash: None,
                }),
            ),
            TurnOutcome::Dead { reason, crash } => {
                (InboxState::Dead, Some(EndNote { reason, crash }))
            }
        };
        let usage = super::spend::encoded(commit.usage)?;
        let why = match &note {
            Some(EndNote {
                reason,
                crash: Some(crash),
            }) => format!("{reason} (crash {crash})"),
            Some(note) => note.reason.clone(),
            None if state == InboxState::Aborted => "aborted".to_owned(),
            None => "answered".to_owned(),
        };
        let end = TurnEnd {
            session: commit.session,
            turn: commit.turn.0,
            with: commit.with,
            state,
            why,
            note: note
                .map(|note| codec::body(&note))
                .transpose()?
                .unwrap_or_default(),
            session_id: commit.session_id,
            entries: commit
                .entries
                .iter()
                .map(codec::body)
                .collect::<Result<_, _>>()?,
            entry: commit.entry,
            outbox: commit
                .outbox
                .into_iter()
                .map(|row| outbox_insert(row, now_ms))
                .collect::<Result<_, _>>()?,
            usage,
            tell: commit
                .tell
                .into_iter()
                .map(super::inbox::insert)
                .collect::<Result<_, _>>()?,
            heard: commit.heard,
            now_ms,
        };
        match self.submit(Op::CommitTurn(Box::new(end))).await? {
            Receipt::Committed(committed) => Ok(committed),
            _ => Err(mismatched("commit_turn")),
        }
    }

    /// After the restart of one session: its running turn is interrupted.
    pub async fn recover_session(&self, session: &SessionKey) -> Result<Recovery, LedgerError> {
        let op = Op::RecoverSession {
            session: session.clone(),
            now_ms: now_ms(),
        };
        match self.submit(op).await? {
            Receipt::Recovered(recovery) => Ok(recovery),
            _ => Err(mismatched("recover_session")),
        }
    }
}
