//! What a node may be asked: the commands it declared, as far as its platform and the owner let them through. Pure.

use openclaw_protocol::Protocol;
use openclaw_protocol::config::gateway::Nodes;

const CANVAS: &[&str] = &[
    "canvas.present",
    "canvas.hide",
    "canvas.navigate",
    "canvas.eval",
    "canvas.snapshot",
    "canvas.a2ui.push",
    "canvas.a2ui.pushJSONL",
    "canvas.a2ui.reset",
];
/// What a person's device tells of itself and of them, without taking a picture or changing anything.
const PERSONAL: &[&str] = &[
    "camera.list",
    "location.get",
    "device.info",
    "device.status",
    "contacts.search",
    "calendar.events",
    "reminders.list",
    "photos.latest",
    "motion.activity",
    "motion.pedometer",
];
const NOTIFY: &[&str] = &["system.notify"];
/// What a computer runs. Its own rules about commands decide each one again.
const HOST: &[&str] = &[
    "system.run",
    "system.which",
    "system.notify",
    "system.execApprovals.get",
    "system.execApprovals.set",
    "browser.proxy",
];
/// Came with protocol 4: a command is looked at before it is run.
const LATE_HOST: &[&str] = &["system.run.prepare"];
const UNKNOWN: &[&str] = &["camera.list", "location.get"];

/// What is known of a node's platform.
#[derive(Debug, Clone, Copy)]
pub struct Platform<'a> {
    /// What it calls its platform.
    pub name: &'a str,
    /// What sort of device it is.
    pub family: Option<&'a str>,
    /// What it speaks.
    pub version: Protocol,
}

/// Why a node is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No command was named.
    Nameless,
    /// Neither the platform nor the owner lets it through, or the owner forbids it.
    NotListed,
    /// The node doesn't offer it.
    NotDeclared,
    /// The node offers nothing.
    NothingDeclared,
}

impl Refused {
    /// The reason, as clients know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nameless => "command required",
            Self::NotListed => "command not allowlisted",
            Self::NotDeclared => "command not declared by node",
            Self::NothingDeclared => "node did not declare commands",
        }
    }
}

/// Decides on one command.
pub fn check(
    command: &str,
    declared: &[String],
    platform: Platform<'_>,
    rules: &Nodes,
) -> Result<(), Refused> {
    let command = command.trim();
    if command.is_empty() {
        return Err(Refused::Nameless);
    }
    if !is_listed(command, platform, rules) {
        return Err(Refused::NotListed);
    }
    if declared.is_empty() {
        return Err(Refused::NothingDeclared);
    }
    if !declared.iter().any(|own| own == command) {
        return Err(Refused::NotDeclared);
    }
    Ok(())
}

/// The declared commands that may be asked, each once, in order.
pub fn effective(declared: &[String], platform: Platform<'_>, rules: &Nodes) -> Vec<String> {
    let mut commands: Vec<String> = declared
        .iter()
        .filter(|command| is_listed(command, platform, rules))
        .cloned()
        .collect();
    commands.sort_unstable();
    commands.dedup();
    commands
}

fn is_listed(command: &str, platform: Platform<'_>, rules: &Nodes) -> bool {
    let names = |lists: [&[String]; 2]| {
        let mut names = lists.into_iter().flatten();
        names.any(|name| name.trim() == command)
    };
    if names([&rules.deny_commands, &rules.commands.deny]) {
        return false;
    }
    names([&rules.allow_commands, &rules.commands.allow])
        || defaults(platform)
            .iter()
            .any(|list| list.contains(&command))
}

/// What a platform is asked without the owner having said so. Taking pictures, recording, and changing or sending what
/// belongs to a person is in none of them.
fn defaults(platform: Platform<'_>) -> Vec<&'static [&'static str]> {
    let mut lists: Vec<&[&str]> = match kind(platform) {
        Kind::Ios => vec![CANVAS, PERSONAL, NOTIFY],
        Kind::Android => vec![CANVAS, PERSONAL],
        Kind::Mac => vec![CANVAS, PERSONAL, HOST],
        Kind::Linux | Kind::Windows => vec![HOST],
        Kind::Unknown => vec![CANVAS, UNKNOWN, HOST],
    };
    if platform.version == Protocol::V4 && lists.contains(&HOST) {
        lists.push(LATE_HOST);
    }
    lists
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ios,
    Android,
    Mac,
    Linux,
    Windows,
    Unknown,
}

fn kind(platform: Platform<'_>) -> Kind {
    let name = platform.name.trim().to_lowercase();
    let beginnings = [
        ("ios", Kind::Ios),
        ("android", Kind::Android),
        ("mac", Kind::Mac),
        ("darwin", Kind::Mac),
        ("win", Kind::Windows),
        ("linux", Kind::Linux),
    ];
    let found = beginnings
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning));
    if let Some((_, kind)) = found {
        return *kind;
    }
    let family = platform.family.unwrap_or_default().to_lowercase();
    let words = [
        ("iphone", Kind::Ios),
        ("ipad", Kind::Ios),
        ("ios", Kind::Ios),
        ("android", Kind::Android),
        ("mac", Kind::Mac),
        ("windows", Kind::Windows),
        ("linux", Kind::Linux),
    ];
    let found = words.iter().find(|(word, _)| family.contains(word));
    found.map_or(Kind::Unknown, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(name: &str) -> Platform<'_> {
        Platform {
            name,
            family: None,
            version: Protocol::V3,
        }
    }

    fn rules(allow: &[&str], deny: &[&str]) -> Nodes {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Nodes {
            allow_commands: names(allow),
            deny_commands: names(deny),
            ..Nodes::default()
        }
    }

    #[test]
    fn a_node_is_asked_only_what_it_declared_and_the_owner_allows() {
        let declared: Vec<String> = ["system.run", "camera.snap", "system.which", "system.run"]
            .map(str::to_owned)
            .into();
        let plain = Nodes::default();
        let check = |command: &str, rules: &Nodes| check(command, &declared, on("linux 6"), rules);
        assert_eq!(check("system.run", &plain), Ok(()));
        assert_eq!(check(" ", &plain), Err(Refused::Nameless));
        assert_eq!(check("camera.snap", &plain), Err(Refused::NotListed));
        assert_eq!(check("system.notify", &plain), Err(Refused::NotDeclared));
        let snaps = rules(&["camera.snap"], &[]);
        assert_eq!(check("camera.snap", &snaps), Ok(()));
        let both = rules(&["system.run"], &["system.run"]);
        assert_eq!(check("system.run", &both), Err(Refused::NotListed));
        assert_eq!(
            super::check("system.run", &[], on("linux"), &plain),
            Err(Refused::NothingDeclared)
        );
        assert_eq!(
            effective(&declared, on("linux"), &plain),
            ["system.run", "system.which"]
        );
    }

    #[test]
    fn the_platform_is_told_by_its_name_and_then_by_the_sort_of_device() {
        let cases = [
            ("darwin", None, Kind::Mac),
            ("Linux 6.1", None, Kind::Linux),
            ("win32", None, Kind::Windows),
            ("17.2", Some("iPad"), Kind::Ios),
            ("", Some("Android phone"), Kind::Android),
            ("beos", None, Kind::Unknown),
        ];
        for (name, family, expected) in cases {
            let version = Protocol::V4;
            let platform = Platform {
                name,
                family,
                version,
            };
            assert_eq!(kind(platform), expected, "{name} {family:?}");
        }
    }

    #[test]
    fn what_is_taken_or_changed_is_in_no_default() {
        let dangerous = [
            "camera.snap",
            "camera.clip",
            "screen.record",
            "contacts.add",
            "calendar.add",
            "reminders.add",
            "sms.send",
        ];
        for platform in ["ios", "android", "darwin", "linux", "win32", "other"] {
            for command in dangerous {
                let declared = [command.to_owned()];
                let verdict = check(command, &declared, on(platform), &Nodes::default());
                assert_eq!(verdict, Err(Refused::NotListed), "{platform}: {command}");
            }
        }
    }
}
