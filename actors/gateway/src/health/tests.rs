use super::label;

#[test]
fn a_channel_has_a_name_for_people() {
    assert_eq!(label("telegram"), "Telegram");
    assert_eq!(label(""), "");
}
