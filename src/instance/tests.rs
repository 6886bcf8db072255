use super::*;

#[test]
fn a_second_gateway_on_the_same_state_is_refused_with_its_own_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.lock");
    let first = Instance::claim(&path, 18_789).unwrap();
    let error = Instance::claim(&path, 4000).unwrap_err();
    assert_eq!(error.kind().code(), 75);
    assert_eq!(
        error.to_string(),
        "another gateway instance is already listening on ws://127.0.0.1:18789"
    );
    drop(first);
    assert!(Instance::claim(&path, 4000).is_ok());
}

#[test]
fn a_lock_file_left_behind_names_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.lock");
    assert_eq!(holder(&path), None);
    drop(Instance::claim(&path, 18_789).unwrap());
    assert!(path.exists());
    assert_eq!(holder(&path), None);
    assert!(stop(&path).unwrap().is_none());
}

#[test]
fn the_holder_is_this_process_and_says_where_it_listens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.lock");
    let instance = Instance::claim(&path, 0).unwrap();
    instance.announce(4321).unwrap();
    let holder = holder(&path).unwrap();
    assert_eq!((holder.pid, holder.port), (std::process::id(), 4321));
    assert_eq!(holder.birth, birth(std::process::id()));
}

#[test]
fn a_process_that_only_has_the_same_pid_is_not_signalled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.lock");
    let instance = Instance::claim(&path, 1).unwrap();
    let mut other = holder(&path).unwrap();
    other.birth = Some(1);
    let mut file = &instance.file;
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(&serde_json::to_vec(&other).unwrap())
        .unwrap();
    let error = stop(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().contains("nothing was signalled"));
}
