//! A strict Telegram: a Bot API server on loopback that keeps the published rules and remembers everything.
//!
//! One poll a token (a second one ends the first with 409), updates repeated until an offset confirms them,
//! entities parsed as strictly as the real one, unknown chats, threads and parameters refused. Faults are made
//! on request: errors, cut connections before and after a message is taken, calls that never end.
#![allow(clippy::disallowed_methods)] // a test's server is nobody's child

mod fault;
mod html;
mod method;
mod state;
mod wire;

pub use self::fault::Fault;
pub use self::fault::FaultKind;
pub use self::html::parse as parse_html;
pub use self::state::Call;
pub use self::state::Group;
pub use self::state::Person;
pub use self::state::Sent;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use self::state::State;

/// The token of the bot that is there from the start.
pub const TOKEN: &str = "4242:AAf-the_first-bot";
/// Its user name.
pub const USERNAME: &str = "HomeBot";

/// The server. It ends when dropped.
#[derive(Debug)]
pub struct FakeTelegram {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// What the server's handlers and its owner share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Counts changes, so that both sides can wait for one.
    changed: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(&mut self.lock());
        self.changed.send_modify(|n| *n += 1);
        out
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl FakeTelegram {
    /// Starts a server with one bot, [`TOKEN`].
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            changed: watch::channel(0).0,
        });
        let (address, server) = wire::serve(Arc::clone(&shared)).await;
        let fake = Self {
            address,
            shared,
            server,
        };
        fake.add_bot(TOKEN, USERNAME);
        fake
    }

    /// What `apiRoot` has to be.
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a bot.
    pub fn add_bot(&self, token: &str, username: &str) {
        self.shared.change(|state| state.add_bot(token, username));
    }

    /// The token stops being good.
    pub fn revoke(&self, token: &str) {
        self.shared.change(|state| state.bots.remove(token));
    }

    /// Adds a group, or a forum with topics.
    pub fn add_group(&self, group: &Group) {
        self.shared
            .change(|state| state.add_chat(group.to_chat(), group.topics.clone()));
    }

    /// The person blocks the bots.
    pub fn block(&self, person: &Person) {
        self.shared.change(|state| state.blocked.insert(person.id));
    }

    /// A person writes to the bot; gives the message's id.
    pub fn push_message(&self, token: &str, from: &Person, text: &str) -> i64 {
        let chat = from.to_chat();
        self.push(
            token,
            from,
            chat,
            json!({ "text": text, "entities": entities(text) }),
        )
    }

    /// A person writes in a group; gives the message's id.
    pub fn push_group_message(&self, token: &str, from: &Person, group: &Group, text: &str) -> i64 {
        self.add_group(group);
        let chat = group.to_chat();
        self.push(
            token,
            from,
            chat,
            json!({ "text": text, "entities": entities(text) }),
        )
    }

    /// A person writes in a topic of a forum; gives the message's id.
    pub fn push_topic_message(
        &self,
        token: &str,
        from: &Person,
        group: &Group,
        topic: i64,
        text: &str,
    ) -> i64 {
        self.add_group(group);
        let fields = json!({
            "text": text, "entities": entities(text), "message_thread_id": topic, "is_topic_message": true,
        });
        self.push(token, from, group.to_chat(), fields)
    }

    /// A message with any further fields (a photo, a reply).
    pub fn push(&self, token: &str, from: &Person, chat: Value, fields: Value) -> i64 {
        self.shared.change(|state| {
            state.add_chat(chat.clone(), Vec::new());
            let id = state.next_message(chat["id"].as_i64().unwrap());
            let mut message = json!({
                "message_id": id, "date": state::now_s(), "from": from.to_user(), "chat": chat,
            });
            for (key, value) in fields.as_object().unwrap() {
                message[key] = value.clone();
            }
            state.push_update(token, json!({ "message": message }));
            id
        })
    }

    /// A person presses a button of a message that was sent; panics when no such button is there.
    pub fn press(&self, token: &str, from: &Person, message: i64, label: &str) {
        let sent = self.sent().into_iter();
        let sent = sent
            .rev()
            .find(|sent| sent.message_id == message)
            .expect("the message was sent");
        let said = sent.buttons.iter().find(|(on, _)| on == label);
        let (_, data) = said.unwrap_or_else(|| panic!("no button {label}: {:?}", sent.buttons));
        self.forge_press(token, from, &sent, data);
    }

    /// A client presses what nobody put under the message.
    pub fn forge_press(&self, token: &str, from: &Person, under: &Sent, data: &str) {
        self.shared.change(|state| {
            let id = state.next_press();
            let chat = state.chats[&under.chat].chat.clone();
            let bot = json!({ "id": under.bot, "is_bot": true, "first_name": "bot" });
            let mut message = json!({ "message_id": under.message_id, "date": state::now_s(), "from": bot, "chat": chat,
                "text": under.text });
            if let Some(thread) = under.thread {
                message["message_thread_id"] = thread.into();
                message["is_topic_message"] = true.into();
            }
            let query = json!({ "id": id, "from": from.to_user(), "message": message, "chat_instance": "1", "data": data });
            state.push_update(token, json!({ "callback_query": query }));
        });
    }

    /// The presses that wait for their answer.
    pub fn unanswered_presses(&self) -> usize {
        self.shared.lock().pressed.len()
    }

    /// Any update; gives its id.
    pub fn push_update(&self, token: &str, update: Value) -> i64 {
        self.shared.change(|state| state.push_update(token, update))
    }

    /// Makes the next calls fail.
    pub fn inject(&self, fault: Fault) {
        self.shared.change(|state| state.faults.push(fault));
    }

    /// Takes back every fault.
    pub fn heal(&self) {
        self.shared.change(|state| state.faults.clear());
    }

    /// A webhook is set by someone else.
    pub fn set_webhook(&self, token: &str, url: &str) {
        self.shared
            .change(|state| state.bot(token).webhook = url.to_owned());
    }

    /// The messages the server took, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.lock().sent.clone()
    }

    /// What the newest one says.
    pub fn last_text(&self) -> Option<String> {
        let state = self.shared.lock();
        state.sent.last().map(|sent| sent.text.clone())
    }

    /// How many there are.
    pub fn sent_count(&self) -> usize {
        self.shared.lock().sent.len()
    }

    /// Those to one chat.
    pub fn sent_to(&self, chat: i64) -> Vec<Sent> {
        self.sent()
            .into_iter()
            .filter(|sent| sent.chat == chat)
            .collect()
    }

    /// All calls, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.shared
            .lock()
            .calls
            .iter()
            .filter(|call| call.method == method)
            .count()
    }

    /// The updates that no offset has confirmed.
    pub fn unconfirmed(&self, token: &str) -> usize {
        self.shared.change(|state| state.bot(token).updates.len())
    }

    /// Waits until at least `n` messages were taken.
    pub async fn wait_sent(&self, n: usize, within: Duration) -> Vec<Sent> {
        let what = format!("{n} messages");
        self.wait(&what, within, |fake| {
            Some(fake.sent()).filter(|sent| sent.len() >= n)
        })
        .await
    }

    /// Waits until at least `n` messages were taken in one chat.
    pub async fn wait_sent_to(&self, chat: i64, n: usize, within: Duration) -> Vec<Sent> {
        let what = format!("{n} messages to {chat}");
        self.wait(&what, within, |fake| {
            Some(fake.sent_to(chat)).filter(|sent| sent.len() >= n)
        })
        .await
    }

    /// Waits until a method was called at least `n` times.
    pub async fn wait_calls(&self, method: &str, n: usize, within: Duration) {
        let what = format!("{n} calls of {method}");
        self.wait(&what, within, |fake| {
            (fake.count(method) >= n).then_some(())
        })
        .await;
    }

    /// Waits until every update is confirmed.
    pub async fn wait_confirmed(&self, token: &str, within: Duration) {
        self.wait("every update confirmed", within, |fake| {
            let open = fake
                .shared
                .lock()
                .bots
                .get(token)
                .map_or(0, |bot| bot.updates.len());
            (open == 0).then_some(())
        })
        .await;
    }

    /// Waits for a condition; panics with what was sent when it does not come.
    pub async fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        ready: impl Fn(&Self) -> Option<T>,
    ) -> T {
        let mut changed = self.shared.subscribe();
        let waiting = async {
            loop {
                changed.borrow_and_update();
                if let Some(out) = ready(self) {
                    return out;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(within, waiting).await {
            Ok(out) => out,
            Err(_) => panic!(
                "no {what} within {within:?}; sent: {:#?}; calls: {:?}",
                self.sent(),
                self.methods()
            ),
        }
    }

    fn methods(&self) -> Vec<String> {
        let calls = self.calls();
        calls
            .iter()
            .map(|call| format!("{} {}", call.method, call.status))
            .collect()
    }
}

impl Drop for FakeTelegram {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The entities a client would mark: mentions and commands.
fn entities(text: &str) -> Value {
    let mut found = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let kind = match bare.chars().next() {
            Some('@') => Some("mention"),
            Some('/') => Some("bot_command"),
            _ => None,
        };
        if let Some(kind) = kind {
            let name = bare.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
            found.push(
                json!({ "type": kind, "offset": offset, "length": name.encode_utf16().count() }),
            );
        }
        offset += word.encode_utf16().count();
    }
    Value::Array(found)
}

#[cfg(test)]
mod tests;
