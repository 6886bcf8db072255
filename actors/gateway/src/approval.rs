//! Commands that wait for somebody's yes: asked once, answered once, lapsed after a while.
//!
//! A question is a row of the ledger before anybody hears of it, and its answer before anybody acts on it: one that a
//! restart cuts off waits on, and whoever asked comes back to it by its id. No answer in time is a no.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_protocol::Scope;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::hub::Hub;

/// Answered and lapsed questions are remembered this long, so that a late answer hears why it is late.
const KEPT_MS: i64 = 5 * 60 * 1000;

/// Questions that may wait at the same time; nobody could answer more.
const MOST: usize = 1000;

/// Under which the ledger keeps them.
const SCOPE: &str = "exec.approval";

/// What may be decided.
pub const DECISIONS: [&str; 3] = ["allow-once", "allow-always", "deny"];

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Its id.
    pub id: String,
    /// What is to be allowed, as it was asked.
    pub request: Value,
    /// When it was asked.
    pub created_at_ms: i64,
    /// When no answer becomes a no.
    pub expires_at_ms: i64,
}

/// Why a question or an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// A question of this id waits.
    #[error("approval id already pending")]
    Pending,
    /// Nobody asked this.
    #[error("unknown approval id")]
    Unknown,
    /// Somebody answered before.
    #[error("approval already resolved")]
    Resolved,
    /// The word means nothing.
    #[error("invalid decision")]
    Decision,
    /// Too many wait.
    #[error("too many approvals wait")]
    Crowded,
    /// It could not be written down.
    #[error("the approval can't be written down: {0}")]
    Unstored(String),
}

/// The questions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApprovalDesk {
    asked: Arc<Mutex<BTreeMap<String, Asked>>>,
    ledger: Ledger,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    decision: watch::Sender<Option<String>>,
    /// An answer is being written down.
    is_deciding: bool,
    /// Whoever asked has acted on the answer.
    is_taken: bool,
}

/// A question as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    question: Question,
    decision: Option<String>,
    /// Whoever asked has acted on the answer.
    #[serde(default)]
    is_taken: bool,
}

/// Says what came of a question to all who may answer such.
pub(crate) fn announce(hub: &Hub, name: &'static str, payload: Value) {
    hub.broadcast(&Broadcast {
        payload,
        is_stale_soon: true,
        ..Broadcast::to(Audience::Holders(Scope::Approvals), name)
    });
}

/// A question, and where its decision comes.
pub type Followed = (Question, watch::Receiver<Option<String>>);

impl Question {
    /// The question as clients see it.
    pub fn value(&self) -> Value {
        json!({
            "id": self.id,
            "request": self.request,
            "createdAtMs": self.created_at_ms,
            "expiresAtMs": self.expires_at_ms,
        })
    }
}

impl ApprovalDesk {
    /// The desk with the questions that an earlier process left.
    pub fn open(ledger: Ledger, now_ms: i64) -> Self {
        let rows = ledger.recall_all(SCOPE).into_iter();
        let rows = rows.filter_map(|(_, row)| serde_json::from_value::<Row>(row).ok());
        let asked = rows
            .filter(|row| now_ms - row.question.expires_at_ms < KEPT_MS)
            .map(|row| {
                let asked = Asked {
                    is_taken: row.is_taken,
                    ..Asked::new(row.question, row.decision)
                };
                (asked.question.id.clone(), asked)
            })
            .collect();
        Self {
            asked: Arc::new(Mutex::new(asked)),
            ledger,
        }
    }

    /// Asks; the decision comes through the receiver, or never. Whoever asks the same again after a restart finds
    /// the first question.
    pub async fn ask(&self, question: Question) -> Result<(Followed, bool), ApprovalError> {
        let waiting = {
            let mut asked = self.lock();
            let now_ms = question.created_at_ms;
            asked.retain(|_, asked| now_ms - asked.question.expires_at_ms < KEPT_MS);
            let open = |asked: &&Asked| asked.is_open(now_ms);
            if let Some(first) = asked.get(&question.id).filter(open) {
                let is_left = first.decision.receiver_count() == 0;
                if is_left && first.question.request == question.request {
                    return Ok((first.follow(), false));
                }
                return Err(ApprovalError::Pending);
            }
            if asked.values().filter(open).count() >= MOST {
                return Err(ApprovalError::Crowded);
            }
            let first = Asked::new(question.clone(), None);
            let waiting = first.decision.subscribe();
            asked.insert(question.id.clone(), first);
            waiting
        };
        if let Err(error) = self.write(question.clone(), None).await {
            self.lock().remove(&question.id);
            return Err(error);
        }
        Ok(((question, waiting), true))
    }

    /// Answers a question.
    pub async fn resolve(
        &self,
        id: &str,
        decision: &str,
        now_ms: i64,
    ) -> Result<Question, ApprovalError> {
        if !DECISIONS.contains(&decision) {
            return Err(ApprovalError::Decision);
        }
        let question = {
            let mut asked = self.lock();
            let asked = asked.get_mut(id).ok_or(ApprovalError::Unknown)?;
            if asked.is_deciding || asked.decision.borrow().is_some() {
                return Err(ApprovalError::Resolved);
            }
            if !asked.is_open(now_ms) {
                return Err(ApprovalError::Unknown);
            }
            asked.is_deciding = true;
            asked.question.clone()
        };
        let decision = Some(decision.to_owned());
        let written = self.write(question.clone(), decision.clone()).await;
        if let Some(asked) = self.lock().get_mut(id) {
            asked.is_deciding = false;
            if written.is_ok() {
                asked.decision.send_replace(decision);
            }
        }
        written.map(|()| question)
    }

    /// Takes the answer to a question, once: whoever asked acts on it, and nobody does so again. None without an answer
    /// in time, and when something else was asked under this name.
    pub async fn take(&self, id: &str, request: &Value) -> Result<Option<String>, ApprovalError> {
        let (question, decision) = {
            let mut asked = self.lock();
            let Some(asked) = asked.get_mut(id) else {
                return Ok(None);
            };
            let decision = asked.decision.borrow().clone();
            if decision.is_none() || asked.is_taken || asked.question.request != *request {
                return Ok(None);
            }
            asked.is_taken = true;
            (asked.question.clone(), decision)
        };
        self.store(question, decision.clone(), true).await?;
        Ok(decision)
    }

    /// A question that waits.
    pub fn get(&self, id: &str, now_ms: i64) -> Option<Question> {
        self.waiting(now_ms)
            .into_iter()
            .find(|question| question.id == id)
    }

    /// Follows a question that was asked before.
    pub fn follow(&self, id: &str) -> Option<Followed> {
        self.lock().get(id).map(Asked::follow)
    }

    /// The questions that wait, the oldest first.
    pub fn waiting(&self, now_ms: i64) -> Vec<Question> {
        let asked = self.lock();
        let open = asked.values().filter(|asked| asked.is_open(now_ms));
        let mut open: Vec<Question> = open.map(|asked| asked.question.clone()).collect();
        open.sort_by_key(|question| question.created_at_ms);
        open
    }

    async fn write(
        &self,
        question: Question,
        decision: Option<String>,
    ) -> Result<(), ApprovalError> {
        self.store(question, decision, false).await
    }

    async fn store(
        &self,
        question: Question,
        decision: Option<String>,
        is_taken: bool,
    ) -> Result<(), ApprovalError> {
        let unstored = |error: LedgerError| ApprovalError::Unstored(error.to_string());
        let key = question.id.clone();
        let row = serde_json::to_value(Row {
            question,
            decision,
            is_taken,
        });
        let row = row.map_err(|error| ApprovalError::Unstored(error.to_string()))?;
        let stored = self.ledger.remember(SCOPE, &key, row).await;
        stored.map_err(unstored)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn new(question: Question, decision: Option<String>) -> Self {
        Self {
            question,
            decision: watch::Sender::new(decision),
            is_deciding: false,
            is_taken: false,
        }
    }

    fn is_open(&self, now_ms: i64) -> bool {
        self.decision.borrow().is_none() && self.question.expires_at_ms > now_ms
    }

    fn follow(&self) -> Followed {
        (self.question.clone(), self.decision.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, at: i64) -> Question {
        Question {
            id: id.to_owned(),
            request: json!({ "command": "ls" }),
            created_at_ms: at,
            expires_at_ms: at + 100,
        }
    }

    #[tokio::test]
    async fn a_question_is_answered_once_and_in_time() {
        let desk = ApprovalDesk::open(Ledger::memory(), 0);
        let ((_, waiting), is_new) = desk.ask(question("a", 0)).await.unwrap();
        assert!(is_new);
        let again = desk.ask(question("a", 1)).await;
        assert_eq!(again.unwrap_err(), ApprovalError::Pending);
        let refused = [
            ("a", "yes", ApprovalError::Decision),
            ("b", "deny", ApprovalError::Unknown),
        ];
        for (id, decision, error) in refused {
            assert_eq!(desk.resolve(id, decision, 1).await.unwrap_err(), error);
        }
        assert_eq!(desk.waiting(1).len(), 1);
        desk.resolve("a", "deny", 1).await.unwrap();
        assert_eq!(waiting.borrow().as_deref(), Some("deny"));
        let late = desk.resolve("a", "deny", 1).await;
        assert_eq!(late.unwrap_err(), ApprovalError::Resolved);
        assert!(desk.waiting(1).is_empty());
        desk.ask(question("late", 0)).await.unwrap();
        let late = desk.resolve("late", "deny", 100).await;
        assert_eq!(late.unwrap_err(), ApprovalError::Unknown);
    }

    #[tokio::test]
    async fn an_approval_that_waits_is_there_after_a_restart() {
        let ledger = Ledger::memory();
        let before = ApprovalDesk::open(ledger.clone(), 0);
        for id in ["open", "answered", "late"] {
            before.ask(question(id, 0)).await.unwrap();
        }
        before.resolve("answered", "allow-once", 1).await.unwrap();
        drop(before);

        let after = ApprovalDesk::open(ledger.clone(), 50);
        let open: Vec<String> = after
            .waiting(50)
            .into_iter()
            .map(|asked| asked.id)
            .collect();
        assert_eq!(open, ["late", "open"]);
        let (_, answered) = after.follow("answered").unwrap();
        assert_eq!(answered.borrow().as_deref(), Some("allow-once"));
        // Whoever asked comes back to its question, and hears the answer of this process.
        let ((first, waiting), is_new) = after.ask(question("open", 60)).await.unwrap();
        assert_eq!((first.created_at_ms, is_new), (0, false));
        after.resolve("open", "deny", 70).await.unwrap();
        assert_eq!(waiting.borrow().as_deref(), Some("deny"));
        // Nobody answered the last one, and that is a no.
        let later = ApprovalDesk::open(ledger, 100);
        assert!(later.waiting(100).is_empty());
        let (_, unanswered) = later.follow("late").unwrap();
        assert_eq!(*unanswered.borrow(), None);
        let refused = later.resolve("late", "allow-once", 100).await;
        assert_eq!(refused.unwrap_err(), ApprovalError::Unknown);
    }
}
