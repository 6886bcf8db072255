//! DuckDuckGo's page without scripts: there is no key, and no promise that its form stays.

use std::borrow::Cow;

use html5gum::StartTag;
use html5gum::Token;
use html5gum::Tokenizer;
use reqwest::Client;
use reqwest::Url;

use super::Engine;
use super::Found;
use super::Hit;
use super::Query;
use super::address;
use super::answer;
use super::plain;

pub(super) const BASE: &str = "https://html.duckduckgo.com";

/// It answers what looks like a browser.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

pub(super) async fn ask(http: &Client, engine: &Engine, query: &Query) -> Result<Found, String> {
    let region = query.country.as_deref().map(|country| {
        let country = country.to_lowercase();
        let lang = query.search_lang.as_deref().unwrap_or("en").to_lowercase();
        format!("{country}-{lang}")
    });
    let range = query
        .freshness
        .as_deref()
        .and_then(|freshness| match freshness {
            "pd" => Some("d"),
            "pw" => Some("w"),
            "pm" => Some("m"),
            "py" => Some("y"),
            _ => None,
        });
    let params = [
        ("q", Some(query.text.as_str())),
        ("kl", region.as_deref()),
        ("df", range),
    ];
    let request = address(http, &engine.base, "/html/", &params)?.header("User-Agent", BROWSER);
    let page = answer(request).await?.text();
    let hits = hits(&page);
    if hits.is_empty() && page.contains("anomaly") {
        return Err("DuckDuckGo asks whether a person is there; try again later".to_owned());
    }
    Ok(Found::Hits(hits))
}

/// The results of a page.
pub(super) fn hits(page: &str) -> Vec<Hit> {
    #[derive(PartialEq)]
    enum Inside {
        Nothing,
        Title,
        Text,
    }
    let mut hits: Vec<Hit> = Vec::new();
    let mut inside = Inside::Nothing;
    for token in Tokenizer::new(page).flatten() {
        match token {
            Token::StartTag(tag) => {
                let class = value(&tag, b"class");
                let is = |name: &str| class.split_whitespace().any(|word| word == name);
                if is("result__a") {
                    inside = Inside::Title;
                    let url = target(&value(&tag, b"href"));
                    hits.push(Hit {
                        title: String::new(),
                        url,
                        text: String::new(),
                        age: None,
                    });
                } else if is("result__snippet") {
                    inside = Inside::Text;
                }
            }
            Token::EndTag(tag) if tag.name.as_slice() == b"a" => inside = Inside::Nothing,
            Token::String(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                match (hits.last_mut(), &inside) {
                    (Some(hit), Inside::Title) => hit.title.push_str(&text),
                    (Some(hit), Inside::Text) => hit.text.push_str(&text),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    for hit in &mut hits {
        hit.title = plain(&hit.title);
        hit.text = plain(&hit.text);
    }
    // Advertisements go through a page of their own.
    hits.retain(|hit| hit.url.starts_with("http") && !hit.url.contains("duckduckgo.com/y.js"));
    hits
}

fn value<'a>(tag: &'a StartTag<()>, name: &[u8]) -> Cow<'a, str> {
    tag.attributes
        .get(name)
        .map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value))
}

/// Where a result goes: its link is wrapped into one of the search's own.
fn target(href: &str) -> String {
    let whole = match href.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => href.to_owned(),
    };
    let Ok(url) = Url::parse(&whole) else {
        return String::new();
    };
    let wrapped = url.query_pairs().find(|(name, _)| name == "uddg");
    wrapped.map_or(whole, |(_, target)| target.into_owned())
}
