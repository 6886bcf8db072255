//! One reading of a page, token by token: no tree is built, so a page of any shape costs what its length costs.

use html5gum::DefaultEmitter;
use html5gum::EndTag;
use html5gum::HtmlString;
use html5gum::StartTag;
use html5gum::Token;
use html5gum::Tokenizer;
use reqwest::Url;

use super::Mode;

/// Lists are indented no deeper.
const DEEPEST: usize = 6;

/// Which parts of a page are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// `main` and `article`.
    Main,
    /// All but navigation, footers and forms.
    WithoutFrame,
    Everything,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) title: Option<String>,
    pub(super) text: String,
}

/// Never text for people.
const UNSEEN: [&str; 13] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas",
    "select", "datalist", "audio", "video",
];
/// Around the text.
const FRAME: [&str; 6] = ["nav", "footer", "aside", "header", "form", "dialog"];
/// Elements without an end.
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];
/// Begin and end a paragraph.
const BLOCKS: [&str; 21] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "footer",
    "nav",
    "aside",
    "form",
    "table",
    "ul",
    "ol",
    "dl",
    "figure",
    "figcaption",
    "blockquote",
    "address",
    "details",
    "fieldset",
    "center",
];
/// Begin and end a line.
const LINES: [&str; 5] = ["tr", "dt", "dd", "option", "summary"];

/// Reads a page.
pub(super) fn render(page: &str, base: &Url, mode: Mode, reading: Reading) -> Text {
    let mut emitter = DefaultEmitter::default();
    // Scripts, styles and titles are read as what they are.
    emitter.naively_switch_states(true);
    let mut writer = Writer::new(base, mode, reading);
    for token in Tokenizer::new_with_emitter(page, emitter).flatten() {
        match token {
            Token::StartTag(tag) => writer.start(&tag),
            Token::EndTag(tag) => writer.end(&tag),
            Token::String(text) => writer.text(&String::from_utf8_lossy(&text)),
            _ => {}
        }
    }
    writer.finish()
}

struct Writer<'a> {
    base: &'a Url,
    mode: Mode,
    reading: Reading,
    out: String,
    title: String,
    in_title: bool,
    /// What is left out now: the element, and how many of its name are open.
    skipped: Option<(String, usize)>,
    /// How many `main` and `article` are open.
    mains: usize,
    pres: usize,
    /// Open lists; a numbered one has its next number.
    lists: Vec<Option<usize>>,
    /// Where open links go, and where their text begins.
    links: Vec<(Option<String>, usize)>,
    /// Line breaks that come before the next word.
    breaks: usize,
    /// A space comes before the next word.
    space: bool,
    /// The sign of a list or heading was just written: its words come right after.
    is_begun: bool,
}

impl<'a> Writer<'a> {
    fn new(base: &'a Url, mode: Mode, reading: Reading) -> Self {
        Self {
            base,
            mode,
            reading,
            out: String::new(),
            title: String::new(),
            in_title: false,
            skipped: None,
            mains: 0,
            pres: 0,
            lists: Vec::new(),
            links: Vec::new(),
            breaks: 0,
            space: false,
            is_begun: false,
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        let name = name.as_str();
        if name == "title" {
            self.in_title = self.title.is_empty();
            return;
        }
        if let Some((skipped, open)) = &mut self.skipped {
            *open += usize::from(skipped == name && !tag.self_closing);
            return;
        }
        let has_end = !VOID.contains(&name) && !tag.self_closing;
        if has_end && self.is_left_out(name, tag) {
            self.skipped = Some((name.to_owned(), 1));
            return;
        }
        match name {
            "main" | "article" => self.mains += 1,
            "br" => self.break_lines(1),
            "hr" => self.mark("\n---\n"),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.break_lines(2);
                let level = name
                    .bytes()
                    .last()
                    .map_or(1, |digit| usize::from(digit - b'0'));
                self.mark(&format!("{} ", "#".repeat(level)));
                self.is_begun = self.mode == Mode::Markdown;
            }
            "ul" => self.lists.push(None),
            "ol" => self.lists.push(Some(1)),
            "li" => self.item(),
            "pre" => {
                self.break_lines(2);
                self.mark("```\n");
                self.pres += 1;
            }
            "code" if self.pres == 0 => self.mark("`"),
            "strong" | "b" => self.mark("**"),
            "em" | "i" => self.mark("_"),
            "td" | "th" => self.cell(),
            "a" => self.link(attribute(tag, b"href")),
            "img" => {
                if let Some(alt) = attribute(tag, b"alt").filter(|alt| !alt.trim().is_empty()) {
                    self.text(&format!(" [image: {}] ", alt.trim()));
                }
            }
            _ => {}
        }
        self.break_around(name);
        if name == "blockquote" {
            self.mark("> ");
        }
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        let name = name.as_str();
        if name == "title" {
            self.in_title = false;
            return;
        }
        if let Some((skipped, open)) = &mut self.skipped {
            *open -= usize::from(skipped == name);
            if *open == 0 {
                self.skipped = None;
            }
            return;
        }
        match name {
            "main" | "article" => {
                self.break_lines(2);
                self.mains = self.mains.saturating_sub(1);
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.is_begun = false;
                self.break_lines(2);
            }
            "ul" | "ol" => {
                self.is_begun = false;
                self.lists.pop();
            }
            "pre" if self.pres > 0 => {
                self.pres -= 1;
                if !self.out.ends_with('\n') && self.is_read() {
                    self.out.push('\n');
                }
                self.mark("```");
                self.break_lines(2);
            }
            "code" if self.pres == 0 => self.close("`"),
            "strong" | "b" => self.close("**"),
            "em" | "i" => self.close("_"),
            "a" => self.end_link(),
            _ => {}
        }
        self.break_around(name);
    }

    fn is_left_out(&self, name: &str, tag: &StartTag<()>) -> bool {
        let is = |attribute_name: &[u8], wanted: &[&str]| {
            let value = attribute(tag, attribute_name).unwrap_or_default();
            wanted.contains(&value.trim().to_lowercase().as_str())
        };
        // What people don't see, a model shouldn't read either.
        let style = attribute(tag, b"style").unwrap_or_default().to_lowercase();
        let style: String = style.split_whitespace().collect();
        let is_hidden = tag.attributes.contains_key(b"hidden".as_slice())
            || is(b"aria-hidden", &["true"])
            || style.contains("display:none")
            || style.contains("visibility:hidden");
        // A header inside of an article is the article's own.
        let is_frame = (FRAME.contains(&name) && !(name == "header" && self.mains > 0))
            || is(
                b"role",
                &[
                    "navigation",
                    "banner",
                    "contentinfo",
                    "search",
                    "complementary",
                ],
            );
        UNSEEN.contains(&name)
            || (is_hidden && !matches!(name, "body" | "html"))
            || (is_frame && self.reading != Reading::Everything)
    }

    fn is_read(&self) -> bool {
        self.reading != Reading::Main || self.mains > 0
    }

    fn break_around(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            // Lists in lists stay together.
            let lines = if self.lists.is_empty() { 2 } else { 1 };
            self.break_lines(lines);
        } else if LINES.contains(&name) {
            self.break_lines(1);
        }
    }

    fn break_lines(&mut self, lines: usize) {
        if self.is_begun {
            return;
        }
        self.breaks = self.breaks.max(lines);
        self.space = false;
    }

    /// Puts out what was held back before a word.
    fn settle(&mut self) {
        if self.out.is_empty() {
            self.breaks = 0;
            self.space = false;
        }
        if self.breaks > 0 {
            let there = self.out.chars().rev().take_while(|c| *c == '\n').count();
            self.out
                .push_str(&"\n".repeat(self.breaks.saturating_sub(there)));
        } else if self.space && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.space = false;
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            self.title.push_str(text);
            return;
        }
        if self.skipped.is_some() || !self.is_read() {
            return;
        }
        if self.pres > 0 {
            self.settle();
            self.is_begun = false;
            self.out.push_str(text);
            return;
        }
        self.space |= text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            self.settle();
            self.is_begun = false;
            self.out.push_str(word);
            self.space = true;
        }
        self.space &= text.ends_with(char::is_whitespace);
    }

    /// A sign of markdown before a word.
    fn mark(&mut self, sign: &str) {
        if self.mode == Mode::Markdown && self.is_read() {
            self.settle();
            self.out.push_str(sign);
        }
    }

    /// A sign of markdown right after a word; with no word between, both go.
    fn close(&mut self, sign: &str) {
        if self.mode != Mode::Markdown || !self.is_read() {
            return;
        }
        if self.out.ends_with(sign) {
            self.out.truncate(self.out.len() - sign.len());
        } else if !self.out.is_empty() {
            self.out.push_str(sign);
        }
    }

    fn item(&mut self) {
        self.is_begun = false;
        self.break_lines(1);
        if !self.is_read() {
            return;
        }
        let depth = self.lists.len().saturating_sub(1).min(DEEPEST);
        let sign = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            _ => "- ".to_owned(),
        };
        self.settle();
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(&sign);
        self.is_begun = true;
    }

    fn cell(&mut self) {
        let is_first = self.breaks > 0 || self.out.ends_with('\n');
        if !is_first && self.is_read() {
            self.space = true;
            self.text(" | ");
        }
    }

    fn link(&mut self, href: Option<String>) {
        let href = href.filter(|href| !href.starts_with('#'));
        let target = href.and_then(|href| self.base.join(href.trim()).ok());
        let target = target.filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"));
        if self.mode == Mode::Markdown && self.is_read() {
            self.settle();
        }
        let begins = self.out.len();
        if target.is_some() {
            self.mark("[");
        }
        self.links.push((target.map(String::from), begins));
    }

    fn end_link(&mut self) {
        let Some((Some(target), begins)) = self.links.pop() else {
            return;
        };
        if self.mode != Mode::Markdown || !self.is_read() {
            return;
        }
        // A link without words says nothing.
        match self.out.get(begins..) {
            Some("[" | "") | None => self.out.truncate(begins),
            Some(_) => {
                self.out.push_str("](");
                self.out.push_str(&target);
                self.out.push(')');
            }
        }
    }

    fn finish(self) -> Text {
        let lines: Vec<&str> = self.out.lines().map(str::trim_end).collect();
        let title: Vec<&str> = self.title.split_whitespace().collect();
        Text {
            title: (!title.is_empty()).then(|| title.join(" ")),
            text: lines.join("\n").trim().to_owned(),
        }
    }
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    let value: &HtmlString = tag.attributes.get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}
