//! Turns one session event into frames, once for each version that somebody speaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_protocol::Protocol;
use openclaw_session::SessionEvent;
use openclaw_session::What;
use openclaw_session::event::Phase;
use serde_json::json;

use super::Audience;
use super::Subscriber;
use super::render;
use super::render::Chat;
use super::render::Stream;
use super::run::Run;
use crate::ingress::outbound::Event;
use crate::ingress::outbound::Loss;
use crate::ingress::outbound::Numbering;

/// Protocol 3 gets at most one delta in this time, as its clients redraw on each.
const EARLY_DELTA_PAUSE_MS: i64 = 150;

/// Sends what came of one session event.
pub(super) struct Fan<'a> {
    pub(super) subscribers: &'a BTreeMap<u64, Subscriber>,
    pub(super) seq: &'a mut u64,
    pub(super) event: &'a SessionEvent,
}

impl Fan<'_> {
    pub(super) fn agent(&mut self, agent: &render::AgentEvent, tool_listeners: &[u64]) {
        let loss = if agent.is_delta {
            self.delta_loss()
        } else {
            Loss::Never
        };
        let render = |version| Event {
            loss: loss.clone(),
            ..Event::new("agent", render::agent_payload(self.event, agent, version))
        };
        if agent.stream == Stream::Tool {
            let listeners = tool_listeners
                .iter()
                .filter_map(|id| self.subscribers.get(id));
            // Targeted events have no place in protocol 3's common numbering.
            send(
                listeners,
                Numbering::Unnumbered,
                &render,
                &[Protocol::V3, Protocol::V4],
            );
            return;
        }
        let versions: &[_] = match agent.stream {
            Stream::Late => &[Protocol::V4],
            _ => &[Protocol::V3, Protocol::V4],
        };
        let early = self.early_numbering(versions);
        send(self.readers(), early, &render, versions);
    }

    /// The next number of protocol 3, if it gets the event: what it never gets is no gap.
    fn early_numbering(&mut self, versions: &[Protocol]) -> Numbering {
        if versions.contains(&Protocol::V3) {
            *self.seq += 1;
        }
        Numbering::Global(*self.seq)
    }

    pub(super) fn grow(&mut self, run: &mut Run, text: &Arc<str>) {
        let seq = run.agent_seq;
        let (joined, delta) = run.grow(text);
        let late = Chat::Delta {
            text: joined,
            delta,
        };
        self.chat(seq, &late, self.delta_loss(), &[Protocol::V4]);
        if run.early_delta_is_due(self.event.at_ms, EARLY_DELTA_PAUSE_MS) {
            self.early_delta(run);
        }
    }

    pub(super) fn early_delta(&mut self, run: &Run) {
        let text = run.current().to_owned();
        let early = Chat::Delta { text, delta: None };
        self.chat(run.agent_seq, &early, self.delta_loss(), &[Protocol::V3]);
    }

    pub(super) fn chat(&mut self, seq: u64, chat: &Chat, loss: Loss, versions: &[Protocol]) {
        let render = |version| {
            // What a connection that missed a delta gets in its place.
            let whole = match chat {
                Chat::Delta {
                    text,
                    delta: Some(_),
                } if version == Protocol::V4 => {
                    let text = text.clone();
                    let whole = Chat::Delta { text, delta: None };
                    Some(render::chat_payload(self.event, seq, &whole, version))
                }
                _ => None,
            };
            let payload = render::chat_payload(self.event, seq, chat, version);
            let loss = loss.clone();
            Event {
                whole,
                loss,
                ..Event::new("chat", payload)
            }
        };
        let early = self.early_numbering(versions);
        send(self.readers(), early, &render, versions);
    }

    /// Tells those who listen to sessions that a run began or ended, and what was said in the end.
    pub(super) fn session(&mut self, run: &Run) {
        let event = self.event;
        let (reason, phase) = match &event.what {
            What::Lifecycle(Phase::Start { .. }) => ("agent.run.started", "start"),
            What::Final { .. } | What::Aborted { .. } => ("agent.input.settled", "end"),
            What::Failed { .. } => ("agent.input.settled", "error"),
            _ => return,
        };
        let changed = json!({
            "sessionKey": event.session,
            "agentId": event.agent,
            "reason": reason,
            "phase": phase,
            "runId": event.run_id,
            "ts": event.at_ms,
        });
        let render = |_| Event::new("sessions.changed", changed.to_string());
        let listeners = self.subscribers.values();
        let listeners = listeners.filter(|subscriber| subscriber.hears(Audience::Listeners));
        let late = [Protocol::V4];
        send(listeners, Numbering::Unnumbered, &render, &late);
        let What::Final {
            message: Some(message),
            ..
        } = &event.what
        else {
            return;
        };
        let said = json!({
            "sessionKey": event.session,
            "agentId": event.agent,
            "message": message,
            "messageId": format!("{}:{}", event.run_id, run.agent_seq),
        });
        let render = |_| Event::new("session.message", said.to_string());
        let listeners = self.subscribers.values().filter(|subscriber| {
            subscriber.hears(Audience::Readers)
                && subscriber.hears_messages.contains(&event.session)
        });
        send(listeners, Numbering::Unnumbered, &render, &late);
    }

    fn readers(&self) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.values().filter(|subscriber| {
            subscriber.hears(Audience::Readers)
                || subscriber.is_node && subscriber.hears_messages.contains(&self.event.session)
        })
    }

    fn delta_loss(&self) -> Loss {
        let run = Arc::from(self.event.run_id.as_str());
        Loss::Delta { run }
    }
}

/// Renders an event once for each version that somebody speaks, and queues it.
fn send<'a>(
    subscribers: impl Iterator<Item = &'a Subscriber>,
    early: Numbering,
    render: &impl Fn(Protocol) -> Event,
    versions: &[Protocol],
) {
    let (mut v3, mut v4) = (None, None);
    for subscriber in subscribers.filter(|s| versions.contains(&s.version)) {
        let rendered = match subscriber.version {
            Protocol::V3 => &mut v3,
            Protocol::V4 => &mut v4,
        };
        let event = rendered.get_or_insert_with(|| Arc::new(render(subscriber.version)));
        subscriber
            .shared
            .queue
            .event(event, subscriber.numbering(early));
    }
}
