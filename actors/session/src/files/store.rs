//! `sessions.json`: read tolerantly, written whole, atomically, with what it held besides.

use std::fs;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

/// The file's name.
pub(crate) const NAME: &str = "sessions.json";

/// The sessions of an agent as their file has them. Entries that nobody looks at are passed on as they stand: the file
/// of five thousand sessions has megabytes, and of a round of writing few are concerned.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// The file's text.
    text: String,
    entries: IndexMap<String, Text>,
}

/// Where an entry's JSON stands.
#[derive(Debug)]
enum Text {
    Filed(Range<usize>),
    New(String),
}

impl Store {
    /// The JSON of an entry.
    fn json<'s>(&'s self, text: &'s Text) -> &'s str {
        match text {
            Text::Filed(range) => self.text.get(range.clone()).unwrap_or("null"),
            Text::New(text) => text,
        }
    }

    /// All entries, read.
    pub(crate) fn values(&self) -> Map<String, Value> {
        let read = |text| serde_json::from_str(self.json(text)).unwrap_or_default();
        let entries = self.entries.iter();
        entries
            .map(|(name, text)| (name.clone(), read(text)))
            .collect()
    }

    /// Sets an entry, or takes it out; true when the store differs from before.
    pub(crate) fn set(&mut self, name: &str, entry: Option<&Value>) -> bool {
        let Some(entry) = entry else {
            return self.entries.shift_remove(name).is_some();
        };
        let new = indented(entry);
        let old = self.entries.get(name).map(|text| self.json(text));
        let is_same = old.is_some_and(|old| {
            old == new || serde_json::from_str::<Value>(old).is_ok_and(|old| old == *entry)
        });
        if !is_same {
            self.entries.insert(name.to_owned(), Text::New(new));
        }
        !is_same
    }

    /// Writes the store.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        replace(&dir.join(NAME), |file| {
            let mut file = BufWriter::new(file);
            let mut before = "{\n";
            for (name, text) in &self.entries {
                write!(file, "{before}  {}: {}", json!(name), self.json(text))?;
                before = ",\n";
            }
            let end = if self.entries.is_empty() {
                "{}\n"
            } else {
                "\n}\n"
            };
            file.write_all(end.as_bytes())?;
            file.flush()
        })
    }
}

/// An entry as it stands in the file, one step in. A string has no line ends of its own.
fn indented(entry: &Value) -> String {
    format!("{entry:#}").replace('\n', "\n  ")
}

/// Reads the store. A file that can't be read as an object is kept aside under another name.
pub(crate) fn read(dir: &Path) -> io::Result<Store> {
    let path = dir.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Store::default()),
        Err(error) => return Err(error),
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Store::default());
    }
    if let Some(store) = String::from_utf8(bytes).ok().and_then(parsed) {
        return Ok(store);
    }
    let aside = aside(&path);
    tracing::warn!(
        file = %path.display(), kept = %aside.display(),
        "the session store can't be read; it is kept aside and made anew from the ledger"
    );
    fs::rename(&path, aside)?;
    Ok(Store::default())
}

fn parsed(text: String) -> Option<Store> {
    let raw: IndexMap<String, &RawValue> = serde_json::from_str(&text).ok()?;
    let entries = raw.into_iter().map(|(name, entry)| {
        let entry = entry.get();
        let from = entry.as_ptr().addr() - text.as_ptr().addr(); // it is a part of the text
        (name, Text::Filed(from..from + entry.len()))
    });
    let entries = entries.collect();
    Some(Store { text, entries })
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
    replace(path, |file| file.write_all(bytes))
}

fn replace(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
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
        write(&mut file)?;
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
    use super::*;

    #[test]
    fn a_store_is_written_whole_and_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let map = json!({"b": {"sessionId": "1"}, "a\"": {"x": ["one\ntwo"], "e": {}}});
        let mut store = read(dir.path()).unwrap();
        for (name, entry) in map.as_object().unwrap() {
            assert!(store.set(name, Some(entry)));
        }
        store.write(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(text, format!("{map:#}\n"));
        let back = read(dir.path()).unwrap();
        assert_eq!(Value::Object(back.values()), map);
        assert_eq!(back.values().keys().collect::<Vec<_>>(), ["b", "a\""]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_nobody_looks_at_is_passed_on_as_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(NAME);
        fs::write(&file, r#"{"é":{"n":1e2 },"b": {"x":1},"c":[ ]}"#).unwrap();
        let mut store = read(dir.path()).unwrap();
        assert!(!store.set("b", Some(&json!({"x": 1}))));
        assert!(store.set("c", None) && !store.set("c", None));
        assert!(store.set("b", Some(&json!({"x": 2}))));
        store.write(dir.path()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(
            text,
            "{\n  \"é\": {\"n\":1e2 },\n  \"b\": {\n    \"x\": 2\n  }\n}\n"
        );
        assert!(store.set("b", None) && store.set("é", None));
        store.write(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}\n");
    }

    #[test]
    fn a_broken_store_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "{\"a\": {").unwrap();
        assert!(read(dir.path()).unwrap().values().is_empty());
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
