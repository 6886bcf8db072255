//! The text of a configuration file and the tree in it.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

/// No configuration is this long; a device or a log given by mistake is.
const MAX_BYTES: u64 = 8 << 20;

/// Deeper nesting would overflow the reader's stack; no configuration needs it.
const MAX_NESTING: usize = 100;

/// The text of a file; none if there is no file.
pub(super) fn read_text(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::Error::other("longer than 8 MiB"));
    }
    Ok(Some(text))
}

/// The tree in a text; an empty text is an empty object.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    if nesting(text) > MAX_NESTING {
        return Err(format!("nested more than {MAX_NESTING} levels deep"));
    }
    json5::from_str(text).map_err(|error| error.to_string())
}

/// How deep objects and lists stand in each other; brackets in texts and comments don't count.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => {
                            bytes.next();
                        }
                        byte if byte == quote => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek() == Some(&b'/') => {
                bytes.by_ref().find(|byte| matches!(byte, b'\n' | b'\r'));
            }
            b'/' if bytes.peek() == Some(&b'*') => {
                bytes.next();
                let mut last = 0;
                bytes
                    .by_ref()
                    .find(|byte| std::mem::replace(&mut last, *byte) == b'*' && *byte == b'/');
            }
            _ => {}
        }
    }
    deepest
}

/// The fingerprint of a text, in hex.
pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as `config set` takes it: JSON5 where it can be read so, else the text itself.
pub fn parse_value(text: &str) -> Value {
    if nesting(text) > MAX_NESTING {
        return Value::from(text);
    }
    match json5::from_str::<Value>(text) {
        // JSON has no word for these numbers.
        Ok(Value::Null) if text.trim() != "null" => Value::from(text),
        // A telephone number.
        Ok(Value::Number(_)) if text.trim().starts_with('+') => Value::from(text),
        Ok(value) => value,
        Err(_) => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        for (text, value) in [
            ("18790", json!(18_790)),
            ("true", json!(true)),
            ("loopback", json!("loopback")),
            ("{a: 1,}", json!({"a": 1})),
            ("['x', 2]", json!(["x", 2])),
            ("'quoted'", json!("quoted")),
            ("123:abc", json!("123:abc")),
            ("+15550001111", json!("+15550001111")),
            ("null", json!(null)),
            ("NaN", json!("NaN")),
            ("", json!("")),
        ] {
            assert_eq!(parse_value(text), value, "{text}");
        }
    }

    #[test]
    fn a_bottomless_text_is_refused_and_not_followed() {
        let text = "[".repeat(1 << 20);
        assert!(parse(&text).is_err());
        assert!(parse_value(&text).is_string());
        assert!(parse(&"[']',".repeat(1 << 16)).is_err());
        assert_eq!(nesting("{a: '[[[', /* [[ * / */ b: [ // [[[\n 1]}"), 2);
    }

    #[test]
    fn an_empty_file_is_an_empty_object() {
        assert_eq!(parse(" \n"), Ok(json!({})));
        assert!(parse("{a:").is_err());
        assert_eq!(hash("").len(), 64);
    }
}
