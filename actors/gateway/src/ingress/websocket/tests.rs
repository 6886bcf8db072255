use bytes::Bytes;
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::Decoder;
use super::Incoming;
use super::accept_key;
use super::close;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | u8::try_from(short).unwrap()),
        medium @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Incoming>, u16> {
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(bytes);
    let mut all = Vec::new();
    while let Some(message) = decoder.next_message().map_err(|violation| violation.code)? {
        all.push(message);
    }
    Ok(all)
}

#[test]
fn the_accept_key_is_the_one_of_the_rfc() {
    assert_eq!(
        accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[test]
fn fragments_join_and_control_frames_may_stand_between() {
    let mut bytes = frame(0x01, b"Hel");
    bytes.extend(frame(0x89, b"?"));
    bytes.extend(frame(0x00, b"l"));
    bytes.extend(frame(0x80, b"o"));
    bytes.extend(frame(0x88, &1000_u16.to_be_bytes()));
    let expected = vec![
        Incoming::Ping(Bytes::from_static(b"?")),
        Incoming::Text("Hello".to_owned()),
        Incoming::Close(Some(1000)),
    ];
    assert_eq!(decode(&bytes), Ok(expected));
}

#[test]
fn broken_rules_close_with_their_code() {
    let unmasked = [0x81, 0x01, b'a'];
    let mut nested = frame(0x01, b"a");
    nested.extend(frame(0x81, b"b"));
    let table: [(&str, Vec<u8>, u16); 9] = [
        ("unmasked", unmasked.to_vec(), close::PROTOCOL),
        ("reserved bit", frame(0xc1, b"a"), close::PROTOCOL),
        ("unknown opcode", frame(0x83, b"a"), close::PROTOCOL),
        ("fragmented ping", frame(0x09, b"a"), close::PROTOCOL),
        ("long ping", frame(0x89, &[0; 126]), close::PROTOCOL),
        (
            "continuation of nothing",
            frame(0x80, b"a"),
            close::PROTOCOL,
        ),
        ("message in a message", nested, close::PROTOCOL),
        ("half a close code", frame(0x88, b"a"), close::PROTOCOL),
        ("not UTF-8", frame(0x81, &[0xff, 0xfe]), close::NOT_UTF8),
    ];
    for (what, bytes, code) in table {
        assert_eq!(decode(&bytes), Err(code), "{what}");
    }
}

#[test]
fn the_limit_holds_for_the_announced_length_and_for_the_sum_of_fragments() {
    let mut decoder = Decoder::new(10);
    // The announcement is enough: nothing is stored first.
    decoder.feed(&[0x81, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0]);
    assert_eq!(decoder.next_message().unwrap_err().code, close::TOO_BIG);

    let mut decoder = Decoder::new(10);
    decoder.feed(&frame(0x01, b"123456"));
    assert_eq!(decoder.next_message(), Ok(None));
    decoder.feed(&frame(0x80, b"78901"));
    assert_eq!(decoder.next_message().unwrap_err().code, close::TOO_BIG);

    let mut decoder = Decoder::new(10);
    decoder.set_limit(20);
    decoder.feed(&frame(0x81, b"12345678901"));
    assert_eq!(
        decoder.next_message(),
        Ok(Some(Incoming::Text("12345678901".to_owned())))
    );
}

#[test]
fn an_idle_decoder_holds_no_memory() {
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(&frame(0x81, &[b'a'; 70_000]));
    assert!(
        matches!(decoder.next_message(), Ok(Some(Incoming::Text(text))) if text.len() == 70_000)
    );
    assert_eq!(decoder.held(), 0);
}

#[test]
fn a_close_reason_is_cut_at_a_character() {
    let mut out = Vec::new();
    super::write_close(&mut out, close::POLICY, &"é".repeat(100));
    assert_eq!(out.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&out[4..]).is_ok());
}

/// A socket whose far end is a byte vector.
struct Pipe {
    input: std::io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl std::io::Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.input.read(buf)
    }
}

impl std::io::Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.output.write(buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn pipe(input: Vec<u8>) -> Pipe {
    Pipe {
        input: std::io::Cursor::new(input),
        output: Vec::new(),
    }
}

proptest! {
    #[test]
    fn what_another_implementation_writes_is_read_in_any_pieces(
        texts in proptest::collection::vec(".{0,200}", 1..8),
        piece in 1_usize..64,
    ) {
        let mut client = WebSocket::from_raw_socket(pipe(Vec::new()), Role::Client, None);
        for text in &texts {
            client.send(Message::text(text.clone())).unwrap();
        }
        let mut decoder = Decoder::new(1 << 20);
        let mut read = Vec::new();
        for bytes in client.get_ref().output.chunks(piece) {
            decoder.feed(bytes);
            while let Some(message) = decoder.next_message().unwrap() {
                read.push(message);
            }
        }
        let expected: Vec<_> = texts.into_iter().map(Incoming::Text).collect();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn what_we_write_is_read_by_another_implementation(
        length in prop_oneof![0_usize..300, 65_000_usize..66_000],
        code in 3000_u16..5000,
    ) {
        let text = "x".repeat(length);
        let mut out = Vec::new();
        super::begin_text(&mut out, text.len() + 4);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"tail");
        super::write_ping(&mut out);
        super::write_close(&mut out, code, "done");
        let mut client = WebSocket::from_raw_socket(pipe(out), Role::Client, None);
        let read = client.read().unwrap().into_text().unwrap();
        prop_assert_eq!(read.as_str(), text + "tail");
        prop_assert!(client.read().unwrap().is_ping());
        match client.read().unwrap() {
            Message::Close(Some(frame)) => {
                prop_assert_eq!(u16::from(frame.code), code);
                prop_assert_eq!(frame.reason.as_str(), "done");
            }
            other => prop_assert!(false, "expected a close, got {other:?}"),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _outcome = decode(&bytes);
    }
}
