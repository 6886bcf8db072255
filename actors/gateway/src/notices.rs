//! Tells the owner of a part that was set aside, once, over an account that still works; and once when it is back.
//!
//! Owns: which troubles have been told; they stand in the ledger, with the lines in the outbox, in one write. Started by:
//! the root. Crashes when: the look panics or the ledger refuses. Survives: what was told, so that neither a restart nor
//! a part that is parked again and again says it twice.

mod owner;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use openclaw_channel::{AccountConfig, nudge_outbox};
use openclaw_ledger::{InboundBatch, Ledger, LedgerError, NewOutbound, Notice};
use openclaw_protocol::OutboundPayload;
use openclaw_runtime::{
    Actor, ChildExit, ChildSpec, Context, Exit, ExitError, KillReason, Mail, Task,
};
use tokio::sync::broadcast::error::RecvError;

use self::trouble::{Known, Line, Owner};
use crate::house::{self, House};
use crate::services::now_ms;

/// Where the actor stands.
const NOTICES: &str = "notices";
/// Where it keeps what it told, among the cursors.
const CURSOR: &str = "gateway/notices";
/// The tree tells at once when a part is parked; an account whose credential was refused shows it in its status only.
const EVERY: Duration = Duration::from_secs(15);
/// A look reads a small file and writes a row; this is for a disk that hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the actor is told.
#[derive(Debug)]
pub(crate) enum NoticesMail {
    /// Something changed, or it is time.
    Look,
    /// The next look is due.
    Tick,
    /// What is known now.
    Looked(Result<Known, LedgerError>),
    /// The events of the tree ended.
    Deaf,
}

impl Mail for NoticesMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Tick => "tick",
            Self::Looked(_) => "looked",
            Self::Deaf => "deaf",
        }
    }
}

/// Tells owners what was set aside.
#[derive(Debug)]
pub(crate) struct Notices {
    house: Arc<House>,
    known: Known,
    is_looking: bool,
    again: bool,
}

impl Notices {
    /// Its place under the root.
    pub(crate) fn spec(house: Arc<House>) -> ChildSpec {
        // Telling of trouble must not be what ends the gateway.
        ChildSpec::actor::<Self>(NOTICES, house).park(Duration::from_secs(60))
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.is_looking {
            self.again = true;
            return;
        }
        self.is_looking = true;
        let (house, known) = (self.house.clone(), self.known.clone());
        let task = Task::new("look").kind("look").deadline(DEADLINE);
        let _id = ctx.task(task, look(house, known), NoticesMail::Looked);
    }

    fn on_looked(&mut self, known: Known, ctx: &mut Context<Self>) {
        self.is_looking = false;
        self.known = known;
        ctx.note(match self.known.len() {
            0 => "nothing is set aside".to_owned(),
            n => format!("{n} set aside"),
        });
        if std::mem::take(&mut self.again) {
            self.look(ctx);
        }
    }
}

impl Actor for Notices {
    const KIND: &'static str = "notices";
    type Mail = NoticesMail;
    type Args = Arc<House>;

    fn init(house: Arc<House>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let known = Known::read(house.ledger.cursor(CURSOR).as_deref());
        Ok(Self {
            house,
            known,
            is_looking: false,
            again: false,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let (mut events, own) = (self.house.directory.watch_parking(), ctx.address());
        let listening = async move {
            loop {
                match events.recv().await {
                    // Of those that were missed one look sees all.
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        let _up: bool = own.nudge(NoticesMail::Look);
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        };
        let task = Task::new("events").kind("events");
        let _id = ctx.task(task, listening, |()| NoticesMail::Deaf);
        ctx.after(EVERY, NoticesMail::Tick);
        Ok(())
    }

    fn handle(&mut self, mail: NoticesMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            NoticesMail::Look => self.look(ctx),
            NoticesMail::Tick => {
                ctx.after(EVERY, NoticesMail::Tick);
                self.look(ctx);
            }
            NoticesMail::Looked(known) => self.on_looked(known?, ctx),
            NoticesMail::Deaf => {}
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, _ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match exit.exit {
            Exit::Normal | Exit::Ordered => Ok(()),
            // The disk hangs; the next look may find it well.
            Exit::Killed(KillReason::Deadline) => {
                self.is_looking = false;
                Ok(())
            }
            _ => Err(ExitError::child(exit)),
        }
    }
}

/// Looks at everything, writes what has to be told, and answers with what is known then.
async fn look(house: Arc<House>, known: Known) -> Result<Known, LedgerError> {
    let now = now_ms();
    let tree = house.directory.tree(None, None);
    let statuses = house.channels.status.all();
    let parts = trouble::parts(tree.as_ref(), &statuses);
    let mut next = known.clone();
    if !next.is_concerned(&parts) {
        return Ok(next);
    }
    let owners = {
        let house = house.clone();
        let owners = tokio::task::spawn_blocking(move || owners(&house)).await;
        owners.unwrap_or_default()
    };
    let lines = next.take(&parts, &owners, house.paths.profile.as_deref(), now);
    if next != known {
        tell(&house.ledger, &next, lines.clone(), now).await?;
    }
    for line in &lines {
        tracing::warn!(to = %line.to.account, "told the owner: {}", line.text);
        nudge_outbox(&house.directory, &line.to.account);
    }
    Ok(next)
}

/// Who can be told over each account that works now, in the configuration's order.
fn owners(house: &House) -> Vec<Owner> {
    let loaded = house.config.borrow().clone();
    let accounts = house::accounts(&loaded, &house.paths).accounts;
    let works = |account: &AccountConfig| {
        let status = house.channels.status.get(&account.key);
        status.is_some_and(|status| trouble::works(&status))
    };
    let owner = |account: &AccountConfig| {
        owner::of(account, &house.channels.credentials_dir).map(|to| Owner {
            account: account.key.clone(),
            to,
        })
    };
    accounts
        .iter()
        .filter(|account| works(account))
        .filter_map(owner)
        .collect()
}

/// The lines and what is known with them, in one write.
async fn tell(
    ledger: &Ledger,
    known: &Known,
    lines: Vec<Line>,
    now_ms: i64,
) -> Result<(), LedgerError> {
    let notice = |line: Line| Notice {
        source: CURSOR.to_owned(),
        source_id: line.id.clone(),
        at_ms: now_ms,
        outbound: NewOutbound {
            account: line.to.account.clone(),
            route: line.to.route(),
            payload: OutboundPayload::plain(line.text),
            session: None,
            turn: None,
            idem_key: line.id,
            expires_at_ms: None,
            notice: true,
        },
    };
    let batch = InboundBatch {
        notices: lines.into_iter().map(notice).collect(),
        cursor: Some((CURSOR.to_owned(), known.write())),
        ..InboundBatch::default()
    };
    ledger.append_batch(batch).await.map(drop)
}
