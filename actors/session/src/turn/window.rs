//! The turn and its model's window: what is done before a call so that it fits.

use openclaw_ledger::Purpose;
use openclaw_protocol::Prompt;
use openclaw_protocol::Tools;

use super::*;
use crate::call::Question;
use crate::compact;
use crate::compact::notes;
use crate::context::fit;
use crate::context::room::Step;
use crate::context::room::Window;
use crate::context::size;

/// What every request of a turn has: what was prepared, the system prompt, the tools.
type Asking = (Arc<Prepared>, Prompt, Tools);

/// A request and its size in tokens, by estimate.
struct Sized {
    messages: Vec<Arc<Message>>,
    /// What stands before the messages.
    head: u64,
    /// All of it; what its provider counted before is believed.
    whole: u64,
    /// The part that is this turn's.
    own: u64,
}

impl Turn {
    pub(super) fn room(&self, prepared: &Prepared) -> Room {
        let config = (self.args.deps.config)();
        let settings = config.agents.defaults.or_default().compaction;
        let window = Window::new(prepared.chosen.context_window, &settings);
        let may_note = settings.memory_flush.enabled && prepared.may_note;
        let has_past = !prepared.history.is_empty();
        Room::new(window, prepared.since, has_past, may_note)
    }

    /// The model's turn: asks it, or makes room before.
    pub(super) fn call(&mut self, ctx: &mut Context<Self>) {
        let Some((prepared, system, tools)) = self.asking() else {
            return;
        };
        let sized = self.sized(&system, &tools);
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let step = room.before(sized.whole, sized.own);
        self.step(step, &prepared, sized, ctx);
    }

    fn step(
        &mut self,
        step: Step,
        prepared: &Arc<Prepared>,
        sized: Sized,
        ctx: &mut Context<Self>,
    ) {
        match step {
            Step::Notes => self.take_notes(prepared, ctx),
            Step::Compact => self.compact(None, ctx),
            Step::Call { limit } => self.ask(limit, sized, ctx),
            Step::GiveUp => {}
        }
    }

    /// The provider found the request too long. True when something is done about it.
    pub(super) fn on_overflow(&mut self, ctx: &mut Context<Self>) -> bool {
        let Some((prepared, system, tools)) = self.asking() else {
            return false;
        };
        let sized = self.sized(&system, &tools);
        let whole = sized.whole;
        let Some(room) = self.room.as_mut() else {
            return false;
        };
        let step = room.overflowed(whole, sized.head);
        tracing::info!(session = %self.args.row.session, tokens = whole, ?step, "a request was too long");
        self.overflowed = true;
        self.step(step, &prepared, sized, ctx);
        step != Step::GiveUp
    }

    fn asking(&self) -> Option<Asking> {
        let prepared = self.prepared.clone()?;
        let Next::Ask { system, tools, .. } = &prepared.next else {
            return None;
        };
        let (system, tools) = (system.clone(), tools.clone());
        let tools = ask::offered(&tools, &self.args.row.body.client_tools);
        Some((prepared, system, tools))
    }

    fn sized(&self, system: &Prompt, tools: &Tools) -> Sized {
        let said = self.plan.said();
        let mut messages = Vec::with_capacity(self.history.len() + 1 + said.len());
        messages.extend(self.history.iter().cloned());
        messages.extend(self.prepared.iter().map(|prepared| prepared.user.clone()));
        messages.extend(said.iter().cloned().map(Arc::new));
        let head = size::head(system, tools);
        let own = messages.iter().skip(self.history.len());
        let own = size::messages(own.map(Arc::as_ref));
        Sized {
            head,
            whole: size::request(head, messages.iter().map(Arc::as_ref)),
            own: head + own,
            messages,
        }
    }

    fn ask(&mut self, limit: u64, sized: Sized, ctx: &mut Context<Self>) {
        let Some((prepared, system, tools)) = self.asking() else {
            return;
        };
        let mut messages = sized.messages;
        if sized.whole > limit {
            // Where the provider counts more than is estimated here, so much less may be sent.
            let room = limit.saturating_sub(sized.head);
            let estimated = sized.head + size::messages(messages.iter().map(Arc::as_ref));
            let more = sized.whole.max(1).max(estimated);
            let room = u128::from(room) * u128::from(estimated) / u128::from(more);
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            messages = fit::fit(&messages, self.history.len(), room);
        }
        self.epoch += 1;
        let epoch = self.epoch;
        let messages: Arc<[Arc<Message>]> = messages.into();
        let chain = prepared.chosen.chain();
        let requests = chain.map(|candidate| openclaw_provider::ModelRequest {
            model: candidate.model.clone(),
            system: system.clone(),
            messages: Arc::clone(&messages),
            tools: tools.clone(),
            max_tokens: candidate.max_tokens,
            session: self.args.row.session.clone(),
            params: step::params(candidate, prepared.thinking.as_deref()),
        });
        let question = Question {
            requests: requests.collect(),
            chain: prepared.chosen.clone(),
            tab: self.tab.clone(),
            purpose: Purpose::Answer,
            input: sized.whole.min(limit),
        };
        let task = Task::new(format!("call/{epoch}"))
            .kind("call")
            .deadline(self.left());
        let (models, feed) = (self.args.deps.models.clone(), self.args.feed.clone());
        let future = call::run(models, question, feed);
        let id = ctx.task(task, future, move |ended| {
            TurnMail::CallEnded(epoch, Box::new(ended))
        });
        self.call = Some(id);
    }

    /// Sums the conversation up; `instructions` are a person's.
    pub(super) fn compact(&mut self, instructions: Option<String>, ctx: &mut Context<Self>) {
        let Some(prepared) = self.prepared.clone() else {
            return;
        };
        let config = (self.args.deps.config)();
        let settings = config.agents.defaults.or_default().compaction;
        let wish = compact::Wish {
            key: self.args.row.session.clone(),
            chosen: prepared.chosen.clone(),
            window: Window::new(prepared.chosen.context_window, &settings),
            instructions,
            is_forced: std::mem::take(&mut self.overflowed),
            tab: self.tab.clone(),
        };
        let (deps, slot) = (self.args.deps.clone(), self.args.slot.clone());
        let future = async move {
            let compacted = compact::compact(&deps, &slot, wish).await?;
            let guard = slot.lock().await;
            let history = guard.as_ref().and_then(|now| now.messages.clone());
            Ok((compacted, history))
        };
        self.epoch += 1;
        let epoch = self.epoch;
        ctx.note(format!(
            "turn {}: sums the conversation up",
            self.args.row.seq
        ));
        let task = Task::new(format!("compact/{epoch}"))
            .kind("call")
            .deadline(self.left());
        let id = ctx.task(task, future, move |compacted| {
            TurnMail::Compacted(epoch, Box::new(compacted))
        });
        self.call = Some(id);
    }

    pub(super) fn on_compacted(
        &mut self,
        epoch: u32,
        compacted: Compacted,
        history: Option<Arc<Vec<Arc<Message>>>>,
        ctx: &mut Context<Self>,
    ) {
        if epoch != self.epoch {
            return;
        }
        self.call = None;
        if let Some(room) = self.room.as_mut() {
            room.compacted();
        }
        if matches!(compacted, Compacted::Done(_))
            && let Some(history) = history
        {
            self.history = history;
        }
        let is_wanted = matches!(
            self.prepared.as_ref().map(|prepared| &prepared.next),
            Some(Next::Compact { .. })
        );
        if is_wanted {
            self.feed(Event::Answered(own_words(compacted.told())), ctx);
        } else {
            self.call(ctx);
        }
    }

    fn take_notes(&mut self, prepared: &Arc<Prepared>, ctx: &mut Context<Self>) {
        let Some((_, system, tools)) = self.asking() else {
            return;
        };
        let config = (self.args.deps.config)();
        let settings = config.agents.defaults.or_default().compaction;
        let window = Window::new(prepared.chosen.context_window, &settings);
        let wish = notes::Wish {
            key: self.args.row.session.clone(),
            turn: self.args.row.seq,
            chosen: prepared.chosen.clone(),
            limit: window.hard.saturating_sub(size::head(&system, &tools)),
            system,
            tools,
            messages: self.history.to_vec(),
            workspace: prepared.cwd.clone(),
            caller: self.caller(),
            prompt: settings.memory_flush.prompt,
            system_prompt: settings.memory_flush.system_prompt,
            count: prepared.compactions,
            tab: self.tab.clone(),
        };
        self.epoch += 1;
        let epoch = self.epoch;
        ctx.note(format!("turn {}: takes notes", self.args.row.seq));
        let deps = self.args.deps.clone();
        let task = Task::new(format!("notes/{epoch}"))
            .kind("call")
            .deadline(self.left());
        let future = async move { notes::take(&deps, wish).await };
        let id = ctx.task(task, future, move |taken| TurnMail::Noted(epoch, taken));
        self.call = Some(id);
    }

    pub(super) fn on_noted(&mut self, epoch: u32, ctx: &mut Context<Self>) {
        if epoch == self.epoch {
            self.call = None;
            self.call(ctx);
        }
    }

    /// Writes down what calls cost while the turn goes on.
    pub(super) fn write_costs(&mut self, ctx: &mut Context<Self>) {
        self.written += 1;
        let tab = self.tab.clone();
        let task = Task::new(format!("spend/{}", self.written)).kind("spend");
        ctx.task(task, async move { tab.flush().await }, TurnMail::Spent);
    }
}
