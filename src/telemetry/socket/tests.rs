use std::os::unix::net::UnixListener as Plain;

use super::*;

#[test]
fn a_second_router_of_the_same_name_is_refused_and_told_who_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("one.sock");
    let first = Bound::bind(&path).unwrap();
    let refused = Bound::bind(&path).unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(&refused, BindError::Running { name, pid: Some(told) } if name == "one" && *told == pid),
        "{refused}"
    );
    drop(first);
    assert!(!path.exists());
    Bound::bind(&path).unwrap();
}

#[test]
fn a_socket_that_a_dead_router_left_gives_way_and_a_file_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let stale = directory.path().join("stale.sock");
    drop(Plain::bind(&stale).unwrap());
    assert!(stale.exists());
    Bound::bind(&stale).unwrap();
    let file = directory.path().join("file.sock");
    std::fs::write(&file, "mine").unwrap();
    assert!(matches!(Bound::bind(&file), Err(BindError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
