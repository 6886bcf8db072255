//! The door of sessions: a row is durable before its sender hears so, then its session is woken.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::Accepted;
use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_ledger::NewInbound;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Address;
use openclaw_runtime::Directory;
use serde_json::Value;

use crate::router;
use crate::router::RouterMail;
use crate::session::SessionMail;

/// How long an abort may wait for the session's attention; its handlers take microseconds.
const ABORT: Duration = Duration::from_secs(2);

/// Where messages come in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    ledger: Ledger,
    directory: Directory,
    router: Address<RouterMail>,
}

/// A client's own key for its request, and the answer it gets again when it repeats it.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub scope: String,
    pub key: String,
    pub response: Value,
}

impl Intake {
    pub fn new(ledger: Ledger, directory: Directory) -> Self {
        let router = directory.address(&router::router_path());
        Self {
            ledger,
            directory,
            router,
        }
    }

    /// Stores a message and wakes its session. With a client's key, a repeat gets the first answer.
    pub async fn accept(
        &self,
        row: NewInbound,
        idempotency: Option<Idempotency>,
    ) -> Result<Accepted, LedgerError> {
        let session = row.session.clone();
        let accepted = match idempotency {
            Some(Idempotency {
                scope,
                key,
                response,
            }) => self.ledger.accept(row, &scope, &key, response).await?,
            None => {
                let appended = self.ledger.append_inbound(vec![row], None).await?;
                // One row in, one receipt out; a twin keeps the number of the first.
                Accepted::Fresh(appended.first().map_or(0, |appended| appended.seq))
            }
        };
        self.wake(&session);
        Ok(accepted)
    }

    /// Says that a session has new rows.
    pub fn wake(&self, session: &SessionKey) {
        self.router.nudge(RouterMail::Inbound(session.clone()));
    }

    /// Has the router look for sessions with open rows; for rows that were queued again by hand.
    pub fn rescan(&self) {
        self.router.nudge(RouterMail::Rescan);
    }

    /// [`Intake::wake`] for those who store rows themselves.
    pub fn waker(&self) -> Arc<dyn Fn(&SessionKey) + Send + Sync> {
        let intake = self.clone();
        Arc::new(move |session| intake.wake(session))
    }

    /// Ends a run, or all runs of the session with what waits. Returns which.
    pub async fn abort(&self, session: &SessionKey, run: Option<RunId>) -> Vec<RunId> {
        self.abort_because(session, run, "rpc").await
    }

    /// [`Intake::abort`] with the reason that clients are told: `rpc`, `stop`, `timeout`.
    pub async fn abort_because(
        &self,
        session: &SessionKey,
        run: Option<RunId>,
        reason: &'static str,
    ) -> Vec<RunId> {
        let address = router::address(&self.directory, session);
        let question = |reply| SessionMail::Abort {
            run,
            reason,
            reply: Some(reply),
        };
        // A session that is not up and has nothing to do has no run, and is not waited for.
        if !address.is_up() && self.ledger.pending(session) == 0 {
            return Vec::new();
        }
        address.ask(ABORT, question).await.unwrap_or_default()
    }
}
