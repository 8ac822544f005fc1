//! The file of a Unix socket: its permissions, and whose place it may take.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::{UnixDatagram, UnixListener},
    },
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    thread,
};

use rpc::{Code, Error, ListenOptions, Listener, Server};
use tokio::{net::UnixStream, process::Command};

use crate::support::{Network, Place, ProbeDispatcher, Served, service, within};

fn unix() -> (Place, PathBuf) {
    let place = Place::new(Network::Unix);
    let path = place.path().expect("it is a Unix socket's");
    (place, path)
}

/// A socket whose server was killed.
fn leave(path: &Path) {
    drop(UnixListener::bind(path).expect("the path is free"));
    assert!(path.exists(), "it outlives its listener");
}

fn inode(path: &Path) -> u64 {
    path.symlink_metadata().expect("it is there").ino()
}

/// What is in the socket's directory.
fn names_beside(path: &Path) -> Vec<String> {
    let directory = fs::read_dir(path.parent().expect("it has one")).expect("it is there");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("it can be read").file_name().into_string().expect("it is text")
    };
    let mut names: Vec<_> = directory.map(name).collect();
    names.sort();
    names
}

async fn refused(place: &Place) -> Error {
    let error = Server::bind(place.address()).await.expect_err("something is there");
    assert_eq!(error.kind(), Code::Unavailable);
    let start = format!("cannot listen on {}: ", place.address());
    assert!(error.message().starts_with(&start), "{error}");
    error
}

#[tokio::test]
async fn one_that_a_killed_server_left_is_replaced() {
    within(async {
        let (place, path) = unix();
        leave(&path);
        let address = place.address();
        let served = Served::at(place, &address, |server| server).await;
        served.assert_serves().await;
        assert_eq!(names_beside(&path), ["socket"], "nothing else is left");
        let (_place, _) = served.kill().await;
        assert_eq!(names_beside(&path), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn one_at_which_somebody_listens_is_not_replaced() {
    within(async {
        let (place, path) = unix();
        let (address, again) = (place.address(), place.address());
        let served = Served::at(place, &address, |server| server).await;
        let before = inode(&path);
        let client = served.client().await;
        let error = Server::bind(again).await.expect_err("it is in use");
        assert!(error.message().ends_with("somebody listens there"), "{error}");
        assert_eq!(inode(&path), before);
        assert_eq!(names_beside(&path), ["socket"]);
        assert_eq!(client.add(1, 2).await.expect("it still serves"), 3);
        served.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_socket_stays() {
    within(async {
        let (place, path) = unix();
        fs::write(&path, "of somebody else").expect("the directory is writable");
        assert!(refused(&place).await.message().contains("no socket"));
        assert_eq!(fs::read(&path).expect("it is still there"), b"of somebody else");
        fs::remove_file(&path).expect("it is there");

        fs::create_dir(&path).expect("the directory is writable");
        assert!(refused(&place).await.message().contains("a directory"));
        fs::remove_dir(&path).expect("it is still there");

        // A link is not followed, whatever it leads to.
        let target = path.with_extension("target");
        leave(&target);
        for target in [&target, &path.with_extension("nowhere")] {
            symlink(target, &path).expect("the directory is writable");
            assert!(refused(&place).await.message().contains("a symbolic link"));
            fs::remove_file(&path).expect("it is still there");
        }
        assert_eq!(names_beside(&path), ["socket.target"]);

        // A socket that is in use, though not by a listener.
        let datagrams = UnixDatagram::bind(&path).expect("the path is free");
        assert!(refused(&place).await.message().contains("cannot be known"));
        assert!(path.symlink_metadata().expect("it is still there").file_type().is_socket());
        drop(datagrams);
    })
    .await;
}

#[tokio::test]
async fn where_it_cannot_be_known_whether_somebody_listens_it_stays() {
    within(async {
        let (place, path) = unix();
        let listening = ListenOptions::new().unix_mode(0o000).bind(place.address()).await;
        let _listening = listening.expect("it is free");
        if UnixStream::connect(&path).await.is_ok() {
            eprintln!("skipped: permissions do not bind the superuser");
            return;
        }
        let before = inode(&path);
        assert!(refused(&place).await.message().contains("cannot be known"));
        assert_eq!(inode(&path), before);
    })
    .await;
}

#[tokio::test]
async fn a_path_that_cannot_be_one_is_refused() {
    within(async {
        let (_place, path) = unix();
        let long = path.with_file_name("s".repeat(120));
        for path in [path.join("deeper"), long, PathBuf::from("with\0zero")] {
            let error = Listener::bind(format!("unix://{}", path.display())).await;
            assert_eq!(error.expect_err("it is no path").kind(), Code::Unavailable);
        }
        assert_eq!(names_beside(&path), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn its_permissions_are_those_that_were_asked_for() {
    within(async {
        let (place, path) = unix();
        // The process's umask, which cannot be asked for without being changed: what a plain socket gets shows it.
        leave(&path);
        let usual = path.symlink_metadata().expect("it is there").permissions().mode() & 0o777;
        let options = ListenOptions::new();
        for (options, mode) in [
            (options, usual),
            (options.unix_mode(0o600), 0o600),
            (options.unix_mode(0o660).backlog(1), 0o660),
            // More than the usual umask leaves, and less than anybody needs.
            (options.unix_mode(0o777), 0o777),
            (options.unix_mode(0o000), 0o000),
        ] {
            let listener = options.bind(place.address()).await.expect("it is free");
            let is = path.symlink_metadata().expect("it is there").permissions().mode();
            assert_eq!(is & 0o777, mode, "{options:?}");
            let server = Server::new(listener).add(ProbeDispatcher::new(service().0));
            assert_eq!(server.local_addr().expect("it is bound").to_string(), place.address());
        }
        let error = options.unix_mode(0o1777).bind(place.address()).await;
        let error = error.expect_err("a socket has no sticky bit");
        assert_eq!(error.kind(), Code::InvalidArgument);
        assert!(error.message().contains("0o1777"), "{error}");
        assert_eq!(names_beside(&path), [""; 0]);
    })
    .await;
}

/// The umask belongs to the process: each is tried in one of its own.
#[tokio::test]
async fn the_umask_has_no_say_in_its_permissions() {
    within(async {
        for umask in ["000", "027", "077"] {
            let output = Command::new("sh")
                .args(["-c", "umask $0 && exec \"$@\"", umask])
                .arg(std::env::current_exe().expect("it is known"))
                .args(["--exact", "socket_files::its_permissions_are_those_that_were_asked_for"])
                .output()
                .await
                .expect("there is a shell");
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && told.contains("1 passed"), "{umask}: {told}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_backlog_holds_so_many_that_are_not_accepted() {
    within(async {
        let (place, path) = unix();
        let _listener =
            ListenOptions::new().backlog(2).bind(place.address()).await.expect("it is free");
        let mut waiting = Vec::new();
        // Linux holds one more than it was told.
        while let Ok(stream) = UnixStream::connect(&path).await {
            waiting.push(stream);
            assert!(waiting.len() <= 3, "the queue has no end");
        }
        assert!(waiting.len() >= 2, "the queue is too short");
        // A full queue is somebody who listens.
        assert!(refused(&place).await.message().ends_with("somebody listens there"));
        let tcp = ListenOptions::new().backlog(5).bind("tcp://localhost:0").await;
        let address = tcp.expect("a port is free").local_addr().expect("it is bound").to_string();
        assert!(address.starts_with("tcp://"), "{address}");
    })
    .await;
}

/// Many servers start at once where one has left its socket: one of them listens, and the others are told.
#[test]
fn of_servers_that_race_for_one_exactly_one_wins() {
    const SERVERS: usize = 8;
    const ROUNDS: usize = 200;
    let (place, path) = unix();
    let address = place.address();
    let start = Arc::new(Barrier::new(SERVERS + 1));
    let end = Arc::new(Barrier::new(SERVERS + 1));
    let (outcomes, told) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..SERVERS)
        .map(|_| {
            let (address, start, end) = (address.clone(), Arc::clone(&start), Arc::clone(&end));
            let outcomes = outcomes.clone();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("there are descriptors");
                for _ in 0..ROUNDS {
                    start.wait();
                    let bound = runtime.block_on(Listener::bind(&address));
                    outcomes.send(bound.as_ref().map(|_| ()).map_err(Error::clone)).expect("heard");
                    // The winner listens until the round has been judged.
                    end.wait();
                    drop(bound);
                    end.wait();
                }
            })
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("there are descriptors");
    // A failed assertion would leave the threads at their barrier: what was wrong is told at the end.
    let mut wrong = Vec::new();
    for round in 0..ROUNDS {
        // Every other round begins without a file, to be raced for by making it.
        if round % 2 == 0 {
            leave(&path);
        }
        start.wait();
        let mut winners = 0;
        for outcome in told.iter().take(SERVERS) {
            match outcome {
                Ok(()) => winners += 1,
                Err(error) if error.message().ends_with("somebody listens there") => {}
                Err(error) => wrong.push(format!("round {round}: {error}")),
            }
        }
        if winners != 1 {
            wrong.push(format!("round {round}: {winners} listen"));
        }
        if let Err(error) = runtime.block_on(UnixStream::connect(&path)) {
            wrong.push(format!("round {round}: nobody is reached: {error}"));
        }
        if names_beside(&path) != ["socket"] {
            wrong.push(format!("round {round}: {:?}", names_beside(&path)));
        }
        end.wait();
        end.wait();
    }
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    assert_eq!(wrong, [""; 0]);
}
