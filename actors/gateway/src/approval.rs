//! Commands that wait for somebody's yes: asked once, answered once, lapsed after a while.
//!
//! The desk is in memory: a question that a restart cuts off is gone, and no answer means no.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

/// Answered and lapsed questions are remembered this long, so that a late answer hears why it is late.
const KEPT_MS: i64 = 5 * 60 * 1000;

/// What may be decided.
pub const DECISIONS: [&str; 3] = ["allow-once", "allow-always", "deny"];

/// One question.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
}

/// The questions. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ApprovalDesk {
    asked: Arc<Mutex<BTreeMap<String, Asked>>>,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    decision: watch::Sender<Option<String>>,
}

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
    /// Asks; the decision comes through the receiver, or never.
    pub fn ask(
        &self,
        question: Question,
    ) -> Result<watch::Receiver<Option<String>>, ApprovalError> {
        let mut asked = self.lock();
        asked.retain(|_, asked| question.created_at_ms - asked.question.expires_at_ms < KEPT_MS);
        let is_open = |asked: &Asked| {
            asked.decision.borrow().is_none()
                && asked.question.expires_at_ms > question.created_at_ms
        };
        if asked.get(&question.id).is_some_and(is_open) {
            return Err(ApprovalError::Pending);
        }
        let (decision, waiting) = watch::channel(None);
        let id = question.id.clone();
        asked.insert(id, Asked { question, decision });
        Ok(waiting)
    }

    /// Answers a question.
    pub fn resolve(
        &self,
        id: &str,
        decision: &str,
        now_ms: i64,
    ) -> Result<Question, ApprovalError> {
        if !DECISIONS.contains(&decision) {
            return Err(ApprovalError::Decision);
        }
        let asked = self.lock();
        let asked = asked.get(id).ok_or(ApprovalError::Unknown)?;
        if asked.decision.borrow().is_some() {
            return Err(ApprovalError::Resolved);
        }
        if asked.question.expires_at_ms <= now_ms {
            return Err(ApprovalError::Unknown);
        }
        asked.decision.send_replace(Some(decision.to_owned()));
        Ok(asked.question.clone())
    }

    /// A question that waits.
    pub fn get(&self, id: &str, now_ms: i64) -> Option<Question> {
        self.open(now_ms)
            .into_iter()
            .find(|question| question.id == id)
    }

    /// Follows a question that was asked before.
    pub fn follow(&self, id: &str) -> Option<(Question, watch::Receiver<Option<String>>)> {
        let asked = self.lock();
        let asked = asked.get(id)?;
        Some((asked.question.clone(), asked.decision.subscribe()))
    }

    /// The questions that wait, the oldest first.
    pub fn open(&self, now_ms: i64) -> Vec<Question> {
        let asked = self.lock();
        let open = asked.values().filter(|asked| {
            asked.decision.borrow().is_none() && asked.question.expires_at_ms > now_ms
        });
        let mut open: Vec<Question> = open.map(|asked| asked.question.clone()).collect();
        open.sort_by_key(|question| question.created_at_ms);
        open
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_question_is_answered_once_and_in_time() {
        let desk = ApprovalDesk::default();
        let waiting = desk.ask(question("a", 0)).unwrap();
        assert_eq!(
            desk.ask(question("a", 1)).unwrap_err(),
            ApprovalError::Pending
        );
        assert_eq!(
            desk.resolve("a", "yes", 1).unwrap_err(),
            ApprovalError::Decision
        );
        assert_eq!(
            desk.resolve("b", "deny", 1).unwrap_err(),
            ApprovalError::Unknown
        );
        assert_eq!(desk.open(1).len(), 1);
        desk.resolve("a", "deny", 1).unwrap();
        assert_eq!(waiting.borrow().as_deref(), Some("deny"));
        assert_eq!(
            desk.resolve("a", "deny", 1).unwrap_err(),
            ApprovalError::Resolved
        );
        assert!(desk.open(1).is_empty());
        desk.ask(question("late", 0)).unwrap();
        assert_eq!(
            desk.resolve("late", "deny", 100).unwrap_err(),
            ApprovalError::Unknown
        );
    }
}
