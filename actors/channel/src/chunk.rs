//! Splits a long answer into messages a platform accepts. Pure.
//!
//! Every character of the source lands in exactly one piece, in order. A code fence that has to be cut is
//! closed at the end of one piece and opened again, with its info string, at the start of the next, so each
//! message renders on its own. Cuts are taken, in this order, after a paragraph, a line, a sentence, a space.
//! Lengths are UTF-16 units, as Telegram counts.

#[cfg(test)]
mod tests;

pub use openclaw_protocol::config::ChunkMode;

/// Below this a fence could not be closed and reopened with anything between.
const SMALLEST_LIMIT: usize = 32;

/// One part of the source and what has to stand around it for its fences to balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The fence line that was open when this part began.
    pub reopen: String,
    /// The part itself; the bodies of all pieces joined are the source.
    pub body: &'a str,
    /// The line that closes the fence still open at the end.
    pub close: String,
}

impl Piece<'_> {
    /// The message as it is sent: blank lines at its ends belong to no message.
    pub fn text(&self) -> String {
        let mut body = self.body;
        if self.reopen.is_empty() {
            body = body.trim_start_matches(['\n', '\r']);
        }
        if self.close.is_empty() {
            body = body.trim_end();
        }
        format!("{}{body}{}", self.reopen, self.close)
    }

    /// Whether it would show nothing: only white space and fence lines.
    fn is_empty(&self) -> bool {
        self.body
            .lines()
            .all(|line| line.trim().is_empty() || (Fence::of(line, usize::MAX).is_some()))
    }
}

/// Counts UTF-16 units.
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Splits a text into messages of at most `limit` UTF-16 units; nothing for a blank text.
pub fn split(source: &str, limit: usize, mode: ChunkMode) -> Vec<String> {
    let pieces = match mode {
        ChunkMode::Length => pieces(source, limit),
        ChunkMode::Newline => paragraphs(source, limit)
            .into_iter()
            .flat_map(|paragraph| pieces(paragraph, limit))
            .collect(),
    };
    pieces
        .iter()
        .filter(|piece| !piece.is_empty())
        .map(Piece::text)
        .collect()
}

/// Cuts the source into pieces that each fit the limit.
pub fn pieces(source: &str, limit: usize) -> Vec<Piece<'_>> {
    let limit = limit.max(SMALLEST_LIMIT);
    let mut out = Vec::new();
    let mut rest = source;
    let mut open: Option<Fence> = None;
    while !rest.is_empty() {
        let reopen = open.as_ref().map(Fence::reopening).unwrap_or_default();
        let cut = Scan::new(limit, utf16_len(&reopen), open.take()).run(rest);
        let (body, tail) = rest.split_at(cut.at);
        let close = cut
            .open
            .as_ref()
            .map(|fence| fence.closing(body))
            .unwrap_or_default();
        out.push(Piece {
            reopen,
            body,
            close,
        });
        open = cut.open;
        rest = tail;
    }
    out
}

/// An open code fence.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fence {
    indent: String,
    marker: char,
    count: usize,
    info: String,
}

impl Fence {
    /// Reads a line as a fence. A line longer than `longest` is taken as text, so that it can be cut.
    fn of(line: &str, longest: usize) -> Option<Self> {
        let line = line.trim_end_matches(['\n', '\r']);
        let body = line.trim_start_matches([' ', '\t']);
        let marker = body.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let count = body.chars().take_while(|c| *c == marker).count();
        let info = body.trim_start_matches(marker).trim();
        // An info string after backticks cannot hold a backtick: that would be inline code.
        if count < 3 || (marker == '`' && info.contains('`')) || utf16_len(line) > longest {
            return None;
        }
        let indent = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
        Some(Self {
            indent: indent.collect(),
            marker,
            count,
            info: info.to_owned(),
        })
    }

    fn closes(&self, open: &Self) -> bool {
        self.marker == open.marker && self.count >= open.count && self.info.is_empty()
    }

    fn bar(&self) -> String {
        let marks = std::iter::repeat_n(self.marker, self.count);
        self.indent.chars().chain(marks).collect()
    }

    fn reopening(&self) -> String {
        format!("{}{}\n", self.bar(), self.info)
    }

    fn closing(&self, body: &str) -> String {
        let line_break = if body.ends_with('\n') { "" } else { "\n" };
        format!("{line_break}{}", self.bar())
    }

    /// The most units that closing can take.
    fn closing_len(&self) -> usize {
        utf16_len(&self.indent) + self.count + 1
    }
}

/// The state of the fences after a line.
fn after_line(open: Option<&Fence>, line: &str, longest: usize) -> Option<Fence> {
    match (open, Fence::of(line, longest)) {
        (None, fence) => fence,
        (Some(open), Some(fence)) if fence.closes(open) => None,
        (Some(open), _) => Some(open.clone()),
    }
}

/// Where a piece ends, and the fence open there.
#[derive(Debug, Clone)]
struct Cut {
    at: usize,
    units: usize,
    open: Option<Fence>,
}

/// Kinds of places to cut at, best first.
#[derive(Debug, Clone, Copy)]
enum Place {
    Paragraph,
    Line,
    FenceLine,
    Sentence,
    Space,
    Anywhere,
}

/// Looks for the best cut of one piece.
#[derive(Debug)]
struct Scan {
    limit: usize,
    longest_fence: usize,
    used: usize,
    open: Option<Fence>,
    best: [Option<Cut>; 6],
}

impl Scan {
    fn new(limit: usize, used: usize, open: Option<Fence>) -> Self {
        Self {
            limit,
            longest_fence: limit / 4,
            used,
            open,
            best: Default::default(),
        }
    }

    fn run(mut self, rest: &str) -> Cut {
        let mut at = 0;
        for line in rest.split_inclusive('\n') {
            let units = utf16_len(line);
            let open = after_line(self.open.as_ref(), line, self.longest_fence);
            let closing = open.as_ref().map_or(0, Fence::closing_len);
            if self.used + units + closing > self.limit {
                let is_marker = Fence::of(line, self.longest_fence).is_some();
                if !is_marker || at == 0 {
                    self.within(line, at);
                }
                return self.choose();
            }
            at += line.len();
            self.used += units;
            let is_opener = self.open.is_none() && open.is_some();
            self.open = open;
            let place = match (&self.open, line.trim().is_empty()) {
                (Some(_), _) if is_opener => None,
                (Some(_), _) => Some(Place::FenceLine),
                (None, true) => Some(Place::Paragraph),
                (None, false) => Some(Place::Line),
            };
            if let Some(place) = place {
                self.offer(place, at);
            }
        }
        Cut {
            at,
            units: self.used,
            open: self.open,
        }
    }

    /// Offers the places inside a line of which only a part fits.
    fn within(&mut self, line: &str, start: usize) {
        let closing = self.open.as_ref().map_or(0, Fence::closing_len);
        let mut before: Option<char> = None;
        for (offset, c) in line.char_indices() {
            if self.used + c.len_utf16() + closing > self.limit {
                return;
            }
            self.used += c.len_utf16();
            let at = start + offset + c.len_utf8();
            self.offer(Place::Anywhere, at);
            if c.is_whitespace() {
                self.offer(Place::Space, at);
                if before.is_some_and(|b| matches!(b, '.' | '!' | '?' | '…' | '。' | '！' | '？'))
                {
                    self.offer(Place::Sentence, at);
                }
            }
            before = Some(c);
        }
    }

    fn offer(&mut self, place: Place, at: usize) {
        let cut = Cut {
            at,
            units: self.used,
            open: self.open.clone(),
        };
        if let Some(slot) = self.best.get_mut(place as usize) {
            *slot = Some(cut);
        }
    }

    /// The best kind of place that fills a third of the message; failing that, the fullest.
    fn choose(self) -> Cut {
        let enough = self.limit / 3;
        let mut fullest: Option<&Cut> = None;
        for cut in self.best.iter().flatten() {
            if cut.units >= enough {
                return cut.clone();
            }
            if fullest.is_none_or(|best| cut.units > best.units) {
                fullest = Some(cut);
            }
        }
        fullest.cloned().unwrap_or(Cut {
            at: 0,
            units: 0,
            open: None,
        })
    }
}

/// Cuts at blank lines outside fences.
fn paragraphs(source: &str, limit: usize) -> Vec<&str> {
    let longest = limit.max(SMALLEST_LIMIT) / 4;
    let mut out = Vec::new();
    let mut open: Option<Fence> = None;
    let (mut start, mut at) = (0, 0);
    for line in source.split_inclusive('\n') {
        open = after_line(open.as_ref(), line, longest);
        at += line.len();
        if open.is_none() && line.trim().is_empty() {
            out.extend(source.get(start..at));
            start = at;
        }
    }
    out.extend(source.get(start..).filter(|tail| !tail.is_empty()));
    out
}
