use jiff::tz;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_day_is_a_file_and_days_are_local() {
    let dir = tempfile::tempdir().unwrap();
    let zone = TimeZone::fixed(tz::offset(2));
    let mut log = LogFile::new(Target::Daily(dir.path().to_owned()));
    log.write("one", at("2026-03-01T21:59:59Z"), &zone);
    log.write("two", at("2026-03-01T22:00:00Z"), &zone);
    log.flush();
    let read = |day: &str| fs::read_to_string(dir.path().join(format!("openclaw-{day}.log")));
    assert_eq!(read("2026-03-01").unwrap(), "one\n");
    assert_eq!(read("2026-03-02").unwrap(), "two\n");
}

#[test]
fn a_file_that_is_full_is_put_aside_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.log");
    let mut log = LogFile::new(Target::Fixed(path.clone()));
    log.max_bytes = 8;
    for line in ["first line", "second line", "third"] {
        log.write(line, at("2026-03-01T00:00:00Z"), &TimeZone::UTC);
    }
    log.flush();
    assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
    assert_eq!(
        fs::read_to_string(dir.path().join("gateway.1.log")).unwrap(),
        "second line\n"
    );
}

#[test]
fn old_files_of_ours_are_removed_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["openclaw-2026-01-01.log", "other.log"] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    prune(
        dir.path(),
        SystemTime::now() + KEEP + Duration::from_secs(60),
    );
    assert!(!dir.path().join("openclaw-2026-01-01.log").exists());
    assert!(dir.path().join("other.log").exists());
    fs::write(dir.path().join("openclaw-2026-01-02.log"), "x").unwrap();
    prune(dir.path(), SystemTime::now());
    assert!(dir.path().join("openclaw-2026-01-02.log").exists());
}

#[cfg(unix)]
#[test]
fn lines_do_not_follow_a_link_and_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "").unwrap();
    let link = dir.path().join("log");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    let mut log = LogFile::new(Target::Fixed(link));
    log.write("secret", at("2026-03-01T00:00:00Z"), &TimeZone::UTC);
    log.flush();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "");

    let path = dir.path().join("own.log");
    let mut log = LogFile::new(Target::Fixed(path.clone()));
    log.write("line", at("2026-03-01T00:00:00Z"), &TimeZone::UTC);
    log.flush();
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
