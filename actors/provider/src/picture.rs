//! Pictures that are larger than a provider takes are made smaller before a call, on the threads for such work.
//!
//! What comes out depends on the picture and the bounds alone, so that the conversation's beginning stays the same from
//! call to call and over restarts; what was made is kept for a while, so that a long conversation does it once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openclaw_compute::picture;
use openclaw_compute::picture::Fit;
use openclaw_compute::picture::Size;
use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_runtime::cpu;
use ring::digest::SHA256;
use ring::digest::digest;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::conversation::Pictures;
use crate::model::ModelRequest;

#[cfg(test)]
mod tests;

/// How long a call waits for its pictures; those that are not ready by then are left out this time.
const WAIT: Duration = Duration::from_secs(30);
/// Where most pictures name their size, in letters of base64; and the last place where it is looked for: before it a
/// camera may put a small copy of the picture.
const HEADS: [usize; 2] = [4 * 1024, 512 * 1024];
/// How JPEG begins in base64.
const JPEG: &str = "/9j/";
/// What is kept of pictures that were made smaller, in letters and in number.
const KEPT: usize = 24 * 1024 * 1024;
const KEPT_COUNT: usize = 256;

static SHELF: LazyLock<Mutex<Shelf>> = LazyLock::new(Mutex::default);

/// A picture by its content, and what it was to fit into.
type Key = ([u8; 32], usize, u32);

/// What was made, the newest last.
#[derive(Default)]
struct Shelf {
    /// None stands for a picture that can't be made smaller.
    made: VecDeque<(Key, Option<Arc<str>>)>,
    letters: usize,
}

impl Shelf {
    fn find(&mut self, key: &Key) -> Option<Option<Arc<str>>> {
        let at = self.made.iter().position(|(known, _)| known == key)?;
        // What is asked for stays.
        let found = self.made.remove(at)?;
        let made = found.1.clone();
        self.made.push_back(found);
        Some(made)
    }

    fn keep(&mut self, key: Key, made: Option<Arc<str>>) {
        let letters = |made: &Option<Arc<str>>| made.as_ref().map_or(0, |made| made.len());
        if self.made.iter().any(|(known, _)| *known == key) {
            return;
        }
        self.letters += letters(&made);
        self.made.push_back((key, made));
        while self.letters > KEPT || self.made.len() > KEPT_COUNT {
            let Some((_, made)) = self.made.pop_front() else {
                return;
            };
            self.letters -= letters(&made);
        }
    }
}

/// How large a picture in base64 says it is.
fn size(data: &str) -> Option<Size> {
    let heads = HEADS
        .into_iter()
        .filter(|most| *most == HEADS[0] || data.starts_with(JPEG));
    let sizes = heads.map(|most| {
        let letters = data.len().min(most) / 4 * 4;
        let head = STANDARD.decode(data.get(..letters)?).ok()?;
        picture::size(&head)
    });
    sizes.flatten().next()
}

impl Pictures {
    fn is_too_large(&self, data: &str) -> bool {
        data.len() > self.length || size(data).is_some_and(|size| size.longest() > self.side)
    }

    fn fit(&self) -> Fit {
        Fit {
            bytes: self.length / 4 * 3,
            side: self.made,
        }
    }
}

fn parts(message: &Message) -> &[Content] {
    match message {
        Message::User(said) => &said.content,
        Message::ToolResult(result) => &result.content,
        Message::Assistant(_) | Message::Other(_) => &[],
    }
}

fn has_too_large(message: &Message, pictures: &Pictures) -> bool {
    let mut parts = parts(message).iter();
    parts.any(|part| matches!(part, Content::Image { data, .. } if pictures.is_too_large(data)))
}

/// Whether some picture of a request has to be made smaller first.
pub(crate) fn is_due(request: &ModelRequest, pictures: &Pictures) -> bool {
    let mut messages = request.messages.iter();
    pictures.seen && messages.any(|message| has_too_large(message, pictures))
}

/// The request with the pictures made smaller that are too large. One that can't be stays as it is.
pub(crate) async fn fitted(mut request: ModelRequest, pictures: &Pictures) -> ModelRequest {
    let until = Instant::now() + WAIT;
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in request.messages.iter() {
        if !has_too_large(message, pictures) {
            messages.push(Arc::clone(message));
            continue;
        }
        let mut smaller = Message::clone(message);
        let parts = match &mut smaller {
            Message::User(said) => said.content.iter_mut(),
            Message::ToolResult(result) => result.content.iter_mut(),
            Message::Assistant(_) | Message::Other(_) => [].iter_mut(),
        };
        for part in parts {
            if let Content::Image {
                data, mime_type, ..
            } = part
                && pictures.is_too_large(data)
                && let Some(made) = smaller_one(data, pictures.fit(), until).await
            {
                *data = made.as_ref().to_owned();
                *mime_type = "image/jpeg".to_owned();
            }
        }
        messages.push(Arc::new(smaller));
    }
    request.messages = messages.into();
    request
}

async fn smaller_one(data: &str, fit: Fit, until: Instant) -> Option<Arc<str>> {
    let sum = digest(&SHA256, data.as_bytes());
    let key: Key = (sum.as_ref().try_into().ok()?, fit.bytes, fit.side);
    let shelf = || SHELF.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = shelf().find(&key) {
        return known;
    }
    let data = data.to_owned();
    let work = cpu::run(move |wanted| {
        let bytes = STANDARD.decode(&data).ok();
        drop(data);
        let made = picture::smaller(&bytes?, fit, &|| wanted.is_wanted());
        let made = made.inspect_err(|error| tracing::warn!(%error, "a picture is too large"));
        Some(Arc::from(STANDARD.encode(made.ok()?)))
    });
    match timeout_at(until, work).await {
        Ok(Ok(made)) => {
            shelf().keep(key, made.clone());
            made
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "a picture is too large");
            None
        }
        Err(_late) => {
            tracing::warn!("a picture could not be made smaller in time");
            None
        }
    }
}
