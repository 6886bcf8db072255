//! The HTML of a page of OpenClaw's own: what is put into it, and what the browser may run and fetch for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

#[cfg(test)]
mod tests;

/// Puts what a page reads into its HTML: globals for early pages, attributes for later ones. Its files are
/// named from the base path on, because a view may stand deeper than the file.
pub(super) fn dress(text: &str, base: &str, name: &str, avatar: &str) -> String {
    let attribute = base.replace(['"', '<', '&'], "");
    let text = text
        // A browser hashes a script with single line ends.
        .replace("\r\n", "\n")
        .replace("href=\"./", &format!("href=\"{attribute}/"))
        .replace("src=\"./", &format!("src=\"{attribute}/"));
    let script = format!(
        "<script>window.__OPENCLAW_CONTROL_UI_BASE_PATH__={};window.__OPENCLAW_ASSISTANT_NAME__={};\
         window.__OPENCLAW_ASSISTANT_AVATAR__={};</script>",
        literal(base),
        literal(name),
        literal(avatar)
    );
    let mut page = match text.find("</head>") {
        Some(at) => {
            let (head, rest) = text.split_at(at);
            format!("{head}{script}{rest}")
        }
        None => format!("{script}{text}"),
    };
    if let Some(at) = page.find("<html") {
        let attributes = format!(
            " data-openclaw-control-ui-base-path=\"{attribute}\" data-openclaw-terminal-enabled=\"false\""
        );
        page.insert_str(at + "<html".len(), &attributes);
    }
    page
}

/// What the browser may do for this page: its own scripts and exactly those that stand in it, its own server,
/// the fonts that early pages ask for by name.
pub(super) fn policy(page: &str) -> String {
    let hashes: String = inline_scripts(page)
        .map(|script| {
            let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
            format!(" 'sha256-{hash}'")
        })
        .collect();
    format!(
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
         script-src 'self'{hashes}; style-src 'self' 'unsafe-inline' https://fonts.googleapis.com; \
         img-src 'self' data: blob: https:; media-src 'self' data: blob:; \
         font-src 'self' data: https://fonts.gstatic.com; worker-src 'self'; \
         connect-src 'self' ws: wss: data:"
    )
}

/// The texts of scripts that name no file.
fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|rest| {
        let (tag, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        let names_a_file = tag
            .split_ascii_whitespace()
            .any(|word| word.starts_with("src="));
        (!names_a_file && !script.is_empty()).then_some(script)
    })
}

/// A text as a script reads it; what could end the script is escaped.
fn literal(text: &str) -> String {
    json!(text).to_string().replace('<', "\\u003c")
}
