//! What can be made to go wrong.

use std::time::Duration;

/// A fault for the next calls of a method.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Which method; none for any.
    pub method: Option<&'static str>,
    /// Only calls to this chat.
    pub chat: Option<i64>,
    /// How many calls it still hits.
    pub times: usize,
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// The Bot API says no.
    Refuse {
        code: u16,
        description: String,
        retry_after: Option<u64>,
    },
    /// Something in between answers with a page of HTML.
    Gateway(u16),
    /// The connection breaks and the call has no effect.
    CutBefore,
    /// The call has its effect, then the connection breaks.
    CutAfter,
    /// Nothing happens for this long, then the call goes on.
    Delay(Duration),
}

impl Fault {
    /// The next call of a method goes wrong.
    pub fn once(method: &'static str, kind: FaultKind) -> Self {
        Self {
            method: Some(method),
            chat: None,
            times: 1,
            kind,
        }
    }

    /// The next `n` calls of a method go wrong.
    pub fn times(n: usize, method: &'static str, kind: FaultKind) -> Self {
        Self {
            times: n,
            ..Self::once(method, kind)
        }
    }

    /// Only for one chat.
    #[must_use]
    pub fn to(mut self, chat: i64) -> Self {
        self.chat = Some(chat);
        self
    }
}

impl FaultKind {
    /// Too many requests.
    pub fn slow_down(seconds: u64) -> Self {
        Self::Refuse {
            code: 429,
            description: format!("Too Many Requests: retry after {seconds}"),
            retry_after: Some(seconds),
        }
    }
}
