use super::dress;
use super::inline_scripts;
use super::policy;

const PAGE: &str = "<!doctype html>\r\n<html lang=\"en\">\n<head>\
    <link rel=\"icon\" href=\"./favicon.svg\" />\
    <script data-x=\"1\">\r\n  first();\r\n</script>\
    <script type=\"module\" crossorigin src=\"./assets/index.js\"></script>\
    </head><body></body></html>";

#[test]
fn a_page_is_told_its_base_path_and_finds_its_files_from_every_depth() {
    let page = dress(PAGE, "/ui", "Tea", "T");
    assert!(page.contains("__OPENCLAW_CONTROL_UI_BASE_PATH__=\"/ui\""));
    assert!(page.contains("<html data-openclaw-control-ui-base-path=\"/ui\""));
    assert!(
        page.contains("href=\"/ui/favicon.svg\"") && page.contains("src=\"/ui/assets/index.js\"")
    );
    assert!(dress(PAGE, "", "Tea", "T").contains("src=\"/assets/index.js\""));
}

#[test]
fn just_the_scripts_that_stand_in_it_may_run() {
    let page = dress(PAGE, "", "Tea", "T");
    let scripts: Vec<&str> = inline_scripts(&page).collect();
    assert_eq!(scripts.len(), 2, "{scripts:?}");
    assert_eq!(scripts[0], "\n  first();\n");
    let policy = policy(&page);
    assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
    // What `printf '\n  first();\n' | openssl dgst -sha256 -binary | base64` says.
    assert!(
        policy.contains("'sha256-bzLM3OgCE17KC7HpmA6C513GH6fBxSjYSTDRU9/0Fe0='"),
        "{policy}"
    );
}

#[test]
fn a_name_can_not_end_the_script() {
    let page = dress(PAGE, "", "</script><script>evil()</script>", "A");
    assert!(!page.contains("evil()</script>"), "{page}");
}
