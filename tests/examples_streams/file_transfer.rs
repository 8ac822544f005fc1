//! Files that are copied over a connection that is cut.

use std::fs;

use crate::{
    place::{Place, noise},
    process::{Ended, Process, within},
    proxy::Proxy,
};

const SIZE: usize = 8 << 20;

/// The connection is cut when it has carried so much.
const CUT: usize = 3 << 20;

/// What may be on its way when the connection is cut, and what a copy needs besides its bytes.
const SLACK: usize = 1 << 20;

async fn serve(place: &Place) -> (Process, String) {
    fs::create_dir(place.path("served")).expect("it is not there yet");
    Process::serve("file_transfer", &[&place.word("served")], "tcp://127.0.0.1:0").await
}

async fn run(arguments: &[&str], address: &str) -> Ended {
    let arguments = [arguments, &["--connect", address]].concat();
    Process::start("file_transfer", &arguments).ended().await
}

/// Where a copy that succeeded went on. (It may have been told once that the server still had the upload that was cut.)
fn went_on_at(ended: &Ended) -> usize {
    let Ended { status, notes, .. } = ended;
    assert!(status.success(), "{status}: {notes:?}");
    let end = notes.last().expect("it says how it ended");
    assert!(end.ends_with("checksum agrees"), "{notes:?}");
    let mut places = notes.iter().filter_map(|note| {
        let (place, size) = note.split_once("goes on at byte ")?.1.split_once(" of ")?;
        assert_eq!(size, SIZE.to_string());
        Some(place.parse().expect("it is a number"))
    });
    places.next_back().expect("it went on")
}

fn assert_resumed(at: usize, carried: &[usize]) {
    assert!((CUT - SLACK..=CUT).contains(&at), "it went on at {at}");
    let (first, second) = match carried {
        [first, second] => (*first, *second),
        _ => unreachable!("it took more than two connections: {carried:?}"),
    };
    assert!(first >= CUT - SLACK, "{carried:?}");
    assert!((SIZE - at..SIZE - at + SLACK).contains(&second), "{carried:?}");
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on() {
    within(async {
        let place = Place::new();
        let (server, address) = serve(&place).await;
        let data = noise(SIZE);
        fs::write(place.path("served/big"), &data).expect("there is room");
        let proxy = Proxy::cutting(&address, CUT).await;
        let ended = run(&["get", "big", &place.word("copy")], &proxy.address).await;
        let carried: Vec<usize> = proxy.carried().iter().map(|carried| carried.down).collect();
        assert_resumed(went_on_at(&ended), &carried);
        assert!(fs::read(place.path("copy")).expect("it is there") == data);
        assert!(!place.path("copy.part").exists());
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_cut_goes_on() {
    within(async {
        let place = Place::new();
        let (server, address) = serve(&place).await;
        let data = noise(SIZE);
        fs::write(place.path("big"), &data).expect("there is room");
        let proxy = Proxy::cutting(&address, CUT).await;
        let ended = run(&["put", &place.word("big")], &proxy.address).await;
        let carried: Vec<usize> = proxy.carried().iter().map(|carried| carried.up).collect();
        assert_resumed(went_on_at(&ended), &carried);
        assert!(fs::read(place.path("served/big")).expect("it is there") == data);
        assert!(!place.path("served/big.part").exists());
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_copy_goes_on_when_it_is_run_again() {
    within(async {
        let place = Place::new();
        let (server, address) = serve(&place).await;
        let data = noise(SIZE);
        fs::write(place.path("big"), &data).expect("there is room");
        fs::write(place.path("served/large"), &data).expect("there is room");
        let (big, copy) = (place.word("big"), place.word("copy"));
        for (arguments, part, whole) in [
            (["put", &big, "big"], "served/big.part", "served/big"),
            (["get", "large", &copy], "copy.part", "copy"),
        ] {
            let proxy = Proxy::cutting(&address, CUT).await;
            let once = [&arguments[..], &["--attempts", "1"]].concat();
            let Ended { status, notes, .. } = run(&once, &proxy.address).await;
            assert_eq!(status.code(), Some(1), "{notes:?}");
            let end = notes.last().expect("it says why");
            assert!(end.ends_with("; run this again to go on"), "{notes:?}");
            assert!(place.path(part).exists() && !place.path(whole).exists());

            let ended = run(&arguments, &address).await;
            let at = went_on_at(&ended);
            assert!((CUT - SLACK..=CUT).contains(&at), "it went on at {at}");
            assert!(fs::read(place.path(whole)).expect("it is there") == data);
            assert!(!place.path(part).exists());
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_part_of_something_else_is_begun_anew() {
    within(async {
        let place = Place::new();
        let (server, address) = serve(&place).await;
        let data = noise(100_000);
        fs::write(place.path("one"), &data).expect("there is room");
        for (name, part) in [("shorter", 1_000), ("longer", 200_000)] {
            let (served, back) = (format!("served/{name}"), format!("back-{name}"));
            for file in [&served, &back] {
                let part = vec![7; part];
                fs::write(place.path(&format!("{file}.part")), part).expect("there is room");
            }
            for arguments in [["put", &place.word("one"), name], ["get", name, &place.word(&back)]]
            {
                let Ended { status, notes, .. } = run(&arguments, &address).await;
                assert!(status.success(), "{status}: {notes:?}");
                assert!(!notes.iter().any(|note| note.contains("goes on")), "{notes:?}");
            }
            for file in [&served, &back] {
                assert!(fs::read(place.path(file)).expect("it is there") == data);
                assert!(!place.path(&format!("{file}.part")).exists());
            }
        }
        let Ended { output, .. } = run(&["list"], &address).await;
        assert_eq!(output, ["         100000  longer", "         100000  shorter"]);
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_touched() {
    within(async {
        let place = Place::new();
        let (server, address) = serve(&place).await;
        let source = place.word("source");
        fs::write(&source, "source").expect("there is room");
        fs::write(place.path("secret"), "secret").expect("there is room");
        std::os::unix::fs::symlink(place.path("secret"), place.path("served/link"))
            .expect("links can be made");
        let copy = place.word("copy");
        for (name, told) in [
            ("../secret", "is not the name of a file: a name has no folders in it"),
            (&place.word("secret"), "is not the name of a file: a name has no folders in it"),
            ("..", "is not the name of a file: a name does not begin with a dot"),
            ("", "is not the name of a file: it is empty"),
            ("a\\b", "is not the name of a file: a name has no folders in it"),
            ("secret.part", "is not the name of a file: so are files named that are not complete"),
            ("a\nb", "is not the name of a file: it has a control character in it"),
            ("link", "there is no file"),
            ("missing", "there is no file"),
        ] {
            for arguments in [["get", name, &copy], ["put", &source, name]] {
                if told == "there is no file" && arguments[0] == "put" {
                    continue;
                }
                let Ended { status, notes, .. } = run(&arguments, &address).await;
                assert_eq!(status.code(), Some(1), "{arguments:?}: {notes:?}");
                let [note] = &notes[..] else { unreachable!("{arguments:?}: {notes:?}") };
                assert!(note.contains(told), "{arguments:?}: {notes:?}");
            }
        }
        assert_eq!(fs::read_dir(place.path("served")).expect("it is there").count(), 1);
        assert!(!place.path("copy").exists() && !place.path("copy.part").exists());
        assert_eq!(fs::read(place.path("secret")).expect("it is there"), b"secret");

        for arguments in [&["put"][..], &["get"], &["move", "a", "b"], &["list", "all"], &[]] {
            let ended = Process::start("file_transfer", arguments).ended().await;
            assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
            assert!(ended.notes.iter().any(|note| note.starts_with("usage: ")), "{ended:?}");
        }
        server.stop().await;
    })
    .await;
}
