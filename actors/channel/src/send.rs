//! Sends what stands in an account's outbox.
//!
//! Owns: the rows it has claimed, and the typing signs. Started by: the account's supervisor. Crashes on: a
//! ledger that refuses. Survives: every row; one that was claimed by a dead incarnation is `unknown` and
//! follows the account's policy.

mod deliver;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use openclaw_ledger::LedgerError;
use openclaw_ledger::OutboxRow;
use openclaw_runtime::Actor;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use openclaw_runtime::Timer;
use tokio::sync::watch;

use self::deliver::Delivered;
use crate::account::Account;
use crate::account::ChannelDeps;
use crate::retry::LogGate;
use crate::status::AccountIssue;

/// Chats served at the same time: a chat that hangs holds one of them, never another chat.
const AT_ONCE: usize = 16;
/// A send ends by itself before this: two tries (formatted, then plain) of the call's own time.
const DELIVER_WITHIN: Duration = Duration::from_secs(150);
/// A ledger that takes longer has failed.
const LEDGER_WITHIN: Duration = Duration::from_secs(60);
/// When what is due cannot be claimed, it is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The kind of the issue that counts unknown sends.
const UNKNOWN: &str = "unknown-send";

/// What the send actor is told.
#[derive(Debug)]
pub enum SendMail {
    /// There is something in the outbox.
    Work,
    /// Someone is being written to.
    Typing,
    #[doc(hidden)]
    Step(Step),
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Step(Inner);

#[derive(Debug)]
enum Inner {
    Recovered(Result<usize, LedgerError>),
    Claimed(Result<Vec<OutboxRow>, LedgerError>),
    Delivered(ChildId, Result<Delivered, LedgerError>),
    Released(Result<(), LedgerError>),
    Typed(String),
    TypingDue,
}

impl Mail for SendMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Typing => "typing",
            Self::Step(Step(inner)) => match inner {
                Inner::Recovered(_) => "recovered",
                Inner::Claimed(_) => "claimed",
                Inner::Delivered(..) => "delivered",
                Inner::Released(_) => "released",
                Inner::Typed(_) => "typed",
                Inner::TypingDue => "typing_due",
            },
        }
    }
}

fn step(inner: Inner) -> SendMail {
    SendMail::Step(Step(inner))
}

/// The send actor.
#[derive(Debug)]
pub(crate) struct SendActor {
    account: Arc<Account>,
    deps: ChannelDeps,
    /// Rows in hand by the task that sends them.
    in_hand: HashMap<ChildId, OutboxRow>,
    is_ready: bool,
    is_claiming: bool,
    is_stopping: bool,
    /// Work came while a claim was under way.
    claim_again: bool,
    due: Option<Timer>,
    /// When the sign was last shown, by destination, and the task that shows it.
    signs: HashMap<String, (Instant, ChildId)>,
    has_typing_timer: bool,
    gate: LogGate,
    /// How many rows are in hand or being claimed; a stop waits for none.
    open: watch::Sender<usize>,
}

impl SendActor {
    fn claim(&mut self, ctx: &mut Context<Self>) {
        if !self.is_ready || self.is_stopping {
            return;
        }
        if self.is_claiming {
            self.claim_again = true;
            return;
        }
        let free = AT_ONCE.saturating_sub(self.in_hand.len());
        if free == 0 {
            return;
        }
        self.is_claiming = true;
        self.count();
        let busy: Vec<_> = self.in_hand.values().map(|row| row.lane).collect();
        let (ledger, key) = (self.deps.ledger.clone(), self.account.key().clone());
        let claim = async move {
            ledger
                .claim_outbox(&key, crate::now_ms(), free, &busy)
                .await
        };
        let task = Task::new("claim")
            .kind("channel.claim")
            .deadline(LEDGER_WITHIN);
        ctx.task(task, claim, |rows| step(Inner::Claimed(rows)));
    }

    fn on_claimed(&mut self, rows: Vec<OutboxRow>, ctx: &mut Context<Self>) {
        self.is_claiming = false;
        let is_empty = rows.is_empty();
        for row in rows {
            if self.is_stopping {
                self.give_back(row, ctx);
            } else {
                self.deliver(row, ctx);
            }
        }
        self.count();
        if std::mem::take(&mut self.claim_again) {
            self.claim(ctx);
        } else {
            self.wait_for_due(is_empty, ctx);
        }
    }

    fn deliver(&mut self, row: OutboxRow, ctx: &mut Context<Self>) {
        // A sign that arrives after the message would stay for seconds.
        if let Some((_, sign)) = self.signs.remove(&row.route.lane()) {
            ctx.kill_child(&sign, KillReason::Abort);
        }
        let name = format!("to/{}", row.key.seq);
        let id = ChildId::from(name.as_str());
        let task = Task::new(id.clone())
            .kind("channel.deliver")
            .deadline(DELIVER_WITHIN);
        let deliver = deliver::deliver(
            Arc::clone(&self.account),
            self.deps.ledger.clone(),
            row.clone(),
        );
        let reply_id = id.clone();
        let id = ctx.task(task, deliver, move |done| {
            step(Inner::Delivered(reply_id, done))
        });
        self.in_hand.insert(id, row);
    }

    fn give_back(&mut self, row: OutboxRow, ctx: &mut Context<Self>) {
        let ledger = self.deps.ledger.clone();
        let task = Task::new("release")
            .kind("channel.release")
            .deadline(LEDGER_WITHIN);
        let release = async move { ledger.release(&row.key).await };
        ctx.task(task, release, |done| step(Inner::Released(done)));
    }

    fn on_delivered(&mut self, id: &ChildId, done: &Delivered, ctx: &mut Context<Self>) {
        let row = self.in_hand.remove(id);
        self.count();
        let to = row.map(|row| row.route.to).unwrap_or_default();
        let now_ms = crate::now_ms();
        let key = self.account.key();
        self.deps.status.update(key, |status| match done {
            Delivered::Sent => {
                status.sent += 1;
                status.last_outbound_at = Some(now_ms);
            }
            Delivered::Later(error) | Delivered::Dead(error) => {
                status.failed(format!("send to {to}: {error}"), now_ms);
            }
            Delivered::Unknown(error) => {
                status.unknown += 1;
                status.failed(format!("send to {to}: {error}"), now_ms);
                status.raise(unknown_issue(status.unknown));
            }
        });
        let (what, error) = match done {
            Delivered::Sent => ("sent", None),
            Delivered::Later(error) => ("not sent, tried again later", Some(error)),
            Delivered::Dead(error) => ("not sent, given up", Some(error)),
            Delivered::Unknown(error) => ("perhaps sent, held as unknown", Some(error)),
        };
        if let Some(error) = error
            && let Some(held_back) = self.gate.admit(&format!("{to} {error}"), now_ms)
        {
            tracing::warn!(account = %key, to, %error, held_back, "a message was {what}");
        }
        self.claim(ctx);
    }

    /// Looks again when the next row may be sent.
    fn wait_for_due(&mut self, claimed_nothing: bool, ctx: &mut Context<Self>) {
        if let Some(timer) = self.due.take() {
            timer.cancel();
        }
        let Some(due_ms) = self.deps.ledger.outbox_next_due(self.account.key()) else {
            return;
        };
        let wait_ms = u64::try_from(due_ms.saturating_sub(crate::now_ms())).unwrap_or(0);
        let wait = match wait_ms {
            // Due, and yet not claimed: its place is taken, or it came this instant.
            0 if claimed_nothing => LOOK_AGAIN,
            wait_ms => Duration::from_millis(wait_ms),
        };
        self.due = Some(ctx.after(wait, SendMail::Work));
    }

    fn show_typing(&mut self, ctx: &mut Context<Self>) {
        let routes = self.deps.typing.active(self.account.key());
        let now = Instant::now();
        let lasts = self.account.platform.limits().typing_lasts;
        // A little early, so that the sign does not flicker.
        let refresh = lasts.saturating_sub(Duration::from_secs(1));
        self.signs
            .retain(|_, (shown, _)| now.duration_since(*shown) < refresh);
        for route in routes.iter().take(AT_ONCE) {
            let lane = route.lane();
            let is_sending = self.in_hand.values().any(|row| row.route.lane() == lane);
            if is_sending || self.signs.contains_key(&lane) {
                continue;
            }
            let (platform, route) = (Arc::clone(&self.account.platform), route.clone());
            let task = Task::new("typing").kind("channel.typing").deadline(lasts);
            let show = async move { platform.typing(&route).await };
            let shown = lane.clone();
            let id = ctx.task(task, show, move |()| step(Inner::Typed(shown)));
            self.signs.insert(lane, (now, id));
        }
        if !routes.is_empty() && !self.has_typing_timer {
            self.has_typing_timer = true;
            ctx.after(refresh, step(Inner::TypingDue));
        }
    }

    fn count(&self) {
        self.open
            .send_replace(self.in_hand.len() + usize::from(self.is_claiming));
    }
}

fn unknown_issue(count: u64) -> AccountIssue {
    AccountIssue {
        kind: UNKNOWN,
        message: format!(
            "{count} message(s) may or may not have been delivered: the connection broke after they were handed over; \
             they are kept as unknown and not sent again"
        ),
        fix: "to have such messages sent again, perhaps twice: \
              openclaw config set channels.telegram.onUnknownSend resend"
            .to_owned(),
    }
}

impl Actor for SendActor {
    const KIND: &'static str = "channel.send";
    type Mail = SendMail;
    type Args = (Arc<Account>, ChannelDeps);

    fn init((account, deps): Self::Args, ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let address = ctx.address();
        deps.typing.attach(account.key(), move || {
            let _is_up: bool = address.nudge(SendMail::Typing);
        });
        Ok(Self {
            account,
            deps,
            in_hand: HashMap::new(),
            is_ready: false,
            is_claiming: false,
            is_stopping: false,
            claim_again: false,
            due: None,
            signs: HashMap::new(),
            has_typing_timer: false,
            gate: LogGate::default(),
            open: watch::channel(0).0,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let (ledger, account) = (self.deps.ledger.clone(), Arc::clone(&self.account));
        let recover = async move {
            let recovered = ledger
                .recover_account(account.key(), account.unknown_action())
                .await;
            recovered.map(|recovery| recovery.held.len())
        };
        let task = Task::new("recover")
            .kind("channel.recover")
            .deadline(LEDGER_WITHIN);
        ctx.task(task, recover, |done| step(Inner::Recovered(done)));
        Ok(())
    }

    fn handle(&mut self, mail: SendMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            SendMail::Work => self.claim(ctx),
            SendMail::Typing => self.show_typing(ctx),
            SendMail::Step(Step(inner)) => match inner {
                Inner::Recovered(held) => {
                    let held = u64::try_from(held?).unwrap_or(u64::MAX);
                    if held > 0 {
                        self.deps.status.update(self.account.key(), |status| {
                            status.unknown += held;
                            status.raise(unknown_issue(status.unknown));
                        });
                    }
                    self.is_ready = true;
                    self.claim(ctx);
                }
                Inner::Claimed(rows) => self.on_claimed(rows?, ctx),
                Inner::Delivered(id, done) => self.on_delivered(&id, &done?, ctx),
                Inner::Released(done) => done?,
                Inner::Typed(lane) => tracing::trace!(lane, "typing sign shown"),
                Inner::TypingDue => {
                    self.has_typing_timer = false;
                    self.show_typing(ctx);
                }
            },
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        // A send that was cut off, by a bug or its deadline, concerns one message and no other.
        if let Some(row) = self.in_hand.get(&exit.id).cloned() {
            let id = exit.id.clone();
            let settle = deliver::cut_off(
                Arc::clone(&self.account),
                self.deps.ledger.clone(),
                row,
                format!("the send was cut off: {}", exit.exit),
            );
            let task = Task::new("settle")
                .kind("channel.settle")
                .deadline(LEDGER_WITHIN);
            ctx.task(task, settle, move |done| step(Inner::Delivered(id, done)));
            return Ok(());
        }
        let is_sign = self.signs.values().any(|(_, sign)| *sign == exit.id);
        if exit.exit.is_clean() || is_sign || exit.id.as_str().starts_with("typing") {
            return Ok(());
        }
        Err(ExitError::child(exit))
    }

    fn stopping(&mut self, _: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        self.is_stopping = true;
        let mut open = self.open.subscribe();
        Some(Box::pin(async move {
            // The sender lives as long as the actor; when it is gone there is nothing left to wait for.
            let _none_left = open.wait_for(|open| *open == 0).await.is_ok();
        }))
    }
}
