use super::*;

#[test]
fn a_table_lines_up_with_wide_letters_and_without_trailing_blanks() {
    let mut table = Table::new(&["NAME", "STATE"]);
    table.row(vec![
        (Tone::Plain, "日本".into()),
        (Tone::Good, "up".into()),
    ]);
    table.row(vec![
        (Tone::Plain, "a\x1b[31m".into()),
        (Tone::Bad, String::new()),
    ]);
    assert_eq!(
        table.render(&Terminal::plain()),
        "NAME   STATE\n日本   up\na[31m\n"
    );
}

#[test]
fn times_read_as_people_say_them() {
    assert_eq!(duration(400), "0.4 s");
    assert_eq!(duration(47_000), "47 s");
    assert_eq!(duration(133_000), "2m 13s");
    assert_eq!(duration(3 * 86_400_000 + 4 * 3_600_000), "3d 4h");
    assert_eq!(ago(5, 10), "now");
    assert_eq!(ago(0, 60_000), "1m 0s ago");
}

#[test]
fn colours_are_only_for_terminals_that_want_them() {
    let plain = Terminal::plain();
    assert_eq!(plain.paint(Tone::Good, "x"), "x");
    let coloured = Terminal {
        colours: true,
        ..plain
    };
    assert_eq!(coloured.paint(Tone::Strong, "x"), "\x1b[1mx\x1b[0m");
    assert_eq!(coloured.paint(Tone::Plain, "x"), "x");
}
