//! `apply_patch`: adds, deletes, changes and moves files as one patch says, all of it or nothing.

mod apply;
mod parse;

use std::collections::BTreeMap;
use std::path::PathBuf;

use openclaw_protocol::ToolSpec;
use rustix::fs::FileType;
use rustix::fs::Mode;
use serde_json::json;

use self::parse::Change;
use super::Stop;
use super::WHOLE;
use super::bounds::Access;
use super::bounds::Bounds;
use super::bounds::Spot;
use super::error::FileError;
use super::place::Place;
use super::place::Staged;
use crate::ToolOutcome;
use crate::arguments;
use crate::arguments::Arguments;

pub(super) fn spec() -> ToolSpec {
    arguments::spec(
        "apply_patch",
        "Applies a patch to several files, all of it or nothing. Format: *** Begin Patch, then for each file *** Add File: path (lines with +), *** Delete File: path, or *** Update File: path (optionally *** Move to: path) with pieces that begin with @@ and hold lines that begin with a space, - or +; then *** End Patch.",
        json!({
            "input": { "type": "string", "description": "the whole patch, from *** Begin Patch to *** End Patch" },
        }),
        &["input"],
    )
}

pub(super) fn run(
    bounds: &Bounds,
    arguments: &Arguments,
    _stop: &Stop,
) -> Result<ToolOutcome, ToolOutcome> {
    let input = arguments.exact(&["input", "patch"]);
    let input = input.ok_or_else(|| ToolOutcome::error("apply_patch needs an input"))?;
    let refused = |why: String| ToolOutcome::error(format!("{why}; nothing was changed"));
    let changes = parse::parse(input).map_err(|error| refused(error.to_string()))?;
    let mut files = Files::new(bounds);
    let mut told = Vec::new();
    for change in &changes {
        told.push(files.plan(change).map_err(&refused)?);
    }
    files.perform()?;
    Ok(ToolOutcome::text(told.join("\n")))
}

/// A file as the patch finds it, and as it shall be.
#[derive(Debug, Clone)]
struct File {
    spot: Spot,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    rights: Option<Mode>,
}

/// The files of a patch, before any of them is touched.
struct Files<'b> {
    bounds: &'b Bounds,
    files: BTreeMap<PathBuf, File>,
}

impl<'b> Files<'b> {
    fn new(bounds: &'b Bounds) -> Self {
        Self {
            bounds,
            files: BTreeMap::new(),
        }
    }

    /// The file at a path, as the changes so far would leave it.
    fn file(&mut self, asked: &str) -> Result<&mut File, String> {
        let told = |error: FileError| error.to_string();
        let spot = self.bounds.locate(asked, Access::Write).map_err(told)?;
        if !self.files.contains_key(&spot.path) {
            let file = look(&spot).map_err(told)?;
            self.files.insert(spot.path.clone(), file);
        }
        self.files
            .get_mut(&spot.path)
            .ok_or_else(|| asked.to_owned())
    }

    /// Works one change out, and says it as the model reads it.
    fn plan(&mut self, change: &Change) -> Result<String, String> {
        match change {
            Change::Add { path, text } => {
                let file = self.file(path)?;
                if file.after.is_some() {
                    return Err(format!(
                        "{path} is there already: update it, or delete it first"
                    ));
                }
                file.after = Some(text.clone().into_bytes());
                Ok(format!("A {path}"))
            }
            Change::Delete { path } => {
                let file = self.file(path)?;
                file.after
                    .take()
                    .ok_or_else(|| format!("there is no {path}"))?;
                Ok(format!("D {path}"))
            }
            Change::Update { path, to, pieces } => {
                let file = self.file(path)?;
                let bytes = file
                    .after
                    .clone()
                    .ok_or_else(|| format!("there is no {path}"))?;
                let text = String::from_utf8(bytes).map_err(|_| format!("{path} is not text"))?;
                let made =
                    apply::apply(&text, pieces).map_err(|error| format!("{path}: {error}"))?;
                let Some(to) = to else {
                    file.after = Some(made.into_bytes());
                    return Ok(format!("M {path}"));
                };
                let rights = file.rights;
                file.after = None;
                let target = self.file(to)?;
                if target.after.is_some() {
                    return Err(format!("{to} is there already"));
                }
                target.after = Some(made.into_bytes());
                target.rights = target.rights.or(rights);
                Ok(format!("R {path} -> {to}"))
            }
        }
    }

    /// Writes everything beside its place first; only when that has worked do the files change, and what can't be
    /// finished then is taken back.
    fn perform(&self) -> Result<(), ToolOutcome> {
        let changed: Vec<&File> = self
            .files
            .values()
            .filter(|file| file.after != file.before)
            .collect();
        let refused =
            |error: FileError| ToolOutcome::error(format!("{error}; nothing was changed"));
        let mut places = Vec::new();
        for file in &changed {
            let place = Place::reach(&file.spot, file.after.is_some()).map_err(refused)?;
            places.push((*file, place));
        }
        let mut staged: Vec<Option<Staged<'_>>> = Vec::new();
        for (file, place) in &places {
            let bytes = file.after.as_deref();
            let stage = bytes
                .map(|bytes| place.stage(bytes, file.rights))
                .transpose();
            staged.push(stage.map_err(refused)?);
        }
        for (done, ((_, place), staged)) in places.iter().zip(staged).enumerate() {
            let outcome = match staged {
                Some(staged) => staged.commit(),
                None => place.remove(),
            };
            if let Err(error) = outcome {
                return Err(take_back(&error, places.iter().take(done)));
            }
        }
        for (_, place) in &places {
            place.settle();
        }
        Ok(())
    }
}

fn look(spot: &Spot) -> Result<File, FileError> {
    let file = |before: Option<Vec<u8>>, rights| File {
        spot: spot.clone(),
        after: before.clone(),
        before,
        rights,
    };
    let place = match Place::reach(spot, false) {
        // A folder that isn't there yet.
        Err(FileError::Missing(_)) => return Ok(file(None, None)),
        place => place?,
    };
    match place.about()? {
        None => Ok(file(None, None)),
        Some(about) if about.kind == FileType::Directory => {
            Err(FileError::Folder(spot.asked.clone()))
        }
        Some(about) => Ok(file(Some(place.read(WHOLE)?), Some(about.mode))),
    }
}

fn take_back<'p>(
    error: &FileError,
    done: impl Iterator<Item = &'p (&'p File, Place)>,
) -> ToolOutcome {
    let mut left = Vec::new();
    for (file, place) in done {
        let back = match &file.before {
            Some(bytes) => place.stage(bytes, file.rights).and_then(Staged::commit),
            None => place.remove(),
        };
        if back.is_err() {
            left.push(file.spot.asked.as_str());
        }
    }
    ToolOutcome::error(match left.as_slice() {
        [] => format!("{error}; nothing was changed"),
        left => format!(
            "{error}; what had been changed could not be taken back in: {}",
            left.join(", ")
        ),
    })
}
