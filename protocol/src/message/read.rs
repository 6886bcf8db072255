//! Messages from their JSON in one pass.
//!
//! A conversation is read line by line for a turn, so this is on the way of every message. What serde derives for a tagged
//! type with unknown fields puts all of it aside as a tree first, twice over. A message as we and others write it begins with its
//! role, and a part with its type: such a one is read straight into place. What is odd in any way is left to the derived reader,
//! which decides alone what becomes of it.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::Value;

use super::AssistantMessage;
use super::Content;
use super::Extra;
use super::Message;
use super::ToolResultMessage;
use super::UserMessage;

impl Message {
    /// Reads a message from its JSON; the same as through `Deserialize`, several times faster.
    ///
    /// # Errors
    /// When it isn't JSON.
    pub fn from_json(json: &str) -> serde_json::Result<Self> {
        match serde_json::from_str::<Plain>(json) {
            Ok(Plain(message)) => Ok(message),
            Err(_) => serde_json::from_str(json),
        }
    }
}

/// A message that begins with a known role and has nothing odd.
struct Plain(Message);

/// A part that begins with a known type and has nothing odd.
struct PlainPart(Content);

/// The parts; a bare string is one, `null` none.
struct Parts(Vec<Content>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Tag {
    Role,
    Type,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Role {
    User,
    Assistant,
    ToolResult,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Kind {
    Text,
    Thinking,
    Image,
    ToolCall,
}

/// Declares how a struct is read whose unknown fields are kept: each field once, and none twice.
macro_rules! fields {
    ($name:ident: $($variant:ident $field:ident: $type:ty),+ $(,)?) => {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "camelCase")]
        enum $name {
            $($variant,)+
            Other(String),
        }

        impl $name {
            #[allow(clippy::type_complexity, reason = "one place for each field, in their order")]
            fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<($(Option<$type>,)+ Extra), A::Error> {
                $(let mut $field: Option<$type> = None;)+
                let mut extra = Extra::new();
                while let Some(name) = map.next_key()? {
                    match name {
                        $(Self::$variant => once(&mut $field, map.next_value()?)?,)+
                        Self::Other(name) => {
                            if name == "role" || name == "type" {
                                return Err(A::Error::custom("a tag twice"));
                            }
                            extra.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(($($field,)+ extra))
            }
        }
    };
}

fields!(UserField: Content content: Parts, Timestamp timestamp: i64);
fields!(AssistantField:
    Content content: Parts, Api api: String, Provider provider: String, Model model: String, Usage usage: super::Usage,
    StopReason stop_reason: super::StopReason, ErrorMessage error_message: Option<String>, Timestamp timestamp: i64);
fields!(ResultField:
    Content content: Parts, ToolCallId id: String, ToolName name: String, Details details: Option<Value>,
    IsError is_error: bool, Timestamp timestamp: i64);
fields!(TextField: Text text: String);
fields!(ThinkingField: Thinking thinking: String);
fields!(ImageField: Data data: String, MimeType mime_type: String);
fields!(CallField: Id id: String, Name name: String, Arguments arguments: Value);

fn once<T, E: Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a field twice")),
    }
}

fn needed<T, E: Error>(field: Option<T>) -> Result<T, E> {
    field.ok_or_else(|| E::custom("a field is missing"))
}

fn user<'de, A: MapAccess<'de>>(map: A) -> Result<Message, A::Error> {
    let (content, timestamp, extra) = UserField::read(map)?;
    Ok(Message::User(UserMessage {
        content: content.map(|parts| parts.0).unwrap_or_default(),
        timestamp: timestamp.unwrap_or_default(),
        extra,
    }))
}

fn assistant<'de, A: MapAccess<'de>>(map: A) -> Result<Message, A::Error> {
    let (content, api, provider, model, usage, stop_reason, error_message, timestamp, extra) =
        AssistantField::read(map)?;
    Ok(Message::Assistant(AssistantMessage {
        content: content.map(|parts| parts.0).unwrap_or_default(),
        api: api.unwrap_or_default(),
        provider: provider.unwrap_or_default(),
        model: model.unwrap_or_default(),
        usage: usage.unwrap_or_default(),
        stop_reason: stop_reason.unwrap_or_default(),
        error_message: error_message.flatten(),
        timestamp: timestamp.unwrap_or_default(),
        extra,
    }))
}

fn tool_result<'de, A: MapAccess<'de>>(map: A) -> Result<Message, A::Error> {
    let (content, id, name, details, is_error, timestamp, extra) = ResultField::read(map)?;
    Ok(Message::ToolResult(ToolResultMessage {
        tool_call_id: needed(id)?,
        tool_name: name.unwrap_or_default(),
        content: content.map(|parts| parts.0).unwrap_or_default(),
        details: details.flatten(),
        is_error: is_error.unwrap_or_default(),
        timestamp: timestamp.unwrap_or_default(),
        extra,
    }))
}

fn part<'de, A: MapAccess<'de>>(kind: &Kind, map: A) -> Result<Content, A::Error> {
    Ok(match kind {
        Kind::Text => {
            let (text, extra) = TextField::read(map)?;
            let text = needed(text)?;
            Content::Text { text, extra }
        }
        Kind::Thinking => {
            let (thinking, extra) = ThinkingField::read(map)?;
            let thinking = needed(thinking)?;
            Content::Thinking { thinking, extra }
        }
        Kind::Image => {
            let (data, mime_type, extra) = ImageField::read(map)?;
            let (data, mime_type) = (needed(data)?, needed(mime_type)?);
            Content::Image {
                data,
                mime_type,
                extra,
            }
        }
        Kind::ToolCall => {
            let (id, name, arguments, extra) = CallField::read(map)?;
            Content::ToolCall {
                id: needed(id)?,
                name: needed(name)?,
                arguments: arguments.unwrap_or_default(),
                extra,
            }
        }
    })
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message that begins with its role")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain, A::Error> {
                let Some(Tag::Role) = map.next_key()? else {
                    return Err(A::Error::custom("the role is not the first"));
                };
                match map.next_value()? {
                    Role::User => user(map),
                    Role::Assistant => assistant(map),
                    Role::ToolResult => tool_result(map),
                }
                .map(Plain)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for PlainPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = PlainPart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part that begins with its type")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PlainPart, A::Error> {
                let Some(Tag::Type) = map.next_key()? else {
                    return Err(A::Error::custom("the type is not the first"));
                };
                let kind: Kind = map.next_value()?;
                part(&kind, map).map(PlainPart)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Parts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parts, or text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Parts, E> {
                Ok(Parts(vec![Content::text(text)]))
            }

            fn visit_unit<E: Error>(self) -> Result<Parts, E> {
                Ok(Parts(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Parts, A::Error> {
                let mut parts = Vec::new();
                while let Some(PlainPart(part)) = seq.next_element()? {
                    parts.push(part);
                }
                parts.shrink_to_fit();
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_is_read_in_one_pass() {
        let messages = [
            Message::user("a", 1),
            Message::Assistant(AssistantMessage {
                content: vec![
                    Content::thinking("b"),
                    Content::tool_call("1", "exec", Value::Null),
                    Content::image("AA", "image/png"),
                ],
                ..Default::default()
            }),
            Message::ToolResult(ToolResultMessage::default()),
        ];
        for message in messages {
            let json = serde_json::to_string(&message).unwrap();
            let Plain(read) = serde_json::from_str(&json).unwrap();
            assert_eq!(read, message);
        }
    }
}
