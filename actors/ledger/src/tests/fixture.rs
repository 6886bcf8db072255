//! Rows to test with.

use openclaw_protocol::key::{AccountKey, RunId, SessionKey};
use openclaw_protocol::message::{Inbound, OutboundPayload, Route};
use serde_json::{Value, json};

use crate::{
    InboundBatch, JournalThread, Ledger, NewInbound, NewOutbound, Notice, TurnCommit, TurnNo,
    TurnOutcome,
};

/// A ledger of one kind of store, and what keeps it alive.
pub(super) struct Stage {
    pub(super) ledger: Ledger,
    _thread: Option<JournalThread>,
    _folder: Option<tempfile::TempDir>,
}

impl Stage {
    pub(super) fn memory() -> Self {
        Self {
            ledger: Ledger::memory(),
            _thread: None,
            _folder: None,
        }
    }

    pub(super) fn disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, thread) = Ledger::open(folder.path().join("ledger/openclaw.redb")).unwrap();
        Self {
            ledger,
            _thread: Some(thread),
            _folder: Some(folder),
        }
    }
}

pub(super) fn session(name: &str) -> SessionKey {
    SessionKey::parse(&format!("agent:main:{name}")).unwrap()
}

pub(super) fn account() -> AccountKey {
    AccountKey::new("telegram", "home")
}

pub(super) fn inbound(name: &str, id: &str) -> NewInbound {
    NewInbound {
        session: session(name),
        source: "telegram/home".into(),
        source_id: id.into(),
        run_id: RunId(format!("run-{id}")),
        body: Inbound {
            text: format!("text of {id}"),
            ..Inbound::default()
        },
        reply: Some(route("42")),
        received_at_ms: 1_000,
        traceparent: Some("00-aa-bb-01".into()),
    }
}

pub(super) fn cursor(value: &str) -> Option<(String, String)> {
    Some(("telegram/home".into(), value.into()))
}

pub(super) fn route(to: &str) -> Route {
    Route {
        channel: "telegram".into(),
        account: "home".into(),
        to: to.into(),
        ..Route::default()
    }
}

pub(super) fn outbound(to: &str, text: &str) -> NewOutbound {
    NewOutbound {
        account: account(),
        route: route(to),
        payload: OutboundPayload::markdown(text),
        session: None,
        turn: None,
        idem_key: format!("key-{text}"),
        expires_at_ms: None,
        notice: false,
    }
}

pub(super) fn notice(id: &str, to: &str, text: &str) -> InboundBatch {
    let outbound = NewOutbound {
        notice: true,
        ..outbound(to, text)
    };
    let source = "telegram/home".into();
    let notice = Notice {
        source,
        source_id: id.into(),
        at_ms: 1_000,
        outbound,
    };
    InboundBatch {
        notices: vec![notice],
        cursor: cursor(id),
        ..InboundBatch::default()
    }
}

pub(super) fn commit(name: &str, turn: TurnNo, outcome: TurnOutcome) -> TurnCommit {
    TurnCommit {
        session: session(name),
        turn,
        with: Vec::new(),
        outcome,
        session_id: format!("id-{name}"),
        entries: lines(&["question", "answer"]),
        entry: Some(json!({ "updatedAt": 5, "model": "basic" })),
        outbox: vec![outbound("42", "answer")],
        usage: Vec::new(),
        tell: Vec::new(),
        heard: None,
    }
}

pub(super) fn lines(texts: &[&str]) -> Vec<Value> {
    texts
        .iter()
        .map(|text| json!({ "type": "message", "text": text }))
        .collect()
}

/// A message in, claimed; returns its turn.
pub(super) async fn begun(ledger: &Ledger, name: &str, id: &str) -> TurnNo {
    ledger
        .append_inbound(vec![inbound(name, id)], None)
        .await
        .unwrap();
    ledger
        .begin_turn(&session(name), 2_000)
        .await
        .unwrap()
        .unwrap()
        .turn
}

/// Polls all to their end, in order of their start.
pub(super) async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    use std::task::Poll;
    let mut futures: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|cx| {
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(cx) {
                *output = Some(ready);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    futures
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
