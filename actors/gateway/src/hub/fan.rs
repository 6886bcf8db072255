//! Turns one session event into frames, once for each version that somebody speaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use openclaw_protocol::Protocol;
use openclaw_runtime::memory;
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
use crate::ingress::outbound::Pace;
use crate::ingress::outbound::quoted;

/// Protocol 3 gets at most one delta in this time, as its clients redraw on each.
const EARLY_DELTA_PAUSE_MS: i64 = 150;

const BOTH: &[Protocol] = &[Protocol::V3, Protocol::V4];
const EARLY: &[Protocol] = &[Protocol::V3];
const LATE: &[Protocol] = &[Protocol::V4];

/// A connection's number, and the connection.
type Listener<'a> = (&'a u64, &'a Subscriber);

/// Sends what came of one session event: at once to the connection that asked for the run, at leisure to those that
/// only look on, so that many of them cost one write for many events.
pub(super) struct Fan<'a> {
    subscribers: &'a BTreeMap<u64, Subscriber>,
    seq: &'a mut u64,
    event: &'a SessionEvent,
    asker: Option<u64>,
    pub(super) left_some_at_leisure: bool,
    /// The last text that was rendered: the frames of one event mostly show the same.
    rendered: Option<(Arc<str>, Bytes)>,
}

impl<'a> Fan<'a> {
    pub(super) fn new(
        subscribers: &'a BTreeMap<u64, Subscriber>,
        seq: &'a mut u64,
        event: &'a SessionEvent,
        asker: Option<u64>,
    ) -> Self {
        Self {
            subscribers,
            seq,
            event,
            asker,
            left_some_at_leisure: false,
            rendered: None,
        }
    }

    pub(super) fn agent(&mut self, agent: &render::AgentEvent, tool_listeners: &[u64]) {
        let event = self.event;
        let render = |version| Event::new("agent", render::agent_payload(event, agent, version));
        if agent.stream == Stream::Tool {
            let subscribers = self.subscribers;
            let listeners = tool_listeners
                .iter()
                .filter_map(|id| subscribers.get_key_value(id));
            // Targeted events have no place in protocol 3's common numbering.
            self.send(listeners, Numbering::Unnumbered, render, BOTH);
            return;
        }
        let early = self.early_numbering(BOTH);
        self.send(self.readers(), early, render, BOTH);
    }

    /// An `agent` event about text that grew.
    pub(super) fn grown(&mut self, stream: &'static str, text: &Arc<str>, delta: &str) {
        // Older clients don't know of thinking.
        let versions = if stream == "thinking" { LATE } else { BOTH };
        let loss = self.delta_loss(stream);
        let Some((text, early)) = self.begin_delta(text, &loss, versions) else {
            return;
        };
        let (event, delta) = (self.event, quoted(delta));
        let render = |version| Event {
            loss: loss.clone(),
            ..Event::new(
                "agent",
                render::grown_payload(event, stream, &text, &delta, version),
            )
        };
        self.send(self.readers(), early, render, versions);
    }

    /// The next number of protocol 3, if it gets the event: what it never gets is no gap.
    fn early_numbering(&mut self, versions: &[Protocol]) -> Numbering {
        if versions.contains(&Protocol::V3) {
            *self.seq += 1;
        }
        Numbering::Global(*self.seq)
    }

    pub(super) fn grow(&mut self, run: &mut Run, text: &Arc<str>) {
        let grown = run.grow(text);
        let delta = grown.from.and_then(|from| grown.whole.get(from..));
        self.delta(run.agent_seq, &grown.whole, delta, LATE);
        if run.early_delta_is_due(self.event.at_ms, EARLY_DELTA_PAUSE_MS) {
            self.early_delta(run);
        }
    }

    pub(super) fn early_delta(&mut self, run: &Run) {
        self.delta(run.agent_seq, run.current(), None, EARLY);
    }

    /// A `chat` event about an answer that grew, by `delta` or to something else.
    fn delta(&mut self, seq: u64, text: &Arc<str>, delta: Option<&str>, versions: &[Protocol]) {
        let loss = self.delta_loss("chat");
        let Some((text, early)) = self.begin_delta(text, &loss, versions) else {
            return;
        };
        let (event, delta) = (self.event, delta.map(quoted));
        let render = |version| {
            let payload = |delta| {
                let text = text.clone();
                render::chat_payload(event, seq, &Chat::Delta { text, delta }, version)
            };
            Event {
                // What a connection that missed a delta gets in its place.
                whole: (delta.is_some() && version == Protocol::V4).then(|| payload(None)),
                loss: loss.clone(),
                ..Event::new("chat", payload(delta.clone()))
            }
        };
        self.send(self.readers(), early, render, versions);
    }

    /// Renders the text of a delta, if somebody is there to read it and the house has room for it.
    fn begin_delta(
        &mut self,
        text: &Arc<str>,
        loss: &Loss,
        versions: &[Protocol],
    ) -> Option<(Bytes, Numbering)> {
        let early = self.early_numbering(versions);
        let is_for = |(_, subscriber): &Listener<'_>| versions.contains(&subscriber.version);
        if !self.readers().any(|listener| is_for(&listener)) {
            return None;
        }
        if let Some((of, rendered)) = &self.rendered
            && (Arc::ptr_eq(of, text) || of == text)
        {
            return Some((rendered.clone(), early));
        }
        if memory::HOUSE.has_room(text.len()) {
            let rendered = quoted(text);
            self.rendered = Some((Arc::clone(text), rendered.clone()));
            return Some((rendered, early));
        }
        if let Loss::Delta { run, .. } = loss {
            for (_, subscriber) in self.readers().filter(is_for) {
                let numbering = subscriber.numbering(early);
                subscriber.shared.queue.miss(run, numbering);
            }
        }
        None
    }

    /// The `chat` event that ends a run.
    pub(super) fn terminal(&mut self, seq: u64) {
        let early = self.early_numbering(BOTH);
        if self.readers().next().is_none() {
            return;
        }
        let Some(chat) = render::terminal(&self.event.what) else {
            return;
        };
        let event = self.event;
        let render = |version| Event::new("chat", render::chat_payload(event, seq, &chat, version));
        self.send(self.readers(), early, render, BOTH);
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
        let subscribers = self.subscribers;
        let listeners = subscribers
            .iter()
            .filter(|(_, subscriber)| subscriber.hears(Audience::Listeners));
        self.send(listeners, Numbering::Unnumbered, render, LATE);
        let What::Final {
            message: Some(message),
            ..
        } = &event.what
        else {
            return;
        };
        let render = |_| {
            let said = json!({
                "sessionKey": event.session,
                "agentId": event.agent,
                "message": message,
                "messageId": format!("{}:{}", event.run_id, run.agent_seq),
            });
            Event::new("session.message", said.to_string())
        };
        let listeners = subscribers.iter().filter(|(_, subscriber)| {
            subscriber.hears(Audience::Readers)
                && subscriber.hears_messages.contains(&event.session)
        });
        self.send(listeners, Numbering::Unnumbered, render, LATE);
    }

    fn readers(&self) -> impl Iterator<Item = Listener<'a>> + use<'a> {
        let session = &self.event.session;
        self.subscribers.iter().filter(move |(_, subscriber)| {
            subscriber.hears(Audience::Readers)
                || subscriber.is_node && subscriber.hears_messages.contains(session)
        })
    }

    fn delta_loss(&self, stream: &'static str) -> Loss {
        let run = Arc::from(self.event.run_id.as_str());
        Loss::Delta { run, stream }
    }

    /// Renders an event once for each version that somebody speaks, and queues it.
    fn send(
        &mut self,
        subscribers: impl Iterator<Item = Listener<'a>>,
        early: Numbering,
        render: impl Fn(Protocol) -> Event,
        versions: &[Protocol],
    ) {
        let (mut v3, mut v4) = (None, None);
        for (connection, subscriber) in subscribers.filter(|(_, s)| versions.contains(&s.version)) {
            let rendered = match subscriber.version {
                Protocol::V3 => &mut v3,
                Protocol::V4 => &mut v4,
            };
            let event = rendered.get_or_insert_with(|| Arc::new(render(subscriber.version)));
            let pace = if self.asker == Some(*connection) {
                Pace::AtOnce
            } else {
                self.left_some_at_leisure = true;
                Pace::AtLeisure
            };
            let queue = &subscriber.shared.queue;
            queue.event_at(event, subscriber.numbering(early), pace);
        }
    }
}
