//! Takes an account's events in.
//!
//! Owns: the poll cursor's copy and the state of the connection. Started by: the account's supervisor.
//! Crashes on: a ledger that refuses, a panic in a poll. Survives: everything, as events are acknowledged to
//! the platform only after their rows and the cursor are in the ledger, and the platform repeats the rest.

mod crowd;
mod step;

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use openclaw_runtime::Actor;
use openclaw_runtime::ChildExit;
use openclaw_runtime::Context;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;

use self::step::Greeting;
use self::step::StepError;
use self::step::Stored;
use crate::account::Account;
use crate::account::ChannelDeps;
use crate::platform::Batch;
use crate::platform::PlatformError;
use crate::retry::Backoff;
use crate::retry::LogGate;
use crate::retry::chance;
use crate::status::AccountIssue;
use crate::status::AccountState;
use crate::status::Bot;

/// Getting to know the platform takes three short calls.
const GREET_WITHIN: Duration = Duration::from_secs(60);
/// A poll ends by itself before this: at the platform, or at the platform's own deadline for it.
const POLL_WITHIN: Duration = Duration::from_secs(90);
/// Two polls that bring nothing are at least this far apart.
const QUICKEST_EMPTY_POLL: Duration = Duration::from_millis(500);
/// A ledger that takes longer has failed.
const STORE_WITHIN: Duration = Duration::from_secs(60);
/// A credential is tried again this often: a person has to mend it, but may have done so at the platform.
const PARKED_FOR: Duration = Duration::from_secs(300);
/// The kind of the issue that names what stops the account.
const CONNECTION: &str = "connection";
/// The kind of the issues that the platform's settings raise.
const REMARK: &str = "platform";

/// What the poll actor is told.
#[derive(Debug)]
pub enum PollMail {
    /// Try again now.
    Resume,
    #[doc(hidden)]
    Greeted(GreetingResult),
    #[doc(hidden)]
    Polled(PollResult),
    #[doc(hidden)]
    Stored(StoreResult),
}

#[doc(hidden)]
#[derive(Debug)]
pub struct GreetingResult(Result<Greeting, PlatformError>);
#[doc(hidden)]
#[derive(Debug)]
pub struct PollResult(Result<Batch, PlatformError>);
#[doc(hidden)]
#[derive(Debug)]
pub struct StoreResult(Result<Stored, StepError>);

impl Mail for PollMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Greeted(_) => "greeted",
            Self::Polled(_) => "polled",
            Self::Stored(_) => "stored",
        }
    }
}

/// The poll actor.
#[derive(Debug)]
pub(crate) struct Poll {
    account: Arc<Account>,
    deps: ChannelDeps,
    greeting: Option<Arc<Greeting>>,
    cursor: Option<String>,
    failures: u32,
    asked_at: Instant,
    gate: LogGate,
    generation: u64,
}

impl Poll {
    fn greet(&mut self, ctx: &mut Context<Self>) {
        ctx.health(Health::Connecting);
        let held = self.greeting.take();
        let task = Task::new("greet")
            .kind("channel.greet")
            .deadline(GREET_WITHIN);
        let greet = step::greet(Arc::clone(&self.account), self.deps.clone(), held);
        ctx.task(task, greet, |result| {
            PollMail::Greeted(GreetingResult(result))
        });
    }

    fn on_greeted(&mut self, greeting: Greeting, ctx: &mut Context<Self>) {
        let identity = &greeting.identity;
        let name = identity.username.clone().map(|name| format!("@{name}"));
        let name = name.unwrap_or_else(|| identity.id.clone());
        tracing::info!(account = %self.account.key(), bot = %name, "connected");
        ctx.note(format!("connected as {name}"));
        self.deps.status.update(self.account.key(), |status| {
            status.connected = true;
            status.last_connected_at = Some(crate::now_ms());
            status.bot = Some(Bot {
                id: identity.id.clone(),
                username: identity.username.clone(),
            });
            status.clear(REMARK);
            for remark in &identity.remarks {
                status.raise(AccountIssue {
                    kind: REMARK,
                    message: remark.clone(),
                    fix: "see the message".to_owned(),
                });
            }
        });
        self.cursor.clone_from(&greeting.cursor);
        self.greeting = Some(Arc::new(greeting));
        self.poll(ctx);
    }

    fn poll(&mut self, ctx: &mut Context<Self>) {
        let Some(greeting) = self.greeting.clone() else {
            return self.greet(ctx);
        };
        self.asked_at = Instant::now();
        let task = Task::new("wait").kind("channel.poll").deadline(POLL_WITHIN);
        let poll = step::poll(Arc::clone(&self.account), self.cursor.clone(), greeting);
        ctx.task(task, poll, |result| PollMail::Polled(PollResult(result)));
    }

    fn on_polled(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        self.recovered(ctx);
        if batch.events.is_empty() && batch.cursor.is_none() {
            // A server that does not hold a poll open must not be asked without end.
            let pause = QUICKEST_EMPTY_POLL.saturating_sub(self.asked_at.elapsed());
            if !pause.is_zero() {
                ctx.after(pause, PollMail::Resume);
                return;
            }
            return self.poll(ctx);
        }
        let Some(greeting) = self.greeting.clone() else {
            return self.greet(ctx);
        };
        let task = Task::new("store")
            .kind("channel.store")
            .deadline(STORE_WITHIN);
        let outbox = ctx
            .directory()
            .address(&crate::account::send_path(self.account.key()));
        let account = Arc::clone(&self.account);
        let store = step::store(account, self.deps.clone(), batch, greeting, outbox);
        ctx.task(task, store, |result| PollMail::Stored(StoreResult(result)));
    }

    fn on_stored(&mut self, stored: Stored, ctx: &mut Context<Self>) {
        if let Some(cursor) = stored.cursor {
            self.cursor = Some(cursor);
        }
        self.deps.status.update(self.account.key(), |status| {
            status.admitted += stored.admitted;
            status.refused += stored.refused;
            if stored.admitted > 0 {
                status.last_inbound_at = Some(crate::now_ms());
            }
            if stored.last_refusal.is_some() {
                status.last_refusal = stored.last_refusal;
            }
        });
        self.poll(ctx);
    }

    fn recovered(&mut self, ctx: &Context<Self>) {
        let failures = std::mem::take(&mut self.failures);
        if failures > 0 {
            tracing::info!(account = %self.account.key(), failures, "the platform answers again");
            if let Some(greeting) = &self.greeting {
                let name = greeting.identity.username.as_deref().unwrap_or_default();
                ctx.note(format!("connected as @{name}"));
            }
        }
        ctx.health(Health::Ok);
        self.deps.status.update(self.account.key(), |status| {
            status.state = AccountState::Live;
            status.connected = true;
            status.reconnect_attempts = 0;
            status.last_poll_at = Some(crate::now_ms());
            status.clear(CONNECTION);
        });
    }

    /// An expected failure: shown, waited out, tried again.
    fn failed(&mut self, error: &PlatformError, ctx: &mut Context<Self>) {
        self.failures = self.failures.saturating_add(1);
        let (delay, state, fix) = match error {
            PlatformError::Credential { remedy, .. } => {
                (PARKED_FOR, AccountState::Parked, Some(remedy.clone()))
            }
            PlatformError::Conflict { .. } => {
                let fix = "end the other program, or give this account its own token".to_owned();
                let delay = Backoff::CONFLICT.delay(self.failures, chance());
                (delay, AccountState::Degraded, Some(fix))
            }
            PlatformError::RateLimited { after, .. } => {
                let delay = Backoff::POLL.delay_after(self.failures, Some(*after), chance());
                (delay, AccountState::Degraded, None)
            }
            PlatformError::Transport { .. } => (
                Backoff::POLL.delay(self.failures, chance()),
                AccountState::Degraded,
                None,
            ),
        };
        // Who polls with the same token may also have set a webhook, and a mended token is another bot.
        if matches!(
            error,
            PlatformError::Conflict { .. } | PlatformError::Credential { .. }
        ) {
            self.cursor = None;
            self.greeting = None;
        }
        let now_ms = crate::now_ms();
        let text = error.to_string();
        if let Some(held_back) = self.gate.admit(&text, now_ms) {
            let fix = fix
                .as_deref()
                .unwrap_or("none needed: it is tried again by itself");
            tracing::warn!(account = %self.account.key(), error = %text, fix, held_back, "the platform cannot be polled");
        }
        let what = if state == AccountState::Parked {
            "parked"
        } else {
            "degraded"
        };
        ctx.note(format!("{what}: {text}; next try in {} s", delay.as_secs()));
        ctx.health(Health::Degraded);
        let attempts = self.failures;
        self.deps.status.update(self.account.key(), |status| {
            status.state = state;
            status.connected = false;
            status.reconnect_attempts = attempts;
            status.failed(&text, now_ms);
            if let Some(fix) = fix {
                status.raise(AccountIssue {
                    kind: CONNECTION,
                    message: text,
                    fix,
                });
            }
        });
        ctx.after(delay, PollMail::Resume);
    }
}

impl Actor for Poll {
    const KIND: &'static str = "channel.poll";
    type Mail = PollMail;
    type Args = (Arc<Account>, ChannelDeps);

    fn init((account, deps): Self::Args, ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let generation = ctx.generation();
        deps.status.update(account.key(), |status| {
            status.incarnation = generation;
            status.running = true;
            status.state = AccountState::Connecting;
            status.last_start_at = Some(crate::now_ms());
        });
        Ok(Self {
            account,
            deps,
            greeting: None,
            cursor: None,
            failures: 0,
            asked_at: Instant::now(),
            gate: LogGate::default(),
            generation,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.greet(ctx);
        Ok(())
    }

    fn handle(&mut self, mail: PollMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            PollMail::Resume => self.poll(ctx),
            PollMail::Greeted(GreetingResult(Ok(greeting))) => self.on_greeted(greeting, ctx),
            PollMail::Polled(PollResult(Ok(batch))) => self.on_polled(batch, ctx),
            PollMail::Stored(StoreResult(Ok(stored))) => self.on_stored(stored, ctx),
            PollMail::Greeted(GreetingResult(Err(error)))
            | PollMail::Polled(PollResult(Err(error))) => {
                self.failed(&error, ctx);
            }
            // The platform keeps what was not acknowledged: the same events come again.
            PollMail::Stored(StoreResult(Err(StepError::Files(reason)))) => {
                self.failed(&PlatformError::Transport { reason }, ctx);
            }
            PollMail::Stored(StoreResult(Err(StepError::Ledger(error)))) if error.retryable() => {
                let reason = error.to_string();
                self.failed(&PlatformError::Transport { reason }, ctx);
            }
            PollMail::Stored(StoreResult(Err(StepError::Ledger(error)))) => {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match exit.exit {
            Exit::Normal | Exit::Ordered => Ok(()),
            Exit::Killed(KillReason::Deadline) => {
                let reason = format!("{} did not end in time", exit.id);
                self.failed(&PlatformError::Transport { reason }, ctx);
                Ok(())
            }
            _ => Err(ExitError::child(exit)),
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.deps.status.update(self.account.key(), |status| {
            // A successor may have begun already.
            if status.incarnation != self.generation {
                return;
            }
            status.running = false;
            status.connected = false;
            status.state = AccountState::Connecting;
        });
    }
}
