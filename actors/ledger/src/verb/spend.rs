//! Verbs of budgets and costs.

use super::mismatched;
use crate::error::LedgerError;
use crate::op::{Call, Op, Receipt};
use crate::row::{Reservation, Reserved, UsageRow};
use crate::{Ledger, codec};

impl Ledger {
    /// Keeps back what a call may cost, before it is made. What it did cost follows with [`Ledger::spend`] or at
    /// the end of its turn; until then it counts in full.
    pub async fn reserve(&self, asked: Reservation) -> Result<Reserved, LedgerError> {
        match self.submit(Op::Reserve(Box::new(asked))).await? {
            Receipt::Reserved(reserved) => Ok(reserved),
            _ => Err(mismatched("reserve")),
        }
    }

    /// Writes down what calls cost.
    pub async fn spend(&self, calls: Vec<UsageRow>) -> Result<(), LedgerError> {
        self.submit(Op::Spend(encoded(calls)?)).await.map(drop)
    }
}

pub(super) fn encoded(calls: Vec<UsageRow>) -> Result<Vec<Call>, LedgerError> {
    let calls = calls.into_iter().map(|row| {
        let body = codec::body(&row)?;
        Ok(Call { row, body })
    });
    calls.collect()
}
