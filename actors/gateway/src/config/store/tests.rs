use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("openclaw.json")
    }

    fn write(&self, text: &str) {
        assert!(super::write(&self.file(), text, Before::Good).unwrap());
    }

    /// The backups' contents, the newest first.
    fn backups(&self) -> Vec<String> {
        let texts = (0..10).map(|index| fs::read_to_string(backup(&self.file(), index)));
        texts.map_while(Result::ok).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn five_backups_are_kept_the_newest_first() {
    let folder = Folder::new();
    for index in 0..8 {
        folder.write(&format!("{{\"n\": {index}}}"));
    }
    let expected: Vec<String> = (2..7)
        .rev()
        .map(|index| format!("{{\"n\": {index}}}"))
        .collect();
    assert_eq!(folder.backups(), expected);
    assert_eq!(
        folder.names().len(),
        6,
        "nothing temporary stays: {:?}",
        folder.names()
    );
}

#[test]
fn the_same_text_is_not_written_and_not_backed_up() {
    let folder = Folder::new();
    folder.write("{\"n\": 1}");
    assert!(!super::write(&folder.file(), "{\"n\": 1}", Before::Good).unwrap());
    folder.write("{\"n\": 2}");
    folder.write("{\"n\": 1}");
    // Back and forth with a hand-made restore: the newest backup is not doubled.
    fs::copy(backup(&folder.file(), 0), folder.file()).unwrap();
    folder.write("{\"n\": 3}");
    assert_eq!(folder.backups(), ["{\"n\": 2}", "{\"n\": 1}"]);
}

#[test]
fn a_broken_text_never_pushes_a_good_one_out() {
    let folder = Folder::new();
    folder.write("{\"n\": 1}");
    folder.write("{\"n\": 2}");
    for attempt in 0..7 {
        fs::write(folder.file(), format!("{{ broken {attempt}")).unwrap();
        folder.write(&format!("{{\"mended\": {attempt}}}"));
        fs::write(folder.file(), format!("{{\"disabled\": {attempt}}}")).unwrap();
        assert!(super::write(&folder.file(), "{}", Before::Broken).unwrap());
        fs::remove_file(folder.file()).unwrap();
    }
    assert_eq!(folder.backups(), ["{\"n\": 1}"]);
    let broken = fs::read_to_string(beside(&folder.file(), "broken")).unwrap();
    assert_eq!(
        broken, "{\"disabled\": 6}",
        "what was replaced last is still there"
    );
    assert_eq!(
        newest_good_backup(&folder.file()),
        Some(backup(&folder.file(), 0))
    );
}

#[test]
#[cfg(unix)]
fn only_the_owner_may_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/folder/openclaw.json");
    for text in ["{}", "{\"n\": 1}"] {
        assert!(super::write(&file, text, Before::Good).unwrap());
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&backup(&file, 0)), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link() {
    let folder = Folder::new();
    let target = folder.0.path().join("target.json");
    fs::write(&target, "{}").unwrap();
    std::os::unix::fs::symlink(&target, folder.file()).unwrap();
    folder.write("{\"n\": 1}");
    assert!(folder.file().is_symlink());
    assert_eq!(fs::read_to_string(target).unwrap(), "{\"n\": 1}");
}

#[test]
fn a_failed_write_leaves_the_file_as_it_was() {
    let folder = Folder::new();
    for index in 0..6 {
        folder.write(&format!("{{\"n\": {index}}}"));
    }
    // A folder that isn't empty can't be replaced by a file.
    fs::remove_file(backup(&folder.file(), 4)).unwrap();
    fs::create_dir_all(backup(&folder.file(), 4).join("x")).unwrap();
    let names = folder.names();
    assert!(super::write(&folder.file(), "{\"n\": 9}", Before::Good).is_err());
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "{\"n\": 5}");
    assert_eq!(folder.names(), names);
}
