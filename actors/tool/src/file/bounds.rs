//! Where file tools may go: what a path means, and whether it is allowed.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::AgentId;

use super::error::FileError;
use super::guard;

/// What the system shows of processes: through it the gateway's own variables and open files could be read.
const PROCESSES: &str = "/proc";

/// What the configuration says of files, for one agent.
#[derive(Debug, Clone, Default)]
pub struct FileRules {
    /// Whether everything outside the workspace is off limits.
    pub workspace_only: bool,
    /// What `~` stands for.
    pub home: PathBuf,
    /// Folders that are the gateway's own business: credentials, ledger, configuration.
    pub closed: Vec<PathBuf>,
    /// Folders inside those that may be read all the same: skills, received media.
    pub readable: Vec<PathBuf>,
    /// Folders outside the workspace that hold nobody's words but the owner's and the gateway's.
    pub trusted: Vec<PathBuf>,
}

/// The rules in force for an agent.
pub type RulesNow = Arc<dyn Fn(&AgentId) -> FileRules + Send + Sync>;

/// What is to be done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Where one call may go.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    workspace: PathBuf,
    rules: FileRules,
    /// Whether what needs a person's yes is held back.
    is_holding: bool,
    notes: RefCell<Notes>,
}

/// What came up while a call was worked on.
#[derive(Debug, Clone, Default)]
struct Notes {
    /// Why it is held back.
    held: Option<String>,
    /// A path whose words are from outside.
    outside: Option<String>,
}

/// A path that may be used, without links in it at the time it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// As it was asked for.
    pub(super) asked: String,
    /// Where it really is.
    pub(super) path: PathBuf,
}

impl Bounds {
    pub(super) fn new(workspace: &Path, rules: FileRules) -> Self {
        let real = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        Self {
            workspace: real(&workspace.to_owned()),
            rules: FileRules {
                closed: rules.closed.iter().map(real).collect(),
                readable: rules.readable.iter().map(real).collect(),
                trusted: rules.trusted.iter().map(real).collect(),
                ..rules
            },
            is_holding: false,
            notes: RefCell::default(),
        }
    }

    /// With what needs a person's yes held back.
    pub(super) fn holding(self, is_holding: bool) -> Self {
        Self { is_holding, ..self }
    }

    /// What came up: why the call is held back, and which words from outside it reads.
    pub(super) fn noted(self) -> (Option<String>, Option<String>) {
        let notes = self.notes.into_inner();
        (notes.held, notes.outside)
    }

    /// Says that what stands at a path is shown.
    pub(super) fn shows(&self, path: &Path) {
        if !guard::is_own(&self.workspace, &self.rules.trusted, path) {
            let mut notes = self.notes.borrow_mut();
            let shown = || format!("file {}", self.shown(path));
            notes.outside.get_or_insert_with(shown);
        }
    }

    fn held(&self, path: &Path, access: Access) -> Option<&'static str> {
        let held = || guard::held(&self.workspace, &self.rules.trusted, path, access);
        self.is_holding.then(held).flatten()
    }

    /// The real place of a path, if it may be used so. What is opened later is checked again: see `Place`.
    pub(super) fn locate(&self, asked: &str, access: Access) -> Result<Spot, FileError> {
        let path = real(&self.absolute(asked)?, asked)?;
        self.permit(&path, asked, access)?;
        if let Some(why) = self.held(&path, access) {
            let error = FileError::Held(asked.to_owned(), why);
            self.notes.borrow_mut().held = Some(error.to_string());
            return Err(error);
        }
        if access == Access::Read {
            self.shows(&path);
        }
        Ok(Spot {
            asked: asked.to_owned(),
            path,
        })
    }

    /// Whether a real path may be used so.
    fn permit(&self, path: &Path, asked: &str, access: Access) -> Result<(), FileError> {
        if path.starts_with(&self.workspace) {
            return Ok(());
        }
        let within = |folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
        let is_readable = access == Access::Read && within(&self.rules.readable);
        if is_readable {
            return Ok(());
        }
        if path.starts_with(PROCESSES) || within(&self.rules.closed) {
            return Err(FileError::Closed(asked.to_owned()));
        }
        if self.rules.workspace_only {
            return Err(FileError::Outside(asked.to_owned()));
        }
        Ok(())
    }

    /// Whether a walk may go into a folder or read a file that it came upon.
    pub(super) fn may_enter(&self, path: &Path) -> bool {
        self.permit(path, "", Access::Read).is_ok() && self.held(path, Access::Read).is_none()
    }

    /// The path as a person would write it: relative where it is in the workspace.
    pub(super) fn shown(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.workspace).unwrap_or(path);
        match path.to_string_lossy() {
            name if name.is_empty() => ".".to_owned(),
            name => name.into_owned(),
        }
    }

    fn absolute(&self, asked: &str) -> Result<PathBuf, FileError> {
        let text = asked.trim();
        let text = text.strip_prefix("file://").unwrap_or(text);
        // Some clients mark a file with this sign.
        let text = text.strip_prefix('@').unwrap_or(text);
        if text.is_empty() {
            return Err(FileError::NoPath);
        }
        if text.contains('\0') {
            return Err(FileError::Malformed(asked.replace('\0', "\\0")));
        }
        let path = match text.strip_prefix('~') {
            Some("") => self.rules.home.clone(),
            Some(rest) if rest.starts_with('/') => {
                self.rules.home.join(rest.trim_start_matches('/'))
            }
            _ => self.workspace.join(text),
        };
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(FileError::Malformed(asked.to_owned()))
        }
    }
}

/// The path with every link followed; what isn't there yet is appended as it is, and may hold no `..`.
fn real(path: &Path, asked: &str) -> Result<PathBuf, FileError> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut there = path.to_owned();
    loop {
        match fs::canonicalize(&there) {
            Ok(mut real) => {
                real.extend(missing.into_iter().rev());
                return Ok(real);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(&there).is_ok_and(|about| about.is_symlink()) {
                    return Err(FileError::Dangling(asked.to_owned()));
                }
                match there.components().next_back() {
                    Some(Component::Normal(name)) => missing.push(name.to_owned()),
                    _ => return Err(FileError::Missing(asked.to_owned())),
                }
                there.pop();
            }
            Err(error) => return Err(FileError::io(asked, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn bounds(root: &Path, workspace_only: bool) -> Bounds {
        let workspace = root.join("state/workspace");
        fs::create_dir_all(&workspace).unwrap();
        fs::create_dir_all(root.join("state/skills/x")).unwrap();
        fs::create_dir_all(root.join("home")).unwrap();
        fs::write(root.join("state/secret"), "s").unwrap();
        fs::write(root.join("home/note"), "n").unwrap();
        let rules = FileRules {
            workspace_only,
            home: root.join("home"),
            closed: vec![root.join("state")],
            readable: vec![root.join("state/skills")],
            trusted: Vec::new(),
        };
        Bounds::new(&workspace, rules)
    }

    #[test]
    fn a_path_is_relative_to_the_workspace() {
        let root = tempfile::tempdir().unwrap();
        let bounds = bounds(root.path(), true);
        let inside = root
            .path()
            .canonicalize()
            .unwrap()
            .join("state/workspace/a/b.md");
        for asked in [
            "a/b.md",
            "./a/b.md",
            "@a/b.md",
            " a/b.md ",
            inside.to_str().unwrap(),
        ] {
            let spot = bounds.locate(asked, Access::Write).unwrap();
            assert_eq!(spot.path, inside, "{asked}");
            assert_eq!(bounds.shown(&spot.path), "a/b.md");
        }
    }

    #[test]
    fn no_way_leads_out_of_the_workspace() {
        let root = tempfile::tempdir().unwrap();
        let bounds = bounds(root.path(), true);
        let workspace = root.path().join("state/workspace");
        symlink("/etc", workspace.join("etc")).unwrap();
        symlink("../../home/note", workspace.join("link")).unwrap();
        symlink("nowhere", workspace.join("dangling")).unwrap();
        for asked in [
            "/etc/passwd",
            "~/note",
            "file:///etc/passwd",
            "etc/passwd",
            "etc/new-file",
            "link",
            "a/../../../home/note",
            "../../home/note",
            "dangling",
            "missing/../../../../etc/passwd",
        ] {
            for access in [Access::Read, Access::Write] {
                let found = bounds.locate(asked, access);
                assert!(found.is_err(), "{asked} gave {found:?}");
            }
        }
    }

    #[test]
    fn what_is_the_gateway_s_own_is_closed_and_skills_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        let bounds = bounds(root.path(), false);
        let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        let closed =
            |asked: &str, access| matches!(bounds.locate(asked, access), Err(FileError::Closed(_)));
        assert!(closed("../secret", Access::Read));
        assert!(closed(&at("state/secret"), Access::Read));
        assert!(closed(&at("state/new"), Access::Write));
        assert!(closed(&at("state/skills/x/SKILL.md"), Access::Write));
        assert!(
            bounds
                .locate(&at("state/skills/x/SKILL.md"), Access::Read)
                .is_ok()
        );
        assert!(bounds.locate("~/note", Access::Write).is_ok());
        symlink(at("state/secret"), root.path().join("home/way")).unwrap();
        assert!(closed("~/way", Access::Read));
        assert!(closed("/proc/self/environ", Access::Read));
    }
}
