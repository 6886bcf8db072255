//! `message`: words to a chat, through the outbox.

use std::time::Duration;

use openclaw_protocol::ChatKind;
use openclaw_protocol::Route;
use openclaw_session::may_send;
use openclaw_tool::spec;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::ask::unknown_action;
use super::principal::About;
use super::tool::HouseTool;

/// What the channels that are built can do.
const ACTIONS: &str = "send, reply";

pub(super) fn message(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "message",
            "Sends a message to a chat now, besides your answer.\nYour answer itself is sent without it.",
            json!({
                "action": { "type": "string", "enum": ["send", "reply"] },
                "message": { "type": "string" },
                "target": { "type": "string", "description": "chat id; without it this conversation" },
                "channel": { "type": "string", "description": "such as telegram" },
                "accountId": { "type": "string" },
                "threadId": { "type": "string" },
                "replyTo": { "type": "string", "description": "id of the message to answer" },
            }),
            &["action", "message"],
        ),
        door: door.clone(),
        // The outbox knows the call by its key and sends it once.
        is_idempotent: true,
        deadline: Duration::from_secs(60),
        act: |ask| Box::pin(done(ask)),
    }
}

async fn done(ask: Ask) -> Result<Value, String> {
    let action = ask.action()?;
    if !matches!(action.as_str(), "send" | "reply") {
        return Err(unknown_action(&action, ACTIONS));
    }
    let text = ask.required("message")?;
    let named = |names: [&str; 2]| names.into_iter().find_map(|name| ask.arguments.text(name));
    let own = ask.caller.reply.as_ref();
    let target = Target {
        channel: ask
            .arguments
            .text("channel")
            .map(|channel| channel.to_lowercase()),
        account: ask.arguments.text("accountId"),
        to: named(["target", "to"]),
        thread: ask.arguments.text("threadId"),
    };
    let config = ask.config();
    let (target, about) = aim(target, own, config.tree.value())?;
    if about != About::OwnConversation {
        let to = target.to.as_deref().unwrap_or_default();
        let channel = target.channel.as_deref().unwrap_or("the default channel");
        ask.hold(format!(
            "it goes to {to} on {channel}, which is not this conversation"
        ))?;
    }
    let stored = ask.services.sessions.entry(&ask.session).await;
    let stored = stored.map_err(|error| error.to_string())?;
    let may = |kind| {
        let channel = target.channel.as_deref().unwrap_or_default();
        may_send(&config, stored.as_ref(), &ask.session, channel, kind)
    };
    // What kind of chat another one is isn't known here: no rule may be against any.
    let here = ask.caller.chat.as_ref().map(|chat| chat.kind);
    let here = here.filter(|_| about == About::OwnConversation);
    let all = [ChatKind::Direct, ChatKind::Group, ChatKind::Channel];
    let is_allowed = here.map_or_else(|| all.into_iter().all(may), may);
    if !is_allowed {
        return Err("this conversation may not write there (/send, session.sendPolicy)".to_owned());
    }
    let mut params = json!({
        "to": target.to, "message": text, "idempotencyKey": format!("tool/{}", ask.key),
        "sessionKey": ask.session,
    });
    let fields = [
        ("channel", target.channel),
        ("accountId", target.account),
        ("threadId", target.thread),
        ("replyToId", named(["replyTo", "replyToId"])),
    ];
    if let Value::Object(params) = &mut params {
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        params.extend(given);
    }
    let answer = ask.ask(about, "send", params).await?;
    Ok(json!({
        "ok": true, "channel": answer.get("channel"), "to": answer.get("chatId"),
        "messageId": answer.get("messageId"),
    }))
}

/// Where words are to go.
#[derive(Debug, Clone, Default, PartialEq)]
struct Target {
    channel: Option<String>,
    account: Option<String>,
    to: Option<String>,
    thread: Option<String>,
}

/// Completes a target from the conversation's own place, and says whether it is that place. A conversation in a chat
/// doesn't speak on another channel unless the configuration says so.
fn aim(target: Target, own: Option<&Route>, config: &Value) -> Result<(Target, About), String> {
    let Some(own) = own else {
        return match target.to {
            Some(_) => Ok((target, About::House)),
            None => {
                Err("this conversation is in no chat: say the channel and the target".to_owned())
            }
        };
    };
    let bare = |to: &str| {
        let prefix = format!("{}:", own.channel);
        to.strip_prefix(&prefix).unwrap_or(to).to_owned()
    };
    let is_same_channel = target
        .channel
        .as_ref()
        .is_none_or(|channel| *channel == own.channel);
    let is_same_account = target
        .account
        .as_ref()
        .is_none_or(|account| *account == own.account);
    let is_same_chat = target.to.as_ref().is_none_or(|to| bare(to) == own.to);
    let rule = |name: &str| {
        config
            .pointer(&format!("/tools/message/{name}"))
            .and_then(Value::as_bool)
    };
    if is_same_channel && is_same_account && is_same_chat {
        let thread = target.thread.or_else(|| own.thread.clone());
        let here = Target {
            channel: Some(own.channel.clone()),
            account: Some(own.account.clone()),
            to: Some(own.to.clone()),
            thread,
        };
        return Ok((here, About::OwnConversation));
    }
    let everywhere = rule("allowCrossContextSend") == Some(true);
    if is_same_channel {
        if rule("crossContext/allowWithinProvider") == Some(false) && !everywhere {
            return Err(
                "this conversation may not write to other chats (tools.message.crossContext)"
                    .to_owned(),
            );
        }
        let other = Target {
            channel: Some(own.channel.clone()),
            account: target.account.or_else(|| Some(own.account.clone())),
            to: target.to.or_else(|| Some(own.to.clone())),
            thread: target.thread,
        };
        return Ok((other, About::House));
    }
    if rule("crossContext/allowAcrossProviders") != Some(true) && !everywhere {
        return Err(format!(
            "this conversation is on {}: it may not write to another channel \
             (tools.message.crossContext.allowAcrossProviders)",
            own.channel
        ));
    }
    match target.to {
        Some(_) => Ok((target, About::House)),
        None => Err("say the target on that channel".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Route {
        Route {
            channel: "telegram".to_owned(),
            account: "home".to_owned(),
            to: "42".to_owned(),
            thread: Some("7".to_owned()),
            reply_to: None,
        }
    }

    fn to(channel: Option<&str>, to: Option<&str>) -> Target {
        Target {
            channel: channel.map(str::to_owned),
            to: to.map(str::to_owned),
            ..Target::default()
        }
    }

    #[test]
    fn without_a_target_it_is_the_conversation_s_own_place() {
        let off = json!({});
        for target in [
            to(None, None),
            to(Some("telegram"), Some("42")),
            to(None, Some("telegram:42")),
        ] {
            let (aimed, about) = aim(target, Some(&own()), &off).unwrap();
            assert_eq!(about, About::OwnConversation);
            assert_eq!(
                (aimed.to.as_deref(), aimed.account.as_deref()),
                (Some("42"), Some("home"))
            );
            assert_eq!(aimed.thread.as_deref(), Some("7"));
        }
        // Another account of the same channel is another place.
        let mut target = to(None, Some("42"));
        target.account = Some("work".to_owned());
        assert_eq!(aim(target, Some(&own()), &off).unwrap().1, About::House);
        assert_eq!(
            aim(to(None, Some("43")), Some(&own()), &off).unwrap().1,
            About::House
        );
    }

    #[test]
    fn another_channel_is_for_the_configuration_to_allow() {
        let across =
            json!({ "tools": { "message": { "crossContext": { "allowAcrossProviders": true } } } });
        let nowhere =
            json!({ "tools": { "message": { "crossContext": { "allowWithinProvider": false } } } });
        let target = to(Some("discord"), Some("9"));
        assert!(aim(target.clone(), Some(&own()), &json!({})).is_err());
        assert_eq!(aim(target, Some(&own()), &across).unwrap().1, About::House);
        assert!(aim(to(Some("discord"), None), Some(&own()), &across).is_err());
        assert!(aim(to(None, Some("43")), Some(&own()), &nowhere).is_err());
        assert!(aim(to(None, None), Some(&own()), &nowhere).is_ok());
        assert!(aim(to(None, None), None, &json!({})).is_err());
        assert!(aim(to(Some("telegram"), Some("1")), None, &json!({})).is_ok());
    }
}
