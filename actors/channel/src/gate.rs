//! The one gate that every event passes: what becomes a row, what becomes a pairing code, what is dropped.

use jiff::Timestamp;
use openclaw_ledger::NewInbound;
use openclaw_ledger::NewOutbound;
use openclaw_ledger::Notice;
use openclaw_ledger::Overheard;
use openclaw_protocol::AccountKey;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Inbound;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::RunId;
use openclaw_runtime::TraceContext;

use crate::access::Grants;
use crate::access::Place;
use crate::access::Refusal;
use crate::access::Verdict;
use crate::account::Account;
use crate::account::InboundEnvelope;
use crate::account::RouteInbound;
use crate::pairing::Asked;
use crate::pairing::CODE_TTL;
use crate::pairing::PairingStore;
use crate::pairing::StoreError;
use crate::pairing::Stranger;
use crate::pairing::pairing_text;
use crate::platform::Incoming;
use crate::platform::PlatformEvent;

/// What the events of one poll come to.
#[derive(Debug, Default)]
pub(crate) struct Gated {
    pub(crate) rows: Vec<NewInbound>,
    /// What was said among people who may address the agent, and did not.
    pub(crate) heard: Vec<Overheard>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) refused: u64,
    pub(crate) last_refusal: Option<String>,
}

/// Passes events through the gate. Reads and writes the pairing files, so it runs where blocking is allowed.
pub(crate) fn pass(
    account: &Account,
    store: &PairingStore,
    routes: &dyn RouteInbound,
    events: Vec<PlatformEvent>,
    now: Timestamp,
) -> Result<Gated, StoreError> {
    let mut gated = Gated::default();
    if events.is_empty() {
        return Ok(gated);
    }
    let mut gate = Gate {
        account,
        store,
        grants: Grants {
            paired: store.paired(&account.key().account)?,
            pinned: store.pinned()?,
        },
        now,
    };
    for event in events {
        match event {
            PlatformEvent::Message(incoming) => match gate.decide(&incoming)? {
                Verdict::Admit => {
                    let trace = gate.trace(account.key());
                    gated.rows.push(gate.row(*incoming, routes, Some(trace)));
                }
                Verdict::Pair => gated.notices.extend(gate.offer(&incoming)?),
                Verdict::Ignore(refusal) => {
                    gated.refuse(&incoming, refusal);
                    let keep = account.config.history_limit;
                    if refusal == Refusal::NotAddressed && keep > 0 {
                        gated.heard.push(Overheard {
                            row: gate.row(*incoming, routes, None),
                            after: gated.rows.len(),
                            keep: u64::try_from(keep).unwrap_or(u64::MAX),
                        });
                    }
                }
            },
            PlatformEvent::Other { kind } => {
                tracing::debug!(account = %account.key(), kind, "an event of this kind is not for the agent");
            }
        }
    }
    Ok(gated)
}

struct Gate<'a> {
    account: &'a Account,
    store: &'a PairingStore,
    grants: Grants,
    now: Timestamp,
}

impl Gate<'_> {
    fn decide(&mut self, incoming: &Incoming) -> Result<Verdict, StoreError> {
        if incoming.from_bot {
            return Ok(Verdict::Ignore(Refusal::FromBot));
        }
        if incoming.for_another {
            return Ok(Verdict::Ignore(Refusal::ForAnotherBot));
        }
        self.pin(incoming)?;
        let sender = incoming.sender.as_ref().map(|sender| sender.id.as_str());
        let chat = &incoming.chat;
        let place = match chat.kind {
            ChatKind::Direct => Place::Direct,
            ChatKind::Channel => Place::Broadcast { id: &chat.id },
            ChatKind::Group => Place::Group {
                id: &chat.id,
                topic: chat.thread.as_deref(),
                addressed: self.is_addressed(incoming),
            },
        };
        Ok(self
            .account
            .config
            .rules
            .decide(&self.grants, sender, place))
    }

    fn is_addressed(&self, incoming: &Incoming) -> bool {
        incoming.addressed || self.account.patterns.matches(&incoming.text)
    }

    /// Resolves a listed `@name` to the id of the first person who bears it. Only once, and only in a direct
    /// message, where the platform itself names the sender.
    fn pin(&mut self, incoming: &Incoming) -> Result<(), StoreError> {
        let Some(sender) = &incoming.sender else {
            return Ok(());
        };
        let Some(name) = sender.username.as_ref().map(|name| name.to_lowercase()) else {
            return Ok(());
        };
        let is_wanted = incoming.chat.kind == ChatKind::Direct
            && self.account.platform.has_unique_usernames()
            && !self.grants.pinned.contains_key(&name)
            && self.account.config.rules.names().contains(name.as_str());
        if is_wanted && self.store.pin(&name, &sender.id)? {
            tracing::warn!(
                account = %self.account.key(), name = %format!("@{name}"), id = %sender.id,
                "the name in allowFrom now stands for this id, for good; put the id there instead"
            );
            self.grants.pinned.insert(name, sender.id.clone());
        }
        Ok(())
    }

    fn row(
        &self,
        incoming: Incoming,
        routes: &dyn RouteInbound,
        traceparent: Option<String>,
    ) -> NewInbound {
        let key = self.account.key();
        let mentioned = self.is_addressed(&incoming);
        let session = routes.session_for(&InboundEnvelope {
            account: key,
            chat: &incoming.chat,
            sender: incoming.sender.as_ref(),
        });
        let reply = Some(self.route(&incoming));
        NewInbound {
            session,
            source: key.to_string(),
            run_id: RunId(format!("{key}:{}", incoming.source_id)),
            source_id: incoming.source_id,
            body: Inbound {
                text: incoming.text,
                sender: incoming.sender,
                chat: incoming.chat,
                message_id: Some(incoming.message_id),
                reply_to: incoming.reply_to,
                timestamp_ms: incoming.timestamp_ms,
                mentioned,
                deliver: true,
                outside: incoming.outside,
                is_press: incoming.is_press,
                ..Inbound::default()
            },
            reply,
            received_at_ms: self.now.as_millisecond(),
            traceparent,
        }
    }

    /// The trace that begins with a message.
    fn trace(&self, account: &AccountKey) -> String {
        let span = tracing::info_span!("message.received", messaging.system = %account.channel);
        let _begun = span.enter();
        let trace = TraceContext::current();
        trace.unwrap_or_else(TraceContext::new_root).traceparent()
    }

    /// The pairing message, for a stranger who has none yet.
    fn offer(&self, incoming: &Incoming) -> Result<Option<Notice>, StoreError> {
        let Some(sender) = &incoming.sender else {
            return Ok(None);
        };
        let key = self.account.key();
        let stranger = Stranger {
            id: &sender.id,
            username: sender.username.as_deref(),
            name: sender.name.as_deref(),
            source_id: &incoming.source_id,
        };
        let code = match self.store.ask(&key.account, stranger, self.now)? {
            Asked::New(code) => code,
            Asked::Known => return Ok(None),
            Asked::Full => {
                tracing::info!(account = %key, sender = %sender.id, "too many strangers wait for approval; this one gets no code");
                return Ok(None);
            }
        };
        tracing::info!(account = %key, sender = %sender.id, "a stranger gets a pairing code");
        let platform = &self.account.platform;
        let profile = self.account.config.profile.as_deref();
        let text = pairing_text(
            platform.channel(),
            &platform.id_line(&sender.id),
            &code,
            profile,
        );
        let at_ms = self.now.as_millisecond();
        let lapses_ms = i64::try_from(CODE_TTL.as_millis()).unwrap_or(i64::MAX);
        Ok(Some(Notice {
            source: key.to_string(),
            source_id: incoming.source_id.clone(),
            at_ms,
            outbound: NewOutbound {
                account: key.clone(),
                route: self.route(incoming),
                payload: OutboundPayload::plain(text),
                session: None,
                turn: None,
                idem_key: format!("pairing:{key}:{}:{code}", sender.id),
                expires_at_ms: Some(at_ms.saturating_add(lapses_ms)),
                notice: true,
            },
        }))
    }

    /// Where an answer goes. Whether it quotes is for whoever writes it to say.
    fn route(&self, incoming: &Incoming) -> Route {
        let key = self.account.key();
        Route {
            channel: key.channel.to_string(),
            account: key.account.to_string(),
            to: incoming.chat.id.clone(),
            thread: incoming.chat.thread.clone(),
            reply_to: None,
        }
    }
}

impl Gated {
    fn refuse(&mut self, incoming: &Incoming, refusal: Refusal) {
        self.refused += 1;
        let sender = incoming
            .sender
            .as_ref()
            .map_or("nobody", |sender| sender.id.as_str());
        let (chat, reason) = (&incoming.chat.id, refusal.as_str());
        tracing::debug!(sender, %chat, reason, "a message is not for the agent");
        // A group's chatter that does not address the bot is no news.
        if refusal != Refusal::NotAddressed {
            self.last_refusal = Some(format!(
                "from {sender} in {}: {}",
                incoming.chat.id,
                refusal.as_str()
            ));
        }
    }
}
