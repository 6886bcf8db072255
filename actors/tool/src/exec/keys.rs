//! Keys of a keyboard as a terminal sends them.

/// The bytes of a key by its name: `Enter`, `C-c`, `M-x`, `Up`, or a single letter.
pub(super) fn bytes(name: &str) -> Option<Vec<u8>> {
    if let Some(key) = name
        .strip_prefix("C-")
        .or_else(|| name.strip_prefix("Ctrl+"))
    {
        return control(key);
    }
    if let Some(key) = name
        .strip_prefix("M-")
        .or_else(|| name.strip_prefix("Alt+"))
    {
        let mut made = vec![0x1b];
        made.extend(bytes(key)?);
        return Some(made);
    }
    let named: &[u8] = match name.to_ascii_lowercase().as_str() {
        "enter" | "return" => b"\r",
        "tab" => b"\t",
        "space" => b" ",
        "escape" | "esc" => b"\x1b",
        "backspace" | "bspace" => b"\x7f",
        "delete" | "del" => b"\x1b[3~",
        "insert" => b"\x1b[2~",
        "up" => b"\x1b[A",
        "down" => b"\x1b[B",
        "right" => b"\x1b[C",
        "left" => b"\x1b[D",
        "home" => b"\x1b[H",
        "end" => b"\x1b[F",
        "pageup" | "pgup" => b"\x1b[5~",
        "pagedown" | "pgdn" => b"\x1b[6~",
        "btab" | "s-tab" => b"\x1b[Z",
        "f1" => b"\x1bOP",
        "f2" => b"\x1bOQ",
        "f3" => b"\x1bOR",
        "f4" => b"\x1bOS",
        "f5" => b"\x1b[15~",
        "f6" => b"\x1b[17~",
        "f7" => b"\x1b[18~",
        "f8" => b"\x1b[19~",
        "f9" => b"\x1b[20~",
        "f10" => b"\x1b[21~",
        "f11" => b"\x1b[23~",
        "f12" => b"\x1b[24~",
        _ => {
            let mut letters = name.chars();
            return match (letters.next(), letters.next()) {
                (Some(_), None) => Some(name.as_bytes().to_vec()),
                _ => None,
            };
        }
    };
    Some(named.to_vec())
}

fn control(key: &str) -> Option<Vec<u8>> {
    match key.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => {
            Some(vec![letter.to_ascii_lowercase() - b'a' + 1])
        }
        [b'@' | b' '] => Some(vec![0]),
        [b'['] => Some(vec![0x1b]),
        [b'\\'] => Some(vec![0x1c]),
        [b']'] => Some(vec![0x1d]),
        [b'_'] => Some(vec![0x1f]),
        _ => None,
    }
}

/// Bytes that are written as hexadecimal pairs.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

/// A text as a terminal pastes it, so that no line of it is run before the last.
pub(super) fn pasted(text: &str, bracketed: bool) -> Vec<u8> {
    if !bracketed {
        return text.as_bytes().to_vec();
    }
    // The mark of the end inside the text would let the rest out of the brackets.
    let text = text.replace("\x1b[201~", "");
    format!("\x1b[200~{text}\x1b[201~").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_bytes_of_a_terminal() {
        for (name, expected) in [
            ("Enter", &b"\r"[..]),
            ("C-c", b"\x03"),
            ("Ctrl+D", b"\x04"),
            ("M-x", b"\x1bx"),
            ("Up", b"\x1b[A"),
            ("a", b"a"),
            ("F5", b"\x1b[15~"),
            ("M-Enter", b"\x1b\r"),
        ] {
            assert_eq!(bytes(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(bytes("Nonsense"), None);
        assert_eq!(bytes("C-nonsense"), None);
        assert_eq!(hex("1b5b41").as_deref(), Some(&b"\x1b[A"[..]));
        assert_eq!(hex("1b5"), None);
        assert_eq!(hex("zz"), None);
    }

    #[test]
    fn what_is_pasted_stays_in_its_brackets() {
        assert_eq!(pasted("a\x1b[201~b", true), b"\x1b[200~ab\x1b[201~");
        assert_eq!(pasted("a", false), b"a");
    }
}
