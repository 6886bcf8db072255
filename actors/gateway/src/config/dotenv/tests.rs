use super::*;

#[test]
fn the_usual_spellings_are_read() {
    let text = "\u{feff}# a comment\nA=1\nexport B = two words # why\nC=\"a\\nb \\\"q\\\" # no comment\"\nD='raw\\n'\nE=\n\
                1F=no\nG=a=b\nnonsense\nH=\"line one\nline two\"\nI=\"open\n";
    let vars = parse(text);
    let expected = [
        ("A", "1"),
        ("B", "two words"),
        ("C", "a\nb \"q\" # no comment"),
        ("D", "raw\\n"),
        ("E", ""),
        ("G", "a=b"),
        ("H", "line one\nline two"),
        ("I", "\"open"),
    ];
    let vars: Vec<(&str, &str)> = vars.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(vars, expected);
}
