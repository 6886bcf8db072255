//! Amazon's event stream: length, headers and payload, each message with two checksums.

use super::Buffer;
use super::Cut;
use super::Frame;

/// Length of the whole, length of the headers, checksum of the two.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;
/// The format's own bound on one message.
const LONGEST: usize = 24 * 1024 * 1024;

/// Cuts messages; a message's kind is its event's or its exception's name.
#[derive(Default)]
pub(super) struct Amazon {
    buffer: Buffer,
}

impl Cut for Amazon {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    fn next(&mut self) -> Result<Option<Frame>, String> {
        let left = self.buffer.left();
        let (Some(total), Some(headers)) = (number(left, 0), number(left, 4)) else {
            return Ok(None);
        };
        if total > LONGEST || total < PRELUDE + TRAILER + headers {
            return Err("the lengths of a message do not fit".to_owned());
        }
        if left.len() < total {
            return Ok(None);
        }
        let message = self.buffer.take(total);
        for end in [PRELUDE - 4, total - TRAILER] {
            let (sum, covered) = (number(&message, end), message.get(..end));
            if sum != covered.map(|bytes| checksum(bytes) as usize) {
                return Err("the checksum of a message does not fit".to_owned());
            }
        }
        let kind = kind(message.get(PRELUDE..PRELUDE + headers).unwrap_or_default())
            .ok_or("the headers of a message can't be read")?;
        let payload = message.get(PRELUDE + headers..total - TRAILER);
        let payload = String::from_utf8(payload.unwrap_or_default().to_vec());
        let payload = payload.map_err(|error| error.to_string())?;
        Ok(Some((kind, payload)))
    }

    /// Half a message is none.
    fn rest(&mut self) -> Option<Frame> {
        None
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// Finds the name of the event, the exception or the error among the headers.
fn kind(mut headers: &[u8]) -> Option<String> {
    let mut kind = String::new();
    while let Some((length, rest)) = headers.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (form, rest) = rest.split_first()?;
        let (value, rest) = match form {
            0 | 1 => (&[][..], rest),
            2 => rest.split_at_checked(1)?,
            3 => rest.split_at_checked(2)?,
            4 => rest.split_at_checked(4)?,
            5 | 8 => rest.split_at_checked(8)?,
            9 => rest.split_at_checked(16)?,
            6 | 7 => {
                let (length, rest) = rest.split_at_checked(2)?;
                let length = u16::from_be_bytes(length.try_into().ok()?);
                rest.split_at_checked(usize::from(length))?
            }
            _ => return None,
        };
        if matches!(name, b":event-type" | b":exception-type" | b":error-code") {
            kind = String::from_utf8_lossy(value).into_owned();
        }
        headers = rest;
    }
    Some(kind)
}

/// CRC-32 as in zlib.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, payload: &str) -> Vec<u8> {
        let mut headers = Vec::new();
        for (name, value) in [(":message-type", "event"), (":event-type", kind)] {
            headers.push(u8::try_from(name.len()).unwrap());
            headers.extend(name.bytes());
            headers.push(7);
            headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            headers.extend(value.bytes());
        }
        let total = PRELUDE + headers.len() + payload.len() + TRAILER;
        let mut bytes = u32::try_from(total).unwrap().to_be_bytes().to_vec();
        bytes.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
        bytes.extend(checksum(&bytes).to_be_bytes());
        bytes.extend(headers);
        bytes.extend(payload.bytes());
        bytes.extend(checksum(&bytes).to_be_bytes());
        bytes
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn messages_are_whole_however_they_come() {
        let mut amazon = Amazon::default();
        let mut found = Vec::new();
        let bytes = [
            message("messageStart", "{}"),
            message("metadata", "{\"é\":1}"),
        ]
        .concat();
        for byte in bytes {
            amazon.push(&[byte]);
            found.extend(amazon.next().unwrap());
        }
        let frame = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
        assert_eq!(
            found,
            [frame("messageStart", "{}"), frame("metadata", "{\"é\":1}")]
        );
    }

    #[test]
    fn a_flipped_bit_and_a_foreign_body_are_noticed() {
        let mut amazon = Amazon::default();
        let mut bytes = message("messageStart", "{\"role\":1}");
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        amazon.push(&bytes);
        assert!(amazon.next().is_err());
        let mut amazon = Amazon::default();
        amazon.push(b"<html><body>a page</body></html>");
        assert!(amazon.next().is_err());
    }
}
