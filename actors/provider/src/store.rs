//! The file of credentials: read and written whole, by one program at a time.
//!
//! Everything here may wait for the disk or for another program's lock: it belongs on a blocking
//! thread.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// The file's content while nobody else may change it.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    root: Map<String, Value>,
    /// Held until this is dropped.
    _lock: File,
}

/// Waits for the file and reads it; a missing one is empty.
pub fn hold(path: &Path) -> io::Result<Held> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let lock = private(&path.with_extension("json.lock"))?;
    lock.lock()?;
    let root = match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Map::from_iter([("version".to_owned(), json!(1))])
        }
        Err(error) => return Err(error),
    };
    Ok(Held {
        path: path.to_owned(),
        root,
        _lock: lock,
    })
}

impl Held {
    /// A profile as it is stored.
    pub fn profile(&self, id: &str) -> Option<&Value> {
        self.root.get("profiles")?.get(id)
    }

    /// Adds or replaces a profile; what else the file holds stays.
    pub fn put(&mut self, id: &str, profile: Value) {
        self.edit("profiles", |section| {
            section.insert(id.to_owned(), profile);
        });
    }

    /// The order of a provider's profiles.
    pub fn order(&self, provider: &str) -> Option<Vec<String>> {
        let list = self.root.get("order")?.get(provider)?.as_array()?;
        let ids = list.iter().filter_map(Value::as_str);
        Some(ids.map(str::to_owned).collect())
    }

    /// Sets the order of a provider's profiles; none takes it out.
    pub fn set_order(&mut self, provider: &str, order: Option<&[String]>) {
        self.edit("order", |section| match order {
            Some(order) => {
                section.insert(provider.to_owned(), json!(order));
            }
            None => {
                section.shift_remove(provider);
            }
        });
    }

    /// All of it.
    pub(crate) fn content(&self) -> &Map<String, Value> {
        &self.root
    }

    pub(crate) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Map<String, Value>)) {
        let empty = || Value::Object(Map::new());
        let slot = self.root.entry(name).or_insert_with(empty);
        if !slot.is_object() {
            *slot = empty();
        }
        if let Value::Object(section) = slot {
            change(section);
        }
    }

    /// Writes the file: whole or not at all, for its owner only, and on the disk when this returns.
    pub fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let part = folder.join(format!("{name}.{}.tmp", uuid::Uuid::new_v4().simple()));
        let mut text = serde_json::to_string_pretty(&self.root)?;
        text.push('\n');
        let written = private(&part).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&part, &self.path)
        });
        if let Err(error) = written {
            // Half a file helps nobody; the error is what counts.
            drop(fs::remove_file(&part));
            return Err(error);
        }
        File::open(folder)?.sync_all()
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}
