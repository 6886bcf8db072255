//! Whether what a program says is words from outside. Pure.

/// Programs that bring what others wrote.
const BRINGERS: &[&str] = &[
    "aria2c",
    "curl",
    "elinks",
    "fetchmail",
    "ftp",
    "gh",
    "glab",
    "himalaya",
    "http",
    "https",
    "links",
    "lynx",
    "mail",
    "mbsync",
    "mutt",
    "nc",
    "ncat",
    "neomutt",
    "newsboat",
    "nmap",
    "notmuch",
    "rsync",
    "scp",
    "sftp",
    "socat",
    "ssh",
    "telnet",
    "w3m",
    "wget",
    "whois",
    "xh",
    "youtube-dl",
    "yt-dlp",
];
/// What `git` does when it brings such.
const PULLS: &[&str] = &["clone", "fetch", "pull", "submodule", "ls-remote"];

/// Whether a command line names an address or a program that reads what others wrote. It is written by a model that has
/// read nothing from outside yet, so nobody has a reason to hide it.
pub(super) fn brings(command: &str) -> bool {
    if command.contains("://") {
        return true;
    }
    let ends = |c: char| c.is_whitespace() || "|&;()<>`$\"'{}=".contains(c);
    let words: Vec<&str> = command
        .split(ends)
        .filter(|word| !word.is_empty())
        .collect();
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_lowercase();
    let is_git = words.iter().any(|word| name(word) == "git");
    words.iter().any(|word| {
        let name = name(word);
        BRINGERS.contains(&name.as_str()) || (is_git && PULLS.contains(&name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_reads_what_others_wrote_is_known() {
        for command in [
            "curl example.org",
            "FOO=1 /usr/bin/wget -qO- x",
            "cat <(ssh host ls)",
            "git pull && ls",
            "python3 get.py https://x.test",
        ] {
            assert!(brings(command), "{command}");
        }
        for command in [
            "ls -la",
            "git status",
            "cargo test",
            "echo curly",
            "wc -l notes.md",
        ] {
            assert!(!brings(command), "{command}");
        }
    }
}
