//! The decisions of one turn: events in, effects out.
//!
//! Pure: no clock, no wait, no file. The turn actor performs the effects and reports back as
//! events, in whatever order they happen; events that no longer fit are dropped here, so a late
//! answer can never follow the turn's end. Whatever happens, a turn commits once and ends once.

use std::collections::VecDeque;
use std::time::Duration;

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::StopReason;
use openclaw_protocol::message::AssistantMessage;

mod repeat;
mod resume;
mod value;

pub(crate) use self::resume::PastStep;
pub(crate) use self::value::CallFailure;
pub(crate) use self::value::Claim;
pub(crate) use self::value::Effect;
pub(crate) use self::value::Event;
pub(crate) use self::value::Outcome;
pub(crate) use self::value::ToolUse;

#[cfg(test)]
mod tests;

/// How often a model is asked again after a failure that may pass.
///
/// Three tries with the pauses below span about four seconds: longer than a dropped connection,
/// shorter than a person's patience.
const TRIES: u32 = 3;
/// The first pause; it triples.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A provider that asks for a longer pause than this is reported instead of waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How often one turn may go back to the model; far above honest work, it ends a loop of tools.
const ROUNDS: u32 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    /// Waiting for the claim or the preparation.
    Nothing,
    Calling,
    Pausing,
    Intent(u32),
    Tool(u32),
    Result(u32),
    Committing,
    Over,
}

#[derive(Debug, Clone)]
struct Waiting {
    call: ToolUse,
    /// The step's number when its intent is durable already.
    stored: Option<u32>,
}

/// The plan of one turn.
#[derive(Debug)]
pub(crate) struct Plan {
    claim: Option<Claim>,
    prepared: bool,
    early: bool,
    busy: Busy,
    outcome: Option<Outcome>,
    queue: VecDeque<Waiting>,
    said: Vec<Message>,
    next_k: u32,
    tries: u32,
    rounds: u32,
    model: (String, String),
    /// Tools that the client runs itself.
    client_tools: Vec<String>,
    /// A tool that was called again and again to no other end.
    repeated: Option<String>,
}

impl Plan {
    /// A turn that has neither claim nor context yet.
    pub(crate) fn new() -> Self {
        Self {
            claim: None,
            prepared: false,
            early: false,
            busy: Busy::Nothing,
            outcome: None,
            queue: VecDeque::new(),
            said: Vec::new(),
            next_k: 0,
            tries: 0,
            rounds: 0,
            model: (String::new(), String::new()),
            client_tools: Vec::new(),
            repeated: None,
        }
    }

    /// What this turn added after the user's message.
    pub(crate) fn said(&self) -> &[Message] {
        &self.said
    }

    /// Which model answers; messages of the gateway itself are signed with it.
    pub(crate) fn answers_as(&mut self, provider: &str, model: &str) {
        self.model = (provider.to_owned(), model.to_owned());
    }

    /// Which tools the client runs itself: a call of one ends the turn.
    pub(crate) fn leaves_to_client(&mut self, tools: Vec<String>) {
        self.client_tools = tools;
    }

    /// The number of the next step, where the plan is between a tool's end and what follows it.
    pub(crate) fn boundary(&self) -> Option<u32> {
        matches!(self.busy, Busy::Result(_)).then_some(self.next_k)
    }

    /// One line for the supervision tree.
    pub(crate) fn note(&self) -> String {
        match self.busy {
            Busy::Nothing => "preparing".to_owned(),
            Busy::Calling => format!("asking the model, round {}", self.rounds),
            Busy::Pausing => format!("try {} after a pause", self.tries + 1),
            Busy::Intent(k) | Busy::Tool(k) | Busy::Result(k) => {
                let name = self.queue.front().map_or("", |w| w.call.name.as_str());
                format!("tool {k} {name}")
            }
            Busy::Committing => "committing".to_owned(),
            Busy::Over => "over".to_owned(),
        }
    }

    /// Takes one event and says what to do.
    pub(crate) fn on(&mut self, event: Event) -> Vec<Effect> {
        if matches!(self.busy, Busy::Over) {
            return Vec::new();
        }
        if matches!(self.busy, Busy::Committing) && !matches!(event, Event::Committed) {
            return Vec::new(); // the end is on its way to the disk: too late for anything else
        }
        match event {
            Event::Claimed(claim) => self.on_claimed(claim),
            Event::Prepared { early } if !self.prepared => {
                self.prepared = true;
                self.early = early;
                self.advance()
            }
            Event::Unprepared { notice } if !self.prepared => {
                let at = self.claim.as_ref().map_or(0, |c| c.now_ms);
                self.fail(notice, None, at)
            }
            Event::Answered(message) if !self.prepared => {
                self.prepared = true;
                if self.outcome.is_none() {
                    self.close_open_calls(message.timestamp);
                    self.said.push(Message::Assistant(message));
                    self.outcome = Some(Outcome::Done);
                }
                self.advance()
            }
            Event::CallDone(message) if self.busy == Busy::Calling => self.on_answer(message),
            Event::CallFailed(failure) if self.busy == Busy::Calling => self.on_failure(failure),
            Event::PauseOver if self.busy == Busy::Pausing => {
                self.busy = Busy::Nothing;
                self.advance()
            }
            Event::IntentStored(k) if self.busy == Busy::Intent(k) => self.run_front(k),
            Event::ToolDone(k, result) if self.busy == Busy::Tool(k) => {
                self.said.push(Message::ToolResult(result.clone()));
                self.queue.pop_front();
                self.repeated = self.repeated.take().or_else(|| repeat::found(&self.said));
                self.busy = Busy::Result(k);
                vec![Effect::StoreResult { k, result }]
            }
            Event::ResultStored(k) if self.busy == Busy::Result(k) => {
                self.busy = Busy::Nothing;
                self.advance()
            }
            Event::Joined { k, message } if matches!(self.busy, Busy::Result(_)) => {
                self.join(k, message);
                self.busy = Busy::Nothing;
                self.advance()
            }
            Event::Abort {
                reason,
                partial,
                now_ms,
            } => self.on_abort(reason, partial, now_ms),
            Event::Deadline {
                notice,
                partial,
                now_ms,
            } => self.fail(notice, partial, now_ms),
            Event::Committed if self.busy == Busy::Committing => {
                self.busy = Busy::Over;
                match self.outcome.clone() {
                    Some(outcome) => vec![Effect::Finish(outcome)],
                    None => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn on_claimed(&mut self, claim: Claim) -> Vec<Effect> {
        if self.claim.is_some() {
            return Vec::new();
        }
        let now_ms = claim.now_ms;
        let must_restart = !claim.steps.is_empty() || claim.exhausted;
        let mut effects = Vec::new();
        if must_restart && self.outcome.is_none() {
            // The early call guessed a fresh row; this one has a past.
            if self.busy != Busy::Nothing {
                effects.push(Effect::Cancel);
                self.busy = Busy::Nothing;
            }
            self.said.clear();
            self.queue.clear();
            self.resume(&claim);
        }
        let exhausted = claim.exhausted;
        self.claim = Some(claim);
        if exhausted && self.outcome.is_none() {
            let notice =
                "Sorry, your last message made me stumble three times, so I set it aside. \
                          It is kept with the reason: openclaw supervisor crash"
                    .to_owned();
            self.close_open_calls(now_ms);
            self.push_error(None, &notice, now_ms);
            self.outcome = Some(Outcome::Dead { notice });
        }
        effects.extend(self.advance());
        effects
    }

    /// The next step when nothing runs.
    fn advance(&mut self) -> Vec<Effect> {
        if self.busy != Busy::Nothing {
            return Vec::new();
        }
        if let Some(outcome) = &self.outcome {
            if self.claim.is_none() {
                return Vec::new();
            }
            let outcome = outcome.clone();
            self.busy = Busy::Committing;
            return vec![Effect::Commit(outcome)];
        }
        if !self.prepared || (self.claim.is_none() && !self.early) {
            return Vec::new();
        }
        if let Some(tool) = self.repeated.take() {
            let at = self.said.last().map_or(0, Message::timestamp);
            return self.fail(repeat::notice(&tool), None, at);
        }
        if let Some(front) = self.queue.front() {
            if self.claim.is_none() {
                return Vec::new(); // an intent belongs to a claimed turn
            }
            if let Some(k) = front.stored {
                return self.run_front(k);
            }
            let k = self.next_k;
            self.next_k += 1;
            self.busy = Busy::Intent(k);
            return vec![Effect::StoreIntent {
                k,
                call: front.call.clone(),
            }];
        }
        if self.rounds >= ROUNDS {
            let at = self.said.last().map_or(0, Message::timestamp);
            let notice = format!(
                "I stopped after {ROUNDS} rounds of tools without an answer. Ask again with a \
                 smaller step."
            );
            return self.fail(notice, None, at);
        }
        self.rounds += 1;
        self.busy = Busy::Calling;
        vec![Effect::Call]
    }

    fn run_front(&mut self, k: u32) -> Vec<Effect> {
        match self.queue.front_mut() {
            Some(front) => {
                front.stored = Some(k);
                self.busy = Busy::Tool(k);
                vec![Effect::RunTool {
                    k,
                    call: front.call.clone(),
                }]
            }
            None => {
                self.busy = Busy::Nothing;
                self.advance()
            }
        }
    }

    fn on_answer(&mut self, message: AssistantMessage) -> Vec<Effect> {
        self.busy = Busy::Nothing;
        let calls = tool_uses(&message);
        let is_empty = calls.is_empty() && !has_text(&message.content);
        if is_empty && !self.said.iter().any(|m| has_text(m.content())) {
            let who = format!("{}/{}", message.provider, message.model);
            return self.on_failure(CallFailure {
                retryable: true,
                retry_after: None,
                is_too_long: false,
                notice: format!(
                    "{who} answered with nothing. Ask again, or choose another model: openclaw \
                     models list"
                ),
                message,
            });
        }
        self.tries = 0;
        let at = message.timestamp;
        self.said.push(Message::Assistant(message));
        if calls
            .iter()
            .any(|call| self.client_tools.contains(&call.name))
        {
            for call in &calls {
                let is_of_client = self.client_tools.contains(&call.name);
                let result = resume::left_result(call, is_of_client, at);
                self.said.push(Message::ToolResult(result));
            }
            self.outcome = Some(Outcome::Done);
            return self.advance();
        }
        if calls.is_empty() {
            self.outcome = Some(Outcome::Done);
        }
        self.queue = calls
            .into_iter()
            .map(|call| Waiting { call, stored: None })
            .collect();
        self.advance()
    }

    fn on_failure(&mut self, failure: CallFailure) -> Vec<Effect> {
        self.busy = Busy::Nothing;
        self.tries += 1;
        let pause = failure
            .retry_after
            .unwrap_or(FIRST_PAUSE * 3u32.saturating_pow(self.tries - 1));
        if failure.retryable && self.tries < TRIES && pause <= LONGEST_PAUSE {
            self.busy = Busy::Pausing;
            self.rounds = self.rounds.saturating_sub(1);
            return vec![Effect::Pause(pause)];
        }
        let at = failure.message.timestamp;
        self.fail(failure.notice, Some(failure.message), at)
    }

    fn on_abort(
        &mut self,
        reason: &'static str,
        partial: Option<AssistantMessage>,
        now_ms: i64,
    ) -> Vec<Effect> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut effects = self.cancel();
        self.close_open_calls(now_ms);
        if let Some(mut message) = partial {
            message.stop_reason = StopReason::Aborted;
            self.said.push(Message::Assistant(message));
        }
        self.outcome = Some(Outcome::Aborted { reason });
        effects.extend(self.advance());
        effects
    }

    fn fail(
        &mut self,
        notice: String,
        partial: Option<AssistantMessage>,
        now_ms: i64,
    ) -> Vec<Effect> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut effects = self.cancel();
        self.close_open_calls(now_ms);
        self.push_error(partial, &notice, now_ms);
        self.outcome = Some(Outcome::Failed { notice });
        effects.extend(self.advance());
        effects
    }

    fn cancel(&mut self) -> Vec<Effect> {
        if self.busy == Busy::Nothing {
            return Vec::new();
        }
        self.busy = Busy::Nothing;
        vec![Effect::Cancel]
    }

    /// Gives every open call a result, so that the transcript pairs.
    fn close_open_calls(&mut self, now_ms: i64) {
        for waiting in std::mem::take(&mut self.queue) {
            let was_begun = waiting.stored.is_some();
            self.said.push(Message::ToolResult(resume::unknown_result(
                &waiting.call,
                was_begun,
                now_ms,
            )));
        }
    }

    fn push_error(&mut self, partial: Option<AssistantMessage>, notice: &str, now_ms: i64) {
        let mut message = partial.unwrap_or_else(|| self.own(now_ms));
        // An open call in a broken answer would never get its result.
        message
            .content
            .retain(|part| !matches!(part, Content::ToolCall { .. }));
        message.stop_reason = StopReason::Error;
        message.error_message = Some(notice.to_owned());
        self.said.push(Message::Assistant(message));
    }

    fn own(&self, now_ms: i64) -> AssistantMessage {
        AssistantMessage {
            provider: self.model.0.clone(),
            model: self.model.1.clone(),
            timestamp: now_ms,
            ..AssistantMessage::default()
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

/// The calls in an answer; the first carries the answer itself.
fn tool_uses(message: &AssistantMessage) -> Vec<ToolUse> {
    let mut calls = Vec::new();
    for part in &message.content {
        if let Content::ToolCall {
            id,
            name,
            arguments,
            ..
        } = part
        {
            let is_first = calls.is_empty();
            calls.push(ToolUse {
                id: id.clone(),
                name: name.clone(),
                arguments: arguments.clone(),
                message: is_first.then(|| Box::new(message.clone())),
            });
        }
    }
    calls
}

fn has_text(parts: &[Content]) -> bool {
    parts
        .iter()
        .any(|part| matches!(part, Content::Text { text, .. } if !text.trim().is_empty()))
}
