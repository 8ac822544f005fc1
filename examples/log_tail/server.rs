//! The server: one reader, and a stream for each follower.

use std::{error::Error as StdError, future::ready, io, path::PathBuf, sync::Arc};

use rpc::{Context, Error, Server, Stream, StreamExt};

use crate::{
    lines::Lines,
    service::{Line, LogTail, LogTailDispatcher, Place},
    tail::Tail,
};

pub(crate) async fn serve(file: String, address: &str) -> Result<(), Box<dyn StdError>> {
    let path = PathBuf::from(&file);
    let (tail, lines) = Tail::new(path).await.map_err(|error| format!("{file}: {error}"))?;
    let tail = Arc::new(tail);
    let server = Server::bind(address).await?;
    println!("listening on {}", server.local_addr()?);
    let server = server.add(LogTailDispatcher::from_arc(tail.clone()));
    tokio::select! {
        ended = server.run_until(rpc::shutdown_signal()) => ended?,
        () = tail.run(lines) => {}
    }
    println!("stopped");
    Ok(())
}

impl LogTail for Tail {
    async fn end(&self) -> Place {
        self.place()
    }

    async fn history(
        &self,
        from: Place,
        contains: &str,
    ) -> Result<impl Stream<Item = Result<Line, Error>>, Error> {
        let end = Lines::open_at_end(&self.path).await.map_err(|error| self.failed(&error))?;
        let lines = Lines::open(&self.path, from).await.map_err(|error| self.failed(&error))?;
        let lines = lines.until(end.place()).map(|line| line.map_err(|error| self.failed(&error)));
        Ok(lines.filter(|line| ready(is_wanted(line, contains))))
    }

    async fn follow(
        &self,
        ctx: &Context,
        from: Place,
        contains: &str,
    ) -> Result<impl Stream<Item = Result<Line, Error>>, Error> {
        let (place, told) = self.subscribe();
        let missing = Lines::open(&self.path, from).await.map_err(|error| self.failed(&error))?;
        // A reader that has not noticed that the file begins anew will tell all of it.
        let told_until = if missing.reaches(place) { place.offset } else { 0 };
        let mut known = Known { until: missing.place(), last: told_until, is_passed: false };
        let missing = missing.until(place).map(|line| line.map_err(|error| self.failed(&error)));
        let told = told.filter(move |line| {
            let is_known = line.as_ref().is_ok_and(|line| known.includes(line.end));
            ready(!is_known)
        });
        let lines = missing.chain(told).filter(|line| ready(is_wanted(line, contains)));
        Ok(lines.take_until(ctx.draining()))
    }
}

/// The lines that a follower knows, and the reader has yet to tell.
struct Known {
    until: Place,
    /// Where the last line ended that the reader told.
    last: u64,
    /// The reader is past them, or the file has begun anew.
    is_passed: bool,
}

impl Known {
    fn includes(&mut self, end: Place) -> bool {
        if self.is_passed || end.file != self.until.file {
            return false;
        }
        let is_known = self.last < end.offset && end.offset <= self.until.offset;
        self.last = end.offset;
        self.is_passed = !is_known;
        is_known
    }
}

impl Tail {
    fn failed(&self, error: &io::Error) -> Error {
        Error::internal(format!("{}: {error}", self.path.display()))
    }
}

fn is_wanted(line: &Result<Line, Error>, contains: &str) -> bool {
    line.as_ref().map_or(true, |line| line.text.contains(contains))
}
