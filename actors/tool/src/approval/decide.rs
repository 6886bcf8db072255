//! The decision on one launch. Pure: what is on the disk is looked up through [`Disk`].

use std::path::Path;
use std::path::PathBuf;

use super::line;
use super::program::is_known_shell;
use super::program::is_runner;
use super::program::is_safe_call;
use super::rules::Ask;
use super::rules::Rules;
use super::rules::Security;
use super::variable;
use crate::exec::Launch;
use crate::exec::resolve;

/// What the decision has to know of the disk.
pub trait Disk {
    /// Whether there is a program at a path.
    fn is_program(&self, path: &Path) -> bool;

    /// Where a path leads, through all links.
    fn real(&self, path: &Path) -> Option<PathBuf>;
}

/// What comes of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It runs.
    Run,
    /// A person is asked.
    Ask(Question),
    /// It doesn't run; the text is for the model.
    Refuse(String),
}

/// What a person has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Why it is asked.
    pub why: String,
    /// The programs it starts, by their resolved paths, as far as that is known.
    pub programs: Vec<PathBuf>,
    /// Those that can be put on the list; none when one of them must be asked about each time.
    pub listable: Vec<String>,
    /// The list allows it already.
    pub is_listed: bool,
}

/// A program that ran because it is on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The entry of the list, as it is written there.
    pub pattern: String,
    /// The program that fits it.
    pub program: PathBuf,
}

/// Decides.
pub fn decide(rules: &Rules, launch: &Launch, disk: &dyn Disk) -> Word {
    weigh(rules, launch, disk).0
}

/// Decides, and says which entries of the list it stands on.
pub(super) fn weigh(rules: &Rules, launch: &Launch, disk: &dyn Disk) -> (Word, Vec<Used>) {
    if let Some(why) = forbidden(rules, launch) {
        return (Word::Refuse(why), Vec::new());
    }
    let mut read = read(rules, launch, disk);
    let used = std::mem::take(&mut read.used);
    (told(rules, read), used)
}

/// Why a launch is refused whatever the list says.
fn forbidden(rules: &Rules, launch: &Launch) -> Option<String> {
    if let Some(name) = variable::offending(launch.env.keys()) {
        return Some(format!(
            "the variable {name:?} may not be set: it changes what a program does"
        ));
    }
    if !launch.program().is_absolute() {
        return Some("the program's path is not known".to_owned());
    }
    if rules.security == Security::Deny {
        return Some("running programs is switched off here: tools.exec.security or the approvals file says \"deny\"".to_owned());
    }
    None
}

fn told(rules: &Rules, read: Read) -> Word {
    let why = match (&read.miss, rules.ask) {
        (_, Ask::Always) => "every command is asked about".to_owned(),
        (None, _) => return Word::Run,
        _ if rules.security == Security::Full => return Word::Run,
        (Some(miss), Ask::Off) => {
            return Word::Refuse(format!(
                "{miss}, and nobody is asked (tools.exec.ask is \"off\")"
            ));
        }
        (Some(miss), Ask::OnMiss) => miss.clone(),
    };
    Word::Ask(Question {
        why,
        is_listed: read.miss.is_none(),
        programs: read.programs,
        listable: read.listable,
    })
}

#[derive(Default)]
struct Read {
    programs: Vec<PathBuf>,
    listable: Vec<String>,
    used: Vec<Used>,
    miss: Option<String>,
}

/// What a launch starts, and what of it is not allowed by itself.
fn read(rules: &Rules, launch: &Launch, disk: &dyn Disk) -> Read {
    let mut read = Read::default();
    if launch.argv.iter().any(|word| word.chars().any(is_unseen)) {
        read.programs.extend(disk.real(launch.program()));
        read.miss = Some("it holds characters that can't be seen".to_owned());
        return read;
    }
    let shell = launch.program();
    let is_known = disk
        .real(shell)
        .is_some_and(|real| is_known_shell(shell, &real));
    let commands = match launch.script().filter(|_| is_known) {
        Some(script) => line::commands(script),
        None => Some(vec![launch.argv.clone()]),
    };
    let Some(commands) = commands else {
        read.programs.extend(disk.real(launch.program()));
        read.miss = Some("it is more than a chain of plain commands".to_owned());
        return read;
    };
    let search: Vec<PathBuf> = launch
        .env
        .get("PATH")
        .into_iter()
        .flat_map(std::env::split_paths)
        .collect();
    let mut is_listable = true;
    for command in &commands {
        let Some((name, arguments)) = command.split_first() else {
            continue;
        };
        let found = resolve(name, &search, &launch.cwd, |path| disk.is_program(path));
        let located = found.and_then(|found| disk.real(&found).map(|real| (found, real)));
        let Some((found, real)) = located else {
            is_listable = false;
            read.miss
                .get_or_insert_with(|| format!("\"{name}\" is no program that is found"));
            continue;
        };
        read.programs.push(real.clone());
        if is_safe_call(&found, &real, &rules.safe, arguments) {
            continue;
        }
        if is_runner(&found) || is_runner(&real) {
            is_listable = false;
            read.miss = Some(format!(
                "\"{name}\" runs what it is told, so it is asked about each time"
            ));
        } else if let Some(listed) = rules.lists(&real) {
            read.used.push(Used {
                pattern: listed.written.clone(),
                program: real,
            });
        } else if !is_of_skill(rules, &real, launch, &search, disk) {
            read.listable.extend(real.to_str().map(str::to_owned));
            read.miss
                .get_or_insert_with(|| format!("{} is not on the list", real.display()));
        }
    }
    if !is_listable {
        read.listable.clear();
    }
    read
}

/// Whether a program is what a skill's name for one stands for here.
fn is_of_skill(
    rules: &Rules,
    real: &Path,
    launch: &Launch,
    search: &[PathBuf],
    disk: &dyn Disk,
) -> bool {
    let mut names = rules.skill_programs.iter();
    names.any(|name| {
        // A name with a path could be any file.
        let found = (!name.contains('/'))
            .then(|| resolve(name, search, &launch.cwd, |path| disk.is_program(path)))
            .flatten();
        found.and_then(|found| disk.real(&found)).as_deref() == Some(real)
    })
}

/// Whether a letter shows nothing or changes how others are shown: spaces that aren't the usual one, controls, marks of
/// direction, letters without width.
pub(super) fn is_unseen(letter: char) -> bool {
    let is_space = letter.is_whitespace() && letter != ' ';
    is_space
        || letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{3164}' | '\u{ffa0}')
}
