//! One connection of a node.
//!
//! Owns the commands that wait for the node's answer. Started by the node's `connect`, under `nodes`; ends with its
//! socket. Crashes alone: its commands are answered with an error and the node connects again. What was asked, and what
//! came of it, is in the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::Ledger;
use openclaw_protocol::Protocol;
use openclaw_runtime::Actor;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Restart;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Task;
use serde_json::Value;
use serde_json::json;
use tokio::sync::oneshot;

use super::board::Link;
use super::board::NodeBoard;
use super::kept;
use super::kept::Said;
use super::kept::Verdict;
use crate::ingress::outbound::Event;
use crate::ingress::outbound::Goodbye;
use crate::ingress::outbound::Numbering;
use crate::ingress::websocket::close;
use crate::services::Services;

/// Commands of one node that wait at the same time; a device does few things at once.
const WAITING: usize = 32;
/// What writing down takes at most, before and after the node's own time.
const WRITES: Duration = Duration::from_secs(10);
/// How long a connection gets to end.
const END: Duration = Duration::from_secs(2);

/// A command for a node.
#[derive(Debug, Clone)]
pub struct Order {
    /// The command.
    pub command: String,
    /// Its parameters.
    pub params: Option<Value>,
    /// How long the node may take.
    pub timeout: Duration,
    /// Under which a repeat gets the first answer.
    pub key: String,
}

/// Mail of a node's connection.
#[derive(Debug)]
pub enum NodeMail {
    /// Have the node do something.
    Invoke(Box<Order>, Reply<Verdict>),
    /// The node answered a command; whether somebody waited for it.
    Answered(String, Box<Said>, Reply<bool>),
    /// A command ended, under its key.
    Ended(String, Box<Verdict>),
    /// The socket is gone, or another has its place.
    Left,
}

impl Mail for NodeMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Invoke(..) => "invoke",
            Self::Answered(..) => "answered",
            Self::Ended(..) => "ended",
            Self::Left => "left",
        }
    }
}

/// What a connection starts from.
#[derive(Debug, Clone)]
pub struct LinkArgs {
    /// The connection.
    pub link: Arc<Link>,
    /// The connected nodes.
    pub board: NodeBoard,
    /// Where commands are written down.
    pub ledger: Ledger,
}

/// A connection of a node.
#[derive(Debug)]
pub struct NodeLink {
    link: Arc<Link>,
    board: NodeBoard,
    ledger: Ledger,
    /// By key.
    waiting: BTreeMap<String, Waiting>,
    has_left: bool,
}

#[derive(Debug)]
struct Waiting {
    what: String,
    /// The command's own id, which the node answers to.
    id: String,
    task: ChildId,
    answer: Option<oneshot::Sender<Said>>,
    replies: Vec<Reply<Verdict>>,
}

impl NodeLink {
    /// The actor of a connection; the node connects again, so it is not restarted.
    pub fn spec(args: LinkArgs) -> ChildSpec {
        ChildSpec::actor::<Self>(args.link.child_id(), args)
            .restart(Restart::Temporary)
            .shutdown(Shutdown::Within(END))
    }

    fn on_invoke(&mut self, order: Order, reply: Reply<Verdict>, ctx: &mut Context<Self>) {
        if self.has_left {
            return reply.send(Verdict::Gone);
        }
        let what = kept::what(&order.command, order.params.as_ref());
        if let Some(waiting) = self.waiting.get_mut(&order.key) {
            if waiting.what == what {
                waiting.replies.push(reply);
            } else {
                reply.send(Verdict::Reused);
            }
            return;
        }
        if self.waiting.len() >= WAITING {
            return reply.send(Verdict::Busy);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let (answer, answered) = oneshot::channel();
        let key = order.key.clone();
        let task = Task::new("invoke")
            .kind("invoke")
            .deadline(order.timeout + WRITES);
        let carrying = carry(
            self.ledger.clone(),
            Arc::clone(&self.link),
            order,
            id.clone(),
            what.clone(),
            answered,
        );
        let ended_key = key.clone();
        let task = ctx.task(task, carrying, move |verdict| {
            NodeMail::Ended(ended_key, Box::new(verdict))
        });
        let waiting = Waiting {
            what,
            id,
            task,
            answer: Some(answer),
            replies: vec![reply],
        };
        self.waiting.insert(key, waiting);
    }

    /// Hands an answer to whoever waits for it; false for one that is late or unknown.
    fn on_answered(&mut self, id: &str, said: Said) -> bool {
        let mut waiting = self.waiting.values_mut();
        let answer = waiting
            .find(|waiting| waiting.id == id)
            .and_then(|waiting| waiting.answer.take());
        answer.is_some_and(|answer| answer.send(said).is_ok())
    }

    fn on_ended(&mut self, key: &str, verdict: &Verdict, ctx: &mut Context<Self>) {
        let waiting = self.waiting.remove(key);
        for reply in waiting.into_iter().flat_map(|waiting| waiting.replies) {
            reply.send(verdict.clone());
        }
        self.stop_if_done(ctx);
    }

    /// What waits learns that the node is gone, and is written down as that.
    fn on_left(&mut self, ctx: &mut Context<Self>) {
        self.has_left = true;
        for waiting in self.waiting.values_mut() {
            drop(waiting.answer.take());
        }
        self.stop_if_done(ctx);
    }

    fn stop_if_done(&self, ctx: &mut Context<Self>) {
        if self.has_left && self.waiting.is_empty() {
            ctx.stop();
        }
    }
}

/// Tells a connection's actor that its socket is gone. One that is still to start finds it out by itself.
pub fn leave(services: &Services, link: &Link) {
    let address = services.directory.address::<NodeMail>(&link.path());
    let _is_there: bool = address.nudge(NodeMail::Left);
}

/// Carries one command to the node and waits for its answer.
async fn carry(
    ledger: Ledger,
    link: Arc<Link>,
    order: Order,
    id: String,
    what: String,
    answered: oneshot::Receiver<Said>,
) -> Verdict {
    let (node, key) = (&*link.node_id, order.key.as_str());
    if let Some(first) = kept::recall(&ledger, node, key, &what) {
        return first;
    }
    if let Err(error) = kept::begin(&ledger, node, key, &what).await {
        return Verdict::Unstored(error.to_string());
    }
    let timeout_ms = u64::try_from(order.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut request = json!({
        "id": id, "nodeId": node, "command": order.command,
        "timeoutMs": timeout_ms, "idempotencyKey": key,
    });
    if let (Some(params), Value::Object(request)) = (&order.params, &mut request) {
        request.insert("paramsJSON".to_owned(), json!(params.to_string()));
    }
    let event = Arc::new(Event::new("node.invoke.request", request.to_string()));
    link.shared.queue.event(&event, Numbering::Unnumbered);
    let verdict = match tokio::time::timeout(order.timeout, answered).await {
        Ok(Ok(said)) => Verdict::Said(said),
        Ok(Err(_)) => Verdict::Gone,
        Err(_) => {
            // Nobody waits for it any more; early nodes don't know the word.
            if link.version == Protocol::V4 {
                let cancel = json!({ "id": id, "nodeId": node });
                let event = Arc::new(Event::new("node.invoke.cancel", cancel.to_string()));
                link.shared.queue.event(&event, Numbering::Unnumbered);
            }
            Verdict::TimedOut
        }
    };
    if let Err(error) = kept::end(&ledger, node, key, &what, &verdict).await {
        tracing::warn!(node, %error, "what a node answered could not be written down");
    }
    verdict
}

impl Drop for NodeLink {
    // Also after a kill or a panic: a node without its actor would look connected and do nothing.
    fn drop(&mut self) {
        self.board.leave(&self.link.node_id, self.link.connection);
        let goodbye = Goodbye::new(close::SERVICE_RESTART, "connect again");
        self.link.shared.queue.close(goodbye);
    }
}

impl Actor for NodeLink {
    const KIND: &'static str = "node";
    type Mail = NodeMail;
    type Args = LinkArgs;

    fn init(args: LinkArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let LinkArgs {
            link,
            board,
            ledger,
        } = args;
        Ok(Self {
            link,
            board,
            ledger,
            waiting: BTreeMap::new(),
            has_left: false,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let client = &self.link.client;
        let name = client.display_name.as_deref().unwrap_or(&client.id);
        ctx.note(format!("{name} ({})", client.platform));
        // It may have left before this actor was there to hear it.
        if !self.board.is_current(&self.link) {
            self.on_left(ctx);
        }
        Ok(())
    }

    fn handle(&mut self, mail: NodeMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            NodeMail::Invoke(order, reply) => self.on_invoke(*order, reply, ctx),
            NodeMail::Answered(id, said, reply) => reply.send(self.on_answered(&id, *said)),
            NodeMail::Ended(key, verdict) => self.on_ended(&key, &verdict, ctx),
            NodeMail::Left => self.on_left(ctx),
        }
        Ok(())
    }

    /// A command's own task fell: only its askers hear of it, as an answer that never comes.
    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.waiting.retain(|_, waiting| waiting.task != exit.id);
        self.stop_if_done(ctx);
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        for waiting in self.waiting.values_mut() {
            drop(waiting.answer.take());
        }
        None
    }
}
