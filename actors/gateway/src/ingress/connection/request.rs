//! The requests after it: each is answered at once or from a task of its own.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::frame::Request;
use openclaw_protocol::frame::around_payload;
use openclaw_protocol::frame::failed_response;
use openclaw_protocol::frame::response;
use openclaw_runtime::ChildId;
use openclaw_runtime::Context;
use openclaw_runtime::Task;
use openclaw_runtime::TraceContext;

use super::WsConnection;
use super::WsMail;
use crate::ingress::outbound::Goodbye;
use crate::ingress::outbound::Payload;
use crate::ingress::principal::Principal;
use crate::ingress::socket::Shared;
use crate::ingress::websocket::close;
use crate::method;
use crate::method::Answer;
use crate::method::Call;
use crate::method::Outcome;

/// Requests of one connection that are answered at the same time; more are asked to come back.
const IN_FLIGHT: usize = 64;

/// A caller that calls what its role may not, so often, is broken.
const ROLE_ERRORS: u32 = 10;

impl WsConnection {
    pub(super) fn on_request(
        &mut self,
        caller: Arc<Principal>,
        request: Request,
        ctx: &mut Context<Self>,
    ) {
        let Request {
            id,
            method,
            params,
            traceparent,
        } = request;
        let shared = Arc::clone(&self.shared);
        let early_id = id.clone();
        // What the request starts belongs to the caller's trace, or to that of this mail.
        let traceparent = traceparent
            .filter(|text| TraceContext::parse(text).is_some())
            .or_else(|| Some(ctx.trace().traceparent()));
        let call = Call {
            principal: caller,
            services: Arc::clone(&self.services),
            params,
            traceparent,
            early: Arc::new(move |payload| shared.queue.respond(response(&early_id, &Ok(payload)))),
        };
        match method::dispatch(&method, call) {
            Outcome::Now(answer) => {
                self.count_role_error(&answer);
                self.services.meters.called(&method, answer.is_ok());
                self.shared.queue.respond(written(&id, answer));
            }
            _ if self.in_flight.len() >= IN_FLIGHT => {
                let busy = "The server is busy. Please try again in a moment.";
                self.respond(&id, &Err(ErrorShape::unavailable(busy).retry_after(1000)));
            }
            Outcome::Later { deadline, future } => {
                let answer_id = id.clone();
                let answer = async move {
                    let answer = future.await;
                    (answer.is_ok(), Payload::from(written(&answer_id, answer)))
                };
                self.answer_later(id, method, deadline, answer, ctx);
            }
            Outcome::Written { deadline, future } => {
                let answer_id = id.clone();
                let answer = async move {
                    match future.await {
                        Ok(payload) => {
                            let (before, after) = around_payload(&answer_id);
                            (true, payload.within(before, after))
                        }
                        Err(refused) => (false, written(&answer_id, Err(refused)).into()),
                    }
                };
                self.answer_later(id, method, deadline, answer, ctx);
            }
        }
    }

    /// Has a task of its own answer; it says whether the answer is yes, and its frame.
    fn answer_later(
        &mut self,
        id: String,
        method: String,
        deadline: Duration,
        answer: impl Future<Output = (bool, Payload)> + Send + 'static,
        ctx: &mut Context<Self>,
    ) {
        self.next_task += 1;
        let task_id = ChildId::new(format!("request-{}", self.next_task));
        let task = Task::new(task_id.clone())
            .kind("request")
            .deadline(deadline);
        let (services, shared) = (Arc::clone(&self.services), Arc::clone(&self.shared));
        let answering = async move {
            let (is_ok, frame) = answer.await;
            services.meters.called(&method, is_ok);
            shared.queue.respond(frame);
            after_ack(&method, &shared).await;
        };
        let task_id = ctx.task(task, answering, move |()| WsMail::Answered(task_id));
        self.in_flight.insert(task_id, id);
    }

    fn count_role_error(&mut self, answer: &Answer) {
        let is_role_error = answer
            .as_ref()
            .is_err_and(|refused| refused.error.message.starts_with("unauthorized role"));
        self.role_errors += u32::from(is_role_error);
        if self.role_errors > ROLE_ERRORS {
            self.close(Goodbye::new(close::POLICY, "repeated unauthorized calls"));
        }
    }
}

fn written(id: &str, answer: Answer) -> String {
    match answer {
        Ok(payload) => response(id, &Ok(payload)),
        Err(refused) => match refused.payload {
            Some(payload) => failed_response(id, &payload, &refused.error),
            None => response(id, &Err(*refused.error)),
        },
    }
}

/// Where a test ends the process: the acknowledgement is on its way, and what it promised must hold.
#[cfg(feature = "chaos")]
async fn after_ack(method: &str, shared: &Shared) {
    use openclaw_protocol::Method;

    if Method::find(method).is_some_and(|method| method.is_idempotent) {
        while !shared.queue.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(openclaw_runtime::fault::point_async!("ws.after_ack").await);
    }
}

#[cfg(not(feature = "chaos"))]
async fn after_ack(_method: &str, _shared: &Shared) {}
