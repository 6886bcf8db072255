//! The skills that the gateway brings: useful without a key, a program or an account.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

const BUNDLED: [(&str, &str); 4] = [
    ("day-notes", include_str!("../../skills/day-notes/SKILL.md")),
    (
        "explain-gateway",
        include_str!("../../skills/explain-gateway/SKILL.md"),
    ),
    (
        "meeting-minutes",
        include_str!("../../skills/meeting-minutes/SKILL.md"),
    ),
    ("plan-work", include_str!("../../skills/plan-work/SKILL.md")),
];

/// Where they lie, so that a model can read them like any other.
pub(super) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("bundled-skills")
}

/// Writes what isn't there as this version brings it. Who wants to change one puts their own into `skills/`, which
/// goes before it.
pub(super) fn unpack(state_dir: &Path) {
    for (name, text) in BUNDLED {
        let file = folder(state_dir).join(name).join("SKILL.md");
        if let Err(error) = write(&file, text) {
            tracing::warn!(skill = name, %error, "a bundled skill could not be unpacked");
        }
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if fs::read(file).is_ok_and(|had| had == text.as_bytes()) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, text)?;
    fs::rename(&beside, file)
}
