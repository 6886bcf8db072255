//! The keeper of one credential that runs out: who needs it asks here, and it is renewed once.
//!
//! - owns: one sign-in and whoever waits for its next token;
//! - started by: the supervisor `providers`, one for each such credential;
//! - crashes: on a bug only; a renewal that is refused is a value;
//! - survives: the credential is in its file, and a new one is written there before it is used: the
//!   token for the next renewal is good for one time only.

mod issuer;
mod renew;
#[cfg(test)]
mod tests;

use std::time::Duration;

use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::AskError;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Task;

pub use self::issuer::Issuer;
pub use self::renew::Token;
use crate::access::Access;
use crate::account::Account;
use crate::account::Kept;
use crate::account::Proof;
use crate::catalogue::Catalogue;
use crate::error::ModelError;
use crate::error::ModelErrorKind;

/// A renewal is one small request; issuers answer in a second or not at all.
const DEADLINE: Duration = Duration::from_secs(30);
/// A token that runs out sooner than this might do so on its way.
const MARGIN_MS: i64 = 60_000;
/// A refused renewal is not tried again for so long: each try costs the issuer's patience.
const REST_MS: i64 = 30_000;

/// Mail to a keeper.
#[derive(Debug)]
pub enum KeeperMail {
    /// A renewal ended.
    Renewed(Box<Result<Token, ModelError>>),
    /// The provider refused what this keeper gave out.
    Doubted,
    /// The credential is another one now.
    Reconfigure(KeeperArgs),
    /// Asks for what a call proves itself with.
    Access(Reply<Result<Access, ModelError>>),
}

/// What a keeper is started with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeeperArgs {
    /// The profile's id.
    pub id: String,
    /// What is kept.
    pub kept: Kept,
    /// Who renews it.
    pub issuer: Issuer,
}

/// A keeper.
#[derive(Debug)]
pub struct KeeperActor {
    args: KeeperArgs,
    token: Option<Token>,
    /// The token that the provider refused.
    doubted: Option<Token>,
    waiting: Vec<Reply<Result<Access, ModelError>>>,
    renewing: bool,
    refused: Option<(ModelError, i64)>,
    renewals: u64,
}

impl KeeperActor {
    fn on_access(&mut self, reply: Reply<Result<Access, ModelError>>, ctx: &mut Context<Self>) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        if let Some(token) = self.token.as_ref().filter(|token| token.is_fresh(now_ms)) {
            reply.send(Ok(token.access.clone()));
            return;
        }
        if let Some((error, until_ms)) = &self.refused
            && now_ms < *until_ms
        {
            reply.send(Err(error.clone()));
            return;
        }
        self.waiting.push(reply);
        if !self.renewing {
            self.renewing = true;
            let task = Task::new("renew").kind("renewal").deadline(DEADLINE);
            let renewal = renew::renew(self.args.clone(), self.doubted.take());
            let _id = ctx.task(task, renewal, |token| KeeperMail::Renewed(Box::new(token)));
        }
    }

    fn on_renewed(&mut self, outcome: Result<Token, ModelError>, ctx: &mut Context<Self>) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        self.renewing = false;
        self.renewals += 1;
        let answer = match outcome {
            Ok(token) => {
                let seconds = (token.until_ms - now_ms) / 1000;
                ctx.health(Health::Ok);
                ctx.note(format!("{} renewals; good for {seconds} s", self.renewals));
                self.refused = None;
                let access = token.access.clone();
                self.token = Some(token);
                Ok(access)
            }
            Err(error) => {
                ctx.health(Health::Degraded);
                ctx.note(format!("not renewed: {}", error.kind.as_str()));
                tracing::warn!(credential = %self.args.id, %error, "a credential was not renewed");
                self.refused = Some((error.clone(), now_ms + REST_MS));
                self.token = None;
                Err(error)
            }
        };
        for reply in self.waiting.drain(..) {
            reply.send(answer.clone());
        }
    }
}

impl Mail for KeeperMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Renewed(_) => "renewed",
            Self::Doubted => "doubted",
            Self::Reconfigure(_) => "reconfigure",
            Self::Access(_) => "access",
        }
    }
}

impl Actor for KeeperActor {
    const KIND: &'static str = "keeper";
    type Mail = KeeperMail;
    type Args = KeeperArgs;

    fn init(args: KeeperArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            args,
            token: None,
            doubted: None,
            waiting: Vec::new(),
            renewing: false,
            refused: None,
            renewals: 0,
        })
    }

    fn handle(&mut self, mail: KeeperMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            KeeperMail::Access(reply) => self.on_access(reply, ctx),
            KeeperMail::Renewed(outcome) => self.on_renewed(*outcome, ctx),
            KeeperMail::Doubted => {
                if let Some(token) = self.token.take() {
                    self.doubted = Some(token);
                }
            }
            KeeperMail::Reconfigure(args) => {
                self.args = args;
                (self.token, self.refused) = (None, None);
            }
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if !exit.exit.is_clean() && self.renewing {
            let text = format!(
                "the sign-in {} could not be renewed in time; ask again in a while",
                self.args.id
            );
            let error = ModelError::new(ModelErrorKind::Network, text);
            self.on_renewed(Err(error), ctx);
        }
        Ok(())
    }
}

/// The children of the supervisor `providers` that keep credentials: one for each.
pub(crate) fn specs(catalogue: &Catalogue) -> Vec<ChildSpec> {
    let mut seen = std::collections::HashSet::new();
    let accounts = catalogue
        .providers()
        .flat_map(|entry| &entry.endpoint.accounts);
    accounts
        .filter_map(args)
        .filter(|args| seen.insert(args.id.clone()))
        .map(spec)
        .collect()
}

fn args(account: &Account) -> Option<KeeperArgs> {
    let Proof::Kept(kept) = &account.proof else {
        return None;
    };
    Some(KeeperArgs {
        id: account.id.clone(),
        kept: kept.clone(),
        issuer: Issuer::of(kept)?,
    })
}

/// A keeper's place under its supervisor.
pub fn spec(args: KeeperArgs) -> ChildSpec {
    let id = name(&args.id);
    ChildSpec::live_actor::<KeeperActor>(&*id, args.clone(), KeeperMail::Reconfigure)
        .fingerprint_of(&args)
        .park(Duration::from_secs(30))
}

/// Slashes are for paths.
fn name(id: &str) -> String {
    format!("auth:{}", id.replace('/', "_"))
}

fn address(directory: &Directory, id: &str) -> Address<KeeperMail> {
    let child = name(id);
    directory.address(&ActorPath::new("providers").join(&ChildId::from(child.as_str())))
}

/// Asks a credential's keeper for what a call proves itself with.
pub async fn access(directory: &Directory, id: &str) -> Result<Access, ModelError> {
    let asked = address(directory, id)
        .ask(DEADLINE + Duration::from_secs(5), KeeperMail::Access)
        .await;
    asked.unwrap_or_else(|error| {
        let text = match error {
            AskError::Timeout | AskError::Full => format!("the sign-in {id} is not renewed yet"),
            AskError::Down | AskError::Dropped => format!(
                "the keeper of the sign-in {id} is not there; `openclaw supervisor tree` shows why"
            ),
        };
        Err(ModelError::new(ModelErrorKind::Network, text))
    })
}

/// What an account proves itself with, for a program that has no keepers: the file's lock keeps the two apart.
pub(crate) async fn grant(account: &Account) -> Result<Access, ModelError> {
    if let Some(access) = account.access() {
        return Ok(access);
    }
    let Some(args) = args(account) else {
        let text = format!("nobody is known who renews the sign-in {}", account.id);
        return Err(ModelError::new(ModelErrorKind::Auth, text));
    };
    Ok(renew::renew(args, None).await?.access)
}

/// Tells a keeper that the provider refused what it gave out.
pub(crate) fn doubt(directory: &Directory, id: &str) {
    address(directory, id).nudge(KeeperMail::Doubted);
}
