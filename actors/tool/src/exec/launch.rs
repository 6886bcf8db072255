//! What is started, as one value: the same that was decided on is what runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// A program as it will be started; nothing in it is looked up or expanded any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program by its resolved path, and its arguments.
    pub argv: Vec<String>,
    /// The folder it starts in.
    pub cwd: PathBuf,
    /// Its whole environment: it gets nothing of the gateway's own.
    pub env: BTreeMap<String, String>,
    /// Whether it gets a terminal.
    pub pty: bool,
    /// Whether it starts within the walls of a sandbox.
    pub walled: bool,
}

impl Launch {
    /// The program's path.
    pub fn program(&self) -> &Path {
        Path::new(self.argv.first().map_or("", String::as_str))
    }

    /// The script, if the program is a shell that was given one.
    pub fn script(&self) -> Option<&str> {
        match self.argv.as_slice() {
            [program, option, script] if option == "-c" && is_shell(Path::new(program)) => {
                Some(script)
            }
            _ => None,
        }
    }
}

/// Tells whether a program runs what it is told as a script.
pub fn is_shell(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| SHELLS.contains(&name))
}

const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "busybox", "fish", "csh", "tcsh",
];

/// Makes the argument list of a command line. Words that mean themselves become the program and its arguments, so
/// that what is decided on is what is executed; a line that needs a shell (pipes, variables, patterns) is one
/// argument of that shell.
pub fn argv(
    command: &str,
    shell: &Path,
    search: &[PathBuf],
    cwd: &Path,
    is_program: impl Fn(&Path) -> bool,
) -> Vec<String> {
    let direct = words(command).and_then(|mut words| {
        let program = resolve(words.first()?, search, cwd, &is_program)?;
        *words.first_mut()? = program.to_str()?.to_owned();
        Some(words)
    });
    direct.unwrap_or_else(|| {
        let shell = shell.to_string_lossy().into_owned();
        vec![shell, "-c".to_owned(), command.to_owned()]
    })
}

/// Finds a program as a shell would: by its path, or in the folders of the search path, which count only if they are
/// absolute.
pub fn resolve(
    name: &str,
    search: &[PathBuf],
    cwd: &Path,
    is_program: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    if name.is_empty() || BUILT_IN.contains(&name) {
        return None;
    }
    if name.contains('/') {
        let path = cwd.join(name);
        return is_program(&path).then_some(path);
    }
    let folders = search.iter().filter(|folder| folder.is_absolute());
    folders
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

/// What a shell does itself, or reads as its own language: a program of that name would do something else.
const BUILT_IN: &[&str] = &[
    ".",
    ":",
    "!",
    "[[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "command",
    "compgen",
    "complete",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "then",
    "time",
    "times",
    "trap",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
];

/// The words of a line in which every word means itself; none if a shell is needed to read it.
pub fn words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = command.trim().chars();
    while let Some(c) = letters.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        '\0' => return None,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        // Inside these quotes a shell still reads variables, commands and history.
                        '$' | '`' | '!' | '\0' => return None,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            _ => return None,
                        },
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => match letters.next()? {
                '\n' | '\0' => return None,
                escaped => word.get_or_insert_default().push(escaped),
            },
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | ']' | '{'
            | '}' | '!' | '#' | '~' | '^' | '\n' | '\r' | '\0' => return None,
            // A leading assignment sets a variable.
            '=' if words.is_empty() => return None,
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(command: &str) -> Option<Vec<String>> {
        words(command)
    }

    #[test]
    fn a_line_of_plain_words_needs_no_shell() {
        assert_eq!(split("ls -la  src").unwrap(), ["ls", "-la", "src"]);
        assert_eq!(
            split(r#"git commit -m 'a; $b "c"' --x=1"#).unwrap(),
            ["git", "commit", "-m", r#"a; $b "c""#, "--x=1"]
        );
        assert_eq!(
            split(r#"echo "a \"b\"" c\ d '' "#).unwrap(),
            ["echo", "a \"b\"", "c d", ""]
        );
    }

    #[test]
    fn what_a_shell_would_read_otherwise_goes_to_the_shell() {
        for line in [
            "",
            "   ",
            "a | b",
            "a && b",
            "a; b",
            "a > b",
            "a `b`",
            "a $(b)",
            "a $b",
            "a \"$b\"",
            "a *",
            "a ?",
            "a [b]",
            "a {b,c}",
            "a ~",
            "A=1 b",
            "a 'b",
            "a \"b",
            "a # b",
            "a\nb",
            "a \"`b`\"",
            "a \\",
            "! a",
            "(a)",
            "a\0b",
            "a 'b\0'",
            "a \"b\\n\"",
        ] {
            assert_eq!(split(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_program_is_found_by_absolute_folders_only() {
        let search = ["relative", "", "/usr/bin", "/bin"].map(PathBuf::from);
        let there = |path: &Path| path.starts_with("/bin") || path.starts_with("/work/x");
        let cwd = Path::new("/work");
        let made = |line: &str| argv(line, Path::new("/bin/bash"), &search, cwd, there);
        assert_eq!(made("ls -l"), ["/bin/ls", "-l"]);
        assert_eq!(made("x/run 1"), ["/work/x/run", "1"]);
        assert_eq!(made("y/run 1"), ["/bin/bash", "-c", "y/run 1"]);
        assert_eq!(made("cd x"), ["/bin/bash", "-c", "cd x"]);
        assert_eq!(made("ls | wc"), ["/bin/bash", "-c", "ls | wc"]);
    }

    #[test]
    fn a_script_is_told_from_arguments() {
        let mut launch = Launch {
            argv: vec!["/bin/bash".into(), "-c".into(), "ls".into()],
            cwd: "/".into(),
            env: BTreeMap::new(),
            pty: false,
            walled: false,
        };
        assert_eq!(launch.script(), Some("ls"));
        launch.argv = vec!["/usr/bin/grep".into(), "-c".into(), "ls".into()];
        assert_eq!(launch.script(), None);
        assert_eq!(launch.program(), Path::new("/usr/bin/grep"));
    }

    proptest! {
        /// Whatever an argument holds, quoted it arrives as it is and as one.
        #[test]
        fn no_argument_becomes_two_or_a_command(arguments in proptest::collection::vec("[^\0]*", 0..4)) {
            let quote = |text: &String| format!("'{}'", text.replace('\'', r"'\''"));
            let quoted: Vec<String> = arguments.iter().map(quote).collect();
            let line = format!("prog {}", quoted.join(" "));
            let mut expected = vec!["prog".to_owned()];
            expected.extend(arguments);
            prop_assert_eq!(words(&line), Some(expected));
        }
    }
}
