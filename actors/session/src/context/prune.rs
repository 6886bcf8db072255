//! Old results of tools are shortened when the provider's cache of the conversation is gone anyway.
//!
//! Pure, and for the request only: the transcript keeps everything.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::config::ContextPruning;
use openclaw_protocol::config::PruningMode;

use super::fit::middle_cut;

/// How long a provider keeps a conversation in its cache, unless told otherwise.
const TTL: Duration = Duration::from_secs(300);
/// Characters of a token, as the settings count.
const CHARS: f64 = 4.0;

/// After how long without a call results may be shortened; none for never.
pub(crate) fn ttl(settings: &ContextPruning) -> Option<Duration> {
    if settings.mode == PruningMode::Off {
        return None;
    }
    let written = settings.ttl.as_deref().map(str::trim).unwrap_or_default();
    let (number, unit) = written.split_at(
        written
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(written.len()),
    );
    let number = number.parse::<u64>().ok();
    let seconds = match unit.trim() {
        "ms" => 0,
        "s" => 1,
        "m" | "" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Some(TTL),
    };
    Some(number.map_or(TTL, |number| {
        Duration::from_secs(number.saturating_mul(seconds))
    }))
}

/// The messages with old results shortened, as far as a window of so many tokens needs it.
pub(crate) fn prune(
    messages: &[Arc<Message>],
    settings: &ContextPruning,
    window: u64,
) -> Vec<Arc<Message>> {
    let mut out = messages.to_vec();
    #[allow(clippy::cast_precision_loss)] // a ratio
    let share = |chars: usize| chars as f64 / (window.max(1) as f64 * CHARS);
    let total: usize = out.iter().map(|message| chars(message)).sum();
    if share(total) < settings.soft_trim_ratio {
        return out;
    }
    let answers = |message: &&Arc<Message>| matches!(***message, Message::Assistant(_));
    let until = match settings.keep_last_assistants {
        0 => out.len(),
        keep => {
            let places = out.iter().enumerate().filter(|(_, m)| answers(m));
            let places: Vec<usize> = places.map(|(at, _)| at).collect();
            match places.len().checked_sub(keep) {
                Some(at) => places.get(at).copied().unwrap_or(0),
                None => return out,
            }
        }
    };
    let trim = &settings.soft_trim;
    let old: Vec<usize> = (0..until)
        .filter(|at| {
            out.get(*at)
                .is_some_and(|message| is_prunable(message, settings))
        })
        .collect();
    for at in &old {
        edit(&mut out, *at, |text| {
            (text.chars().count() > trim.max_chars)
                .then(|| middle_cut(text, trim.head_chars, trim.tail_chars))
        });
    }
    let prunable = old.iter().filter_map(|at| out.get(*at));
    let prunable: usize = prunable.map(|message| chars(message)).sum();
    if !settings.hard_clear.enabled || prunable < settings.min_prunable_tool_chars {
        return out;
    }
    for at in &old {
        let total: usize = out.iter().map(|message| chars(message)).sum();
        if share(total) < settings.hard_clear_ratio {
            break;
        }
        let placeholder = &settings.hard_clear.placeholder;
        edit(&mut out, *at, |_| Some(placeholder.clone()));
    }
    out
}

fn is_prunable(message: &Message, settings: &ContextPruning) -> bool {
    let Message::ToolResult(result) = message else {
        return false;
    };
    let has_picture = result
        .content
        .iter()
        .any(|part| matches!(part, Content::Image { .. }));
    let named = |names: &[String]| names.iter().any(|name| matches(name, &result.tool_name));
    let tools = &settings.tools;
    !has_picture && !named(&tools.deny) && (tools.allow.is_empty() || named(&tools.allow))
}

/// Whether a name fits a pattern with `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn edit(messages: &mut [Arc<Message>], at: usize, change: impl Fn(&str) -> Option<String>) {
    let Some(message) = messages.get_mut(at) else {
        return;
    };
    let Message::ToolResult(result) = &**message else {
        return;
    };
    let mut result = result.clone();
    let mut is_changed = false;
    for part in &mut result.content {
        if let Content::Text { text, .. } = part
            && let Some(new) = change(text)
        {
            is_changed |= *text != new;
            *text = new;
        }
    }
    if is_changed {
        *message = Arc::new(Message::ToolResult(result));
    }
}

fn chars(message: &Message) -> usize {
    let text = |part: &Content| match part {
        Content::Text { text, .. } => text.chars().count(),
        Content::Thinking { thinking, .. } => thinking.chars().count(),
        Content::ToolCall { arguments, .. } => arguments.to_string().chars().count(),
        Content::Image { .. } => 8_000,
        Content::Other(_) => 0,
    };
    message.content().iter().map(text).sum()
}
