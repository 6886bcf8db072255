//! The tab of a turn: what its calls may cost is kept back before they are made, what they did cost is written down.
//!
//! Without a budget nothing is written before a call. What calls cost rides with the turn's end, or goes ahead when
//! the turn still has work to do. A call that is dropped on its way counts as what it had brought.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use openclaw_ledger::InboxRow;
use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_ledger::Purpose;
use openclaw_ledger::Reservation;
use openclaw_ledger::Reserved;
use openclaw_ledger::UsageRow;
use openclaw_protocol::SessionKey;
use openclaw_protocol::Usage;
use openclaw_protocol::config::Section;

use crate::budget;
use crate::deps::ConfigNow;
use crate::deps::Deps;
use crate::envelope;
use crate::event::now_ms;
use crate::models::Chosen;

/// The longest answer that is kept back for, unless the configuration says another.
const LONGEST: u64 = 16_384;
/// An answer that can't be this long isn't worth asking for.
const LEAST: u64 = 256;

/// The tab of one turn.
#[derive(Clone)]
pub(crate) struct Tab {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    config: ConfigNow,
    /// What all rows of the turn share.
    stub: UsageRow,
    /// When its run began.
    run_ms: i64,
    next: AtomicU32,
    /// Calls that are over and not written down.
    over: Mutex<Vec<UsageRow>>,
    /// Held while they are written: the turn's end must not overtake it.
    writing: tokio::sync::Mutex<()>,
}

/// Why a call isn't made.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A budget is used up; the text is for people.
    Budget {
        notice: String,
        may_pass: bool,
    },
    Ledger(LedgerError),
}

/// A call that may be made; dropped without an end, it counts as what had arrived.
pub(crate) struct Open {
    tab: Tab,
    row: UsageRow,
    price: (f64, f64),
    /// The longest answer there is money for.
    pub(crate) max_tokens: Option<u32>,
    written: u64,
    is_over: bool,
}

impl Tab {
    /// The tab of a row's turn.
    pub(crate) fn of(deps: &Deps, row: &InboxRow) -> Self {
        let stub = UsageRow {
            turn: row.seq,
            run: row.run_id.as_str().to_owned(),
            channel: row.source.clone(),
            job: job(row.run_id.as_str()).map(str::to_owned),
            ..UsageRow::new(row.session.clone(), 0)
        };
        Self::new(deps, stub, row.received_at_ms)
    }

    /// The tab of what somebody asks of a session besides speaking.
    pub(crate) fn of_operation(deps: &Deps, key: &SessionKey) -> Self {
        let now_ms = now_ms();
        let stub = UsageRow {
            run: format!("operation:{now_ms}"),
            channel: "ws".to_owned(),
            ..UsageRow::new(key.clone(), 0)
        };
        Self::new(deps, stub, now_ms)
    }

    /// The tab of vectors; `number` tells it from others of its session.
    pub(crate) fn of_vectors(deps: &Deps, key: &SessionKey, channel: &str, number: u32) -> Self {
        let now_ms = now_ms();
        let stub = UsageRow {
            run: format!("vectors:{now_ms}:{number}"),
            channel: channel.to_owned(),
            ..UsageRow::new(key.clone(), 0)
        };
        Self::numbered(deps, stub, now_ms, number)
    }

    fn new(deps: &Deps, stub: UsageRow, run_ms: i64) -> Self {
        Self::numbered(deps, stub, run_ms, 0)
    }

    fn numbered(deps: &Deps, stub: UsageRow, run_ms: i64, first: u32) -> Self {
        Self {
            inner: Arc::new(Inner {
                ledger: deps.ledger.clone(),
                config: deps.config.clone(),
                stub,
                run_ms,
                next: AtomicU32::new(first),
                over: Mutex::default(),
                writing: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Asks to make a call that reads about `input` tokens.
    pub(crate) async fn open(
        &self,
        candidate: &Chosen,
        credential: &str,
        purpose: Purpose,
        input: u64,
    ) -> Result<Open, Refused> {
        let inner = &self.inner;
        let config = (inner.config)();
        let zone = config.agents.defaults.or_default().user_timezone;
        let zone = envelope::zone(None, zone.as_deref());
        let at_ms = now_ms();
        let (day, day_ms) = budget::day(at_ms, &zone);
        let row = UsageRow {
            at_ms,
            call: inner.next.fetch_add(1, Ordering::Relaxed),
            purpose,
            day: day.to_string(),
            provider: candidate.model.provider.clone(),
            model: candidate.model.model.clone(),
            credential: credential.to_owned(),
            input,
            output: longest(candidate),
            ..inner.stub.clone()
        };
        let cost = candidate.cost;
        let mut open = Open {
            tab: self.clone(),
            // Whether a cache helps is known afterwards only.
            price: (cost.input.max(cost.cache_write), cost.output),
            max_tokens: candidate.max_tokens,
            row,
            written: 0,
            is_over: false,
        };
        let bounds = match &config.budgets {
            Section::Valid(budgets) => budget::bounds(budgets, &open.row, day_ms, inner.run_ms),
            Section::Invalid(_) => {
                open.is_over = true;
                return Err(Refused::Budget {
                    notice: "The budgets of the configuration can't be read, so no model is asked. See what is \
                             wrong: openclaw config validate"
                        .to_owned(),
                    may_pass: false,
                });
            }
        };
        if bounds.is_empty() {
            return Ok(open);
        }
        let asked = Reservation {
            call: open.row.clone(),
            least_output: LEAST,
            price: open.price,
            limits: bounds.iter().map(|bound| bound.limit.clone()).collect(),
        };
        match inner.ledger.reserve(asked).await {
            Ok(Reserved::Granted { output }) => {
                open.max_tokens = Some(u32::try_from(output).unwrap_or(u32::MAX));
                Ok(open)
            }
            Ok(Reserved::Refused(shortage)) => {
                open.is_over = true;
                let bound = bounds.get(shortage.limit);
                let notice = bound.map(|bound| budget::refusal(bound, &shortage, &open.row.day));
                Err(Refused::Budget {
                    notice: notice.unwrap_or_default(),
                    may_pass: shortage.may_pass(),
                })
            }
            Err(error) => {
                open.is_over = true;
                Err(Refused::Ledger(error))
            }
        }
    }

    /// What is over and has to be written down with the turn's end.
    pub(crate) async fn take(&self) -> Vec<UsageRow> {
        let _written = self.inner.writing.lock().await;
        self.drain()
    }

    fn drain(&self) -> Vec<UsageRow> {
        let mut over = self.inner.over.lock();
        std::mem::take(over.as_mut().unwrap_or_else(|e| PoisonError::get_mut(e)))
    }

    /// Writes down what is over, ahead of the turn's end.
    pub(crate) async fn flush(&self) -> Result<(), LedgerError> {
        let _writing = self.inner.writing.lock().await;
        let rows = self.drain();
        if rows.is_empty() {
            return Ok(());
        }
        self.inner.ledger.spend(rows).await
    }

    fn put(&self, row: UsageRow) {
        let mut over = self.inner.over.lock();
        let over = over.as_mut().unwrap_or_else(|e| PoisonError::get_mut(e));
        over.push(row);
    }
}

impl Open {
    /// So many bytes of the answer have arrived.
    pub(crate) fn saw(&mut self, bytes: usize) {
        self.written = u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Says which account paid, where that is known afterwards only.
    pub(crate) fn paid(mut self, credential: &str) -> Self {
        credential.clone_into(&mut self.row.credential);
        self
    }

    /// The call ended well and nobody counted: it read what was estimated, and wrote nothing.
    pub(crate) fn uncounted(mut self) {
        self.is_over = true;
        let mut row = self.row.clone();
        row.estimated = true;
        row.output = 0;
        #[allow(clippy::cast_precision_loss)] // no call has 2^52 tokens
        let usd = row.input as f64 * self.price.0 / 1_000_000.0;
        (row.input_usd, row.cost_usd) = (usd, usd);
        self.tab.put(row);
    }

    /// The call ended, and its provider counted.
    pub(crate) fn end(mut self, usage: &Usage) {
        if *usage == Usage::default() {
            return; // it broke off before anybody counted
        }
        self.is_over = true;
        let row = self.row.clone().counted(usage);
        self.tab.put(row);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut row = self.row.clone();
        row.estimated = true;
        // What brought nothing was refused, or nobody answered: it is free everywhere.
        row.input = if self.written > 0 { row.input } else { 0 };
        row.output = self.written.div_ceil(4);
        #[allow(clippy::cast_precision_loss)] // no call has 2^52 tokens
        let usd = |tokens: u64, price: f64| tokens as f64 * price / 1_000_000.0;
        row.input_usd = usd(row.input, self.price.0);
        row.output_usd = usd(row.output, self.price.1);
        row.cost_usd = row.input_usd + row.output_usd;
        self.tab.put(row);
    }
}

/// How long an answer may be.
fn longest(candidate: &Chosen) -> u64 {
    let asked = candidate.max_tokens.map(u64::from).or_else(|| {
        let params = candidate.params.get("maxTokens");
        params.and_then(serde_json::Value::as_u64)
    });
    let able = candidate.output_limit.unwrap_or(LONGEST).min(LONGEST);
    asked.unwrap_or(able).max(1)
}

/// The job that a run was made for: `cron:<job>:<due>`.
fn job(run: &str) -> Option<&str> {
    let (job, _) = run.strip_prefix("cron:")?.rsplit_once(':')?;
    Some(job)
}

impl std::fmt::Debug for Tab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tab")
            .field("run", &self.inner.stub.run)
            .finish_non_exhaustive()
    }
}
