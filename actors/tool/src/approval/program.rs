//! What a program is able to do: run others, or only pass its input through.

use std::path::Path;

/// Programs that run what they are told: shells, interpreters, wrappers, and tools with a way to start another program.
/// Their name says nothing of what happens, so none of them is ever allowed for good.
const RUNNERS: &[&str] = &[
    // Shells.
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
    "mksh",
    "ash",
    "busybox",
    "toybox",
    "fish",
    "csh",
    "tcsh",
    "nu",
    "elvish",
    "xonsh",
    "rbash",
    "pwsh",
    "powershell",
    "cmd",
    "osascript",
    // Interpreters.
    "python",
    "pypy",
    "perl",
    "ruby",
    "irb",
    "node",
    "nodejs",
    "deno",
    "bun",
    "tsx",
    "ts-node",
    "php",
    "lua",
    "luajit",
    "tclsh",
    "wish",
    "expect",
    "guile",
    "racket",
    "ghci",
    "runghc",
    "julia",
    "r",
    "rscript",
    "octave",
    "java",
    "jshell",
    "scala",
    "groovy",
    "kotlin",
    "elixir",
    "iex",
    "erl",
    "escript",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "sed",
    "m4",
    "bc",
    "dc",
    "sqlite",
    "psql",
    "mysql",
    "gdb",
    "lldb",
    "emacs",
    "vim",
    "vi",
    "nvim",
    "view",
    "ed",
    "ex",
    "less",
    "more",
    "man",
    // Wrappers.
    "env",
    "xargs",
    "parallel",
    "find",
    "fd",
    "fdfind",
    "nice",
    "ionice",
    "chrt",
    "taskset",
    "nohup",
    "setsid",
    "timeout",
    "time",
    "stdbuf",
    "unbuffer",
    "script",
    "watch",
    "entr",
    "sudo",
    "doas",
    "su",
    "runuser",
    "pkexec",
    "chroot",
    "unshare",
    "nsenter",
    "bwrap",
    "firejail",
    "strace",
    "ltrace",
    "perf",
    "valgrind",
    "flock",
    "systemd-run",
    "at",
    "batch",
    "crontab",
    "ssh",
    "scp",
    "sftp",
    "rsync",
    "mosh",
    "tmux",
    "screen",
    "dtach",
    "socat",
    "nc",
    "ncat",
    "netcat",
    "telnet",
    "exec",
    "command",
    "builtin",
    "eval",
    "caffeinate",
    "open",
    "xdg-open",
    "start-stop-daemon",
    "setpriv",
    "capsh",
    "proot",
    "ld-linux-x86-64.so",
    "ld-linux-aarch64.so",
    "ld.so",
    // Tools with hooks, scripts or plug-ins.
    "make",
    "gmake",
    "ninja",
    "cmake",
    "just",
    "task",
    "git",
    "hg",
    "svn",
    "npm",
    "npx",
    "pnpm",
    "pnpx",
    "yarn",
    "bunx",
    "pip",
    "pipx",
    "uv",
    "uvx",
    "poetry",
    "gem",
    "bundle",
    "rake",
    "cargo",
    "rustc",
    "go",
    "gcc",
    "cc",
    "g++",
    "clang",
    "tcc",
    "docker",
    "podman",
    "kubectl",
    "helm",
    "nix",
    "nix-shell",
    "brew",
    "apt",
    "apt-get",
    "dpkg",
    "snap",
    "tar",
    "zip",
    "cpio",
    "7z",
    "rpm",
    "curl",
    "wget",
    "ffmpeg",
    "dd",
    "tee",
    "install",
    "cp",
    "mv",
    "ln",
    "chmod",
    "chown",
    "rm",
    "mount",
];

/// Programs that only read their input, with what they may be given: how many words that aren't options (none of them
/// is ever a file), options without a value, and options with one.
const SAFE: &[(&str, usize, &str, &str)] = &[
    ("jq", 1, "rcnsSeMCj", ""),
    ("grep", 1, "ivcnoEFwxhqs", "ABCm"),
    ("cut", 0, "s", "dfcb"),
    ("sort", 0, "rnufhVbidgM", "kt"),
    ("uniq", 0, "cdui", "fsw"),
    ("head", 0, "qv", "nc"),
    ("tail", 0, "qv", "nc"),
    ("tr", 2, "dsc", ""),
    ("wc", 0, "lwcmL", ""),
];

/// Where programs of the system are; one elsewhere that is called like a safe one may be anything.
const SYSTEM: &[&str] = &[
    "/bin/",
    "/usr/bin/",
    "/usr/local/bin/",
    "/opt/homebrew/",
    "/nix/store/",
];

/// The programs that are safe when nothing else is configured.
pub(super) fn usually_safe() -> impl Iterator<Item = &'static str> {
    SAFE.iter().map(|(name, ..)| *name)
}

/// Whether a program is a shell of the system that reads a line as the gateway does. One that lies elsewhere may be
/// anything, and other shells read quotes in their own ways.
pub(super) fn is_known_shell(path: &Path, real: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    ["sh", "bash", "dash", "zsh"].contains(&name) && in_system(path) && in_system(real)
}

fn in_system(path: &Path) -> bool {
    let path = path.to_str().unwrap_or_default();
    !path.contains("/../") && SYSTEM.iter().any(|folder| path.starts_with(folder))
}

/// Whether a program runs what it is told.
pub(super) fn is_runner(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return true;
    };
    let lower = name.to_lowercase();
    let lower = lower.strip_suffix(".exe").unwrap_or(&lower);
    // `python3.12`, `node-22`, `clang++-17`: the version says nothing.
    let bare = lower.trim_end_matches(|c: char| c.is_ascii_digit() || ".-_".contains(c));
    RUNNERS.contains(&lower) || RUNNERS.contains(&bare) || bare.is_empty()
}

/// Whether a call of a safe program can do nothing but read its input and write its output.
pub(super) fn is_safe_call(
    found: &Path,
    real: &Path,
    safe: &[String],
    arguments: &[String],
) -> bool {
    let name = found
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !in_system(found) || !in_system(real) || !safe.iter().any(|safe| safe == name) {
        return false;
    }
    // What somebody added by name alone is known to read its input only when it is told nothing else.
    let Some((_, words, plain, valued)) = SAFE.iter().find(|(known, ..)| *known == name) else {
        return arguments.is_empty() && !is_runner(found) && !is_runner(real);
    };
    fits(arguments, *words, plain, valued)
        && !(name == "jq" && arguments.iter().any(|word| reads_more(word)))
}

/// A filter of jq that reaches the environment, files or modules.
fn reads_more(filter: &str) -> bool {
    let reaching = [
        "env",
        "$ENV",
        "input_filename",
        "include",
        "import",
        "$__",
        "debug",
        "input",
        "getpath(\"/",
        "@sh",
    ];
    reaching.iter().any(|word| filter.contains(word))
}

fn fits(arguments: &[String], words: usize, plain: &str, valued: &str) -> bool {
    let mut left = words;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Some(options) = argument
            .strip_prefix('-')
            .filter(|options| !options.is_empty())
        else {
            if left == 0 || argument.starts_with('-') {
                return false;
            }
            left -= 1;
            continue;
        };
        // `head -5`.
        if options.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for (at, letter) in options.char_indices() {
            if plain.contains(letter) {
                continue;
            }
            if !valued.contains(letter) {
                return false;
            }
            let is_last = at + letter.len_utf8() == options.len();
            if is_last && arguments.next().is_none() {
                return false;
            }
            break;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_hides_no_interpreter() {
        for name in [
            "python3",
            "python3.12",
            "perl5.36",
            "node-22",
            "BASH",
            "sh.exe",
            "lua5.4",
            "env",
            "gcc-14",
            "7z",
        ] {
            assert!(
                is_runner(Path::new("/usr/bin").join(name).as_path()),
                "{name}"
            );
        }
        for name in ["ls", "cat", "date", "uptime", "rg", "jq"] {
            assert!(
                !is_runner(Path::new("/usr/bin").join(name).as_path()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_safe_call_names_no_file_and_starts_nothing() {
        let safe: Vec<String> = usually_safe().map(str::to_owned).collect();
        let is_safe = |line: &str| {
            let words = crate::exec::words(line).unwrap();
            let path = Path::new("/usr/bin").join(&words[0]);
            is_safe_call(&path, &path, &safe, &words[1..])
        };
        for line in [
            "wc -l",
            "head -5",
            "head -n 5",
            "tail -n5",
            "grep -i x",
            "cut -d , -f 1",
            "sort -rn -k 2",
            "tr a b",
            "jq .a",
            "jq -r '.[] | .name'",
            "uniq -c",
            "grep -A 3 x",
            "sort",
        ] {
            assert!(is_safe(line), "{line}");
        }
        for line in [
            "wc /etc/passwd",
            "head secrets",
            "grep x /etc/passwd",
            "grep -r x",
            "grep -f list",
            "sort -o out",
            "sort --compress-program=sh",
            "sort -T /tmp",
            "tail -f",
            "tail -F log",
            "jq -f prog.jq",
            "jq . file",
            "jq env",
            "jq '$ENV.KEY'",
            "jq --rawfile a /etc/passwd .",
            "uniq in out",
            "wc --files0-from=x",
            "tr a b c",
            "head -n",
            "grep -e x y",
            "cut -- x",
            "sort -",
            "wc --version=1",
            "jq 'input_filename'",
            "ls",
        ] {
            assert!(!is_safe(line), "{line}");
        }
        let elsewhere = Path::new("/home/a/bin/wc");
        assert!(!is_safe_call(elsewhere, elsewhere, &safe, &[]));
        assert!(!is_safe_call(
            Path::new("/usr/bin/wc"),
            elsewhere,
            &safe,
            &[]
        ));
    }
}
