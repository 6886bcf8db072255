//! Reads what a server sends, up to a bound before and after it is unpacked.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use flate2::read::ZlibDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use reqwest::header::CONTENT_TYPE;

/// More of a page is not read: what a model can take is far less.
pub(super) const MOST: usize = 4 * 1024 * 1024;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Body {
    /// The media type, lower-case, without parameters.
    pub(super) media_type: String,
    /// The `charset` of the media type.
    pub(super) charset: Option<String>,
    pub(super) bytes: Vec<u8>,
    /// Whether there was more.
    pub(super) is_cut: bool,
}

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Deflate,
}

/// Reads an answer's body; stops at the bound.
pub(super) async fn read(mut response: Response) -> Result<Body, String> {
    let header = |name| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let packing = packing(&header(CONTENT_ENCODING))?;
    let (media_type, charset) = media_type(&header(CONTENT_TYPE));
    let mut bytes = Vec::new();
    let mut is_cut = false;
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| super::client::failure(&error))?
    {
        let room = MOST - bytes.len();
        bytes.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if piece.len() > room {
            is_cut = true;
            break;
        }
    }
    if packing == Packing::None {
        return Ok(Body {
            media_type,
            charset,
            bytes,
            is_cut,
        });
    }
    let unpacked = tokio::task::spawn_blocking(move || unpack(&bytes, packing)).await;
    let (bytes, was_cut) = unpacked.map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Err("the body can't be unpacked".to_owned());
    }
    Ok(Body {
        media_type,
        charset,
        bytes,
        is_cut: is_cut || was_cut,
    })
}

fn packing(header: &str) -> Result<Packing, String> {
    match header.trim().to_lowercase().as_str() {
        "" | "identity" => Ok(Packing::None),
        "gzip" | "x-gzip" => Ok(Packing::Gzip),
        "deflate" => Ok(Packing::Deflate),
        // Packed twice is not something that anybody needs.
        other => Err(format!(
            "the body is packed as \"{other}\", which was not asked for"
        )),
    }
}

/// Unpacks up to the bound; what is broken ends where it breaks.
fn unpack(bytes: &[u8], packing: Packing) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let most = MOST as u64 + 1;
    let read = match packing {
        Packing::Gzip => MultiGzDecoder::new(bytes).take(most).read_to_end(&mut out),
        _ => ZlibDecoder::new(bytes).take(most).read_to_end(&mut out),
    };
    let is_cut = out.len() > MOST || read.is_err();
    out.truncate(MOST);
    (out, is_cut)
}

fn media_type(header: &str) -> (String, Option<String>) {
    let mut parts = header.split(';');
    let kind = parts.next().unwrap_or_default().trim().to_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"').to_lowercase())
    });
    (kind, charset)
}

impl Body {
    /// The bytes as text: UTF-8, UTF-16 by its mark, or Latin-1 where the server says so.
    pub(super) fn text(&self) -> String {
        let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
            let units = bytes
                .chunks_exact(2)
                .filter_map(|pair| Some(read(pair.try_into().ok()?)));
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect::<String>()
        };
        match self.bytes.as_slice() {
            [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
            [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
            bytes => match self.charset.as_deref() {
                Some("iso-8859-1" | "latin1" | "windows-1252" | "us-ascii") => {
                    bytes.iter().map(|byte| char::from(*byte)).collect()
                }
                _ => String::from_utf8_lossy(bytes).into_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_unpacked_up_to_the_bound() {
        let bomb = gzip(&vec![b'a'; MOST * 8]);
        assert!(bomb.len() < MOST / 50);
        let (out, is_cut) = unpack(&bomb, Packing::Gzip);
        assert_eq!((out.len(), is_cut), (MOST, true));
    }

    #[test]
    fn what_breaks_off_is_read_to_there() {
        let whole = gzip(b"a page that arrives in part");
        let (out, is_cut) = unpack(&whole, Packing::Gzip);
        assert_eq!(
            (out.as_slice(), is_cut),
            (b"a page that arrives in part".as_slice(), false)
        );
        let (_, is_cut) = unpack(&whole[..whole.len() / 2], Packing::Gzip);
        assert!(is_cut);
        assert_eq!(unpack(b"not packed at all", Packing::Gzip).0, b"");
    }

    #[test]
    fn text_is_read_as_the_server_says() {
        let body = |bytes: &[u8], charset: Option<&str>| Body {
            media_type: String::new(),
            charset: charset.map(str::to_owned),
            bytes: bytes.to_vec(),
            is_cut: false,
        };
        assert_eq!(body(b"caf\xc3\xa9", None).text(), "café");
        assert_eq!(body(b"caf\xe9", Some("iso-8859-1")).text(), "café");
        assert_eq!(body(b"\xff\xfeh\x00i\x00", None).text(), "hi");
        assert_eq!(body(b"\xef\xbb\xbfhi", None).text(), "hi");
        assert_eq!(
            media_type("Text/HTML; Charset=\"UTF-8\""),
            ("text/html".to_owned(), Some("utf-8".to_owned()))
        );
    }
}
