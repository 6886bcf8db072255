use super::Place;
use super::base_path;
use super::place;

#[test]
fn paths_lead_to_files_views_or_nowhere() {
    let table = [
        ("/", "", Place::File("index.html")),
        ("/app.js", "", Place::File("app.js")),
        ("/assets/logo", "", Place::File("assets/logo")),
        ("/chat", "", Place::File("index.html")),
        ("/v1/models", "", Place::Elsewhere),
        ("/../etc/passwd.txt", "", Place::Elsewhere),
        ("/assets/../../x", "", Place::Elsewhere),
        ("/claw", "/claw", Place::Redirect),
        ("/claw/", "/claw", Place::File("index.html")),
        ("/claw/app.js", "/claw", Place::File("app.js")),
        ("/clawx/app.js", "/claw", Place::Elsewhere),
        ("/app.js", "/claw", Place::Elsewhere),
    ];
    for (path, base, expected) in table {
        assert_eq!(place(path, base), expected, "{path} under {base:?}");
    }
}

#[test]
fn the_base_path_is_brought_into_form() {
    for (configured, expected) in [
        (None, ""),
        (Some(""), ""),
        (Some("/"), ""),
        (Some("claw"), "/claw"),
        (Some("/claw/"), "/claw"),
        (Some(" /a/b/ "), "/a/b"),
    ] {
        assert_eq!(base_path(configured), expected);
    }
}
