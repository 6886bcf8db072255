//! Makes readable text of HTML.
//!
//! Three readings of a page are made: what stands in its main part, what is left without navigation and the like, and
//! everything. The narrowest that holds a fair part of the next one is taken.

mod render;
#[cfg(test)]
mod tests;

use reqwest::Url;

use self::render::Reading;
use self::render::render;

/// Less than this is a teaser, not a page.
const FAIR_CHARS: usize = 200;
/// The part of a wider reading that a narrower one must hold.
const FAIR_PART: usize = 5;

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Markdown,
    Text,
}

impl Mode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
        }
    }
}

/// The text of a page; links are made whole with the page's own address.
pub(super) fn extract(page: &str, base: &Url, mode: Mode) -> String {
    let read = |reading| render(page, base, mode, reading);
    let main = read(Reading::Main);
    let whole = read(Reading::WithoutFrame);
    let is_fair = |text: &str, of: &str| {
        text.len() >= FAIR_CHARS.min(of.len()) && text.len() * FAIR_PART >= of.len()
    };
    let chosen = if !main.text.is_empty() && is_fair(&main.text, &whole.text) {
        main
    } else {
        let all = read(Reading::Everything);
        if is_fair(&whole.text, &all.text) {
            whole
        } else {
            all
        }
    };
    match (chosen.title, mode) {
        (Some(title), Mode::Markdown) if !chosen.text.starts_with(&format!("# {title}")) => {
            format!("# {title}\n\n{}", chosen.text)
        }
        (Some(title), Mode::Text) if !chosen.text.starts_with(&title) => {
            format!("{title}\n\n{}", chosen.text)
        }
        (_, _) => chosen.text,
    }
}
