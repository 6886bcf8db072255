use std::time::Instant;

use super::*;

const SHELL: &str = "/bin/sh";

fn job(script: &str) -> Job {
    Job::new(SHELL, ["-c", script])
}

#[test]
fn what_a_program_says_and_how_it_ends_is_told() {
    let done = job("echo said; exit 3").run_blocking().unwrap();
    assert_eq!((done.code, done.output.as_slice()), (3, &b"said\n"[..]));
    let done = job("kill -9 $$").run_blocking().unwrap();
    assert_eq!(done.code, 137);
    let missing = Job::new("/no/such/program", [""; 0]).run_blocking();
    assert!(matches!(missing, Err(ChildError::Start(_))), "{missing:?}");
}

#[test]
fn it_gets_the_environment_and_folder_it_is_given() {
    let folder = std::env::temp_dir().canonicalize().unwrap();
    let job = job("echo $ONLY$HOME; pwd").environment([("ONLY", "this")]);
    let done = job.folder(&folder).run_blocking().unwrap();
    let said = format!("this\n{}\n", folder.display());
    assert_eq!(String::from_utf8(done.output).unwrap(), said);
}

#[test]
fn who_takes_too_long_or_says_too_much_is_ended() {
    let begun = Instant::now();
    let late = job("sleep 600")
        .within(Duration::from_millis(50))
        .run_blocking();
    assert!(matches!(late, Err(ChildError::Late(_))), "{late:?}");
    let loud = job("while :; do echo yes; done")
        .at_most(1000)
        .run_blocking();
    assert!(matches!(loud, Err(ChildError::TooMuch(1000))), "{loud:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn who_is_not_waited_for_any_more_is_killed_with_its_own_children() {
    let dir = std::env::temp_dir().join(format!("openclaw-child-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // The pipe stays open as long as one of them lives.
    let running = job("sleep 600 & sleep 600").folder(&dir).start().unwrap();
    let leash = running.leash.clone();
    let waiting = async { blocking(move || running.wait(Duration::from_secs(60))).await };
    let cut = async {
        leash.cut();
    };
    let (end, ()) = tokio::join!(waiting, cut);
    assert_eq!(end.unwrap().code, 137);
    std::fs::remove_dir_all(&dir).unwrap();
}
