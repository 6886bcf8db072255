//! What an actor is: its mail, its arguments and its synchronous handlers.

use std::pin::Pin;

use crate::context::Context;
use crate::exit::ChildExit;
use crate::exit::Exit;
use crate::exit::ExitError;
use crate::path::ChildId;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A message to an actor.
pub trait Mail: Send + 'static {
    /// Names the variant, for vitals, spans and crash records: `"flush"`, `"sent"`.
    fn kind(&self) -> &'static str;

    /// Tells nudges of one kind apart: two queued nudges merge when kind *and* key are equal. Mail that carries whom it is
    /// about must answer a hash of that here, or nudges about different subjects merge into the first.
    fn nudge_key(&self) -> u64 {
        0
    }
}

/// A supervised piece of state. Handlers are synchronous: whatever waits runs in a child.
pub trait Actor: Sized + Send + 'static {
    /// What the tree calls this sort of actor: `"telegram.poll"`, `"session"`.
    const KIND: &'static str;
    type Mail: Mail;
    /// What every incarnation is made from; kept by the supervisor for restarts, so it must be cheap to clone.
    type Args: Clone + Send + Sync + 'static;

    /// Makes the local state. Runs in the actor's own task; the address already takes mail, so a nudge sent after this has read
    /// its work is not lost.
    fn init(args: Self::Args, ctx: &mut Context<Self>) -> Result<Self, ExitError>;

    /// Runs once after `init`, before the first mail.
    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let _ = ctx;
        Ok(())
    }

    /// Handles one mail.
    fn handle(&mut self, mail: Self::Mail, ctx: &mut Context<Self>) -> Result<(), ExitError>;

    /// Learns that a child ended otherwise than by handing in its output.
    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let _ = ctx;
        match exit.exit {
            Exit::Normal | Exit::Ordered => Ok(()),
            _ => Err(ExitError::child(exit)),
        }
    }

    /// Learns that a child actor finished its `init` and `started`. For supervisors.
    #[doc(hidden)]
    fn child_started(&mut self, id: &ChildId, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let _ = (id, ctx);
        Ok(())
    }

    /// Whether a child stays in the tree after its end. For supervisors.
    #[doc(hidden)]
    const KEEPS_CHILDREN: bool = false;

    /// Learns that an ordered stop began. A returned future may finish work, within the spec's shutdown time; mail is handled
    /// until it ends.
    fn stopping(&mut self, ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        let _ = ctx;
        None
    }
}
