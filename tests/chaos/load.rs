//! Steady load: people who write over two Telegram accounts, and clients who repeat a request until it is acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openclaw_support::line::{self, NoAnswer};
use openclaw_support::telegram::{FakeTelegram, Person};
use serde_json::json;

use crate::{ALPHA, BETA};

/// People on each account; each has a chat, and a conversation, of their own.
const PEOPLE: i64 = 40;
/// Conversations of the clients.
const ROOMS: u64 = 4;
/// Unanswered messages beyond which nobody writes more: an hour must not end in an hour of catching up.
const PATIENCE: usize = 1_500;

/// What was said, and what was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Marker → account and chat.
    pub(crate) pushed: BTreeMap<String, (&'static str, i64)>,
    /// Idempotency key → whether it was acknowledged.
    pub(crate) said: BTreeMap<String, bool>,
}

#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) alpha: FakeTelegram,
    pub(crate) beta: FakeTelegram,
    pub(crate) port: u16,
    book: Mutex<Book>,
    is_over: AtomicBool,
}

impl Load {
    pub(crate) fn new(alpha: FakeTelegram, beta: FakeTelegram, port: u16) -> Arc<Self> {
        Arc::new(Self {
            alpha,
            beta,
            port,
            book: Mutex::default(),
            is_over: AtomicBool::new(false),
        })
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Writes so many messages a second until told to end.
    pub(crate) async fn write(self: Arc<Self>, rate: u32) {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / rate);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut n: i64 = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            beat.tick().await;
            let open = self.book().pushed.len().saturating_sub(self.answers());
            if open > PATIENCE {
                continue;
            }
            n += 1;
            let (account, token, fake) = if n % 2 == 0 {
                ("alpha", ALPHA, &self.alpha)
            } else {
                ("beta", BETA, &self.beta)
            };
            let chat = 1_000 + (n / 2) % PEOPLE;
            let marker = format!("m{n}x{chat}y");
            // Every eighth message makes the model use a tool first.
            let text = match n % 8 {
                0 => format!("tool {marker}"),
                _ => marker.clone(),
            };
            self.book().pushed.insert(marker, (account, chat));
            fake.push_message(token, &Person::new(chat, "Someone"), &text);
        }
    }

    fn answers(&self) -> usize {
        self.alpha.sent_count() + self.beta.sent_count()
    }

    /// Says one thing after the other, each until it is acknowledged.
    pub(crate) async fn say(self: Arc<Self>, who: u64) {
        let mut n = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            n += 1;
            let key = format!("s{who}x{n}y");
            self.book().said.insert(key.clone(), false);
            while !self.say_once(&key).await {
                if self.is_over.load(Ordering::SeqCst) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }

    /// Whether it was acknowledged.
    pub(crate) async fn say_once(&self, key: &str) -> bool {
        let room = key.bytes().map(u64::from).sum::<u64>() % ROOMS;
        let params = json!({
            "sessionKey": format!("agent:main:room{room}"), "message": key, "idempotencyKey": key,
        });
        let scopes = ["operator.write"];
        let within = Duration::from_secs(5);
        match line::call_with(self.port, &scopes, "chat.send", params, within).await {
            Ok(_) => {
                self.book().said.insert(key.to_owned(), true);
                true
            }
            Err(NoAnswer::Lost) => false,
            Err(NoAnswer::Refused(error)) => {
                assert_ne!(error["code"], "INVALID_REQUEST", "{key}: {error}");
                false
            }
        }
    }
}
