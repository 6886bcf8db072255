//! From Markdown to the HTML subset that Telegram takes. Pure.
//!
//! Telegram refuses a whole message for one bad tag, so only tags from a closed set are written, always
//! closed, and never nested in a way it forbids: code holds nothing and stands in nothing, a quote stands in
//! no quote, a link in no link.

#[cfg(test)]
mod tests;

use pulldown_cmark::Alignment;
use pulldown_cmark::CodeBlockKind;
use pulldown_cmark::Event;
use pulldown_cmark::HeadingLevel;
use pulldown_cmark::Options;
use pulldown_cmark::Parser;
use pulldown_cmark::Tag;
use pulldown_cmark::TagEnd;

/// A rendered message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Html {
    pub html: String,
    /// UTF-16 units of the text between the tags: what Telegram's limit counts.
    pub shown: usize,
}

/// Translates Markdown.
pub(super) fn encode(markdown: &str) -> Html {
    let options =
        Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, options) {
        writer.event(event);
    }
    writer.finish()
}

/// An inline style that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Inline {
    Tag(&'static str),
    Link(String),
    /// A link that Telegram would not take: only its text is shown.
    Nothing,
}

#[derive(Debug, Default)]
struct Writer {
    html: String,
    shown: usize,
    inline: Vec<Inline>,
    lists: Vec<Option<u64>>,
    quotes: usize,
    code: Option<Code>,
    table: Option<Table>,
    /// Line breaks owed before the next text.
    breaks: usize,
    /// Whether the next block stands right after a list's bullet.
    after_bullet: bool,
}

#[derive(Debug)]
struct Code {
    language: Option<String>,
    text: String,
}

#[derive(Debug, Default)]
struct Table {
    alignments: Vec<Alignment>,
    rows: Vec<Vec<String>>,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.inline_code(&code),
            // The model's own HTML is text to the reader.
            Event::Html(html) | Event::InlineHtml(html) => self.text(&html),
            Event::InlineMath(math) | Event::DisplayMath(math) => self.text(&math),
            Event::SoftBreak | Event::HardBreak => self.text("\n"),
            Event::Rule => {
                self.block();
                self.text("———");
                self.owe(2);
            }
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }),
            Event::FootnoteReference(name) => self.text(&format!("[{name}]")),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.block(),
            Tag::Heading { level, .. } => {
                self.block();
                self.open(Inline::Tag("b"));
                if level == HeadingLevel::H1 {
                    self.open(Inline::Tag("u"));
                }
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.quotes += 1;
                if self.quotes == 1 {
                    self.pay();
                    self.html.push_str("<blockquote>");
                }
            }
            Tag::CodeBlock(kind) => {
                self.block();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split_whitespace().next().map(str::to_owned)
                    }
                    CodeBlockKind::Indented => None,
                };
                self.code = Some(Code {
                    language,
                    text: String::new(),
                });
            }
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                } else {
                    self.owe(1);
                }
                self.lists.push(first);
            }
            Tag::Item => self.bullet(),
            Tag::Emphasis => self.open(Inline::Tag("i")),
            Tag::Strong => self.open(Inline::Tag("b")),
            Tag::Strikethrough => self.open(Inline::Tag("s")),
            Tag::Link { dest_url, .. } => self.link(&dest_url),
            Tag::Image { dest_url, .. } => self.link(&dest_url),
            Tag::Table(alignments) => {
                self.block();
                self.table = Some(Table {
                    alignments,
                    rows: Vec::new(),
                });
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::TableCell => {
                if let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(String::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.owe(2),
            TagEnd::Heading(level) => {
                if level == HeadingLevel::H1 {
                    self.close();
                }
                self.close();
                self.owe(2);
            }
            TagEnd::BlockQuote(_) => {
                self.quotes = self.quotes.saturating_sub(1);
                if self.quotes == 0 {
                    self.breaks = 0;
                    self.html.push_str("</blockquote>");
                }
                self.owe(2);
            }
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    self.code_block(&code);
                }
                self.owe(2);
            }
            TagEnd::List(_) => {
                self.lists.pop();
                // A list in a list ends with its item.
                self.breaks = self.breaks.min(1);
                self.owe(if self.lists.is_empty() { 2 } else { 1 });
            }
            TagEnd::Item => {
                self.after_bullet = false;
                self.breaks = self.breaks.min(1);
                self.owe(1);
            }
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image => {
                self.close();
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    let text = table.draw();
                    self.code_block(&Code {
                        language: None,
                        text,
                    });
                }
                self.owe(2);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code {
            code.text.push_str(text);
            return;
        }
        if self.add_to_cell(text) {
            return;
        }
        self.after_bullet = false;
        self.pay();
        escape_into(&mut self.html, text);
        self.shown += crate::chunk::utf16_len(text);
    }

    /// Code may stand in no other style: those that are open are closed around it.
    fn inline_code(&mut self, code: &str) {
        if self.add_to_cell(code) {
            return;
        }
        self.after_bullet = false;
        self.pay();
        let open = self.inline.clone();
        self.suspend(&open);
        self.html.push_str("<code>");
        escape_into(&mut self.html, code);
        self.html.push_str("</code>");
        self.shown += crate::chunk::utf16_len(code);
        for inline in &open {
            inline.write_open(&mut self.html);
        }
    }

    fn code_block(&mut self, code: &Code) {
        let text = code.text.trim_end_matches('\n');
        if text.trim().is_empty() {
            return;
        }
        self.after_bullet = false;
        self.pay();
        // A quote may hold no code block: it ends before and begins again behind.
        if self.quotes > 0 {
            self.html.push_str("</blockquote>");
        }
        let language = code.language.as_deref().filter(|name| is_plain_name(name));
        match language {
            Some(name) => {
                self.html.push_str("<pre><code class=\"language-");
                self.html.push_str(name);
                self.html.push_str("\">");
            }
            None => self.html.push_str("<pre>"),
        }
        escape_into(&mut self.html, text);
        self.shown += crate::chunk::utf16_len(text);
        self.html.push_str(if language.is_some() {
            "</code></pre>"
        } else {
            "</pre>"
        });
        if self.quotes > 0 {
            self.html.push_str("<blockquote>");
        }
    }

    fn bullet(&mut self) {
        let depth = self.lists.len().saturating_sub(1);
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number += 1;
                marker
            }
            _ => "• ".to_owned(),
        };
        self.text(&format!("{}{marker}", "  ".repeat(depth)));
        self.after_bullet = true;
    }

    fn link(&mut self, url: &str) {
        let is_in_link = self
            .inline
            .iter()
            .any(|inline| matches!(inline, Inline::Link(_)));
        let is_known = ["http://", "https://", "tg://", "mailto:"]
            .iter()
            .any(|scheme| {
                url.get(..scheme.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
            });
        if is_known && !is_in_link && self.table.is_none() {
            self.open(Inline::Link(url.to_owned()));
        } else {
            self.inline.push(Inline::Nothing);
        }
    }

    fn open(&mut self, inline: Inline) {
        if self.table.is_some() || self.inline.contains(&inline) {
            self.inline.push(Inline::Nothing);
            return;
        }
        self.pay();
        inline.write_open(&mut self.html);
        self.inline.push(inline);
    }

    fn close(&mut self) {
        if let Some(inline) = self.inline.pop() {
            inline.write_close(&mut self.html);
        }
    }

    fn suspend(&mut self, open: &[Inline]) {
        for inline in open.iter().rev() {
            inline.write_close(&mut self.html);
        }
    }

    fn add_to_cell(&mut self, text: &str) -> bool {
        let Some(table) = &mut self.table else {
            return false;
        };
        if let Some(cell) = table.rows.last_mut().and_then(|row| row.last_mut()) {
            cell.push_str(&text.replace('\n', " "));
        }
        true
    }

    /// Begins a block: apart from what stands before, unless that is its own bullet.
    fn block(&mut self) {
        if !self.after_bullet {
            self.owe(if self.lists.is_empty() { 2 } else { 1 });
        }
    }

    fn owe(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
    }

    fn pay(&mut self) {
        let breaks = std::mem::take(&mut self.breaks);
        if self.shown > 0 {
            self.html.extend(std::iter::repeat_n('\n', breaks));
            self.shown += breaks;
        }
    }

    fn finish(mut self) -> Html {
        while !self.inline.is_empty() {
            self.close();
        }
        Html {
            // A quote that held nothing but code leaves empty ones around it.
            html: self.html.replace("<blockquote></blockquote>", ""),
            shown: self.shown,
        }
    }
}

impl Inline {
    fn write_open(&self, html: &mut String) {
        match self {
            Self::Tag(name) => {
                html.push('<');
                html.push_str(name);
                html.push('>');
            }
            Self::Link(url) => {
                html.push_str("<a href=\"");
                escape_into(html, url);
                html.push_str("\">");
            }
            Self::Nothing => {}
        }
    }

    fn write_close(&self, html: &mut String) {
        match self {
            Self::Tag(name) => {
                html.push_str("</");
                html.push_str(name);
                html.push('>');
            }
            Self::Link(_) => html.push_str("</a>"),
            Self::Nothing => {}
        }
    }
}

impl Table {
    /// Draws the table with columns of one width.
    fn draw(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            let cells = widths.iter().enumerate().map(|(column, width)| {
                let cell = row.get(column).map(String::as_str).unwrap_or_default();
                match self.alignments.get(column) {
                    Some(Alignment::Right) => format!("{cell:>width$}"),
                    Some(Alignment::Center) => format!("{cell:^width$}"),
                    _ => format!("{cell:<width$}"),
                }
            });
            out.push_str(cells.collect::<Vec<_>>().join(" | ").trim_end());
            out.push('\n');
            if n == 0 {
                let line = widths.iter().map(|width| "-".repeat(*width));
                out.push_str(&line.collect::<Vec<_>>().join("-+-"));
                out.push('\n');
            }
        }
        out
    }
}

fn is_plain_name(name: &str) -> bool {
    name.len() <= 32
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '#' | '.'))
}

fn escape_into(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}
