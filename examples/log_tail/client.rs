//! A follower: it prints lines, and goes on where it was when its connection is lost.

use std::{
    error::Error as StdError,
    io::{self, ErrorKind, Write},
    time::Duration,
};

use rpc::{Code, Error};

use crate::service::{Line, LogTailClient, Place};

/// The pause before a stream that was lost is asked for again.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Wish {
    pub(crate) address: String,
    pub(crate) from: Option<u64>,
    pub(crate) contains: String,
}

pub(crate) async fn follow(wish: Wish) -> Result<(), Box<dyn StdError>> {
    let tail = LogTailClient::connect(&wish.address).await?;
    let end = tail.end().await?;
    let offset = wish.from.unwrap_or(end.offset);
    if offset > end.offset {
        return Err(format!("--from {offset}: the file ends at byte {}", end.offset).into());
    }
    let mut follower = Follower {
        tail,
        contains: wish.contains,
        place: Place { offset, ..end },
        lines: 0,
        lost: 0,
    };
    eprintln!("-- following from byte {offset}");
    let mut is_waiting = false;
    loop {
        let before = follower.lines;
        match follower.run().await {
            Ok(()) => break,
            // Whoever read the output has seen enough.
            Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(Stop::Output(error)) => return Err(error.into()),
            Err(Stop::Call(error)) if is_passing(&error) => {
                // Said once for all attempts to find a server again.
                if !is_waiting || follower.lines > before {
                    eprintln!("-- {error}; going on at byte {}", follower.place.offset);
                }
                is_waiting = true;
                tokio::time::sleep(PAUSE).await;
            }
            Err(Stop::Call(error)) => return Err(error.into()),
        }
    }
    eprintln!("-- the server has ended; {} lines, {} lost", follower.lines, follower.lost);
    Ok(())
}

/// Whether the same call may succeed on another connection.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Code::Unavailable | Code::Aborted | Code::ResourceExhausted)
}

/// Why lines are no longer printed.
enum Stop {
    Call(Error),
    Output(io::Error),
}

struct Follower {
    tail: LogTailClient,
    contains: String,
    /// Behind the last line that was printed.
    place: Place,
    lines: u64,
    lost: u64,
}

impl Follower {
    /// Prints lines until the server ends the stream.
    async fn run(&mut self) -> Result<(), Stop> {
        let history = self.tail.history(self.place, &self.contains);
        let mut history = history.await.map_err(Stop::Call)?;
        while let Some(line) = history.next().await {
            self.print(line.map_err(Stop::Call)?)?;
        }
        let lines = self.tail.follow(self.place, &self.contains);
        let mut lines = lines.await.map_err(Stop::Call)?;
        let before = self.lost;
        while let Some(line) = lines.next().await {
            let lost = before + lines.lost();
            if lost > self.lost {
                eprintln!(
                    "-- {} lines lost: they came faster than they were read",
                    lost - self.lost
                );
                self.lost = lost;
            }
            self.print(line.map_err(Stop::Call)?)?;
        }
        Ok(())
    }

    fn print(&mut self, line: Line) -> Result<(), Stop> {
        if line.end.file != self.place.file || line.end.offset <= self.place.offset {
            eprintln!("-- the file begins anew");
        }
        writeln!(io::stdout().lock(), "{}", line.text).map_err(Stop::Output)?;
        self.place = line.end;
        self.lines += 1;
        Ok(())
    }
}
