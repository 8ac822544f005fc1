//! A file that is followed.

use std::fs;

use crate::{
    place::{Place, append},
    process::{Ended, Process, within},
};

async fn serve(place: &Place, listen: &str) -> (Process, String) {
    Process::serve("log_tail", &[&place.word("log")], listen).await
}

/// Starts a follower, and waits until it knows where it begins.
async fn follow(address: &str, arguments: &[&str]) -> Process {
    let arguments = [&["follow", "--connect", address], arguments].concat();
    let mut follower = Process::start("log_tail", &arguments);
    let note = follower.note().await;
    assert!(note.starts_with("-- following from byte "), "{note}");
    follower
}

async fn assert_ended(follower: Process, lines: u64) {
    let Ended { status, output, notes } = follower.ended().await;
    assert!(status.success(), "{status}: {notes:?}");
    assert_eq!(output, [""; 0]);
    assert_eq!(notes, [format!("-- the server has ended; {lines} lines, 0 lost")]);
}

#[tokio::test]
async fn followers_print_what_is_appended() {
    within(async {
        let place = Place::new();
        let log = place.path("log");
        fs::write(&log, "one\ntwo\nthr").expect("there is room");
        let (server, address) = serve(&place, "tcp://127.0.0.1:0").await;
        let mut all = follow(&address, &["--from", "0"]).await;
        let mut new = follow(&address, &["--contains", "o"]).await;
        for line in ["one", "two"] {
            assert_eq!(all.line().await, line);
        }
        append(&log, "ee\nfour\nf");
        for line in ["three", "four"] {
            assert_eq!(all.line().await, line);
        }
        assert_eq!(new.line().await, "four");
        append(&log, "ive\nfavour\n");
        for line in ["five", "favour"] {
            assert_eq!(all.line().await, line);
        }
        assert_eq!(new.line().await, "favour");
        server.stop().await;
        assert_ended(all, 6).await;
        assert_ended(new, 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_slow_follower_loses_lines_and_holds_nobody_up() {
    const BATCH: usize = 500;
    const BATCHES: usize = 40;
    within(async {
        let place = Place::new();
        let log = place.path("log");
        fs::write(&log, "").expect("there is room");
        let (server, address) = serve(&place, "tcp://127.0.0.1:0").await;
        let slow = follow(&address, &["--from", "0"]).await;
        let mut fast = follow(&address, &["--from", "0"]).await;
        let text = "x".repeat(100);
        for batch in 0..BATCHES {
            let numbers = batch * BATCH..(batch + 1) * BATCH;
            append(&log, &numbers.clone().map(|n| format!("{n} {text}\n")).collect::<String>());
            for number in numbers {
                assert_eq!(fast.line().await, format!("{number} {text}"));
            }
        }
        // Only now somebody reads what the slow one prints. What it gets are the lines at first, and the newest ones.
        server.send("TERM");
        let Ended { status, output, notes } = slow.ended().await;
        assert!(status.success(), "{status}: {notes:?}");
        let last = BATCH * BATCHES - 1;
        assert_eq!(output.first(), Some(&format!("0 {text}")));
        assert_eq!(output.last(), Some(&format!("{last} {text}")));
        let lost = BATCH * BATCHES - output.len();
        assert!(lost > 0);
        let lines = output.len();
        let end = format!("-- the server has ended; {lines} lines, {lost} lost");
        assert_eq!(notes.last(), Some(&end), "{notes:?}");
        assert!(notes[0].contains(" lines lost: "), "{notes:?}");
        assert_ended(fast, (BATCH * BATCHES) as u64).await;
        let Ended { status, output, .. } = server.ended().await;
        assert!(status.success(), "{status}");
        assert_eq!(output, ["stopped"]);
    })
    .await;
}

#[tokio::test]
async fn a_follower_goes_on_behind_a_server_that_was_killed() {
    within(async {
        let place = Place::new();
        let log = place.path("log");
        fs::write(&log, "before\n").expect("there is room");
        let listen = format!("unix://{}", place.word("socket"));
        let (server, address) = serve(&place, &listen).await;
        let mut follower = follow(&address, &[]).await;
        append(&log, "one\n");
        assert_eq!(follower.line().await, "one");
        server.send("KILL");
        server.ended().await;
        let note = follower.note().await;
        assert!(note.starts_with("-- unavailable: "), "{note}");
        assert!(note.ends_with("; going on at byte 11"), "{note}");
        append(&log, "meanwhile\n");
        fs::remove_file(place.path("socket")).expect("a killed server leaves it behind");
        let (server, _) = serve(&place, &listen).await;
        assert_eq!(follower.line().await, "meanwhile");
        append(&log, "two\n");
        assert_eq!(follower.line().await, "two");
        server.stop().await;
        assert_ended(follower, 3).await;
    })
    .await;
}

#[tokio::test]
async fn a_file_may_be_truncated_and_replaced() {
    within(async {
        let place = Place::new();
        let log = place.path("log");
        fs::write(&log, "a long line\nanother one\n").expect("there is room");
        let (server, address) = serve(&place, "tcp://127.0.0.1:0").await;
        let mut follower = follow(&address, &["--from", "12"]).await;
        assert_eq!(follower.line().await, "another one");

        fs::write(&log, "short\n").expect("there is room");
        assert_eq!(follower.line().await, "short");
        assert_eq!(follower.note().await, "-- the file begins anew");

        let old = place.path("log.1");
        fs::rename(&log, &old).expect("it is there");
        append(&old, "to the old one\n");
        assert_eq!(follower.line().await, "to the old one");
        append(&old, "the last, without its end");
        fs::write(&log, "the new one\n").expect("there is room");
        assert_eq!(follower.line().await, "the last, without its end");
        assert_eq!(follower.line().await, "the new one");
        assert_eq!(follower.note().await, "-- the file begins anew");
        append(&log, "and on\n");
        assert_eq!(follower.line().await, "and on");
        server.stop().await;
        assert_ended(follower, 6).await;
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_told() {
    within(async {
        let place = Place::new();
        fs::write(place.path("log"), "one\n").expect("there is room");
        let (server, address) = serve(&place, "tcp://127.0.0.1:0").await;
        let missing = place.word("missing");
        for (arguments, code, told) in [
            (&[][..], 2, "log_tail: a command is wanted: serve or follow"),
            (&["serve"], 2, "log_tail: serve wants the file to follow"),
            (&["chase"], 2, r#"log_tail: there is no command "chase""#),
            (&["serve", "log", "--from", "0"], 2, "log_tail: invalid option '--from'"),
            (&["serve", &missing], 1, "missing: No such file or directory"),
            (
                &["follow", "--connect", &address, "--from", "5"],
                1,
                "log_tail: --from 5: the file ends at byte 4",
            ),
        ] {
            let Ended { status, output, notes } =
                Process::start("log_tail", arguments).ended().await;
            assert_eq!(status.code(), Some(code), "{arguments:?}: {notes:?}");
            assert_eq!(output, [""; 0]);
            assert!(notes[0].contains(told), "{arguments:?}: {notes:?}");
        }
        server.stop().await;
    })
    .await;
}
