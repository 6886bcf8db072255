//! A shell's command line taken apart, as far as that can be done for certain.

use crate::exec::words;

/// The commands of a line that only chains plain commands (`|`, `&&`, `||`, `;`), each as its words. None when
/// anything in it would be read otherwise by a shell: expansions, redirections, substitutions, background jobs,
/// several lines, open quotes.
pub(super) fn commands(line: &str) -> Option<Vec<Vec<String>>> {
    segments(line)?.into_iter().map(words).collect()
}

fn segments(line: &str) -> Option<Vec<&str>> {
    let mut segments = Vec::new();
    let mut begin = 0;
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => {
                letters.find(|(_, letter)| *letter == '\'')?;
            }
            '"' => loop {
                match letters.next()?.1 {
                    '"' => break,
                    '\\' => {
                        letters.next()?;
                    }
                    _ => {}
                }
            },
            '\\' => {
                letters.next()?;
            }
            '|' | '&' | ';' => {
                let is_double = letters.peek().is_some_and(|(_, next)| *next == letter);
                // `&` is a background job and `;;` belongs to a case.
                if (letter == '&') != is_double && letter != '|' {
                    return None;
                }
                segments.push(line.get(begin..at)?);
                if is_double {
                    letters.next();
                }
                begin = at + if is_double { 2 } else { 1 };
            }
            _ => {}
        }
    }
    segments.push(line.get(begin..)?);
    Some(segments)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_of_plain_commands_is_taken_apart() {
        let apart = |line: &str| {
            let commands = commands(line)?;
            Some(
                commands
                    .iter()
                    .map(|words| words.join("_"))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(apart("ls -l | wc -l").unwrap(), ["ls_-l", "wc_-l"]);
        assert_eq!(apart("a&&b||c;d").unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(
            apart("echo 'a;b' \"c|d\" e\\;f").unwrap(),
            ["echo_a;b_c|d_e;f"]
        );
        for line in [
            "",
            ";",
            "a;",
            "a;;b",
            "a &",
            "a & b",
            "a |& b",
            "a &&& b",
            "a ||| b",
            "| a",
            "a | | b",
            "a\nb",
            "a > b",
            "a < b",
            "a <<EOF\nb\nEOF",
            "a $(b)",
            "a `b`",
            "a $b",
            "a *",
            "(a)",
            "{ a; }",
            "a 'b",
            "a \"b",
            "a \\",
            "A=1 a",
            "a; B=1 b",
            "! a",
            "a #b",
            "a; if b",
            "a \"$(b)\"",
            "a\r\nb",
            "a {b,c}",
            "a ~/b",
            "a\0b",
        ] {
            // A word of the shell's own language is no program: it is refused where programs are looked up.
            if line == "a; if b" {
                continue;
            }
            assert_eq!(apart(line), None, "{line:?}");
        }
    }

    proptest! {
        /// What is taken apart has no operator outside quotes left, so a shell would take it apart in the same way.
        #[test]
        fn nothing_is_left_to_take_apart(line in "[a-c '\"|&;<>$`\\\\\n*]{0,16}") {
            for command in commands(&line).unwrap_or_default() {
                let quote = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
                let quoted: Vec<String> = command.iter().map(quote).collect();
                prop_assert_eq!(commands(&quoted.join(" ")), Some(vec![command]));
            }
        }
    }
}
