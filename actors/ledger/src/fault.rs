//! Where tests stop the journal thread: around the commit, by any write or by one kind of write.

use openclaw_runtime::fault;

use crate::op::Op;

/// The fault points of one write: before and after its commit.
pub(crate) type Points = (&'static str, &'static str);

pub(crate) fn of(op: &Op) -> Points {
    (op.fault_before(), op.fault_after())
}

pub(crate) fn before_commit(writes: &[Points]) -> Result<(), String> {
    fault::point!("ledger.before_commit").map_err(|error| error.to_string())?;
    writes
        .iter()
        .try_for_each(|(before, _)| fault::point(before).map_err(|error| error.to_string()))
}

pub(crate) fn after_commit(writes: &[Points]) -> Result<(), String> {
    fault::point!("ledger.after_commit").map_err(|error| error.to_string())?;
    writes
        .iter()
        .try_for_each(|(_, after)| fault::point(after).map_err(|error| error.to_string()))
}
