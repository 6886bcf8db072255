//! One frame that waits, and how frames become bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::Event;
use super::Loss;
use super::Payload;
use crate::ingress::websocket;

/// Longer pieces are written from where they are; shorter ones are put together first.
const OWN_PIECE: usize = 16 * 1024;

#[derive(Debug)]
pub(super) enum Frame {
    Response(Payload),
    Event {
        event: Arc<Event>,
        seq: Option<u64>,
        is_whole: bool,
    },
    Ping,
    Pong(Bytes),
}

/// What is about to be written: long pieces as they are, short ones put together.
#[derive(Default)]
pub(super) struct Pieces {
    done: Vec<Bytes>,
    /// What is not long enough to be a piece yet.
    pub(super) open: Vec<u8>,
}

impl Pieces {
    fn push(&mut self, piece: &Bytes) {
        if piece.len() < OWN_PIECE {
            self.open.extend_from_slice(piece);
            return;
        }
        self.close();
        self.done.push(piece.clone());
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open).into());
        }
    }

    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.done
    }
}

impl Frame {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Response(text) => text.len(),
            Self::Event {
                event, is_whole, ..
            } => event.shown(*is_whole).len(),
            Self::Ping => 0,
            Self::Pong(payload) => payload.len(),
        }
    }

    pub(super) fn loss(&self) -> &Loss {
        match self {
            Self::Response(_) => &Loss::Never,
            Self::Event { event, .. } => &event.loss,
            Self::Ping | Self::Pong(_) => &Loss::Stale,
        }
    }

    pub(super) fn write(&self, out: &mut Pieces) {
        match self {
            Self::Response(text) => {
                websocket::begin_text(&mut out.open, text.len());
                text.pieces().iter().for_each(|piece| out.push(piece));
            }
            Self::Ping => websocket::write_ping(&mut out.open),
            Self::Pong(payload) => websocket::write_pong(&mut out.open, payload),
            Self::Event {
                event,
                seq,
                is_whole,
            } => {
                let payload = event.shown(*is_whole);
                let head = format!(
                    "{{\"type\":\"event\",\"event\":\"{}\",\"payload\":",
                    event.name
                );
                let mut tail = seq.map_or_else(String::new, |seq| format!(",\"seq\":{seq}"));
                if let Some((presence, health)) = event.state_version {
                    tail += &format!(
                        ",\"stateVersion\":{{\"presence\":{presence},\"health\":{health}}}"
                    );
                }
                tail.push('}');
                websocket::begin_text(&mut out.open, head.len() + payload.len() + tail.len());
                out.open.extend_from_slice(head.as_bytes());
                payload.pieces().iter().for_each(|piece| out.push(piece));
                out.open.extend_from_slice(tail.as_bytes());
            }
        }
    }
}
