//! Verbs of the audit chain.

use openclaw_protocol::key::SessionKey;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{mismatched, now_ms};
use crate::apply::audit;
use crate::error::LedgerError;
use crate::op::{Op, Receipt};
use crate::row::{AuditCheck, AuditEntry, AuditFilter, AuditRow, StepIntent, TurnNo};
use crate::table::TableId;
use crate::{Ledger, codec, key};

/// Names are cut here: an entry is a line, not a document.
const LONGEST: usize = 500;

impl Ledger {
    /// Writes down what was done; returns the entry's number. Steps of turns are written down with the step itself.
    pub async fn audit(&self, entry: AuditEntry) -> Result<u64, LedgerError> {
        match self.submit(Op::Audit(encoded(entry)?)).await? {
            Receipt::Number(n) => Ok(n),
            _ => Err(mismatched("audit")),
        }
    }

    /// Entries of the chain, newest first.
    #[must_use]
    pub fn audit_list(&self, filter: &AuditFilter) -> Vec<AuditRow> {
        let limit = if filter.limit == 0 {
            usize::MAX
        } else {
            filter.limit
        };
        let mut until = filter
            .cursor
            .map_or(vec![0xff], |n| n.to_be_bytes().to_vec());
        let mut rows = Vec::new();
        let looked = self.store.look(&mut |view| {
            // The tables are read forwards only, so the way back is from last key to last key.
            while rows.len() < limit {
                let Some(last) = view.last_key(TableId::Audit, &[], &until)? else {
                    break;
                };
                if let Some(value) = view.get(TableId::Audit, &last)? {
                    let n = key::last_number(&last).unwrap_or_default();
                    match decoded(n, &value) {
                        Ok(row) if filter.lets(&row.entry) => rows.push(row),
                        Ok(_) => {}
                        Err(error) => tracing::warn!(n, %error, "an audit entry was left out"),
                    }
                }
                until = last;
            }
            Ok(())
        });
        if let Err(error) = looked {
            tracing::error!(%error, "a read of the audit chain failed");
        }
        rows
    }

    /// Looks over the whole chain. Reads every entry: call it off the workers.
    pub fn audit_verify(&self) -> Result<AuditCheck, LedgerError> {
        let mut check = AuditCheck::default();
        self.store.look(&mut |view| {
            check = audit::verify(view)?;
            Ok(())
        })?;
        Ok(check)
    }
}

fn decoded(n: u64, value: &[u8]) -> Result<AuditRow, crate::Reject> {
    let (hash, body) = audit::split(value)?;
    Ok(AuditRow {
        n,
        entry: codec::parse(TableId::Audit, body)?,
        hash: audit::hex(&hash),
    })
}

fn encoded(mut entry: AuditEntry) -> Result<Vec<u8>, LedgerError> {
    if entry.at_ms == 0 {
        entry.at_ms = now_ms();
    }
    for text in [&mut entry.what, &mut entry.actor] {
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
            text.push('…');
        }
    }
    codec::body(&entry)
}

/// The hash by which the chain knows what something was done with.
#[must_use]
pub fn audit_hash(value: &Value) -> String {
    audit::hex(&Sha256::digest(value.to_string().as_bytes()))
}

/// The entry of a tool that is about to run.
pub(super) fn started(
    session: &SessionKey,
    turn: TurnNo,
    k: u32,
    intent: &StepIntent,
) -> Result<Option<Vec<u8>>, LedgerError> {
    if intent.kind != "tool" {
        return Ok(None);
    }
    // What the model wrote, without the words it wrote around it.
    let arguments = intent
        .arguments
        .get("arguments")
        .unwrap_or(&intent.arguments);
    let entry = AuditEntry {
        kind: "tool".to_owned(),
        what: intent.name.clone(),
        actor: session.to_string(),
        arguments: Some(audit_hash(arguments)),
        outcome: Some("started".to_owned()),
        place: Some(place(turn, k)),
        ..AuditEntry::default()
    };
    encoded(entry).map(Some)
}

/// The entry of a tool that has run.
pub(super) fn ended(
    session: &SessionKey,
    turn: TurnNo,
    k: u32,
    result: &Value,
) -> Result<Option<Vec<u8>>, LedgerError> {
    let Some(tool) = result.get("toolName").and_then(Value::as_str) else {
        return Ok(None);
    };
    let failed = result.get("isError").and_then(Value::as_bool) == Some(true);
    let entry = AuditEntry {
        kind: "tool".to_owned(),
        what: tool.to_owned(),
        actor: session.to_string(),
        outcome: Some(if failed { "failed" } else { "done" }.to_owned()),
        place: Some(place(turn, k)),
        ..AuditEntry::default()
    };
    encoded(entry).map(Some)
}

fn place(turn: TurnNo, k: u32) -> String {
    format!("{}/{k}", turn.0)
}
