//! The page at `/`: the static files of `src/web`, embedded in the binary.

use openclaw_gateway::gateway::Asset;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/src/web"]
struct Files;

/// A file of the page by its path without a leading slash; the empty path is the page itself.
pub(crate) fn asset(path: &str) -> Option<Asset> {
    let path = if path.is_empty() { "index.html" } else { path };
    let file = Files::get(path)?;
    Some(Asset {
        bytes: file.data,
        media_type: media_type(path),
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_the_page_names_is_there() {
        let page = asset("").unwrap();
        assert_eq!(page.media_type, "text/html; charset=utf-8");
        let text = String::from_utf8(page.bytes.into_owned()).unwrap();
        for name in ["app.js", "style.css", "icon.svg"] {
            assert!(text.contains(name) && asset(name).is_some(), "{name}");
        }
        for name in [
            "gateway.js",
            "chat.js",
            "sessions.js",
            "tree.js",
            "markdown.js",
            "dom.js",
        ] {
            assert_eq!(
                asset(name).unwrap().media_type,
                "text/javascript; charset=utf-8"
            );
        }
        assert!(asset("../main.rs").is_none());
    }

    /// The content security policy forbids both.
    #[test]
    fn the_page_has_no_inline_script_or_style() {
        let page = String::from_utf8(asset("index.html").unwrap().bytes.into_owned()).unwrap();
        assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"));
        assert_eq!(
            page.matches("<script").count(),
            page.matches("<script type=\"module\" src=").count()
        );
        for name in [
            "app.js",
            "gateway.js",
            "chat.js",
            "sessions.js",
            "tree.js",
            "markdown.js",
            "dom.js",
        ] {
            let script = String::from_utf8(asset(name).unwrap().bytes.into_owned()).unwrap();
            assert!(
                !script.contains("innerHTML") && !script.contains("location.hash"),
                "{name}"
            );
            assert!(
                !script.contains("location.search") && !script.contains("eval("),
                "{name}"
            );
        }
    }
}
