//! From a transcript to a conversation that a provider accepts.
//!
//! A transcript may hold anything: a turn that was cut off between a call and its result, results
//! without a call, empty parts, two messages of one side in a row, words of other programs. On a
//! wire each call is followed by exactly one result, the sides alternate, nothing is empty, and it
//! begins and ends on the person's side. [`turns`] gets from the one to the other for every
//! transcript, and loses nothing that can be said.

mod id;
mod picture;

use std::borrow::Borrow;
use std::collections::HashMap;

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::Tools;
use openclaw_protocol::message::AssistantMessage;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub use self::id::IdRule;
use self::id::Ids;
pub use self::picture::Pictures;

#[cfg(test)]
mod tests;

/// Stands for the result of a call that has none.
const NO_RESULT: &str =
    "No result was recorded: the turn was interrupted before the tool answered.";
/// Stands for a result without content.
const NO_OUTPUT: &str = "(no output)";
/// Opens a conversation whose beginning is not there.
const OPENING: &str = "(The conversation goes on from an earlier point.)";
/// Asks on when the last word was the model's.
const GO_ON: &str = "(Go on.)";

/// What the wire and the model ask for.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// Which pictures the model sees.
    pub pictures: Pictures,
    /// The form of call ids.
    pub ids: IdRule,
    /// Whose signed reasoning is given back; none leaves all reasoning out.
    pub signed: Option<Origin<'r>>,
}

/// Where an answer came from: only there its signatures are understood.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'r> {
    /// The wire, as transcripts name it.
    pub api: &'r str,
    /// The model.
    pub model: &'r ModelRef,
}

impl Origin<'_> {
    fn wrote(&self, message: &AssistantMessage) -> bool {
        // Older transcripts don't name the model; then the wire has to do.
        let same = |written: &str, ours: &str| written.is_empty() || written == ours;
        message.api == self.api
            && same(&message.provider, &self.model.provider)
            && same(&message.model, &self.model.model)
    }
}

/// One side's turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn<'a> {
    /// The person's.
    User(Vec<Part<'a>>),
    /// The model's; calls come last.
    Assistant(Vec<Said<'a>>),
    /// The tools': one result for each call of the turn before, in its order.
    Results(Vec<Answer<'a>>),
}

/// A part of what a person or a tool says.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<'a> {
    /// Never blank.
    Text(&'a str),
    /// A picture in base64.
    Image {
        /// The bytes.
        data: &'a str,
        /// Such as `image/png`.
        mime: &'a str,
    },
}

/// A part of what the model says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said<'a> {
    /// Reasoning with the provider's signature.
    Thinking {
        /// The reasoning.
        text: &'a str,
        /// The signature.
        signature: &'a str,
    },
    /// Never blank.
    Text(&'a str),
    /// A call.
    Call {
        /// Unique in the conversation.
        id: String,
        /// The tool.
        name: String,
        /// Always an object.
        arguments: Map<String, Value>,
        /// What the provider gave along with it.
        signature: Option<&'a str>,
    },
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Never empty.
    pub parts: Vec<Part<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
}

impl<'a> Answer<'a> {
    /// The texts.
    pub fn text(&self) -> String {
        joined(self.parts.iter())
    }

    /// The pictures.
    pub fn pictures(&self) -> impl Iterator<Item = &Part<'a>> {
        let parts = self.parts.iter();
        parts.filter(|part| matches!(part, Part::Image { .. }))
    }
}

/// The texts among some parts, a blank line between two.
pub fn joined<'p>(parts: impl Iterator<Item = &'p Part<'p>>) -> String {
    let texts: Vec<&str> = parts
        .filter_map(|part| match part {
            Part::Text(text) => Some(*text),
            Part::Image { .. } => None,
        })
        .collect();
    texts.join("\n\n")
}

/// Makes a conversation of a transcript.
pub fn turns<'a, M: Borrow<Message>>(messages: &'a [M], rules: &Rules<'_>) -> Vec<Turn<'a>> {
    let results = Results::index(messages);
    let mut ids = Ids::new(rules.ids);
    let mut turns = Vec::with_capacity(messages.len() + 2);
    for (at, message) in messages.iter().enumerate() {
        match message.borrow() {
            Message::User(user) => push_user(&mut turns, parts(&user.content, rules)),
            Message::Assistant(assistant) => {
                push_assistant(&mut turns, at, assistant, &results, &mut ids, rules);
            }
            // Results follow their calls; one without a call has nobody to tell.
            Message::ToolResult(_) => {}
            Message::Other(value) => push_user(&mut turns, foreign(value)),
        }
    }
    if !matches!(turns.first(), Some(Turn::User(_)) | None) {
        turns.insert(0, Turn::User(vec![Part::Text(OPENING)]));
    }
    if matches!(turns.last(), Some(Turn::Assistant(_)) | None) {
        turns.push(Turn::User(vec![Part::Text(GO_ON)]));
    }
    picture::bound(&mut turns, &rules.pictures);
    turns
}

/// The tools of a request. A wire that is shown a call wants its tool declared, so that those which
/// are only spoken of are declared too.
pub fn tools(turns: &[Turn<'_>], offered: &Tools) -> Tools {
    let mut missing: Vec<ToolSpec> = Vec::new();
    let answers = turns.iter().flat_map(|turn| match turn {
        Turn::Results(answers) => answers.as_slice(),
        _ => &[],
    });
    for answer in answers {
        let mut known = offered.iter().chain(&missing);
        if !known.any(|tool| tool.name == answer.name) {
            missing.push(ToolSpec {
                name: answer.name.clone(),
                description: "No longer there.".to_owned(),
                parameters: json!({ "type": "object", "properties": {} }),
            });
        }
    }
    if missing.is_empty() {
        return offered.clone();
    }
    offered.iter().cloned().chain(missing).collect()
}

/// Whether reasoning may be asked for: a wire that gives signed reasoning back wants the calls that
/// are being answered to begin with it, and another model's calls don't.
pub fn may_reason(turns: &[Turn<'_>]) -> bool {
    let last = turns.iter().rev().find_map(|turn| match turn {
        Turn::Assistant(said) => Some(said),
        _ => None,
    });
    let answered = matches!(turns, [.., Turn::Results(_)]);
    match last {
        Some(said) if answered => matches!(said.first(), Some(Said::Thinking { .. })),
        _ => true,
    }
}

fn push_user<'a>(turns: &mut Vec<Turn<'a>>, mut parts: Vec<Part<'a>>) {
    if parts.is_empty() {
        return;
    }
    match turns.last_mut() {
        Some(Turn::User(before)) => before.append(&mut parts),
        _ => turns.push(Turn::User(parts)),
    }
}

fn push_assistant<'a>(
    turns: &mut Vec<Turn<'a>>,
    at: usize,
    message: &'a AssistantMessage,
    results: &Results<'a>,
    ids: &mut Ids,
    rules: &Rules<'_>,
) {
    let cut_off = matches!(message.stop_reason, StopReason::Error | StopReason::Aborted);
    let signed = rules.signed.is_some_and(|origin| origin.wrote(message));
    let mut said = Vec::new();
    let mut calls = Vec::new();
    let mut answers = Vec::new();
    for part in &message.content {
        match part {
            Content::Text { text, .. } if !blank(text) => said.push(Said::Text(text)),
            Content::Thinking { thinking, extra } if signed && !cut_off => {
                let signature = extra.get("thinkingSignature").and_then(Value::as_str);
                if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
                    said.push(Said::Thinking {
                        text: thinking,
                        signature,
                    });
                }
            }
            Content::ToolCall {
                id,
                name,
                arguments,
                extra,
            } => {
                let found = results.of(id, at);
                // A call of an answer that broke off may itself be incomplete.
                if blank(name) || (cut_off && found.is_none()) {
                    continue;
                }
                let id = ids.give(id);
                let name = plain_name(name);
                let (parts, is_error) = match found {
                    Some(result) => (parts(&result.content, rules), result.is_error),
                    None => (vec![Part::Text(NO_RESULT)], true),
                };
                answers.push(Answer {
                    id: id.clone(),
                    name: name.clone(),
                    parts: if parts.is_empty() {
                        vec![Part::Text(NO_OUTPUT)]
                    } else {
                        parts
                    },
                    is_error,
                });
                calls.push(Said::Call {
                    id,
                    name,
                    arguments: object(arguments),
                    signature: extra
                        .get("thoughtSignature")
                        .and_then(Value::as_str)
                        .filter(|signature| signed && !signature.is_empty()),
                });
            }
            _ => {}
        }
    }
    // A wire takes reasoning only before something said.
    while calls.is_empty() && matches!(said.last(), Some(Said::Thinking { .. })) {
        said.pop();
    }
    if said.is_empty() && calls.is_empty() {
        return;
    }
    said.append(&mut calls);
    match turns.last_mut() {
        Some(Turn::Assistant(before)) => before.append(&mut said),
        _ => turns.push(Turn::Assistant(said)),
    }
    if !answers.is_empty() {
        turns.push(Turn::Results(answers));
    }
}

fn parts<'a>(content: &'a [Content], rules: &Rules<'_>) -> Vec<Part<'a>> {
    content
        .iter()
        .filter_map(|part| match part {
            Content::Text { text, .. } if !blank(text) => Some(Part::Text(text)),
            Content::Image {
                data, mime_type, ..
            } if !data.is_empty() => Some(match rules.pictures.instead(data, mime_type) {
                None => Part::Image {
                    data,
                    mime: mime_type,
                },
                Some(words) => Part::Text(words),
            }),
            _ => None,
        })
        .collect()
}

/// What another program wrote under a role of its own, as far as it is text.
fn foreign(value: &Value) -> Vec<Part<'_>> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let mut found: Vec<&str> = ["summary", "content", "output"]
        .into_iter()
        .filter_map(text)
        .collect();
    if let Some(Value::Array(list)) = value.get("content") {
        found.extend(list.iter().filter_map(|part| part.get("text")?.as_str()));
    }
    found.retain(|text| !blank(text));
    found.into_iter().map(Part::Text).collect()
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A tool's name in the letters that wires allow.
fn plain_name(name: &str) -> String {
    // Google's names begin with a letter.
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let before = (!begins).then_some('_');
    before
        .into_iter()
        .chain(name.chars())
        .take(64)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// The arguments as an object: models sometimes send text that holds one.
fn object(arguments: &Value) -> Map<String, Value> {
    match arguments {
        Value::Object(map) => map.clone(),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// Finds the result of a call. Ids may come back in later turns (small servers count from nought
/// each time), so a result belongs to the nearest call before it.
struct Results<'a> {
    results: HashMap<&'a str, Vec<(usize, &'a openclaw_protocol::message::ToolResultMessage)>>,
    calls: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Results<'a> {
    fn index<M: Borrow<Message>>(messages: &'a [M]) -> Self {
        let mut index = Self {
            results: HashMap::new(),
            calls: HashMap::new(),
        };
        for (at, message) in messages.iter().enumerate() {
            match message.borrow() {
                Message::ToolResult(result) => index
                    .results
                    .entry(&result.tool_call_id)
                    .or_default()
                    .push((at, result)),
                Message::Assistant(assistant) => {
                    for part in &assistant.content {
                        if let Content::ToolCall { id, .. } = part {
                            index.calls.entry(id).or_default().push(at);
                        }
                    }
                }
                _ => {}
            }
        }
        index
    }

    fn of(&self, id: &str, at: usize) -> Option<&'a openclaw_protocol::message::ToolResultMessage> {
        let next_call = self
            .calls
            .get(id)
            .and_then(|calls| calls.iter().copied().find(|call| *call > at))
            .unwrap_or(usize::MAX);
        self.results
            .get(id)?
            .iter()
            .find(|(place, _)| *place > at && *place < next_call)
            .map(|(_, result)| *result)
    }
}
