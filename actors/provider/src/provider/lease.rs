//! The right to call a model once, with the client to do it.

use std::fmt;
use std::sync::Arc;

use openclaw_protocol::ModelRef;
use openclaw_runtime::Address;
use openclaw_runtime::Directory;

use super::ProviderMail;
use super::desk::CallOutcome;
use super::desk::Permit;
use crate::access::Access;
use crate::account::Account;
use crate::account::Proof;
use crate::client::client_with;
use crate::endpoint::Endpoint;
use crate::error::ModelErrorKind;
use crate::keeper;
use crate::model::Model;

/// A model and the permit to call it; the permit goes back when this is dropped.
pub struct Lease {
    endpoint: Arc<Endpoint>,
    model: Arc<dyn Model>,
    account: Account,
    access: Access,
    /// Where the account's keeper is, once it was asked.
    keepers: Option<Directory>,
    /// `None` only while it is dropped.
    permit: Option<Permit>,
    address: Address<ProviderMail>,
}

impl Lease {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        model: &ModelRef,
        account: Account,
        permit: Permit,
        address: Address<ProviderMail>,
    ) -> Self {
        let access = account.access().unwrap_or_default();
        Self {
            model: client_with(Arc::clone(&endpoint), model, access.clone()),
            endpoint,
            account,
            access,
            keepers: None,
            permit: Some(permit),
            address,
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// Where the provider is.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What a call proves itself with.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// The account's name.
    pub fn account(&self) -> &str {
        &self.account.id
    }

    /// The account's name, when its keeper has to be asked.
    pub(super) fn kept(&self) -> Option<&str> {
        match self.account.proof {
            Proof::Kept(_) => Some(&self.account.id),
            Proof::Ready(_) => None,
        }
    }

    pub(super) fn prove(&mut self, access: Access, keepers: &Directory) {
        let reference = self.model.reference().clone();
        self.model = client_with(Arc::clone(&self.endpoint), &reference, access.clone());
        self.access = access;
        self.keepers = Some(keepers.clone());
    }

    /// Tells the provider how the call went.
    pub fn report(&self, mut outcome: CallOutcome) {
        outcome.account.clone_from(&self.account.id);
        outcome.model.clone_from(&self.model.reference().model);
        let refused = outcome.error.as_ref().map(|error| error.kind);
        if let (Some(ModelErrorKind::Auth), Some(keepers)) = (refused, &self.keepers) {
            keeper::doubt(keepers, &self.account.id);
        }
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
            .field("account", &self.account.id)
            .finish_non_exhaustive()
    }
}
