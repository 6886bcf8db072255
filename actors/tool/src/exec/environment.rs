//! What a program's environment is made from: a short list of the gateway's variables, never all of them, as secrets
//! stand among those; and what the call adds.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::approval::is_forbidden_variable;

/// The gateway's own variables that programs get. None of these ever holds a secret.
const PASSED_ON: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "JAVA_HOME",
    "GOPATH",
    "GOROOT",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "NVM_DIR",
    "PYENV_ROOT",
    "VOLTA_HOME",
    "PNPM_HOME",
    "BUN_INSTALL",
];
/// Where programs are looked for if nobody says.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// So many variables a call may add, of so many bytes each.
const ADDED: usize = 64;
const LONGEST: usize = 32 * 1024;

/// The part of an environment that every program gets.
pub fn base<'e>(
    variables: impl IntoIterator<Item = (&'e str, &'e str)>,
    prepend: &[String],
) -> BTreeMap<String, String> {
    let mut base: BTreeMap<String, String> = variables
        .into_iter()
        .filter(|(name, _)| is_passed_on(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let path = base.remove("PATH").unwrap_or_else(|| USUAL_PATH.to_owned());
    let folders = prepend.iter().map(String::as_str).chain(path.split(':'));
    // A folder that isn't named in full would be the folder at hand: whatever lies there would be run.
    let folders: Vec<&str> = folders.filter(|folder| folder.starts_with('/')).collect();
    base.insert("PATH".to_owned(), folders.join(":"));
    base.entry("LANG".to_owned())
        .or_insert_with(|| "C.UTF-8".to_owned());
    base.insert("OPENCLAW_SHELL".to_owned(), "exec".to_owned());
    base
}

/// The folders of a search path.
pub(super) fn search(variables: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let path = variables.get("PATH").map_or(USUAL_PATH, String::as_str);
    path.split(':').map(PathBuf::from).collect()
}

/// The environment with what the call adds, or why that can't be.
pub(super) fn with(
    mut base: BTreeMap<String, String>,
    added: Option<&Value>,
) -> Result<BTreeMap<String, String>, String> {
    let added = match added {
        None | Some(Value::Null) => return Ok(base),
        Some(Value::Object(added)) => added,
        Some(_) => return Err("env must be an object of names and texts".to_owned()),
    };
    if added.len() > ADDED {
        return Err(format!("env has more than {ADDED} variables"));
    }
    for (name, value) in added {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return Err(format!("the variable {name} is not a text")),
        };
        if !may_be_set(name) {
            return Err(format!(
                "the variable {name:?} may not be set: it would change which program runs, or what that loads"
            ));
        }
        if !is_usable(&value) {
            return Err(format!("the value of {name} can't be used"));
        }
        base.insert(name.clone(), value);
    }
    Ok(base)
}

/// Whether somebody may set this variable without choosing which program runs, or what that loads.
pub(super) fn may_be_set(name: &str) -> bool {
    let is_own = name.to_ascii_uppercase().starts_with("OPENCLAW");
    !is_own && !name.starts_with(|c: char| c.is_ascii_digit()) && !is_forbidden_variable(name)
}

/// Whether a variable can hold this.
pub(super) fn is_usable(value: &str) -> bool {
    !value.contains('\0') && value.len() <= LONGEST
}

/// Whether programs get this variable of the gateway's own.
pub fn is_passed_on(name: &str) -> bool {
    PASSED_ON.contains(&name) || name.starts_with("LC_")
}

/// The shell for what needs one: the one that is configured, else the person's own if it reads what models write.
pub fn shell(
    configured: Option<&str>,
    own: Option<&str>,
    is_program: impl Fn(&Path) -> bool,
) -> PathBuf {
    let is_usual = |shell: &&str| {
        !shell.ends_with("fish") && !shell.ends_with("nologin") && !shell.ends_with("false")
    };
    let wanted = [
        configured,
        own.filter(is_usual),
        Some("/bin/bash"),
        Some("/usr/bin/bash"),
    ];
    let wanted = wanted.into_iter().flatten().map(PathBuf::from);
    let found = wanted
        .into_iter()
        .find(|shell| shell.is_absolute() && is_program(shell));
    found.unwrap_or_else(|| "/bin/sh".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_of_the_gateway_is_passed_on() {
        let own = [
            ("HOME", "/home/a"),
            ("PATH", "/usr/bin:.::bin:/bin"),
            ("LC_TIME", "de"),
            ("ANTHROPIC_API_KEY", "s"),
            ("OPENCLAW_GATEWAY_TOKEN", "s"),
            ("TELEGRAM_BOT_TOKEN", "s"),
            ("LD_PRELOAD", "/x.so"),
            ("BASH_ENV", "/x"),
            ("SSH_AUTH_SOCK", "/x"),
            ("DBUS_SESSION_BUS_ADDRESS", "x"),
        ];
        let made = base(own, &["/opt/bin".to_owned(), "rel".to_owned()]);
        let names: Vec<&str> = made.keys().map(String::as_str).collect();
        assert_eq!(names, ["HOME", "LANG", "LC_TIME", "OPENCLAW_SHELL", "PATH"]);
        assert_eq!(made["PATH"], "/opt/bin:/usr/bin:/bin");
    }

    #[test]
    fn a_call_can_t_choose_what_is_loaded() {
        let with = |added: Value| with(BTreeMap::new(), Some(&added));
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "IFS",
            "PATH",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "GIT_SSH_COMMAND",
            "BASH_FUNC_ls%%",
            "PS4",
            "",
            "A=B",
            "A\nB",
            "1A",
            "OPENCLAW_STATE_DIR",
        ] {
            assert!(with(json!({ name: "x" })).is_err(), "{name}");
        }
        assert!(with(json!({ "A": "x\0y" })).is_err());
        assert!(with(json!({ "A": ["x"] })).is_err());
        assert!(with(json!("A=B")).is_err());
        let made = with(json!({ "CI": true, "N": 5, "T": "x y" })).unwrap();
        assert_eq!(
            (made["CI"].as_str(), made["N"].as_str(), made["T"].as_str()),
            ("true", "5", "x y")
        );
    }

    #[test]
    fn a_shell_that_reads_what_models_write_is_taken() {
        let all = |_: &Path| true;
        assert_eq!(
            shell(Some("/bin/zsh"), Some("/bin/dash"), all),
            Path::new("/bin/zsh")
        );
        assert_eq!(shell(None, Some("/bin/dash"), all), Path::new("/bin/dash"));
        assert_eq!(
            shell(Some("bash"), Some("/usr/bin/fish"), all),
            Path::new("/bin/bash")
        );
        assert_eq!(shell(None, None, |_| false), Path::new("/bin/sh"));
    }
}
