//! From Telegram's updates to neutral events. Pure.

#[cfg(test)]
mod tests;

use openclaw_protocol::Chat;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Sender;
use openclaw_protocol::message::ReplyContext;
use serde_json::Value;

use super::api::types;
use super::api::types::CallbackQuery;
use super::api::types::Entity;
use super::api::types::Message;
use super::api::types::User;
use crate::platform::Incoming;
use crate::platform::PlatformEvent;

/// The topic that every forum has. Its messages carry no thread id, and answers to it must not either.
pub(super) const GENERAL_TOPIC: &str = "1";
/// How much of a quoted message is of use.
const LONGEST_QUOTE: usize = 2000;

/// Reads one update; none for what cannot even be numbered.
pub(super) fn decode(update: Value, me: &User) -> Option<(i64, PlatformEvent)> {
    let id = update.get("update_id").and_then(Value::as_i64)?;
    let event = match serde_json::from_value::<types::Update>(update) {
        Ok(update) => event(update, me),
        Err(error) => {
            tracing::warn!(update_id = id, %error, "an update could not be read and is skipped");
            PlatformEvent::Other { kind: "unreadable" }
        }
    };
    Some((id, event))
}

fn event(update: types::Update, me: &User) -> PlatformEvent {
    let other = |kind| PlatformEvent::Other { kind };
    match update {
        types::Update {
            message: Some(message),
            ..
        } => message_event(&message, me),
        types::Update {
            channel_post: Some(post),
            ..
        } => message_event(&post, me),
        types::Update {
            edited_message: Some(_),
            ..
        }
        | types::Update {
            edited_channel_post: Some(_),
            ..
        } => other("edit"),
        types::Update {
            callback_query: Some(query),
            ..
        } => press(query),
        types::Update {
            my_chat_member: Some(_),
            ..
        } => other("membership"),
        _ => other("other"),
    }
}

/// The button that an update says was pressed, so that it can be answered.
pub(super) fn pressed(update: &Value) -> Option<&str> {
    update.get("callback_query")?.get("id")?.as_str()
}

/// A pressed button is its command, typed by whoever pressed it. Any client can press what nobody put there, so only
/// answers to questions are taken.
fn press(query: CallbackQuery) -> PlatformEvent {
    let other = PlatformEvent::Other { kind: "button" };
    let (Some(message), Some(command)) = (query.message, query.data) else {
        return other;
    };
    let words: Vec<&str> = command.split(' ').collect();
    let ["/approve", question, decision] = words.as_slice() else {
        return other;
    };
    let (chat, under) = (message.chat.id, message.message_id);
    PlatformEvent::Message(Box::new(Incoming {
        // Who presses the same again says the same again.
        source_id: format!("{chat}:{under}:{}:{question}:{decision}", query.from.id),
        message_id: under.to_string(),
        chat: chat_of(&message),
        sender: Some(person(&query.from)),
        addressed: true,
        from_bot: query.from.is_bot,
        is_press: true,
        text: command,
        ..Incoming::default()
    }))
}

fn chat_of(message: &Message) -> Chat {
    let kind = match message.chat.kind.as_str() {
        "private" => ChatKind::Direct,
        "channel" => ChatKind::Channel,
        _ => ChatKind::Group,
    };
    Chat {
        kind,
        id: message.chat.id.to_string(),
        title: message.chat.title.clone(),
        thread: thread(message),
    }
}

fn person(user: &User) -> Sender {
    Sender {
        id: user.id.to_string(),
        name: Some(user.full_name()).filter(|name| !name.is_empty()),
        username: user.username.clone(),
    }
}

fn message_event(message: &Message, me: &User) -> PlatformEvent {
    let Some(body) = Body::of(message) else {
        return PlatformEvent::Other { kind: "service" };
    };
    let address = Address::of(&body, me);
    let replies_to_me = reply_target(message)
        .and_then(|target| target.from.as_ref())
        .is_some_and(|from| from.id == me.id);
    let is_from_me = message.from.as_ref().is_some_and(|from| from.id == me.id);
    PlatformEvent::Message(Box::new(Incoming {
        source_id: format!("{}:{}", message.chat.id, message.message_id),
        message_id: message.message_id.to_string(),
        chat: chat_of(message),
        sender: sender(message),
        text: body.text(&address),
        reply_to: reply_target(message).map(|target| reply_context(target, body.quote)),
        timestamp_ms: message.date.saturating_mul(1000),
        addressed: address.to_me || replies_to_me,
        for_another: address.to_another,
        // An anonymous admin speaks through a bot of Telegram's; the chat that stands behind it is no bot.
        from_bot: is_from_me
            || (message.sender_chat.is_none()
                && message.from.as_ref().is_some_and(|from| from.is_bot)),
        outside: outside(message, me),
        is_press: false,
    }))
}

/// Whose words a message holds besides its sender's: what was forwarded, and what it answers of somebody else's.
fn outside(message: &Message, me: &User) -> Option<String> {
    let origin = message.forward_origin.as_ref();
    let own = |user: &User| {
        let is_sender = message.from.as_ref().is_some_and(|from| from.id == user.id);
        is_sender || user.id == me.id
    };
    if origin.is_some_and(|origin| !origin.sender_user.as_ref().is_some_and(own)) {
        return Some("a forwarded message".to_owned());
    }
    let is_other =
        |target: &Message| target.sender_chat.is_some() || !target.from.as_ref().is_some_and(own);
    let quoted = reply_target(message).filter(|target| is_other(target));
    // An answer to a message of another chat shows its words, and not the message.
    let is_quoted =
        quoted.is_some() || (message.quote.is_some() && message.reply_to_message.is_none());
    is_quoted.then(|| "a quoted message".to_owned())
}

/// The topic a message is in. Replies in ordinary groups carry a thread id too; that is no topic.
fn thread(message: &Message) -> Option<String> {
    match message.message_thread_id {
        Some(id) if message.is_topic_message => Some(id.to_string()),
        _ if message.chat.is_forum => Some(GENERAL_TOPIC.to_owned()),
        _ => None,
    }
}

/// Who spoke: a chat that speaks for itself (an anonymous admin, a linked channel), else the person.
fn sender(message: &Message) -> Option<Sender> {
    if let Some(chat) = &message.sender_chat {
        return Some(Sender {
            id: chat.id.to_string(),
            name: chat.title.clone(),
            username: None,
        });
    }
    message.from.as_ref().map(person)
}

/// The message that is answered. In a topic every message formally answers the one that opened it.
fn reply_target(message: &Message) -> Option<&Message> {
    let target = message.reply_to_message.as_deref()?;
    target.forum_topic_created.is_none().then_some(target)
}

fn reply_context(target: &Message, quote: Option<&str>) -> ReplyContext {
    let whole = || Body::of(target).map(|body| body.text(&Address::default()));
    let text = quote.map(str::to_owned).or_else(whole).unwrap_or_default();
    ReplyContext {
        message_id: Some(target.message_id.to_string()),
        sender: sender(target).and_then(|sender| sender.name.or(sender.username)),
        text: text.chars().take(LONGEST_QUOTE).collect(),
    }
}

/// What a message says.
struct Body<'a> {
    placeholder: Option<String>,
    text: &'a str,
    entities: &'a [Entity],
    quote: Option<&'a str>,
}

impl<'a> Body<'a> {
    fn of(message: &'a Message) -> Option<Self> {
        let placeholder = placeholder(message);
        let (text, entities) = match (&message.text, &message.caption) {
            (Some(text), _) => (text.as_str(), message.entities.as_slice()),
            (None, Some(caption)) => (caption.as_str(), message.caption_entities.as_slice()),
            (None, None) => ("", [].as_slice()),
        };
        if placeholder.is_none() && text.trim().is_empty() {
            return None;
        }
        Some(Self {
            placeholder,
            text,
            entities,
            quote: message.quote.as_ref().map(|quote| quote.text.as_str()),
        })
    }

    fn text(&self, address: &Address) -> String {
        let mut text = self.text.to_owned();
        // `/stop@bot` is the command `/stop`.
        if let Some((from, to)) = address.suffix {
            text.replace_range(from..to, "");
        }
        match &self.placeholder {
            Some(placeholder) if text.trim().is_empty() => placeholder.clone(),
            Some(placeholder) => format!("{placeholder}\n{text}"),
            None => text,
        }
    }

    /// The bytes an entity covers. Telegram counts UTF-16 units.
    fn range(&self, entity: &Entity) -> Option<(usize, usize)> {
        let end = entity.offset.checked_add(entity.length)?;
        let mut units = 0;
        let mut from = None;
        for (at, c) in self.text.char_indices() {
            if units == entity.offset {
                from = Some(at);
            }
            if units == end {
                return Some((from?, at));
            }
            units += c.len_utf16();
        }
        (units == end).then_some((from?, self.text.len()))
    }
}

/// To whom a message is addressed.
#[derive(Default)]
struct Address {
    to_me: bool,
    to_another: bool,
    /// The `@bot` after a command, in bytes.
    suffix: Option<(usize, usize)>,
}

impl Address {
    fn of(body: &Body<'_>, me: &User) -> Self {
        let mut address = Self::default();
        let is_me = |name: &str| {
            me.username
                .as_deref()
                .is_some_and(|mine| mine.eq_ignore_ascii_case(name))
        };
        for entity in body.entities {
            let Some((from, to)) = body.range(entity) else {
                continue;
            };
            let covered = body.text.get(from..to).unwrap_or_default();
            match entity.kind.as_str() {
                "mention" => address.to_me |= is_me(covered.trim_start_matches('@')),
                "text_mention" => {
                    address.to_me |= entity.user.as_ref().is_some_and(|user| user.id == me.id);
                }
                "bot_command" => {
                    let Some((command, bot)) = covered.split_once('@') else {
                        continue;
                    };
                    if is_me(bot) {
                        address.to_me = true;
                        address.suffix.get_or_insert((from + command.len(), to));
                    } else if from == 0 {
                        address.to_another = true;
                    }
                }
                _ => {}
            }
        }
        address.to_another &= !address.to_me;
        address
    }
}

/// What stands for a medium in the text.
fn placeholder(message: &Message) -> Option<String> {
    let media = |kind: &str| format!("<media:{kind}>");
    // An animation comes with a document, so it is asked first.
    if message.photo.is_some() {
        Some(media("image"))
    } else if message.video.is_some() || message.video_note.is_some() || message.animation.is_some()
    {
        Some(media("video"))
    } else if message.voice.is_some() || message.audio.is_some() {
        Some(media("audio"))
    } else if message.document.is_some() {
        Some(media("document"))
    } else if let Some(sticker) = &message.sticker {
        let emoji = sticker.emoji.as_deref().unwrap_or_default();
        Some(format!("{} {emoji}", media("sticker")).trim().to_owned())
    } else if let Some(place) = &message.location {
        Some(format!(
            "Location: {:.6}, {:.6}",
            place.latitude, place.longitude
        ))
    } else if let Some(contact) = &message.contact {
        let last = contact.last_name.as_deref().unwrap_or_default();
        let name = format!("{} {last}", contact.first_name);
        Some(format!("Contact: {} {}", name.trim(), contact.phone_number))
    } else {
        None
    }
}
