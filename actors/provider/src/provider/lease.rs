//! The right to call a model once, with the client to do it.

use std::fmt;
use std::sync::Arc;

use openclaw_protocol::ModelRef;
use openclaw_runtime::Address;

use super::ProviderMail;
use super::desk::CallOutcome;
use super::desk::Permit;
use crate::client::client;
use crate::endpoint::Endpoint;
use crate::model::Model;

/// A model and the permit to call it; the permit goes back when this is dropped.
pub struct Lease {
    model: Arc<dyn Model>,
    /// `None` only while it is dropped.
    permit: Option<Permit>,
    address: Address<ProviderMail>,
}

impl Lease {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        model: &ModelRef,
        permit: Permit,
        address: Address<ProviderMail>,
    ) -> Self {
        Self {
            model: client(endpoint, model),
            permit: Some(permit),
            address,
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// Tells the provider how the call went.
    pub fn report(&self, outcome: CallOutcome) {
        // A full mailbox loses a figure, which is better than a call that waits.
        drop(self.address.try_send(ProviderMail::Outcome(outcome)));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.address.nudge(ProviderMail::Returned);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("model", self.model.reference())
            .finish_non_exhaustive()
    }
}
