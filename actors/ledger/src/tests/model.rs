//! Random verbs, compared with a model that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_protocol::key::SessionKey;
use proptest::prelude::*;

use super::fixture::*;
use crate::{
    InboxFilter, InboxState, Ledger, OutboxFilter, OutboxKey, OutboxState, TurnNo, TurnOutcome,
    UnknownPolicy,
};

const SESSIONS: [&str; 3] = ["a", "b", "a:b"];

#[derive(Debug, Clone)]
pub(super) enum Step {
    Append {
        session: usize,
        id: u8,
    },
    Begin {
        session: usize,
        /// So many of the rows behind it are to be taken with it.
        with: u64,
    },
    Join {
        session: usize,
        row: u64,
        k: u32,
    },
    Release {
        session: usize,
    },
    End {
        session: usize,
        turn: u64,
        dead: bool,
    },
    RecoverSession {
        session: usize,
    },
    Recover {
        resend: bool,
    },
    Enqueue {
        lane: u8,
    },
    Claim {
        now: i64,
        max: usize,
    },
    Sent {
        seq: u64,
    },
    Retry {
        seq: u64,
        due: i64,
    },
    Dead {
        seq: u64,
    },
    Unknown {
        seq: u64,
    },
    Requeue {
        seq: u64,
    },
    Reopen,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS.len();
    let seq = 1..8_u64;
    prop_oneof![
        4 => (session.clone(), 0..12_u8).prop_map(|(session, id)| Step::Append { session, id }),
        4 => (session.clone(), 0..3_u64).prop_map(|(session, with)| Step::Begin { session, with }),
        1 => (session.clone(), 1..5_u64, 0..4_u32).prop_map(|(session, row, k)| Step::Join { session, row, k }),
        1 => session.clone().prop_map(|session| Step::Release { session }),
        3 => (session.clone(), 1..5_u64, any::<bool>()).prop_map(|(session, turn, dead)| Step::End { session, turn, dead }),
        1 => session.prop_map(|session| Step::RecoverSession { session }),
        1 => any::<bool>().prop_map(|resend| Step::Recover { resend }),
        4 => (0..3_u8).prop_map(|lane| Step::Enqueue { lane }),
        4 => (0..20_i64, 1..4_usize).prop_map(|(now, max)| Step::Claim { now, max }),
        2 => seq.clone().prop_map(|seq| Step::Sent { seq }),
        2 => (seq.clone(), 0..30_i64).prop_map(|(seq, due)| Step::Retry { seq, due }),
        1 => seq.clone().prop_map(|seq| Step::Dead { seq }),
        1 => seq.clone().prop_map(|seq| Step::Unknown { seq }),
        1 => seq.prop_map(|seq| Step::Requeue { seq }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct In {
    id: String,
    state: InboxState,
    attempts: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Out {
    lane: u8,
    state: OutboxState,
    attempts: u32,
    due: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    inbox: BTreeMap<&'static str, Vec<In>>,
    seen: BTreeSet<u8>,
    /// The steps of each turn that is not over.
    joined: BTreeMap<(&'static str, u64), Vec<u32>>,
    outbox: Vec<Out>,
}

/// All rows, in the model's terms.
type Rows = (BTreeMap<SessionKey, Vec<In>>, Vec<Out>);

impl Model {
    pub(super) fn rows(&self) -> Rows {
        let inbox = self.inbox.iter();
        let inbox = inbox.map(|(name, rows)| (session(name), rows.clone()));
        (inbox.collect(), self.outbox.clone())
    }

    fn open(&mut self, session: &str) -> Option<(usize, &mut In)> {
        let rows = self.inbox.get_mut(session)?;
        rows.iter_mut()
            .enumerate()
            .find(|(_, row)| row.state.is_open())
    }

    /// Sequence numbers that may leave now.
    fn claimable(&self, now: i64, max: usize) -> Vec<u64> {
        let mut lanes = BTreeSet::new();
        let open = self
            .outbox
            .iter()
            .zip(1..)
            .filter(|(row, _)| row.state.is_open());
        open.filter(|(row, _)| lanes.insert(row.lane))
            .filter(|(row, _)| row.state == OutboxState::Prepared && row.due <= now)
            .map(|(_, seq)| seq)
            .take(max)
            .collect()
    }

    /// Whether a turn's row with these facts, at this place, is claimed.
    fn is_claimed(row: &In) -> bool {
        matches!(row.state, InboxState::Running | InboxState::Interrupted)
    }

    fn mark(&mut self, seq: u64, from: &[OutboxState], to: OutboxState) -> bool {
        let row = usize::try_from(seq - 1)
            .ok()
            .and_then(|at| self.outbox.get_mut(at));
        let Some(row) = row.filter(|row| from.contains(&row.state)) else {
            return false;
        };
        row.state = to;
        true
    }

    fn interrupt(&mut self, only: Option<&str>) {
        for (session, rows) in &mut self.inbox {
            for row in rows.iter_mut() {
                if only.is_none_or(|only| only == *session) && row.state == InboxState::Running {
                    row.state = InboxState::Interrupted;
                }
            }
        }
    }
}

pub(super) async fn run(ledger: &Ledger, model: &mut Model, step: &Step) {
    use OutboxState::{Attempting, Dead, Prepared, Sent, Unknown};
    let key = |seq: u64| OutboxKey {
        account: account(),
        seq,
    };
    match *step {
        Step::Append { session, id } => {
            let name = SESSIONS[session];
            let rows = vec![inbound(name, &id.to_string())];
            let appended = ledger.append_inbound(rows, None).await.unwrap();
            let fresh = model.seen.insert(id);
            assert_eq!(appended[0].fresh, fresh);
            if fresh {
                let row = In {
                    id: id.to_string(),
                    state: InboxState::Pending,
                    attempts: 0,
                };
                model.inbox.entry(name).or_default().push(row);
            }
        }
        Step::Begin { session, with } => {
            let first = model.open(SESSIONS[session]);
            let first =
                first.map(|(at, row)| (at, row.state == InboxState::Pending && row.attempts == 0));
            let head = first.map_or(0, |(at, _)| at as u64 + 1);
            let named: Vec<u64> = (head..=head + with).collect();
            let start = ledger
                .begin_turn_with(&super::fixture::session(SESSIONS[session]), &named, 1)
                .await;
            let start = start.unwrap().map(|start| {
                let with: Vec<u64> = start.with.iter().map(|row| row.seq).collect();
                (start.turn.0, start.attempt, with)
            });
            let expected = first.map(|(at, is_fresh)| {
                let rows = model.inbox.get_mut(SESSIONS[session]).unwrap();
                let mut company = Vec::new();
                for (n, row) in rows.iter_mut().enumerate() {
                    let seq = n as u64 + 1;
                    let is_taken = match is_fresh {
                        true => named.contains(&seq) && row.state == InboxState::Pending,
                        false => Model::is_claimed(row),
                    };
                    if n == at || is_taken {
                        row.state = InboxState::Running;
                        row.attempts += 1;
                    }
                    if n != at && is_taken {
                        company.push(seq);
                    }
                }
                (head, rows[at].attempts, company)
            });
            assert_eq!(start, expected);
        }
        Step::Join { session, row, k } => {
            let name = SESSIONS[session];
            let running = model.open(name);
            let running = running.filter(|(_, row)| row.state == InboxState::Running);
            let turn = running.map_or(1, |(at, _)| at as u64 + 1);
            let shown = crate::StepIntent {
                kind: "joined".into(),
                name: String::new(),
                arguments: serde_json::json!([row]),
                idempotent: true,
            };
            let key = super::fixture::session(name);
            let joined = ledger.join_turn(&key, TurnNo(turn), k, &[row], shown).await;
            let rows = model.inbox.get_mut(name);
            let rows = rows.map(Vec::as_mut_slice).unwrap_or_default();
            let is_running = rows
                .get(usize::try_from(turn).unwrap() - 1)
                .is_some_and(|row| row.state == InboxState::Running);
            let row = rows.get_mut(usize::try_from(row).unwrap() - 1);
            let row = row.filter(|row| is_running && row.state == InboxState::Pending);
            let is_new = model
                .joined
                .get(&(name, turn))
                .is_none_or(|ks| !ks.contains(&k));
            assert_eq!(joined.is_ok(), row.is_some() && is_new, "{joined:?}");
            if let Some(row) = row.filter(|_| is_new) {
                row.state = InboxState::Running;
                row.attempts += 1;
                model.joined.entry((name, turn)).or_default().push(k);
            }
        }
        Step::Release { session } => {
            let running = model.open(SESSIONS[session]);
            let running = running.filter(|(_, row)| row.state == InboxState::Running);
            let turn = running.map_or(1, |(at, row)| {
                row.state = InboxState::Interrupted;
                row.attempts -= 1;
                at as u64 + 1
            });
            let before = ledger.stats().rejects;
            let session = super::fixture::session(SESSIONS[session]);
            let released = ledger.release_turn(&session, TurnNo(turn)).await;
            assert_eq!(released.is_err(), ledger.stats().rejects > before);
        }
        Step::End {
            session,
            turn,
            dead,
        } => {
            let name = SESSIONS[session];
            let outcome = if dead {
                TurnOutcome::Dead {
                    reason: "poison".into(),
                    crash: None,
                }
            } else {
                TurnOutcome::Done
            };
            let mut end = commit(name, TurnNo(turn), outcome);
            end.outbox.clear();
            end.with = (1..9).collect();
            let ended = ledger.commit_turn(end).await.is_ok();
            let rows = model
                .inbox
                .get_mut(name)
                .map(Vec::as_mut_slice)
                .unwrap_or_default();
            let row = rows.get_mut(usize::try_from(turn).unwrap() - 1);
            let row =
                row.filter(|row| row.state.is_open() && (dead || row.state != InboxState::Pending));
            assert_eq!(ended, row.is_some());
            if let Some(row) = row {
                row.state = if dead {
                    InboxState::Dead
                } else {
                    InboxState::Done
                };
                model.joined.remove(&(name, turn));
                for row in rows.iter_mut().filter(|row| Model::is_claimed(row)) {
                    row.state = if dead {
                        InboxState::Pending
                    } else {
                        InboxState::Done
                    };
                    row.attempts = if dead { 1 } else { row.attempts };
                }
            }
        }
        Step::RecoverSession { session } => {
            let key = super::fixture::session(SESSIONS[session]);
            ledger.recover_session(&key).await.unwrap();
            model.interrupt(Some(SESSIONS[session]));
        }
        Step::Recover { resend } => {
            let policy = if resend {
                UnknownPolicy::resend()
            } else {
                UnknownPolicy::hold()
            };
            let found = ledger.recover(policy).await.unwrap();
            model.interrupt(None);
            let mut hit = 0;
            for row in model
                .outbox
                .iter_mut()
                .filter(|row| row.state == Attempting)
            {
                row.state = if resend { Prepared } else { Unknown };
                row.due = if resend { 0 } else { row.due };
                hit += 1;
            }
            assert_eq!(found.held.len() + found.resent.len(), hit);
        }
        Step::Enqueue { lane } => {
            let row = outbound(&lane.to_string(), "text");
            ledger.enqueue(vec![row]).await.unwrap();
            model.outbox.push(Out {
                lane,
                state: Prepared,
                attempts: 0,
                due: 0,
            });
        }
        Step::Claim { now, max } => {
            let rows = ledger
                .claim_outbox(&account(), now, max, &[])
                .await
                .unwrap();
            let claimed: Vec<_> = rows.iter().map(|row| row.key.seq).collect();
            assert_eq!(claimed, model.claimable(now, max));
            for seq in claimed {
                model.mark(seq, &[Prepared], Attempting);
                model.outbox[usize::try_from(seq).unwrap() - 1].attempts += 1;
            }
        }
        Step::Sent { seq } => {
            let marked = ledger.mark_sent(&key(seq), vec![]).await.is_ok();
            assert_eq!(
                marked,
                model.mark(seq, &[Attempting, Prepared, Unknown, Sent], Sent)
            );
        }
        Step::Retry { seq, due } => {
            let marked = ledger.mark_retry(&key(seq), due, "429").await.is_ok();
            assert_eq!(marked, model.mark(seq, &[Attempting], Prepared));
            if marked {
                model.outbox[usize::try_from(seq).unwrap() - 1].due = due;
            }
        }
        Step::Dead { seq } => {
            let marked = ledger.mark_dead(&key(seq), "403").await.is_ok();
            assert_eq!(
                marked,
                model.mark(seq, &[Attempting, Prepared, Unknown], Dead)
            );
        }
        Step::Unknown { seq } => {
            let marked = ledger.mark_unknown(&key(seq), "?").await.is_ok();
            assert_eq!(marked, model.mark(seq, &[Attempting], Unknown));
        }
        Step::Requeue { seq } => {
            let marked = ledger.requeue(&key(seq), "ann").await.is_ok();
            assert_eq!(marked, model.mark(seq, &[Unknown, Dead], Prepared));
            if marked {
                let row = &mut model.outbox[usize::try_from(seq).unwrap() - 1];
                (row.attempts, row.due) = (0, 0);
            }
        }
        Step::Reopen => {}
    }
}

pub(super) fn rows(ledger: &Ledger) -> Rows {
    let mut inbox: BTreeMap<_, Vec<In>> = BTreeMap::new();
    for row in ledger.inbox(&InboxFilter::default()) {
        let (id, state, attempts) = (row.source_id, row.state, row.attempts);
        inbox.entry(row.session).or_default().push(In {
            id,
            state,
            attempts,
        });
    }
    let outbox = ledger.outbox(&OutboxFilter::default());
    let outbox: Vec<_> = outbox
        .iter()
        .map(|row| Out {
            lane: row.route.to.parse().unwrap(),
            state: row.state,
            attempts: row.attempts,
            due: row.not_before_ms,
        })
        .collect();
    (inbox, outbox)
}

/// The tables, the indexes and the counts say what the model says.
pub(super) fn compare(ledger: &Ledger, model: &Model) {
    let found = rows(ledger);
    assert_eq!(found, model.rows());
    let outbox = found.1;

    let rows = || model.inbox.values().flatten();
    let open = |name: &str| {
        model.inbox[name]
            .iter()
            .filter(|row| row.state.is_open())
            .count()
    };
    for name in model.inbox.keys() {
        assert_eq!(ledger.pending(&session(name)), open(name));
    }
    let sessions = model
        .inbox
        .keys()
        .filter(|name| open(name) > 0)
        .map(|name| session(name));
    assert_eq!(
        ledger.open_sessions(),
        sessions
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    let inbox = |state| rows().filter(|row| row.state == state).count() as u64;
    let sends = |state| outbox.iter().filter(|row| row.state == state).count() as u64;
    let stats = ledger.stats();
    assert_eq!(
        [
            stats.inbox_pending,
            stats.inbox_running,
            stats.inbox_interrupted,
            stats.inbox_dead
        ],
        [
            InboxState::Pending,
            InboxState::Running,
            InboxState::Interrupted,
            InboxState::Dead
        ]
        .map(inbox)
    );
    assert_eq!(
        [
            stats.outbox_prepared,
            stats.outbox_attempting,
            stats.outbox_unknown,
            stats.outbox_dead
        ],
        [
            OutboxState::Prepared,
            OutboxState::Attempting,
            OutboxState::Unknown,
            OutboxState::Dead
        ]
        .map(sends)
    );
    let (dead, letters) = ledger.dead_letters();
    assert_eq!(dead.len() as u64, stats.inbox_dead);
    assert_eq!(
        letters.len() as u64,
        stats.outbox_dead + stats.outbox_unknown
    );

    let mut lanes = BTreeSet::new();
    let heads = outbox
        .iter()
        .filter(|row| row.state.is_open())
        .filter(|row| lanes.insert(row.lane));
    let due = heads
        .filter(|row| row.state == OutboxState::Prepared)
        .map(|row| row.due)
        .min();
    assert_eq!(ledger.outbox_next_due(&account()), due);
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn the_double_behaves_like_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let (ledger, mut model) = (Ledger::memory(), Model::default());
        block_on(async {
            for step in &steps {
                run(&ledger, &mut model, step).await;
                compare(&ledger, &model);
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn the_disk_behaves_like_the_model_also_when_reopened(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openclaw.redb");
        let (mut ledger, mut thread) = Ledger::open(&path).unwrap();
        let mut model = Model::default();
        block_on(async {
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    drop(ledger);
                    thread.join();
                    (ledger, thread) = Ledger::open(&path).unwrap();
                }
                run(&ledger, &mut model, step).await;
                compare(&ledger, &model);
            }
        });
    }
}
