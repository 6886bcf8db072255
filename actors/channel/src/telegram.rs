//! Telegram over the Bot API, by long polling.

mod account;
mod api;
mod cursor;
mod decode;
mod encode;

pub use account::TelegramConfig;
pub(crate) use account::set_token_command;
pub use api::DEFAULT_ROOT;
pub use api::TokenSource;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::message::TextFormat;
use serde_json::Value;
use serde_json::json;

use self::api::Api;
use self::api::CallError;
use self::api::Http;
use self::api::Tokens;
use self::api::types::AnswerCallbackQuery;
use self::api::types::GetUpdates;
use self::api::types::InlineKeyboardButton;
use self::api::types::InlineKeyboardMarkup;
use self::api::types::LinkPreviewOptions;
use self::api::types::ReplyParameters;
use self::api::types::SendChatAction;
use self::api::types::SendMessage;
use self::api::types::User;
use self::api::types::WebhookInfo;
use self::cursor::Cursor;
use crate::chunk::utf16_len;
use crate::platform::Batch;
use crate::platform::Credential;
use crate::platform::Identity;
use crate::platform::Limits;
use crate::platform::Platform;
use crate::platform::PlatformError;
use crate::platform::PlatformEvent;
use crate::platform::Receipt;
use crate::platform::SendFailure;

/// How long the server holds a poll open when there is nothing to tell. With the margin it bounds how long a wire
/// that swallows everything goes unnoticed: a status has to be true within half a minute.
const LONG_POLL: Duration = Duration::from_secs(15);
/// How much longer than the server we wait for the end of a poll.
const POLL_MARGIN: Duration = Duration::from_secs(5);
/// Telegram takes 4096 units of text in one message.
const MESSAGE_LIMIT: usize = 4096;
/// A typing sign lasts five seconds or until the next message.
/// Telegram takes so many bytes of what a button says.
const BUTTON_LIMIT: usize = 64;
const TYPING_LASTS: Duration = Duration::from_secs(5);
/// A send that was refused for its token waits for a person.
const TOKEN_PAUSE: Duration = Duration::from_secs(300);

/// One bot account.
#[derive(Debug)]
pub struct Telegram {
    config: TelegramConfig,
    api: Api,
    me: Mutex<Option<User>>,
    /// The last poll failed: the next one comes back at once, so that a recovery is seen when it happens.
    is_doubtful: AtomicBool,
    /// Buttons that the last poll brought. They are answered with the next one: what they say is stored then.
    pressed: Mutex<Vec<String>>,
}

impl Telegram {
    /// Makes the account; nothing is read or called yet.
    pub fn new(config: TelegramConfig) -> Self {
        let tokens = Tokens::new(config.token.clone());
        let http = Http::new(config.proxy.clone(), config.ipv4_only);
        let api = Api::new(&config.api_root, tokens, http);
        Self {
            config,
            api,
            me: Mutex::new(None),
            is_doubtful: AtomicBool::new(false),
            pressed: Mutex::default(),
        }
    }

    async fn who_am_i(&self) -> Result<Identity, PlatformError> {
        self.api
            .tokens()
            .reload()
            .map_err(|error| self.credential(error.to_string()))?;
        let me: User = self.ask("getMe", &json!({})).await?;
        // Polling is refused while a webhook is set. A server without webhooks cannot have one.
        let webhook = self.ask::<WebhookInfo>("getWebhookInfo", &json!({})).await;
        if webhook.is_ok_and(|webhook| !webhook.url.is_empty()) {
            tracing::warn!(
                bot = me.id,
                "a webhook was set for this bot; it is removed, as the bot is polled"
            );
            let _: bool = self
                .ask("deleteWebhook", &json!({"drop_pending_updates": false}))
                .await?;
        }
        let mut remarks = Vec::new();
        if self.config.reads_unaddressed && me.can_read_all_group_messages == Some(false) {
            remarks.push(
                "Telegram's privacy mode hides group messages that do not address the bot: \
                 tell @BotFather /setprivacy, then add the bot to the group again"
                    .to_owned(),
            );
        }
        let identity = Identity {
            id: me.id.to_string(),
            username: me.username.clone(),
            name: Some(me.full_name()),
            remarks,
        };
        *self.me.lock().unwrap_or_else(PoisonError::into_inner) = Some(me);
        Ok(identity)
    }

    async fn updates(&self, cursor: Option<String>) -> Result<Batch, PlatformError> {
        let me = self
            .me
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(me) = me else {
            return Err(PlatformError::Transport {
                reason: "polled before the bot was identified".to_owned(),
            });
        };
        let now_ms = crate::now_ms();
        let cursor = cursor
            .as_deref()
            .and_then(Cursor::parse)
            .unwrap_or_default();
        let hold = if self.is_doubtful.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            LONG_POLL
        };
        let params = GetUpdates {
            offset: cursor.offset(now_ms),
            timeout: hold.as_secs(),
            allowed_updates: ["message", "channel_post", "callback_query"],
        };
        // Set before it, so that a poll that is given up half-way leaves the doubt behind.
        self.is_doubtful.store(true, Ordering::Relaxed);
        let pressed = std::mem::take(&mut *self.pressed());
        let polling = self
            .api
            .call::<Vec<Value>>("getUpdates", &params, hold + POLL_MARGIN);
        let (updates, ()) = futures_util::join!(polling, self.answer_presses(pressed));
        let updates = updates.map_err(|error| self.platform_error(error))?;
        self.is_doubtful.store(false, Ordering::Relaxed);
        let pressed = updates.iter().filter_map(decode::pressed);
        *self.pressed() = pressed.map(str::to_owned).collect();
        let decoded: Vec<(i64, PlatformEvent)> = updates
            .into_iter()
            .filter_map(|update| decode::decode(update, &me))
            .collect();
        let cursor = decoded
            .iter()
            .map(|(id, _)| *id)
            .max()
            .map(|last| Cursor::after(last, now_ms).to_string());
        Ok(Batch {
            events: decoded.into_iter().map(|(_, event)| event).collect(),
            cursor,
        })
    }

    fn pressed(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.pressed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the waiting sign of buttons. What they said is answered with a message, so a failure concerns nobody.
    async fn answer_presses(&self, pressed: Vec<String>) {
        for callback_query_id in pressed {
            let params = AnswerCallbackQuery { callback_query_id };
            let within = self.config.timeout;
            let answered = self
                .api
                .call::<bool>("answerCallbackQuery", &params, within)
                .await;
            if let Err(error) = answered {
                tracing::debug!(%error, "a pressed button was not answered");
            }
        }
    }

    async fn send_text(
        &self,
        payload: &OutboundPayload,
        route: &Route,
    ) -> Result<Receipt, SendFailure> {
        let mut message = SendMessage {
            chat_id: number(&route.to),
            message_thread_id: thread(route),
            text: payload.text.clone(),
            parse_mode: None,
            reply_parameters: route.reply_to.as_deref().map(|message_id| ReplyParameters {
                message_id: number(message_id),
                allow_sending_without_reply: true,
            }),
            link_preview_options: (!self.config.link_preview)
                .then_some(LinkPreviewOptions { is_disabled: true }),
            reply_markup: keyboard(payload),
        };
        if payload.format == TextFormat::Markdown {
            let rendered = encode::encode(&payload.text);
            if rendered.shown > 0 && rendered.shown <= MESSAGE_LIMIT {
                message.text = rendered.html;
                message.parse_mode = Some("HTML");
                match self.send_message(&message).await {
                    Err(CallError::Refused {
                        code: 400,
                        description,
                        ..
                    }) if is_about_markup(&description) => {
                        tracing::warn!(%description, "Telegram refused the formatting; the text goes out plain");
                    }
                    other => return other.map_err(|error| self.send_failure(error)),
                }
                message.text.clone_from(&payload.text);
                message.parse_mode = None;
            }
        }
        if utf16_len(&message.text) > MESSAGE_LIMIT {
            let reason = format!("the text is longer than {MESSAGE_LIMIT} characters");
            return Err(SendFailure::Permanent(reason));
        }
        let sent = self.send_message(&message).await;
        sent.map_err(|error| self.send_failure(error))
    }

    async fn send_message(&self, message: &SendMessage) -> Result<Receipt, CallError> {
        let within = self.config.timeout;
        let sent: Value = self.api.call("sendMessage", message, within).await?;
        let id = sent.get("message_id").and_then(Value::as_i64);
        Ok(Receipt {
            ids: id.map(|id| id.to_string()).into_iter().collect(),
        })
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
    ) -> Result<T, PlatformError> {
        let called = self.api.call(method, params, self.config.timeout).await;
        called.map_err(|error| self.platform_error(error))
    }

    fn platform_error(&self, error: CallError) -> PlatformError {
        match error {
            CallError::Token(error) => self.credential(error.to_string()),
            CallError::Refused { code: 401, .. } => self.credential(
                "Telegram refuses the bot token (401): it was revoked or mistyped".to_owned(),
            ),
            CallError::Refused {
                method: "getMe",
                code: 404,
                ..
            } => self.credential(
                "the Bot API server knows no such bot (404): the token or apiRoot is wrong"
                    .to_owned(),
            ),
            CallError::Refused {
                code: 409,
                description,
                ..
            } => PlatformError::Conflict {
                reason: description,
            },
            CallError::Refused {
                retry_after: Some(after),
                ..
            } => PlatformError::RateLimited {
                channel: "telegram",
                after,
            },
            error => PlatformError::Transport {
                reason: error.to_string(),
            },
        }
    }

    fn credential(&self, reason: String) -> PlatformError {
        PlatformError::Credential {
            reason,
            remedy: self.config.token_remedy(),
        }
    }

    fn send_failure(&self, error: CallError) -> SendFailure {
        let text = error.to_string();
        match error {
            CallError::Token(_) | CallError::Refused { code: 401, .. } => SendFailure::Retry {
                after: Some(TOKEN_PAUSE),
                error: format!(
                    "{text}; mend the token with: {}",
                    self.config.token_remedy()
                ),
            },
            CallError::NotSent { .. } => SendFailure::Retry {
                after: None,
                error: text,
            },
            // Its own words for "not now": nothing was sent.
            CallError::Refused {
                retry_after: Some(after),
                ..
            } => SendFailure::Retry {
                after: Some(after),
                error: text,
            },
            CallError::Refused { code, .. } if code == 429 || code >= 500 => SendFailure::Retry {
                after: None,
                error: text,
            },
            CallError::Refused { .. } => SendFailure::Permanent(text),
            CallError::Unknown { .. } => SendFailure::Unknown(text),
        }
    }

    async fn show_typing(&self, route: &Route) {
        let params = SendChatAction {
            chat_id: number(&route.to),
            message_thread_id: thread(route),
            action: "typing",
        };
        let shown = self
            .api
            .call::<bool>("sendChatAction", &params, TYPING_LASTS)
            .await;
        if let Err(error) = shown {
            tracing::debug!(%error, "the typing sign was not shown");
        }
    }
}

impl Platform for Telegram {
    fn channel(&self) -> &'static str {
        "telegram"
    }

    fn identify(&self) -> BoxFuture<'_, Result<Identity, PlatformError>> {
        self.who_am_i().boxed()
    }

    fn poll(&self, cursor: Option<String>) -> BoxFuture<'_, Result<Batch, PlatformError>> {
        self.updates(cursor).boxed()
    }

    fn send<'a>(
        &'a self,
        payload: &'a OutboundPayload,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<Receipt, SendFailure>> {
        self.send_text(payload, route).boxed()
    }

    fn typing<'a>(&'a self, route: &'a Route) -> BoxFuture<'a, ()> {
        self.show_typing(route).boxed()
    }

    fn limits(&self) -> Limits {
        Limits {
            text_chars: self.config.text_limit.min(MESSAGE_LIMIT),
            typing_lasts: TYPING_LASTS,
        }
    }

    fn credential(&self) -> Credential {
        match self.api.tokens().current() {
            Ok(token) => Credential {
                fingerprint: api::fingerprint(&token),
                public: api::bot_id(&token).to_owned(),
            },
            Err(_) => Credential::default(),
        }
    }

    /// A Telegram user name belongs to one account at a time.
    fn has_unique_usernames(&self) -> bool {
        true
    }

    fn id_line(&self, sender_id: &str) -> String {
        format!("Your Telegram user id: {sender_id}")
    }

    fn import_cursor(&self, stored: &Value) -> Option<String> {
        let last = stored.get("lastUpdateId").and_then(Value::as_i64)?;
        Some(Cursor::after(last, crate::now_ms()).to_string())
    }
}

/// The buttons under a message, if Telegram takes them; the text says the same.
fn keyboard(payload: &OutboundPayload) -> Option<InlineKeyboardMarkup> {
    let fits = |text: &String, most: usize| !text.is_empty() && text.len() <= most;
    let buttons = &payload.buttons;
    let all_fit = buttons
        .iter()
        .all(|button| fits(&button.label, BUTTON_LIMIT) && fits(&button.command, BUTTON_LIMIT));
    let row = buttons.iter().map(|button| InlineKeyboardButton {
        text: button.label.clone(),
        callback_data: button.command.clone(),
    });
    (all_fit && !buttons.is_empty()).then(|| InlineKeyboardMarkup {
        inline_keyboard: vec![row.collect()],
    })
}

/// Whether another formatting would make Telegram take the text.
fn is_about_markup(description: &str) -> bool {
    let lower = description.to_lowercase();
    [
        "can't parse entities",
        "message is too long",
        "text must be non-empty",
        "message text is empty",
    ]
    .iter()
    .any(|known| lower.contains(known))
}

/// The thread to send to. The general topic is addressed by naming none.
fn thread(route: &Route) -> Option<Value> {
    let thread = route.thread.as_deref()?;
    (thread != decode::GENERAL_TOPIC).then(|| number(thread))
}

/// An id as Telegram wants it: a number, or the name of a public channel.
fn number(text: &str) -> Value {
    let text = text.strip_prefix("telegram:").unwrap_or(text);
    text.parse::<i64>()
        .map_or_else(|_| text.into(), Value::from)
}
