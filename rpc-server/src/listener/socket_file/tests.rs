use std::{
    os::unix::{fs::symlink, net::UnixStream},
    process,
};

use super::{
    Domain, Path, PathBuf, Permissions, PermissionsExt, Place, Socket, Type, UnixListener, fs, io,
};

fn place(name: &str) -> (PathBuf, Place) {
    let directory = std::env::temp_dir().join(format!("rpc-file-{}-{name}", process::id()));
    fs::create_dir(&directory).expect("the directory is new");
    let place = Place::of(&directory.join("socket")).expect("its directory is there");
    (directory, place)
}

fn names_in(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(directory).expect("it is there");
    entries.map(|entry| entry.expect("it can be read").file_name()).collect()
}

/// Leaves a socket at which nobody listens.
fn leave(place: &Place) -> fs::Metadata {
    drop(UnixListener::bind(&place.path).expect("the name is free"));
    place.path.symlink_metadata().expect("it outlives its listener")
}

#[test]
fn what_came_between_the_test_and_the_removal_is_put_back() {
    let (directory, place) = place("between");
    let tested = leave(&place);
    fs::remove_file(&place.path).expect("it is there");
    let live = UnixListener::bind(&place.path).expect("the name is free");
    let error = place.remove(&tested).expect_err("it is another one");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    UnixStream::connect(&place.path).expect("it is back");
    assert_eq!(names_in(&directory), ["socket"]);
    drop(live);
    fs::remove_dir_all(directory).expect("it is there");
}

#[test]
fn one_that_was_left_goes_and_so_does_what_a_killed_server_moved_aside() {
    let (directory, place) = place("left");
    leave(&place);
    fs::rename(&place.path, place.beside("stale")).expect("it is there");
    let tested = leave(&place);
    place.remove(&tested).expect("nobody listens");
    assert_eq!(names_in(&directory), [""; 0]);
    fs::remove_dir_all(directory).expect("it is there");
}

#[test]
fn the_permissions_of_what_a_link_leads_to_stay_as_they_are() {
    let (directory, place) = place("link");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    socket.bind(&place.address).expect("the name is free");
    let other = directory.join("other");
    fs::write(&other, "secret").expect("the directory is writable");
    fs::set_permissions(&other, Permissions::from_mode(0o600)).expect("it is there");
    fs::remove_file(&place.path).expect("it is there");
    symlink(&other, &place.path).expect("the name is free");
    let error = place.open(socket, Some(0o666), 1).expect_err("it is no socket");
    assert!(error.to_string().contains("has replaced the socket"), "{error}");
    let mode = other.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(place.path.is_symlink(), "it is not this server's to remove");
    fs::remove_dir_all(directory).expect("it is there");
}

#[test]
fn nothing_is_replaced_without_a_lock() {
    let (directory, place) = place("unlocked");
    leave(&place);
    let error = place.make_way(false).expect_err("it might be another server's");
    assert!(error.to_string().contains("remove it"), "{error}");
    assert_eq!(names_in(&directory), ["socket"]);
    fs::remove_dir_all(directory).expect("it is there");
}
