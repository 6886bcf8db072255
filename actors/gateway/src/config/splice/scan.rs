//! Where keys and values stand in a text of JSON5.

use std::ops::Range;

/// Deeper than this nobody writes; it bounds the recursion.
const DEPTH: usize = 128;

/// A value and where it stands.
#[derive(Debug)]
pub(super) enum Node {
    /// An object with its members, in the text's order.
    Object {
        at: Range<usize>,
        members: Vec<Member>,
    },
    /// A list with its items.
    List { at: Range<usize>, items: Vec<Node> },
    /// Anything else.
    Other(Range<usize>),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    /// Where the key begins.
    pub(super) start: usize,
    pub(super) value: Node,
    /// Where the comma behind it stands.
    pub(super) comma: Option<usize>,
}

impl Node {
    pub(super) fn at(&self) -> &Range<usize> {
        match self {
            Self::Object { at, .. } | Self::List { at, .. } | Self::Other(at) => at,
        }
    }
}

/// Scans a text; none when it is not understood to the end.
pub(super) fn scan(text: &str) -> Option<Node> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip()?;
    let node = scanner.value(0)?;
    scanner.skip()?;
    (scanner.at == text.len()).then_some(node)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.at += wanted.len_utf8();
        }
        is_there
    }

    /// Passes over whitespace and comments.
    fn skip(&mut self) -> Option<()> {
        loop {
            let rest = self.rest();
            let bare = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            let step = match bare {
                _ if bare.len() < rest.len() => rest.len() - bare.len(),
                _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                _ if rest.starts_with("/*") => rest.get(2..)?.find("*/")? + 4,
                _ => return Some(()),
            };
            self.at += step;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH {
            return None;
        }
        let start = self.at;
        match self.peek()? {
            '{' => self.object(depth),
            '[' => {
                self.take('[');
                let mut items = Vec::new();
                loop {
                    self.skip()?;
                    if self.take(']') {
                        let at = start..self.at;
                        return Some(Node::List { at, items });
                    }
                    items.push(self.value(depth + 1)?);
                    self.skip()?;
                    self.take(',');
                }
            }
            '"' | '\'' => {
                self.string()?;
                Some(Node::Other(start..self.at))
            }
            _ => {
                self.word()?;
                Some(Node::Other(start..self.at))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node> {
        let start = self.at;
        self.take('{');
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.skip()?;
            if self.take('}') {
                let at = start..self.at;
                return Some(Node::Object { at, members });
            }
            let begin = self.at;
            let key = match self.peek()? {
                '"' | '\'' => self.string()?,
                _ => self.word()?,
            };
            self.skip()?;
            if !self.take(':') {
                return None;
            }
            self.skip()?;
            let value = self.value(depth + 1)?;
            self.skip()?;
            let comma = self.at;
            let comma = self.take(',').then_some(comma);
            // Of two keys of one name the last counts, and which of them is meant can't be told.
            if members.iter().any(|member| member.key == key) {
                return None;
            }
            members.push(Member {
                key,
                start: begin,
                value,
                comma,
            });
        }
    }

    /// A text in quotes, as it reads.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let quote = self.peek()?;
        self.at += quote.len_utf8();
        loop {
            let next = self.peek()?;
            self.at += next.len_utf8();
            if next == '\\' {
                self.at += self.peek()?.len_utf8();
            } else if next == quote {
                break;
            }
        }
        json5::from_str(self.text.get(start..self.at)?).ok()
    }

    /// A name or number without quotes.
    fn word(&mut self) -> Option<String> {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || ",:{}[]/\"'".contains(c);
        let length = rest.find(ends).unwrap_or(rest.len());
        let word = rest
            .get(..length)
            .filter(|word| !word.is_empty())?
            .to_owned();
        self.at += length;
        Some(word)
    }
}
