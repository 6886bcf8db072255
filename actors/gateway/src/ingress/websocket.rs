//! The WebSocket framing of RFC 6455, server side, as pure functions over buffers.
//!
//! Why our own: a library keeps a read and a write buffer for each socket at the size of its largest
//! message, and fixes the frame limit when the socket opens. Thousands of sockets here are idle, and
//! a caller may send little before it has proven who it is and much afterwards. This decoder holds
//! memory only while a message is incomplete, and its limit can be raised.

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use sha1::Digest;
use sha1::Sha1;

#[cfg(test)]
mod tests;

/// Close codes that the gateway sends.
pub mod close {
    /// The peer is done.
    pub const NORMAL: u16 = 1000;
    /// A frame breaks the framing rules, or the versions don't match.
    pub const PROTOCOL: u16 = 1002;
    /// A text message isn't UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// Refused, or too slow.
    pub const POLICY: u16 = 1008;
    /// A message is too big.
    pub const TOO_BIG: u16 = 1009;
    /// The gateway goes down and comes back.
    pub const SERVICE_RESTART: u16 = 1012;
    /// The gateway is not open for work.
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// The secret changed.
    pub const AUTH_CHANGED: u16 = 4001;
}

/// The bytes that RFC 6455 appends to the client's key.
const ACCEPT_SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A control frame's payload: RFC 6455 §5.5.
const CONTROL_LIMIT: usize = 125;

/// `Sec-WebSocket-Accept` for the client's `Sec-WebSocket-Key`.
pub fn accept_key(key: &[u8]) -> String {
    use base64::Engine;
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(ACCEPT_SALT);
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Bytes),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    /// An answer to our ping.
    Pong,
    /// The peer says goodbye.
    Close(Option<u16>),
}

/// The peer breaks a rule: close with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (close {code})")]
pub struct Violation {
    /// The close code.
    pub code: u16,
    /// The rule.
    pub reason: &'static str,
}

const fn broken(reason: &'static str) -> Violation {
    let code = close::PROTOCOL;
    Violation { code, reason }
}

/// Turns received bytes into messages; joins fragments.
#[derive(Debug)]
pub struct Decoder {
    received: BytesMut,
    /// A message whose last fragment is still to come.
    partial: Option<Partial>,
    limit: usize,
}

#[derive(Debug)]
struct Partial {
    is_text: bool,
    payload: Vec<u8>,
}

struct Header {
    is_final: bool,
    opcode: u8,
    mask: [u8; 4],
    length: usize,
    size: usize,
}

impl Decoder {
    /// Accepts messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            received: BytesMut::new(),
            partial: None,
            limit,
        }
    }

    /// Sets the largest message from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Takes the next whole message, if there is one.
    pub fn next_message(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            if self.received.len() < header.size + header.length {
                return Ok(None);
            }
            self.received.advance(header.size);
            let mut payload = self.received.split_to(header.length);
            unmask(&mut payload, header.mask);
            if self.received.is_empty() {
                // Gives the buffer back: an idle socket holds none.
                self.received = BytesMut::new();
            }
            if let Some(message) = self.take(&header, payload)? {
                return Ok(Some(message));
            }
        }
    }

    fn header(&self) -> Result<Option<Header>, Violation> {
        let bytes = &self.received;
        let (Some(first), Some(second)) = (bytes.first(), bytes.get(1)) else {
            return Ok(None);
        };
        let opcode = first & 0x0f;
        let is_final = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(broken("reserved bits set without an extension"));
        }
        if second & 0x80 == 0 {
            return Err(broken("unmasked frame from a client"));
        }
        let (length, size) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
                _ => return Ok(None),
            },
            127 => match bytes.get(2..10).map(<[u8; 8]>::try_from) {
                Some(Ok(length)) => (u64::from_be_bytes(length), 10),
                _ => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if opcode >= 0x8 && (!is_final || length > CONTROL_LIMIT) {
            return Err(broken("control frame fragmented or too long"));
        }
        let held = self
            .partial
            .as_ref()
            .map_or(0, |partial| partial.payload.len());
        if length.saturating_add(held) > self.limit {
            return Err(Violation {
                code: close::TOO_BIG,
                reason: "payload too large",
            });
        }
        let Some(Ok(mask)) = bytes.get(size..size + 4).map(<[u8; 4]>::try_from) else {
            return Ok(None);
        };
        Ok(Some(Header {
            is_final,
            opcode,
            mask,
            length,
            size: size + 4,
        }))
    }

    fn take(&mut self, header: &Header, payload: BytesMut) -> Result<Option<Incoming>, Violation> {
        match (header.opcode, header.is_final) {
            (0x0, is_final) => {
                let Some(mut partial) = self.partial.take() else {
                    return Err(broken("continuation without a message"));
                };
                partial.payload.extend_from_slice(&payload);
                if is_final {
                    return whole(partial.is_text, partial.payload).map(Some);
                }
                self.partial = Some(partial);
                Ok(None)
            }
            (0x1 | 0x2, _) if self.partial.is_some() => {
                Err(broken("new message inside a fragmented one"))
            }
            (opcode @ (0x1 | 0x2), true) => whole(opcode == 0x1, payload.into()).map(Some),
            (opcode @ (0x1 | 0x2), false) => {
                self.partial = Some(Partial {
                    is_text: opcode == 0x1,
                    payload: payload.into(),
                });
                Ok(None)
            }
            (0x8, _) => match payload.len() {
                0 => Ok(Some(Incoming::Close(None))),
                1 => Err(broken("close frame with half a code")),
                _ => Ok(Some(Incoming::Close(Some(payload.clone().get_u16())))),
            },
            (0x9, _) => Ok(Some(Incoming::Ping(payload.freeze()))),
            (0xa, _) => Ok(Some(Incoming::Pong)),
            _ => Err(broken("unknown opcode")),
        }
    }

    /// Bytes held for messages that aren't complete.
    pub fn held(&self) -> usize {
        self.received.capacity() + self.partial.as_ref().map_or(0, |p| p.payload.capacity())
    }
}

fn whole(is_text: bool, payload: Vec<u8>) -> Result<Incoming, Violation> {
    if !is_text {
        return Ok(Incoming::Binary(payload.into()));
    }
    let text = String::from_utf8(payload).map_err(|_| Violation {
        code: close::NOT_UTF8,
        reason: "text message is not UTF-8",
    })?;
    Ok(Incoming::Text(text))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    // Eight bytes at a time; the mask repeats every four.
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Begins a text frame, whose text follows.
pub fn begin_text(out: &mut Vec<u8>, length: usize) {
    write_header(out, 0x1, length);
}

/// Appends a ping without payload.
pub fn write_ping(out: &mut Vec<u8>) {
    write_header(out, 0x9, 0);
}

/// Appends the answer to a ping.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    let payload = payload.get(..CONTROL_LIMIT).unwrap_or(payload);
    write_header(out, 0xa, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a close frame; a reason beyond 123 bytes is cut at a character.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = reason_within_limit(reason);
    write_header(out, 0x8, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn reason_within_limit(reason: &str) -> &str {
    let mut end = reason.len().min(CONTROL_LIMIT - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

fn write_header(out: &mut Vec<u8>, opcode: u8, length: usize) {
    out.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
