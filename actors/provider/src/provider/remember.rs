//! A provider writes down what must outlive the process: who rests, and until when.
//!
//! A change is written at once, one write at a time; that somebody was asked is news only now and then, and when
//! the provider ends.

use std::time::Duration;

use openclaw_runtime::BoxFuture;
use openclaw_runtime::Context;
use openclaw_runtime::Task;

use super::ProviderActor;
use super::ProviderMail;
use super::now_ms;
use crate::history;

/// When an account was last asked decides who is asked next; a minute more or less does not matter.
const USED_EVERY_MS: i64 = 60_000;
/// The file's lock is held while a sign-in is renewed, which takes 30 s at the most.
const DEADLINE: Duration = Duration::from_secs(45);

/// What is written, and when.
#[derive(Debug, Default)]
pub(super) struct Notes {
    writing: bool,
    again: bool,
    written_ms: i64,
}

impl ProviderActor {
    /// Writes down what changed, unless that is under way: then once more afterwards.
    pub(super) fn remember(&mut self, ctx: &mut Context<Self>) {
        let due = self.args.desk.standings().take_news()
            || now_ms() - self.notes.written_ms >= USED_EVERY_MS;
        if !due {
            return;
        }
        if self.notes.writing {
            self.notes.again = true;
            return;
        }
        let Some(write) = self.write() else { return };
        self.notes.writing = true;
        self.notes.written_ms = now_ms();
        let task = Task::new("remember").kind("write").deadline(DEADLINE);
        let _id = ctx.task(task, write, ProviderMail::Remembered);
    }

    pub(super) fn on_remembered(&mut self, outcome: Result<(), String>, ctx: &mut Context<Self>) {
        self.notes.writing = false;
        if let Err(error) = outcome {
            let provider = &self.args.endpoint.provider;
            tracing::warn!(%provider, %error, "who rests could not be written down; a restart forgets it");
        } else if std::mem::take(&mut self.notes.again) {
            self.args.desk.standings().note_news();
            self.remember(ctx);
        }
    }

    /// The last write, when the provider ends.
    pub(super) fn last_words(&self) -> Option<BoxFuture<'static, ()>> {
        let write = self.write()?;
        Some(Box::pin(async move { drop(write.await) }))
    }

    fn write(&self) -> Option<BoxFuture<'static, Result<(), String>>> {
        let pages = self.args.desk.standings().pages(&self.args.endpoint);
        if pages.is_empty() {
            return None;
        }
        let job = move || {
            for (file, page) in pages {
                let kept = history::keep(&file, &page);
                kept.map_err(|error| format!("{}: {error}", file.display()))?;
            }
            Ok(())
        };
        Some(Box::pin(async move {
            let done = tokio::task::spawn_blocking(job).await;
            done.unwrap_or_else(|error| Err(error.to_string()))
        }))
    }
}
