//! Which processes may connect to a Unix socket, by what the kernel says of them.

use std::{
    io,
    os::unix::fs::MetadataExt,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rpc::{Channel, Code, Credentials, ListenOptions, Server};
use tokio::process::Command;

use crate::support::{
    Network, Place, ProbeClient, ProbeDispatcher, Said, Served, service, within, within_a_day,
};

/// The user of this process, and its group.
fn own_ids(place: &Place) -> (u32, u32) {
    let socket = place.path().expect("it is a Unix socket's");
    let directory = socket.parent().expect("it has one").metadata().expect("it is there");
    (directory.uid(), directory.gid())
}

async fn served(rule: impl Fn(&Credentials) -> bool + Send + Sync + 'static) -> Served {
    Served::with(Place::new(Network::Unix), |server| server.allow_unix_peers(rule)).await
}

fn reason(place: &Place) -> String {
    let (uid, gid) = own_ids(place);
    format!(
        "the server admits no process of uid {uid}, gid {gid} to this Unix socket; its `allow_unix_peers` decides"
    )
}

#[tokio::test]
async fn the_rule_admits_or_refuses_by_user() {
    within(async {
        let place = Place::new(Network::Unix);
        let (uid, _) = own_ids(&place);
        let admits = |server: Server| server.allow_unix_peers(move |peer| peer.uid == uid);
        Served::with(place, admits).await.assert_serves().await;

        let mut served = served(move |peer| peer.uid != uid).await;
        let mut wire = served.introduced().await;
        let reason = Some(reason(&served.place));
        assert_eq!(wire.hear().await, Said::GoAway { accepted: 0, reason });
        assert_eq!(wire.hear().await, Said::Closed);
        assert!(served.events.try_recv().is_err(), "no handler has begun");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_so_and_does_not_try_for_ever() {
    within_a_day(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let mut served = served(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            false
        })
        .await;
        let client = ProbeClient::new(Channel::builder(&served.address).connect_lazy());
        for call in 1..4 {
            let error = client.hold(call).await.expect_err("it is refused");
            assert_eq!(error.kind(), Code::PermissionDenied);
            assert!(error.is_not_started() && !error.is_retryable(), "{error:?}");
            assert!(error.message().contains(&reason(&served.place)), "{error}");
            // A call asks once at most, and nobody asks between the calls.
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert_eq!(asked.load(Ordering::SeqCst), call as usize);
        }
        assert!(served.events.try_recv().is_err(), "no handler has begun");
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_panics_does_not_admit_and_the_server_goes_on() {
    within(async {
        let asked = AtomicUsize::new(0);
        let served = served(move |_| {
            assert!(asked.fetch_add(1, Ordering::SeqCst) > 0, "the rule does not like the first");
            true
        })
        .await;
        let mut wire = served.introduced().await;
        let reason = Some(reason(&served.place));
        assert_eq!(wire.hear().await, Said::GoAway { accepted: 0, reason });
        assert_eq!(wire.hear().await, Said::Closed);
        served.assert_serves().await;
    })
    .await;
}

const ADDRESS: &str = "RPC_TEST_UNIX_PEER";
const IS_ADMITTED: &str = "RPC_TEST_UNIX_PEER_IS_ADMITTED";

/// The user and group of nobody, on most systems; any that is not this process's own would do.
const NOBODY: u32 = 65_534;

#[tokio::test]
#[ignore = "another test runs this in a process of its own"]
async fn a_process_that_connects() {
    let address = std::env::var(ADDRESS).expect("the other test says where");
    let is_admitted = std::env::var(IS_ADMITTED).expect("the other test says what to expect");
    within(async {
        let client = ProbeClient::new(Channel::builder(address).connect_lazy());
        let sum = client.add(1, 2).await;
        match is_admitted.as_str() {
            "yes" => assert_eq!(sum.expect("it is admitted"), 3),
            _ => assert_eq!(sum.expect_err("it is refused").kind(), Code::PermissionDenied),
        }
    })
    .await;
}

/// Runs [`a_process_that_connects`]; its number, or why it could not be run.
async fn run_client(address: &str, user: Option<u32>, is_admitted: bool) -> io::Result<i32> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["unix_peers::a_process_that_connects", "--exact", "--ignored", "--nocapture"])
        .env(ADDRESS, address)
        .env(IS_ADMITTED, if is_admitted { "yes" } else { "no" })
        .current_dir("/")
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let child = command.spawn()?;
    let pid = child.id().expect("it was not awaited");
    let output = child.wait_with_output().await?;
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    Ok(i32::try_from(pid).expect("the number of a process has 31 bits"))
}

#[tokio::test]
async fn the_kernel_says_which_process_and_user_it_is() {
    within(async {
        let place = Place::new(Network::Unix);
        let (uid, gid) = own_ids(&place);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        let listener = ListenOptions::new().unix_mode(0o666).bind(place.address()).await;
        let server = Server::new(listener.expect("it is free"))
            .allow_unix_peers(move |peer| {
                note.lock().expect("it does not panic").push(*peer);
                peer.uid == uid
            })
            .add(ProbeDispatcher::new(service().0));
        let task = tokio::spawn(server.run());

        let address = place.address();
        let pid = run_client(&address, None, true).await.expect("it can be run again");
        let seen = || std::mem::take(&mut *seen.lock().expect("it does not panic"));
        assert_eq!(seen(), [Credentials::new(uid, gid, Some(pid))]);
        if uid == NOBODY {
            eprintln!("skipped: this process is nobody's, and has no other user to be");
        } else {
            match run_client(&address, Some(NOBODY), false).await {
                Ok(pid) => assert_eq!(seen(), [Credentials::new(NOBODY, NOBODY, Some(pid))]),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    eprintln!("skipped: no process of another user can be run: {error}");
                }
                Err(error) => unreachable!("the process cannot be run: {error}"),
            }
        }
        task.abort();
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_nobody_would_be_asked_by_is_a_mistake() {
    let server = Server::bind("tcp://127.0.0.1:0").await.expect("a port is free");
    let error = server.allow_unix_peers(|_| false).run().await.expect_err("it is TCP");
    assert_eq!(error.kind(), Code::InvalidArgument);
    assert!(
        error.message().starts_with("`allow_unix_peers` was set on a server that listens on TCP")
    );
}
