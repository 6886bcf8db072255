//! `sessions.json`: read tolerantly, written whole, atomically, with what it held besides.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;

/// The file's name.
pub(crate) const NAME: &str = "sessions.json";

/// Reads the store. A file that can't be read as an object is kept aside under another name.
pub(crate) fn read(dir: &Path) -> io::Result<Map<String, Value>> {
    let path = dir.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        _ if bytes.iter().all(u8::is_ascii_whitespace) => Ok(Map::new()),
        _ => {
            let aside = aside(&path);
            tracing::warn!(
                file = %path.display(), kept = %aside.display(),
                "the session store can't be read; it is kept aside and made anew from the ledger"
            );
            fs::rename(&path, aside)?;
            Ok(Map::new())
        }
    }
}

/// Writes the store.
pub(crate) fn write(dir: &Path, map: &Map<String, Value>) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(map)?;
    text.push(b'\n');
    write_atomic(&dir.join(NAME), &text)
}

/// Makes a folder that only its owner can read.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// Opens a file that only its owner can read.
pub(crate) fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Replaces a file in one step: a reader sees the old one or the new one, also after a power cut.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    let unique = uuid::Uuid::new_v4().simple().to_string();
    name.push(format!(
        ".{}.{}.tmp",
        std::process::id(),
        unique.get(..8).unwrap_or_default()
    ));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file =
            private(fs::OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_dir(path)
    })();
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) => fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A free name beside a file, for a copy that must not be lost.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let at = crate::event::now_ms();
    (0..)
        .map(|n| path.with_file_name(format!("{name}.bak-{}", at + n)))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension("bak"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_store_is_written_whole_and_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let map = json!({"b": {"sessionId": "1"}, "a": {"x": [1]}});
        write(dir.path(), map.as_object().unwrap()).unwrap();
        let back = read(dir.path()).unwrap();
        assert_eq!(Value::Object(back.clone()), map);
        assert_eq!(back.keys().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_store_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "{\"a\": {").unwrap();
        assert!(read(dir.path()).unwrap().is_empty());
        let names: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            names.len() == 1 && names[0].starts_with("sessions.json.bak-"),
            "{names:?}"
        );
    }
}
