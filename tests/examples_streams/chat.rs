//! People who talk.

use crate::process::{Ended, Process, within};

async fn serve() -> (Process, String) {
    Process::serve("chat", &[], "tcp://127.0.0.1:0").await
}

/// Joins, and waits until the others are told.
async fn join(address: &str, name: &str, others: &str) -> Process {
    let mut member = Process::start("chat", &["join", name, "--connect", address]);
    assert_eq!(member.line().await, format!("-- you are in lobby, {others}"));
    member
}

async fn assert_ended(member: Process, last: &str) {
    let Ended { status, output, notes } = member.ended().await;
    assert!(status.success(), "{status}: {notes:?}");
    assert_eq!(output, [last]);
    assert_eq!(notes, [""; 0]);
}

#[tokio::test]
async fn three_members_talk_and_go() {
    within(async {
        let (server, address) = serve().await;
        let mut alice = join(&address, "alice", "alone").await;
        let mut bob = join(&address, "bob", "with alice").await;
        let mut carol = join(&address, "carol", "with alice, bob").await;
        for line in ["-- bob has joined", "-- carol has joined"] {
            assert_eq!(alice.line().await, line);
        }
        assert_eq!(bob.line().await, "-- carol has joined");

        alice.type_in("hello, all\n").await;
        for member in [&mut bob, &mut carol] {
            assert_eq!(member.line().await, "alice: hello, all");
        }
        bob.type_in("hello, alice\n").await;
        for member in [&mut alice, &mut carol] {
            assert_eq!(member.line().await, "bob: hello, alice");
        }

        // A name is one member's, in its room.
        let arguments = ["join", "bob", "--connect", &address];
        let Ended { status, notes, .. } = Process::start("chat", &arguments).ended().await;
        assert_eq!(status.code(), Some(1));
        let told = r#"chat: "bob" is in the room "lobby" already: take another name"#;
        assert_eq!(notes, [told]);
        let elsewhere = ["join", "bob", "--room", "attic", "--connect", &address];
        let mut elsewhere = Process::start("chat", &elsewhere);
        assert_eq!(elsewhere.line().await, "-- you are in attic, alone");
        elsewhere.type_in("is anybody here?\n").await;
        elsewhere.end_input();
        assert_ended(elsewhere, "-- you have left").await;

        // The last words are heard before the end.
        bob.type_in("bye\n").await;
        bob.end_input();
        assert_ended(bob, "-- you have left").await;
        for member in [&mut alice, &mut carol] {
            assert_eq!(member.line().await, "bob: bye");
            assert_eq!(member.line().await, "-- bob has left");
        }
        carol.send("KILL");
        assert!(!carol.ended().await.status.success());
        assert_eq!(alice.line().await, "-- carol has left");

        server.stop().await;
        assert_ended(alice, "-- the server has ended").await;
    })
    .await;
}

#[tokio::test]
async fn a_member_that_does_not_read_is_told_what_it_missed() {
    const LINES: usize = 20_000;
    within(async {
        let (server, address) = serve().await;
        let bob = join(&address, "bob", "alone").await;
        let mut alice = join(&address, "alice", "with bob").await;
        let text = "x".repeat(100);
        let lines: String = (0..LINES).map(|number| format!("{number} {text}\n")).collect();
        alice.type_in(&lines).await;
        alice.end_input();
        // That all of it was said although nobody reads what bob hears is the point.
        let Ended { status, output, .. } = alice.ended().await;
        assert!(status.success(), "{status}");
        assert_eq!(output.last().map(String::as_str), Some("-- you have left"));

        server.send("TERM");
        let Ended { status, output, notes } = bob.ended().await;
        assert!(status.success(), "{status}: {notes:?}");
        assert_eq!(output.last().map(String::as_str), Some("-- the server has ended"));
        assert_eq!(output[output.len() - 2], "-- alice has left");
        assert_eq!(output[output.len() - 3], format!("alice: {} {text}", LINES - 1));
        let missed = |line: &String| {
            let count = line.strip_prefix("-- you missed ")?.strip_suffix(" messages")?;
            Some(count.parse::<usize>().expect("it is a number"))
        };
        let told: Vec<usize> = output.iter().filter_map(missed).collect();
        let missed: usize = told.iter().sum();
        assert!(missed > 0);
        // Alice came, spoke and went; and the end was told.
        assert_eq!(output.len() - told.len() + missed, 1 + LINES + 1 + 1);
        let Ended { status, output, .. } = server.ended().await;
        assert!(status.success(), "{status}");
        assert_eq!(output, ["stopped"]);
    })
    .await;
}

#[tokio::test]
async fn mistakes_are_told() {
    within(async {
        let (server, address) = serve().await;
        for (arguments, code, told) in [
            (&[][..], 2, "chat: a command is wanted: serve or join"),
            (&["join"], 2, "chat: join wants one name"),
            (&["speak"], 2, r#"chat: there is no command "speak""#),
            (&["join", "", "--connect", &address], 1, r#"chat: "" is not a name: "#),
            (&["join", "x\ty", "--connect", &address], 1, r#"chat: "x\ty" is not a name: "#),
        ] {
            let Ended { status, output, notes } = Process::start("chat", arguments).ended().await;
            assert_eq!(status.code(), Some(code), "{arguments:?}: {notes:?}");
            assert_eq!(output, [""; 0]);
            assert!(notes[0].starts_with(told), "{arguments:?}: {notes:?}");
        }
        server.stop().await;
    })
    .await;
}
