//! The places where skills lie, and which of two with the same name counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Skill;
use super::Source;
use super::bundled;
use super::head;

/// A larger file is no skill.
const LARGEST: u64 = 256 * 1024;
/// More folders than this in one place are not looked at.
const MOST: usize = 1000;

/// Where skills are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    pub workspace: Option<PathBuf>,
    /// The state folder: its `skills/`, and where the gateway's own are unpacked.
    pub state_dir: PathBuf,
    /// `skills.load.extraDirs`.
    pub extra: Vec<PathBuf>,
}

impl Places {
    /// The folders with what they are, the ones that count most first.
    fn folders(&self) -> Vec<(PathBuf, Source)> {
        let own = self
            .workspace
            .iter()
            .map(|folder| (folder.join("skills"), Source::Workspace));
        let managed = (self.state_dir.join("skills"), Source::Managed);
        let bundled = (bundled::folder(&self.state_dir), Source::Bundled);
        let extra = self
            .extra
            .iter()
            .map(|folder| (folder.clone(), Source::Extra));
        own.chain([managed, bundled]).chain(extra).collect()
    }
}

/// How the files of skills are at a moment; another one when one of them changed, came or went.
pub type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Looks at the files without reading them.
pub fn stamp(places: &Places) -> Stamp {
    let folders = places.folders().into_iter();
    let files = folders.flat_map(|(folder, _)| {
        let listed = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .take(MOST);
        listed.map(|entry| entry.path().join("SKILL.md"))
    });
    let mut stamp: Stamp = files
        .filter_map(|file| {
            let about = fs::metadata(&file).ok()?;
            Some((file, about.modified().ok(), about.len()))
        })
        .collect();
    stamp.sort();
    stamp
}

/// The skills by name; of two with the same name the one in the earlier place. Reads files.
pub fn discover(places: &Places) -> Vec<Skill> {
    bundled::unpack(&places.state_dir);
    let mut found: BTreeMap<String, Skill> = BTreeMap::new();
    for (folder, source) in places.folders() {
        for file in files(&folder) {
            let text = fs::read(&file).unwrap_or_default();
            if let Some(skill) = head::read(&file, source, &String::from_utf8_lossy(&text)) {
                found.entry(skill.name.clone()).or_insert(skill);
            }
        }
    }
    found.into_values().collect()
}

/// The files of skills in a folder. A link that leads out of it is not followed: a skill's place says how far
/// it is trusted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(root) = folder.canonicalize() else {
        return Vec::new();
    };
    let listed = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(MOST);
    let inside = |file: &PathBuf| {
        let is_inside = file
            .canonicalize()
            .is_ok_and(|real| real.starts_with(&root));
        let is_small =
            fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() <= LARGEST);
        is_inside && is_small
    };
    let files = listed.map(|entry| entry.path().join("SKILL.md"));
    let mut files: Vec<PathBuf> = files.filter(inside).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, description: &str) {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let text = format!("---\nname: {name}\ndescription: {description}\n---\n");
        fs::write(folder.join("SKILL.md"), text).unwrap();
    }

    #[test]
    fn of_two_skills_with_one_name_the_nearer_counts() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let places = Places {
            workspace: Some(at("workspace")),
            state_dir: at("state"),
            extra: vec![at("extra")],
        };
        let named = |name: &str| {
            let skills = discover(&places);
            let found = skills.into_iter().find(|skill| skill.name == name);
            found.map(|skill| (skill.source, skill.description))
        };
        put(&at("extra"), "plan-work", "of elsewhere");
        put(&at("extra"), "tides", "of elsewhere");
        assert_eq!(named("plan-work").unwrap().0, Source::Bundled);
        assert_eq!(named("tides").unwrap().0, Source::Extra);
        put(&at("state/skills"), "tides", "managed");
        assert_eq!(named("tides").unwrap().1, "managed");
        put(&at("workspace/skills"), "tides", "own");
        put(&at("workspace/skills"), "plan-work", "own");
        assert_eq!(named("tides").unwrap().0, Source::Workspace);
        assert_eq!(named("plan-work").unwrap().0, Source::Workspace);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_its_place_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        put(outside.path(), "sly", "from outside");
        let skills = home.path().join("skills");
        fs::create_dir_all(&skills).unwrap();
        std::os::unix::fs::symlink(outside.path().join("sly"), skills.join("sly")).unwrap();
        let places = Places {
            state_dir: home.path().to_owned(),
            ..Places::default()
        };
        assert!(discover(&places).iter().all(|skill| skill.name != "sly"));
    }

    #[test]
    fn the_gateway_s_own_are_there_and_are_what_it_brings() {
        let home = tempfile::tempdir().unwrap();
        let places = Places {
            state_dir: home.path().to_owned(),
            ..Places::default()
        };
        let skills = discover(&places);
        assert_eq!(skills.len(), 4);
        assert!(
            skills
                .iter()
                .all(|skill| skill.source == Source::Bundled && skill.always)
        );
        let before = stamp(&places);
        fs::write(&skills[0].file, "---\nname: x\ndescription: changed\n---\n").unwrap();
        assert_ne!(stamp(&places), before);
        assert_eq!(discover(&places), skills);
    }
}
