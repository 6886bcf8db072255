use openclaw_runtime::ActorPath;

use super::label;

#[test]
fn a_channel_has_a_name_for_people() {
    assert_eq!(label("telegram"), "Telegram");
    assert_eq!(label(""), "");
}

#[test]
fn a_path_under_an_edge_is_an_edge() {
    let path = ActorPath::new("channels/telegram/home");
    assert!(
        super::EDGES
            .iter()
            .any(|edge| path.as_str().starts_with(edge))
    );
}
