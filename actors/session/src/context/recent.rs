//! The end of a conversation: so many of its person's messages, with all that followed them.

use std::sync::Arc;

use openclaw_protocol::Message;

type Messages = Arc<Vec<Arc<Message>>>;

/// The last so many turns; a turn begins with a message of a person.
pub(crate) fn turns(messages: Messages, most: usize) -> Messages {
    let is_person =
        |(at, message): (usize, &Arc<Message>)| matches!(**message, Message::User(_)).then_some(at);
    let begun = messages.iter().enumerate().rev().filter_map(is_person);
    match begun.take(most.max(1)).last() {
        Some(from) if from > 0 => Arc::new(messages.iter().skip(from).cloned().collect()),
        _ => messages,
    }
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::message::AssistantMessage;

    use super::*;

    #[test]
    fn so_many_turns_are_kept_whole() {
        let user = |text: &str| Arc::new(Message::user(text, 1));
        let other = || Arc::new(Message::Assistant(AssistantMessage::default()));
        let all = Arc::new(vec![
            user("1"),
            other(),
            user("2"),
            other(),
            other(),
            user("3"),
        ]);
        let kept = |most| -> Vec<String> {
            let kept = turns(all.clone(), most);
            let role = |message: &Arc<Message>| message.role().to_owned();
            kept.iter().map(role).collect()
        };
        assert_eq!(kept(1), ["user"]);
        assert_eq!(kept(2), ["user", "assistant", "assistant", "user"]);
        assert_eq!(kept(3).len(), 6);
        assert_eq!(kept(9).len(), 6);
    }
}
